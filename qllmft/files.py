"""Paths from users, and files that are written completely or not at all."""

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
    """Return ``name`` with the home folder in place of ``~``, or unchanged if there is no such user."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def path_near(name: str, folder: Path) -> str:
    """Find a path that was relative to an earlier working directory.

    Args:
        name: the path, or a name on the hub.
        folder: written from that working directory, such as a run's folder.

    Returns:
        ``name`` if it exists, else the path of that name in the nearest parent of ``folder`` that has one, else
        ``name``.
    """
    path = expanded(name)
    if path.is_absolute() or path.exists():
        return name
    return next((str(parent / path) for parent in folder.absolute().parents if (parent / path).exists()), name)


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML, or raise ValueError for malformed or deeply nested text and integers of thousands of digits."""
    return dict(_parsed(tomllib.loads, text))


def parse_json(text: str) -> Any:
    """Parse JSON, or raise ValueError as `parse_toml` does."""
    return _parsed(json.loads, text)


def _parsed(parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


@contextmanager
def writing(name: str) -> Iterator[None]:
    """Turn an OSError into a UserError that says that ``name`` cannot be written."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{name} cannot be written: {error.strerror}.") from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file in one step: a crash leaves the old content or the new one, never a part.

    Raises:
        OSError: if it cannot be written, as on a full disk; no temporary file remains.
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
    """Return whether `write_bytes` writes to a file of this name before it renames it.

    >>> [is_temporary(name) for name in (".config.toml.4711", "config.toml", ".lock")]
    [True, False, False]
    """
    stem, _, process = name.rpartition(".")
    return stem.startswith(".") and len(stem) > 1 and process.isdecimal()


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut, except on Windows and some file systems."""
    if os.name == "nt":
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path: Path, content: str) -> None:
    """Write UTF-8 text in one step."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON in one step, or raise ValueError if a number is NaN or infinite."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
