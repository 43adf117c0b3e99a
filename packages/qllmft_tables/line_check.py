"""The one check of the lines of a text file: their length, their number, and what ends them."""

from __future__ import annotations

from dataclasses import dataclass

from qllmft_tables.bounds import MAX_TEXT
from qllmft_tables.formats import ContentError

CHUNK_BYTES = 100_000  # bytes that are examined at once


@dataclass(frozen=True)
class LineBounds:
    """Bounds of a text file.

    Attributes:
        longest: number of bytes of a line.
        rows: number of lines; None: any.
        bytes: number of bytes of all lines; None: any.
        verb: how the file has its lines, ``has`` or ``unpacks to``.
        remedy: for a file with more lines or bytes, as a sentence.
    """

    longest: int
    rows: int | None
    bytes: int | None
    verb: str = "has"
    remedy: str = "Split it."


class LineCheck:
    """Lines of a file, counted while its bytes are given, in UTF-8 or an encoding of single bytes."""

    def __init__(self, bounds: LineBounds, name: str) -> None:
        self._bounds = bounds
        self._name = name
        self._n_newlines = 0
        self._n_returns = 0
        self._n_bytes = 0
        self._run = 0  # bytes since the last end of a line

    @property
    def newline(self) -> str:
        """Return what ends a line."""
        return "\r" if self._n_returns and not self._n_newlines else "\n"

    @property
    def number(self) -> int:
        """Return the number of the line that goes on."""
        return (self._n_newlines or self._n_returns) + 1

    def feed(self, chunk: bytes) -> None:
        """Examine the next bytes, or raise `ContentError` for a NUL byte or beyond a bound."""
        self._n_bytes += len(chunk)
        self._compare(self._n_bytes, self._bounds.bytes, "bytes")
        end = b"\n" if self._n_newlines or b"\n" in chunk else b"\r"
        first = chunk.find(end)
        self._run += len(chunk) if first < 0 else first
        if self._run > self._bounds.longest:
            raise ContentError(
                f", line {self.number}: it has more than {self._bounds.longest:,} bytes, expected at most "
                f"{MAX_TEXT:,} in a text. Is this a table?"
            )
        if first >= 0:
            self._run = len(chunk) - chunk.rfind(end) - 1
        has_nul = b"\0" in chunk
        head = chunk.partition(b"\0")[0] if has_nul else chunk
        self._n_newlines += head.count(b"\n")
        self._n_returns += head.count(b"\r")
        if has_nul:
            raise ContentError(
                f", line {self.number}: it has a NUL byte, expected text. Remove all of them: "
                f"tr -d '\\000' < {self._name} > clean-{self._name}."
            )
        self._compare(self.number - 1, self._bounds.rows, "lines")

    def _compare(self, count: int, most: int | None, unit: str) -> None:
        if most is not None and count > most:
            raise ContentError(
                f" {self._bounds.verb} more than {most:,} {unit}, expected at most that many. {self._bounds.remedy}"
            )
