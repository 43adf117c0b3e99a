"""Paths as people write them, and files that are either whole or not there."""

from __future__ import annotations

import os
from pathlib import Path


def expanded(name: str) -> Path:
    """``name`` with the user's home folder in place of ``~``; as it is where there is no such user."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file in one step: a crash leaves the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_text(path: Path, content: str) -> None:
    """`write_bytes` of UTF-8 text."""
    write_bytes(path, content.encode("utf-8"))
