"""Values of a list in JSON, read one by one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

from qllmft_base.files import parse_json_at

_NO_BLANK = re.compile(r"\S")
_CHARACTERS_AT_ONCE = 100_000


def parse_json_list(file: TextIO, most: int) -> Iterator[Any]:
    """Yield the values of a list in JSON, each parsed as `parse_json` does, or raise ValueError.

    Args:
        file: has one list, of any length.
        most: number of characters of a value, with the white space around it.
    """
    reader = _ListReader(file, most)
    reader.expect("[")
    if reader.next_character() == "]":
        reader.position += 1
    else:
        yield reader.read_value()
        while reader.expect(",]") == ",":
            yield reader.read_value()
    if reader.next_character():
        raise ValueError("there is more after the list")


class _ListReader:
    """Reader of the values of a list in JSON, of which few are in memory."""

    def __init__(self, file: TextIO, most: int) -> None:
        self._file = file
        self._most = most
        self._text = ""
        self.position = 0

    def next_character(self) -> str:
        """Return the next character that is no white space, without reading beyond it, or ""."""
        while True:
            match = _NO_BLANK.search(self._text, self.position)
            if match:
                self.position = match.start()
                return match[0]
            self._text = self._file.read(_CHARACTERS_AT_ONCE)
            self.position = 0
            if not self._text:
                return ""

    def expect(self, characters: str) -> str:
        """Read one of several characters and return it."""
        character = self.next_character()
        if not character or character not in characters:
            raise ValueError(f"Expecting {' or '.join(map(repr, characters))}")
        self.position += 1
        return character

    def read_value(self) -> Any:
        """Read the next value."""
        self.next_character()
        while True:
            try:
                value, self.position = parse_json_at(self._text, self.position)
            except json.JSONDecodeError:
                # it may be cut
                length = len(self._text) - self.position
                if length > self._most:
                    raise ValueError(f"a value has more than {self._most:,} characters") from None
                more = self._file.read(max(length, _CHARACTERS_AT_ONCE))
                if not more:
                    raise
                self._text = self._text[self.position :] + more
                self.position = 0
            else:
                return value
