"""Paths from users, and files: read only if they are regular, written completely or not at all."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import is_dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO

from qllmft_base.bounds import (
    MAX_INTEGER_DIGITS,
    MAX_RECORD_BYTES,
    MAX_TOML_BYTES,
    MAX_TOML_KEY_PARTS,
)
from qllmft_base.errors import UserError
from qllmft_base.text import HALF_PAIR, unique_fields

# numbers of the system's errors for what this process may not write
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})

_LONG_KEY = re.compile(
    r"""(?<![\w-])(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
    rf"""(?:[ \t]*+\.[ \t]*+(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')){{{MAX_TOML_KEY_PARTS}}}"""
)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
# numbers of the system's errors for a disk or a quota that is full, and for a file at its greatest size (`ulimit -f`);
# Windows has no quota
FULL_DISK = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
MAKE_ROOM = "Make room there, and run the same command again."  # the remedy


class NotRegularError(OSError):
    """Pipe or device in the place of a file: it could be read without end, or wait without end."""


@contextmanager
def open_any_size(path: Path, *, append: bool = False) -> Iterator[BinaryIO]:
    """Open a regular file to read it, or to ``append`` to it unless it is a link, or raise OSError."""

    def open_descriptor(name: str, flags: int) -> int:
        # otherwise a pipe waits for its writer
        flags |= getattr(os, "O_NONBLOCK", 0) | (getattr(os, "O_NOFOLLOW", 0) if append else 0)
        descriptor = os.open(name, flags, 0o666)
        mode = os.fstat(descriptor).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # `open` itself refuses a folder
            os.close(descriptor)
            raise NotRegularError(
                errno.EINVAL, "it is a pipe or a device, expected a regular file", name
            )
        return descriptor

    with open(path, "ab" if append else "rb", opener=open_descriptor) as file:
        yield file


def write_bytes(path: Path, content: bytes, temporary: Path | None = None) -> None:
    """Write a file in one step: a crash or a full disk leaves the old content or the new one, never a part.

    Until it is complete, the content is in ``temporary``, by default a hidden file of this process beside it.
    """
    make_folder(path.parent)
    temporary = temporary or path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)  # a link in its place would lead the content elsewhere
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        # a full disk is found by a write, which has no name, and people do not know the temporary one
        if isinstance(error, OSError) and error.errno:
            error.filename = str(path)
            del error.filename2  # of a renaming; None would be shown
        raise
    with suppress(OSError):  # some file systems have no such thing
        sync_folder(path.parent)


def is_temporary(name: str) -> bool:
    """Return whether `write_bytes` writes to a file of this name before it renames it.

    >>> [is_temporary(name) for name in (".config.toml.4711", "config.toml", ".lock")]
    [True, False, False]
    """
    stem, _, process = name.rpartition(".")
    return stem.startswith(".") and len(stem) > 1 and process.isdecimal()


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, whose names survive a power cut as far as the file system allows it."""
    missing_folders = list(takewhile(lambda path: not path.exists(), (folder, *folder.parents)))
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing_folders:
        with suppress(OSError):
            sync_folder(path.parent)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder, which takes the place of ``folder`` if the block ends without an error.

    A crash or a full disk leaves the old folder with all its files, the new one, or none, never a part. Beside it there
    may remain a hidden folder, which the next call deletes.
    """
    fresh_folder, former_folder = (
        folder.with_name(f".{folder.name}.{suffix}") for suffix in ("new", "old")
    )
    for path in (fresh_folder, former_folder):
        shutil.rmtree(path, ignore_errors=True)
    make_folder(fresh_folder.parent)
    fresh_folder.mkdir()
    try:
        yield fresh_folder
        for path in (fresh_folder, *fresh_folder.rglob("*")):
            sync_folder(path) if path.is_dir() else sync_file(path)
        if folder.exists():
            folder.rename(former_folder)
        fresh_folder.rename(folder)
    except BaseException:
        if former_folder.exists() and not folder.exists():
            former_folder.rename(folder)
        shutil.rmtree(fresh_folder, ignore_errors=True)
        raise
    with suppress(OSError):
        sync_folder(folder.parent)
    shutil.rmtree(former_folder, ignore_errors=True)


def sync_file(path: Path) -> None:
    """Make the content of a file survive a power cut."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names of a folder's new files survive a power cut. Only POSIX can do this, and needs it."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_path(folder: Path) -> None:
    """Make the names in a folder survive a power cut, and its own name and those of its parents on the same device."""
    sync_folder(folder)
    folder = folder.absolute()
    for parent in folder.parents:
        if parent.stat().st_dev != folder.stat().st_dev:
            return
        # of a folder that this user cannot list, and so has not made
        with suppress(PermissionError):
            sync_folder(parent)


def expand_home(name: str) -> Path:
    """Return ``name`` with the home folder in place of ``~``, or unchanged if there is no such user."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def path_near(name: str, folder: Path) -> str:
    """Return a path, relative to the working directory of a call that wrote ``folder``, from here.

    It is ``name`` if that exists, else the path of that name in the nearest parent of ``folder`` that has one, else
    ``name``, which may also be a name on the hub.
    """
    path = expand_home(name)
    if path.is_absolute() or path.exists():
        return name
    return next(
        (str(parent / path) for parent in folder.absolute().parents if (parent / path).exists()),
        name,
    )


