r"""Fields of the lines of a separated table, by a grammar that a sound line fits as a whole.

Python's `csv` and other readers accept more than the grammar, and then a stray quote moves the ends of fields and rows
silently. `csv` splits the rows that it cannot misread, because it is quicker.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Literal, NamedTuple

Quoting = Literal["doubled", "backslash", "none"]
_MOST_FIELDS = 200  # of a damaged line that is read: the time grows with the square of their number
_MOST_STEPS = 1_000  # of reading one damaged line


class Reading(NamedTuple):
    """Fields of a damaged line, and the places of those with a stray quote, which have all their quotes."""

    fields: list[str]
    strays: frozenset[int]


@dataclass(frozen=True)
class Grammar:
    """Fields, the mark between them, and quotes around them."""

    delimiter: str  # one character; "" if a line is one field
    quoting: Quoting = (
        "doubled"  # how a quote stands within quotes; "none": no character is a quote
    )
    quote: str = '"'

    @cached_property
    def _inside(self) -> str:
        """Return the pattern of what quotes may hold."""
        if self.quoting == "backslash":
            return rf"[^{self.quote}\\]*+(?:(?:\\.|{self.quote}{self.quote})[^{self.quote}\\]*+)*+"
        return rf"[^{self.quote}]*+(?:{self.quote}{self.quote}[^{self.quote}]*+)*+"

    @cached_property
    def _mark(self) -> str:
        # a pattern that fits nothing, if a line is one field
        return re.escape(self.delimiter) if self.delimiter else r"(?!)"

    @cached_property
    def _plain(self) -> str:
        return rf"[^{self.quote}{re.escape(self.delimiter)}]*+"

    @cached_property
    def _field(self) -> str:
        """Return the pattern of a field with its quoted or its plain content in a group."""
        quoted = rf" *+{self.quote}({self._inside}){self.quote} *+"
        return rf"(?:{quoted}|({self._plain}))(?={self._mark}|\Z)"

    @cached_property
    def _open_end(self) -> str:
        """Return the pattern of fields of which the last has an open quote."""
        return rf"(?:{self._field}{self._mark})*+ *+{self.quote}{self._inside}"

    @cached_property
    def _sound(self) -> re.Pattern[str]:
        return re.compile(rf"{self._field}(?:{self._mark}{self._field})*+", re.DOTALL)

    @cached_property
    def _open(self) -> re.Pattern[str]:
        return re.compile(self._open_end, re.DOTALL)

    @cached_property
    def _still_open(self) -> re.Pattern[str]:
        """Pattern of a line that does not close the quote of an earlier one, or opens another at its end."""
        return re.compile(
            rf"{self._inside}(?:{self.quote} *+{self._mark}{self._open_end})?", re.DOTALL
        )

    @cached_property
    def _closed(self) -> re.Pattern[str]:
        """Pattern of a line that closes the quote of an earlier one."""
        return re.compile(
            rf"{self._inside}{self.quote} *+(?:{self._mark}{self._field})*+", re.DOTALL
        )

    @cached_property
    def _cell(self) -> re.Pattern[str]:
        return re.compile(rf"(?:\A|{self._mark}){self._field}", re.DOTALL)

    @cached_property
    def _cell_at(self) -> re.Pattern[str]:
        return re.compile(self._field, re.DOTALL)

    def has_quote(self, text: str) -> bool:
        """Return whether a text has a quote."""
        return self.quoting != "none" and self.quote in text

    def opens(self, line: str) -> bool:
        """Return whether a sound row may begin with a line and go on in the next."""
        return self.quoting != "none" and self._open.fullmatch(line) is not None

    def goes_on(self, line: str) -> bool | None:
        """Return whether a row with an open quote goes on after a line, or None if the line does not fit it."""
        if self._still_open.fullmatch(line):
            return True
        return False if self._closed.fullmatch(line) else None

    def split(self, row: str) -> list[str] | None:
        """Return the fields of a row without the end of its last line, or None if it does not fit the grammar."""
        if not self.has_quote(row):
            return self.literal(row)
        simple = self.quoting == "doubled" and self.delimiter and self.quote * 2 not in row
        if simple and len(row) < csv.field_size_limit():
            try:
                (fields,) = self._reader((row,))
            except csv.Error:
                fields = [self.quote]
            # a quote that is left may be a stray one
            if self.quote not in "".join(fields):
                return fields
        if not self._sound.fullmatch(row):
            return None
        return [
            self._unescaped(quoted) if quoted else plain
            for quoted, plain in self._cell.findall(row)
        ]

    def split_lines(
        self, lines: Sequence[str], content: str, newline: str
    ) -> tuple[list[list[str]], list[int]] | None:
        """Return the rows of lines, ``content`` in all, and the place of each; None if a line is not sound."""
        if self.quoting != "doubled" or not self.delimiter:
            return None
        # what is left without the quoted fields has no quote
        if self.quote in self._quoted.sub("", f"\n{content}"):
            return None
        try:
            rows = list(self._reader(lines))
        except csv.Error:
            return None
        if len(rows) == len(lines):
            return rows, list(range(len(lines)))
        ends = accumulate("".join(row).count(newline) + 1 for row in rows)
        return rows, [0, *ends][:-1]

    def _reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        return csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote, strict=True)

    @cached_property
    def _quoted(self) -> re.Pattern[str]:
        """Pattern of a quoted field between marks or ends of lines."""
        mark = re.escape(self.delimiter)
        before = rf"(?<=[{mark}\r\n]{self.quote})"
        return re.compile(rf"{self.quote}{before}{self._inside}{self.quote}(?=[{mark}\r\n]|\Z)")

    def _unescaped(self, content: str) -> str:
        if self.quoting == "backslash" and "\\" in content:
            content = re.sub(rf"\\([\\{self.quote}])", r"\1", content)
            return content.replace(self.quote * 2, self.quote)
        return content.replace(self.quote * 2, self.quote)

    def literal(self, line: str) -> list[str]:
        """Return the fields of a line as if no character were a quote."""
        return line.split(self.delimiter) if self.delimiter else [line]

    def readings(self, line: str, count: int) -> list[Reading]:
        """Return the ways to read a damaged line as a number of fields, where some quotes are characters."""
        if self.quoting == "none" or count > _MOST_FIELDS:
            return []
        readings: list[Reading] = []
        # states are read from the last one, so that the likeliest reading of a field comes first
        states: list[tuple[int, tuple[str, ...], frozenset[int]]] = [(0, (), frozenset())]
        steps = 0
        while states and steps < _MOST_STEPS:
            steps += 1
            start, fields, strays = states.pop()
            for end, field, is_stray in reversed(list(self._fields_at(line, start))):
                read = (*fields, field)
                marks = strays | {len(fields)} if is_stray else strays
                if end == len(line) and len(read) == count:
                    readings.append(Reading(list(read), marks))
                elif end < len(line) and len(read) < count:
                    states.append((end + 1, read, marks))
        return readings

    def _fields_at(self, line: str, start: int) -> Iterator[tuple[int, str, bool]]:
        """Yield the end, the content and whether a quote is stray, of each way to read the field at a place."""
        opening = self._opening.match(line, start)
        sound = self._cell_at.match(line, start)
        if sound:
            quoted, plain = sound.groups()
            yield sound.end(), self._unescaped(quoted) if quoted else plain or "", False
            if opening is None:
                return
        elif opening is not None:
            # a quote within the field: the field ends at a quote before a mark
            closing = self._closing.finditer(line, opening.end())
            for _, match in zip(range(2), closing, strict=False):
                yield match.end(), line[start : match.end()], True
        end = line.find(self.delimiter, start) if self.delimiter else len(line)
        end = len(line) if end < 0 else end
        if not (sound and sound.end() == end):
            yield end, line[start:end], True

    @cached_property
    def _opening(self) -> re.Pattern[str]:
        return re.compile(f" *+{self.quote}")

    @cached_property
    def _closing(self) -> re.Pattern[str]:
        return re.compile(rf"{self.quote} *+(?={self._mark}|\Z)")
