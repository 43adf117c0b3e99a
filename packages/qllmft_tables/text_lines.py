"""Lines of a text file, taken one by one or in blocks, and put back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TextIO

CHARACTERS_AT_ONCE = 60_000  # characters; a larger string costs calls of the system


class TextLines:
    """Lines with their numbers, which can be read again."""

    def __init__(self, file: TextIO, skipped: int, newline: str) -> None:
        self._file = file
        self._newline = newline
        self._again: list[str] = []
        self.number = skipped  # of the line that was read last
        for _ in islice(file, skipped):
            pass

    def __iter__(self) -> TextLines:
        return self

    def __next__(self) -> str:
        line = self._again.pop() if self._again else self._file.readline()
        if not line:
            raise StopIteration
        self.number += 1
        return line

    def take(self, size: int) -> str:
        """Return the next whole lines, about a number of characters, or "" at the end."""
        content = "".join(reversed(self._again))
        self._again.clear()
        if len(content) < size:
            content += self._file.read(size - len(content))
            content += "" if content.endswith(self._newline) else self._file.readline()
        is_cut = bool(content) and not content.endswith(self._newline)
        self.number += content.count(self._newline) + is_cut
        return content

    def push_back(self, lines: Sequence[str]) -> None:
        """Let the lines that were read last be read again."""
        self._again += reversed(lines)
        self.number -= len(lines)


def split_lines(content: str, newline: str) -> list[str]:
    """Return the lines of a content with their ends."""
    *lines, end = content.split(newline)
    return [*(f"{line}{newline}" for line in lines), *([end] if end else [])]
