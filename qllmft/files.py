"""Paths from users, and files that are written completely or not at all."""

from __future__ import annotations

import errno
import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import is_dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO

from qllmft.errors import UserError
from qllmft_backends.files import FULL_DISK, MAKE_ROOM, NotRegularError
from qllmft_backends.files import is_temporary as is_temporary
from qllmft_backends.files import make_folder as make_folder
from qllmft_backends.files import new_folder as new_folder
from qllmft_backends.files import open_regular as open_any_size
from qllmft_backends.files import sync_file as sync_file
from qllmft_backends.files import write_bytes as write_bytes
from qllmft_backends.text import HALF_PAIR, unique_fields

MAX_BYTES = 64_000_000  # of a record in JSON, which takes about ten times as much memory
MAX_TOML_BYTES = 200_000  # of a configuration; ours have up to 8,000
MAX_DIGITS = 300  # of an integer in JSON; the largest float has 309
MAX_KEY_PARTS = 32  # of a dotted key: tomllib needs time and memory that grow with the square

# numbers of the system's errors for what this process may not write
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})

_LONG_KEY = re.compile(
    r"""(?<![\w-])(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
    rf"""(?:[ \t]*+\.[ \t]*+(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')){{{MAX_KEY_PARTS}}}"""
)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


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
def open_regular(path: Path, most: int | None = MAX_BYTES) -> Iterator[BinaryIO]:
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


def read_bytes(path: Path, most: int = MAX_BYTES) -> bytes:
    """Read a regular file of at most ``most`` bytes, or raise as `open_regular` does."""
    with open_regular(path, most) as file:
        return file.read(most)  # the file may grow meanwhile


def read_text(path: Path, most: int = MAX_BYTES) -> str:
    """Read UTF-8 as `read_bytes` does, or raise ValueError if it is not UTF-8."""
    return read_bytes(path, most).decode("utf-8")


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML, or raise ValueError if it is malformed, or has deep nesting or integers of thousands of digits."""
    if len(text) > MAX_TOML_BYTES:
        raise ValueError(f"it has {len(text):,} characters, expected at most {MAX_TOML_BYTES:,}")
    if long_key := _LONG_KEY.search(text):
        raise ValueError(f"the key {long_key[0][:40]!r}... has more than {MAX_KEY_PARTS} parts")
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
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"an integer has {len(digits):,} digits, expected at most {MAX_DIGITS}")
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
