"""File without a name, which is gone with its last reader."""

from __future__ import annotations

import io
import tempfile
import weakref
from typing import Any, BinaryIO

from qllmft_base.errors import UserError


class Spool:
    """Temporary file of bytes that a process writes, and that several readers read, one after the other or in turns."""

    def __init__(self) -> None:
        try:
            self.file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this object
        except OSError as error:
            raise UserError(
                f"there is no place for a temporary file: {error.strerror}. Set TMPDIR to a folder with room."
            ) from error
        weakref.finalize(self, self.file.close)

    def open(self, place: int = 0) -> BinaryIO:
        """Return a reader from a place on."""
        return io.BufferedReader(_Reader(self, place))


class _Reader(io.RawIOBase):
    """Reader with a place of its own."""

    def __init__(self, spool: Spool, place: int) -> None:
        self._spool = spool  # which keeps the file
        self._place = place

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        self._spool.file.seek(self._place)
        content = self._spool.file.read(len(buffer))
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)
