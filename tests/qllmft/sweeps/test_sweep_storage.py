"""Storage URLs: what is taken, what is refused, and that a password is never repeated."""

import sys

import pytest

from qllmft.campaign.storage import Storage
from qllmft.errors import UserError

SECRET = "s3cret/ &word@"
URL = "postgresql://ann:s3cret%2F%20%26word%40@db.example:5432/sweeps"


def test_a_password_is_three_stars_among_the_options_too():
    storage = Storage(URL)
    assert str(storage) == "postgresql+psycopg://ann:***@db.example:5432/sweeps"
    assert repr(storage) == str(storage)
    assert "s3cret" not in str(vars(storage))
    among = str(Storage("postgresql://ann@db/sweeps?password=s3cret&sslmode=require"))
    assert "s3cret" not in among
    assert "sslmode=require" in among


@pytest.mark.parametrize("form", [SECRET, "s3cret%2F%20%26word%40", "s3cret%2F+%26word%40"])
def test_a_password_in_the_servers_words_is_hidden(form):
    import sqlalchemy.exc

    with pytest.raises(UserError) as caught, Storage(URL).explained():
        raise sqlalchemy.exc.OperationalError("SELECT", {}, Exception(f'no access with "{form}"'))
    assert "s3cret" not in str(caught.value)
    assert 'no access with "***"' in str(caught.value)
    assert "the same command goes on" in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://ann:p@ss:w@rd@host:port/db", "--storage is no URL; expected sqlite:///FILE or postgresql://"),
        ("p@ssword", "--storage is no URL"),
        ("postgresql://ann:p@ssw@rd@host/db", "--storage is no URL"),
        ("postgresql://ann:s3c/p@ss/w@rd@host/db", "--storage is no URL"),
        ("postgresql://ann:s3c?p@ss@host/db", "--storage is no URL"),
        ("postgresql://ann:p@ss@host:5432/db?options=w@rd", "--storage is no URL"),
        ("mysql://ann:word@db/sweeps", "--storage got a mysql URL; expected sqlite:///FILE or postgresql://"),
        ("sqlite://", "without a file"),
        ("sqlite:///:memory:", "without a file"),
    ],
)
def test_what_is_no_storage_is_refused_and_not_repeated(url, message):
    with pytest.raises(UserError) as caught:
        Storage(url)
    assert message in str(caught.value)
    assert not any(part in str(caught.value) for part in ("p@ss", "w@rd", "word@", "ann"))


def test_a_server_that_does_not_answer():
    storage = Storage("postgresql://ann:s3cret@127.0.0.1:1/sweeps")
    with pytest.raises(UserError, match=r"ann:\*\*\*@127.0.0.1:1/sweeps cannot be used: .*refused") as caught:
        storage.open(60)
    assert "s3cret" not in str(caught.value)


def test_a_file_that_is_no_data_base(tmp_path):
    (tmp_path / "study.db").write_text("these are no tables" * 100)
    with pytest.raises(UserError, match=r"study.db cannot be used: .*not a database"):
        Storage.in_folder(tmp_path).open(60)


@pytest.mark.parametrize(("package", "url"), [("optuna", "sqlite:///a.db"), ("psycopg", URL)])
def test_a_missing_extra_says_how_to_get_it(monkeypatch, package, url):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf"{package}, which is not installed.*pip install 'qllmft\[sweep\]'"):
        Storage(url)


def test_errors_of_others_pass():
    with pytest.raises(UserError, match=r"^mine$"), Storage(URL).explained():
        raise UserError("mine")
    with pytest.raises(RuntimeError, match=r"^theirs$"), Storage(URL).explained():
        raise RuntimeError("theirs")
