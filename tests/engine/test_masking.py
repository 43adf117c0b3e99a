"""Addresses in errors: nothing that could be a password is repeated."""

import pickle

import pytest

from qllmft_backends import create
from qllmft_backends.errors import BackendError, UnknownBackendError
from qllmft_base.errors import UserError
from qllmft_base.text import clean, mask_credentials

PASSWORDS = [
    "S3cret",
    "S3cr@tPW",
    "S3c/r@t/PW",
    "S3c:r@t:PW",
    "S3c'r@t\"PW",
    "S3c?r@t&PW",
    "S3c#r@tPW",
    "@S3cretPW@",
    "%40S3",
]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("form", ["postgresql://ann:{}@host/db", "https://{}@host/x", "got 'https://ann:{}@host/x.csv'.",
                                  "s3://:{}@host", "postgresql:/ann:{}@host",
                                  "a https://host/1 b https://ann:{}@host/2?x=1"])  # fmt: skip
def test_a_password_is_nowhere(password, form):
    text = form.format(password)
    for masked in (
        mask_credentials(text),
        clean(text),
        str(UserError(text)),
        str(BackendError(text)),
    ):
        assert "***@host" in masked
        assert not any(part in masked for part in ("S3", "PW", "ret", "%40"))
        assert masked.startswith(text.split(":/")[0])


@pytest.mark.parametrize(
    "name", ["password", "api_key", "X-Amz-Signature", "TOKEN", "client_secret"]
)
def test_an_option_that_holds_a_secret(name):
    masked = mask_credentials(f"https://host/a?page=2&{name}=S3cret&more=1 was refused")
    assert masked == f"https://host/a?page=2&{name}=***&more=1 was refused"


@pytest.mark.parametrize(
    "text",
    [
        "ann@example.org wrote",
        "C:/texts@home/a.tsv",
        "as postgresql://USER:PASSWORD@HOST/DB",
        "https://host:443/a/b?c=d",
        "no address",
        "",
    ],
)
def test_other_texts_are_as_they_were(text):
    assert mask_credentials(text) == text
    assert mask_credentials(f"{text} at ftp://a:***@b") == f"{text} at ftp://a:***@b"


def test_an_error_survives_a_process(tmp_path):
    error = pickle.loads(pickle.dumps(UserError("https://ann:S3cret@host")))
    assert str(error) == "https://***@host"


@pytest.mark.parametrize("password", [*PASSWORDS, "S3c r@t PW"])
def test_an_address_of_a_backend(password):
    pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install '.[ionq]'")
    with pytest.raises(UnknownBackendError) as caught:
        create("ionq_forte", {"url": f"https://ann:{password}@host/v0.4"})
    assert "option url = '***'" in str(caught.value)
    assert not any(part in str(caught.value) for part in ("S3", "PW", "r@t"))


@pytest.mark.parametrize("password", PASSWORDS)
def test_an_address_of_data(password, tmp_path):
    from qllmft.config import DataConfig
    from qllmft.data import read_corpus

    with pytest.raises(UserError) as caught:
        read_corpus(DataConfig(source=f"https://ann:{password}@host/texts.csv"))
    assert not any(part in str(caught.value) for part in ("S3", "PW", "r@t"))