def folder_name(text: str) -> str:
    """Return a name for a folder: the Latin letters and the digits of a text.

    >>> folder_name("logistic regression (C = 1)")
    'logistic-regression-c-1'
    """
    return "-".join(re.findall(r"[a-z0-9]+", text.lower()))


def stays_inside(name: str) -> bool:
    r"""Return whether a path is relative and only descends, on any system.

    >>> [stays_inside(name) for name in ("a/b.json", "../b", "/b", "a/../b", "C:b", "a\\..\\b")]
    [True, False, False, False, False, False]
    """
    return not any(
        path.anchor or ".." in path.parts for path in (PurePosixPath(name), PureWindowsPath(name))
    )


@contextmanager
def open_regular(path: Path, most: int | None = MAX_RECORD_BYTES) -> Iterator[BinaryIO]:
    """Open a regular file of at most ``most`` bytes to read it, or raise UserError."""
    try:
        with open_any_size(path) as file:
            size = os.fstat(file.fileno()).st_size
            if most is not None and size > most:
                raise UserError(f"{path} has {size:,} bytes, expected at most {most:,}.")
            yield file
    except NotRegularError as error:
        raise UserError(
            f"{error.filename} is a pipe or a device, expected a regular file. Copy its content into one."
        ) from error


def read_bytes(path: Path, most: int = MAX_RECORD_BYTES) -> bytes:
    """Read a regular file of at most ``most`` bytes, or raise as `open_regular` does."""
    with open_regular(path, most) as file:
        return file.read(most)  # the file may grow meanwhile


def read_text(path: Path, most: int = MAX_RECORD_BYTES) -> str:
    """Read UTF-8 as `read_bytes` does, or raise ValueError if it is not UTF-8."""
    return read_bytes(path, most).decode("utf-8")


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML, or raise ValueError if it is malformed, or has deep nesting or integers of thousands of digits."""
    if len(text) > MAX_TOML_BYTES:
        raise ValueError(f"it has {len(text):,} characters, expected at most {MAX_TOML_BYTES:,}")
    if long_key := _LONG_KEY.search(text):
        raise ValueError(
            f"the key {long_key[0][:40]!r}... has more than {MAX_TOML_KEY_PARTS} parts"
        )
    return dict(_parse(tomllib.loads, text))


def parse_json(text: str) -> Any:
    """Parse JSON, or raise ValueError as `parse_toml` does, for a name twice, and for what no file could hold again.

    That is integers that are too large for a float, and halves of surrogate pairs.
    """
    return _check_surrogates(_parse(_DECODER.decode, text), text)


def parse_json_at(text: str, start: int) -> tuple[Any, int]:
    """Return the value that begins at a place of a text, and its end, or raise ValueError as `parse_json` does."""
    value, end = _parse(partial(_DECODER.raw_decode, idx=start), text)
    return _check_surrogates(value, text[start:end]), end


def _check_surrogates(value: Any, text: str) -> Any:
    """Return a value of JSON, or raise ValueError if its text has half of a surrogate pair."""
    if _SURROGATE.search(text) and HALF_PAIR.search(json.dumps(value, ensure_ascii=False)):
        raise ValueError("a text has half of a surrogate pair")
    return value


def _integer(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise ValueError(
            f"an integer has {len(digits):,} digits, expected at most {MAX_INTEGER_DIGITS}"
        )
    return int(digits)


_DECODER = json.JSONDecoder(parse_int=_integer, object_pairs_hook=unique_fields)


def _parse(parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


@contextmanager
def writing(name: str) -> Iterator[None]:
    """Turn an OSError into a UserError that says that ``name`` cannot be written, with the remedy."""
    try:
        yield
    except NotRegularError as error:
        raise UserError(
            f"{error.filename} is a pipe or a device, expected a regular file. Delete it."
        ) from error
    except OSError as error:
        raise UserError(
            f"{name} cannot be written: {error.strerror}. {_remedy(error.errno)}"
        ) from error


def _remedy(number: int | None) -> str:
    """Return what to do about the system's error of a number when a file is written."""
    if number in FULL_DISK:
        return MAKE_ROOM
    if number in _FORBIDDEN:
        return "Make it writable, or choose another place."
    return "Choose another place."


def nearest_existing(place: Path) -> Path:
    """Return a place, or the nearest of its parents that exists."""
    return next(path for path in (place, *place.absolute().parents) if path.exists())


def is_writable(place: Path) -> bool:
    """Return whether this process may write into a folder, or make it in the nearest parent that exists."""
    nearest = nearest_existing(place)
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


@contextmanager
def reading(name: object, remedy: str = "") -> Iterator[None]:
    """Turn an error about the content of a file into a UserError that says that ``name`` cannot be read."""
    try:
        yield
    except ValueError as error:
        raise UserError(f"{name} cannot be read: {error}. {remedy}".rstrip()) from error
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise UserError(f"{name} cannot be read: {error!r}. {remedy}".rstrip()) from error


def write_text(path: Path, content: str) -> None:
    """Write UTF-8 text in one step."""
    write_bytes(path, content.encode("utf-8"))


def json_values(value: Any) -> Any:
    """Return the values for JSON of dataclasses and of collections of them; one with ``as_dict`` has its own."""
    if hasattr(value, "as_dict"):
        return value.as_dict()
    if is_dataclass(value):
        value = vars(value)
    if isinstance(value, Mapping):
        return {name: json_values(part) for name, part in value.items()}
    return [json_values(part) for part in value] if isinstance(value, tuple | list) else value


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON in one step, or raise ValueError if a number is NaN or infinite."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
