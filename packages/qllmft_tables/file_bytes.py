"""Files on the disk, or in memory with their name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePath
from typing import BinaryIO

from qllmft_base.errors import UserError
from qllmft_base.files import open_regular


@dataclass(frozen=True)
class FileBytes:
    """File in memory, which a browser sent."""

    name: str
    content: bytes

    @property
    def suffixes(self) -> list[str]:
        """Return the suffixes of the name, as `Path` does."""
        return PurePath(self.name).suffixes

    def __str__(self) -> str:
        return self.name


DataFile = Path | FileBytes


def is_file(file: DataFile) -> bool:
    """Return whether there is a regular file, and not a folder, a pipe or standard input."""
    return isinstance(file, FileBytes) or file.is_file()


@contextmanager
def open_file(file: DataFile, most: int | None) -> Iterator[BinaryIO]:
    """Open a file of at most ``most`` bytes, or raise UserError."""
    if isinstance(file, Path):
        with open_regular(file, most) as opened:
            yield opened
        return
    if most is not None and len(file.content) > most:
        raise UserError(f"{file} has {len(file.content):,} bytes, expected at most {most:,}.")
    yield BytesIO(file.content)


def file_size(opened: BinaryIO) -> int:
    """Return the number of bytes of an open file, whose next reading starts at its beginning."""
    size = opened.seek(0, os.SEEK_END)
    opened.seek(0)
    return size
