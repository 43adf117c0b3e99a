"""Paths as people write them, and files that are either whole or not there."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from qllmft.errors import UserError


def expanded(name: str) -> Path:
    """``name`` with the user's home folder in place of ``~``; as it is where there is no such user."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def found_beside(name: str, folder: Path) -> str:
    """A path that was given relative to a working directory, as it is found from this one.

    Args:
        name: the path, or what is no path, such as a name on the hub.
        folder: what was written then, such as a run's folder.

    Returns:
        ``name`` where it is there, else the path of that name in the nearest folder around ``folder`` that has one;
        ``name`` where none has.
    """
    path = expanded(name)
    if path.is_absolute() or path.exists():
        return name
    return next((str(parent / path) for parent in folder.absolute().parents if (parent / path).exists()), name)


def parse_toml(text: str) -> dict[str, Any]:
    """A tree from TOML.

    Raises:
        ValueError: where it is not TOML, is nested too deeply, or holds an integer of thousands of digits.
    """
    return dict(_parsed(tomllib.loads, text))


def parse_json(text: str) -> Any:
    """A value from JSON.

    Raises:
        ValueError: where it is not JSON, is nested too deeply, or holds an integer of thousands of digits.
    """
    return _parsed(json.loads, text)


def _parsed(parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


@contextmanager
def writing(what: str) -> Iterator[None]:
    """While ``what``, as the error calls it, is written; UserError where the system cannot."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{what} cannot be written: {error.strerror}.") from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file in one step: a crash leaves the old one or the new one, never a part.

    Raises:
        OSError: where it cannot be written, as on a full disk; nothing is left behind then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def is_temporary(name: str) -> bool:
    """Whether a file of this name is one that `write_bytes` is at, or that a killed process left behind.

    >>> [is_temporary(name) for name in (".config.toml.4711", "config.toml", ".lock")]
    [True, False, False]
    """
    stem, _, process = name.rpartition(".")
    return stem.startswith(".") and len(stem) > 1 and process.isdecimal()


def _sync_folder(folder: Path) -> None:
    """Let the new name outlast a power cut, where the system can: Windows and some file systems cannot."""
    if os.name == "nt":
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path: Path, content: str) -> None:
    """`write_bytes` of UTF-8 text."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, content: Any) -> None:
    """`write_bytes` of JSON for people and programs.

    Raises:
        ValueError: where a number is NaN or infinite, which JSON does not have.
    """
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
