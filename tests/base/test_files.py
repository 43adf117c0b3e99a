"""Files that are either whole or not there, whatever happens while they are written."""

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from any_input import examples
from hypothesis import given
from hypothesis import strategies as st

from qllmft_base import bounds, files
from qllmft_base.errors import UserError
from qllmft_base.files import parse_json, parse_toml, read_text, write_bytes, write_json, write_text

OLD = b"old and whole"
NEW = b"new and longer, also whole"


def test_bytes_come_back_as_they_are_and_folders_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "file.bin"
    write_bytes(path, bytes(range(256)))
    assert path.read_bytes() == bytes(range(256))
    assert [p.name for p in path.parent.iterdir()] == ["file.bin"]


def test_text_is_utf8_with_its_line_ends_untouched(tmp_path):
    path = tmp_path / "text"
    write_text(path, "⟨Z⟩ é\r\nend\n")
    assert path.read_bytes() == b"\xe2\x9f\xa8Z\xe2\x9f\xa9 \xc3\xa9\r\nend\n"


@pytest.mark.parametrize("broken", ["fsync", "getpid"])
def test_a_failure_before_the_last_step_leaves_the_old_file(tmp_path, monkeypatch, broken):
    path = tmp_path / "file"
    write_bytes(path, OLD)

    def fail(*args: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(OSError, match="No space left"):
        write_bytes(path, NEW)
    assert path.read_bytes() == OLD
    assert [p.name for p in tmp_path.iterdir()] == ["file"], "a full disk gets its space back"


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "Make room there, and run the same command again."),
        (errno.EFBIG, "Make room there, and run the same command again."),
        (errno.EROFS, "Make it writable, or choose another place."),
        (errno.EACCES, "Make it writable, or choose another place."),
        (errno.ENOTDIR, "Choose another place."),
    ],
)
def test_what_cannot_be_written_has_a_remedy(number, remedy):
    reason = os.strerror(number)
    with (
        pytest.raises(UserError, match=f"^the file x cannot be written: {reason}. {remedy}$"),
        files.writing("the file x"),
    ):
        raise OSError(number, reason)


@pytest.mark.parametrize("call", ["open", "replace"])
def test_an_error_names_the_file_and_not_the_temporary_one(tmp_path, monkeypatch, call):
    path = tmp_path / "report.html"

    def fail(place: Path, *_: object) -> None:
        assert place.name != path.name
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(place), None, str(path))

    monkeypatch.setattr(Path, call, fail)
    with pytest.raises(OSError, match="Read-only") as error:
        write_bytes(path, NEW)
    assert str(error.value) == f"[Errno {errno.EROFS}] Read-only file system: {str(path)!r}"


def test_a_folder_may_be_written_if_its_nearest_parent_may(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    assert files.is_writable(tmp_path / "a" / "b")
    assert not files.is_writable(tmp_path / "file" / "b")
    monkeypatch.setattr(os, "access", lambda place, mode: place != tmp_path)
    assert not files.is_writable(tmp_path / "a")


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file", {"loss": float("nan")})
    write_json(tmp_path / "file", {"⟨Z⟩": 0.5})
    assert json.loads((tmp_path / "file").read_text(encoding="utf-8")) == {"⟨Z⟩": 0.5}


def test_the_content_is_on_the_disk_before_it_takes_the_name(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_bytes(path, OLD)
    seen = []
    real_fsync = os.fsync
    real_replace = Path.replace

    def fsync(descriptor: int) -> None:
        beside = [p.read_bytes() for p in tmp_path.iterdir() if p != path]
        seen.append(("fsync", *beside, path.read_bytes()))
        real_fsync(descriptor)

    def replace(self: Path, target: Path) -> Path:
        seen.append(("replace", self.read_bytes(), target.read_bytes()))
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    write_bytes(path, NEW)
    assert seen[:2] == [("fsync", NEW, OLD), ("replace", NEW, OLD)]
    assert seen[2:] == ([] if os.name == "nt" else [("fsync", NEW)]), (
        "the folder, with the new name in it"
    )
    assert path.read_bytes() == NEW


KILLED = """
import os, signal, sys
from pathlib import Path
from qllmft_base import files
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
files.write_bytes(Path(sys.argv[1]), b"new")
"""


@pytest.mark.parametrize("old", [None, OLD])
def test_a_process_killed_while_it_writes_leaves_the_old_file_or_none(tmp_path, old):
    path = tmp_path / "file"
    if old is not None:
        write_bytes(path, old)
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -9
    assert (path.read_bytes() if path.exists() else None) == old
    write_bytes(path, NEW)  # and what it left behind is in nobody's way
    assert path.read_bytes() == NEW


def test_a_link_in_the_place_of_the_temporary_leads_nothing_elsewhere(tmp_path):
    (tmp_path / "other").write_text("precious")
    (tmp_path / f".file.{os.getpid()}").symlink_to(tmp_path / "other")
    write_bytes(tmp_path / "file", NEW)
    assert (tmp_path / "other").read_text() == "precious"
    assert (tmp_path / "file").read_bytes() == NEW


def test_a_pipe_a_device_and_a_large_file_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(bounds.MAX_RECORD_BYTES + 1)  # a hole, without a byte on the disk
    for name, message in {
        "pipe": "is a pipe",
        "zeros": "or a device",
        "large": "64,000,001 bytes",
    }.items():
        with pytest.raises(UserError, match=message):
            read_text(tmp_path / name)
    with pytest.raises(IsADirectoryError):
        read_text(tmp_path)


@examples(30)
@given(
    st.integers(33, 2000),
    st.sampled_from(["a", '"a b"', "'a'", "1"]),
    st.sampled_from([".", " . "]),
    st.booleans(),
)
def test_a_key_of_many_parts_is_refused_before_it_is_parsed(n, part, dot, header):
    key = dot.join([part] * n)
    with pytest.raises(ValueError, match="more than 32 parts"):
        parse_toml(f"[{key}]\nb = 1" if header else f"{key} = 1")


@pytest.mark.parametrize(
    "text", ["a" * 100_000, '"' * 100_000, "a." * 50_000, 'a = "' + "b. " * 50_000, "[" * 100_000]
)
def test_large_toml_is_refused_in_no_time(text):
    started = time.process_time()
    with pytest.raises(
        ValueError, match=r"more than|expected at most|nested|Invalid|Expected|Illegal|Unterminated"
    ):
        parse_toml(text)
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "b": 2, "a": 1}', "the name 'a' is there twice"),
        ('[{"b": {"a": 1, "a": 2}}]', "the name 'a' is there twice"),
        *(
            (text, "half of a surrogate pair")
            for text in (r'"a\ud800"', r'{"\uDFFF": 1}', r'["\udc00\ud83d"]')
        ),
    ],
)
def test_names_twice_and_half_pairs_in_json_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_json(text)


def test_surrogate_pairs_in_json_are_read():
    assert parse_json(r'"\ud83d\ude00"') == "\N{GRINNING FACE}"


def test_a_key_of_32_parts_is_read():
    assert parse_toml(f'{".".join("a" * 32)} = 1\nnotes = "One. Two. {". ".join("ab" * 10)}"')["a"]
