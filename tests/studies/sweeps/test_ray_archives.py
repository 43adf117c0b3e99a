"""Archives that Ray workers return: files of a run's folder, and nothing that is written elsewhere."""

import io
import tarfile

import pytest
from any_input import contents, damaged, examples
from hypothesis import given
from hypothesis import strategies as st

from qllmft_base.errors import UserError
from qllmft_studies.cluster import pack, unpack

FILES = {"config.toml": b"seed = 1\n", "model/model.json": b"{}", "result.json": b"{ }"}


@pytest.fixture
def archive_folder(tmp_path):
    for name, content in FILES.items():
        (tmp_path / "run" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "run" / name).write_bytes(content)
    return pack(tmp_path / "run")


def archive(name, kind=tarfile.REGTYPE, target=""):
    """An archive of a file, and of an entry of any name and kind."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive_file:
        for entry in (tarfile.TarInfo("config.toml"), tarfile.TarInfo(name)):
            archive_file.addfile(entry)
        entry.name = "last"
        entry.type = kind
        entry.linkname = target
        archive_file.addfile(entry)
    return stream.getvalue()


def test_a_folder_comes_back_as_it_was(archive_folder, tmp_path):
    unpack(archive_folder, tmp_path / "other")
    assert contents(tmp_path / "other") == FILES


@pytest.mark.parametrize(
    "name", ["../other", "a/../../other", "/tmp/other", "C:\\other", "..\\other", ".", ""]
)
def test_a_name_that_leads_out_of_the_folder_is_refused(name, tmp_path):
    with pytest.raises(
        UserError, match=r"returned a run that is not stored in .* no file of a run"
    ):
        unpack(archive(name), tmp_path / "a" / "run")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE]
)
@pytest.mark.parametrize("target", ["config.toml", "/etc/passwd"])
def test_links_and_devices_are_refused(kind, target, tmp_path):
    with pytest.raises(UserError, match="'last' of its archive is no file of a run"):
        unpack(archive("a", kind, target), tmp_path / "run")
    assert not list(tmp_path.iterdir())


@examples(30)
@given(data=st.data())
def test_any_archive(data, archive_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    try:
        unpack(data.draw(damaged(archive_folder)), folder / "run")
    except UserError:
        assert not list(folder.iterdir())
    assert {path.name for path in folder.iterdir()} <= {"run"}
