r"""Fields of the lines of a separated table, by a grammar that a sound line fits as a whole.

Python's `csv` and other readers accept more than the grammar, and then a stray quote moves the ends of fields and rows
silently. `csv` splits the rows that it cannot misread, because it is quicker.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, islice
from typing import Literal, NamedTuple

from qllmft_tables.bounds import MAX_DAMAGED_CHARACTERS, MAX_DAMAGED_FIELDS, MAX_DAMAGED_STEPS

Quoting = Literal["doubled", "backslash", "none"]
_QUOTED = "\x01"  # stands for a quoted field; a content that has it is read line by line


class Reading(NamedTuple):
    """Fields of a damaged line, and the places of those with a stray quote, which have all their quotes."""

    fields: list[str]
    strays: frozenset[int]


class ColumnsOfLines(NamedTuple):
    """Columns of sound lines, and the place of the line where each row begins."""

    columns: list[list[str]]
    places: list[int] | None = None  # None: each line is a row


@dataclass(frozen=True)
class Grammar:
    """Fields, the mark between them, and quotes around them."""

    delimiter: str  # one character; "" if a line is one field
    # how a quote stands within quotes; "none": no character is a quote
    quoting: Quoting = "doubled"
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
            self._unescape(quoted) if quoted else plain for quoted, plain in self._cell.findall(row)
        ]

    def columns_in(
        self, content: str, n_lines: int, newline: str, count: int
    ) -> ColumnsOfLines | None:
        """Return the columns of the lines in a content, or None if a line may be blank or not sound.

        Args:
            content: whole lines.
            n_lines: number of these lines.
            newline: end of a line.
            count: number of columns.
        """
        if not self.has_quote(content):
            content = content.removesuffix(newline)
            lines = content.split(newline)
            columns = _split_unquoted(content, lines, self.delimiter, newline, count)
            return None if columns is None else ColumnsOfLines(columns)
        if self.quoting != "doubled" or not self.delimiter or _QUOTED in content:
            return None
        # the quotes alone divide a sound content: every second part is within quotes
        parts = content.removesuffix(newline).split(self.quote)
        if len(parts) % 2 == 0:
            return None
        texts, between = _join_pairs(parts[1::2], parts[::2], self.quote)
        outside = _QUOTED.join(between)
        rows = outside.split(newline)
        # most rows are equal without their texts
        columns = _split_unquoted(outside, {*rows}, self.delimiter, newline, count)
        if columns is None or not _fill(columns, texts):
            return None
        if len(rows) == n_lines:
            return ColumnsOfLines(columns)
        ends = (text.count(newline) for text in texts)
        sizes = [1 + sum(islice(ends, row.count(_QUOTED))) for row in rows]
        return ColumnsOfLines(columns, [0, *accumulate(sizes)][:-1])

    def _reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        return csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote, strict=True)

    def _unescape(self, content: str) -> str:
        if self.quoting == "backslash":
            return self._escape.sub(lambda escape: escape[1] or self.quote, content)
        return content.replace(self.quote * 2, self.quote)

    def literal(self, line: str) -> list[str]:
        """Return the fields of a line as if no character were a quote."""
        return line.split(self.delimiter) if self.delimiter else [line]

    def readings(self, line: str, count: int) -> list[Reading]:
        """Return the ways to read a damaged line as a number of fields, where some quotes are characters."""
        if self.quoting == "none" or count > MAX_DAMAGED_FIELDS:
            return []
        readings: list[Reading] = []
        # states are read from the last one, so that the likeliest reading of a field comes first
        states: list[tuple[int, tuple[str, ...], frozenset[int]]] = [(0, (), frozenset())]
        steps = 0
        max_steps = min(MAX_DAMAGED_STEPS, MAX_DAMAGED_CHARACTERS // (len(line) + 1))
        while states and steps < max_steps:
            steps += 1
            start, fields, strays = states.pop()
            for end, field, is_stray in reversed(list(self._fields_at(line, start))):
                fields_to_end = (*fields, field)
                marks = strays | {len(fields)} if is_stray else strays
                if end == len(line) and len(fields_to_end) == count:
                    readings.append(Reading(list(fields_to_end), marks))
                elif end < len(line) and len(fields_to_end) < count:
                    states.append((end + 1, fields_to_end, marks))
        return readings

    def _fields_at(self, line: str, start: int) -> Iterator[tuple[int, str, bool]]:
        """Yield the end, the content and whether a quote is stray, of each way to read the field at a place."""
        opening = self._opening.match(line, start)
        sound = self._cell_at.match(line, start)
        if sound:
            quoted, plain = sound.groups()
            yield sound.end(), self._unescape(quoted) if quoted else plain or "", False
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
    def _escape(self) -> re.Pattern[str]:
        """Pattern of a quote or a backslash after a backslash, and of two quotes that stand for one."""
        return re.compile(rf"\\([\\{self.quote}])|{self.quote}{self.quote}")

    @cached_property
    def _opening(self) -> re.Pattern[str]:
        return re.compile(f" *+{self.quote}")

    @cached_property
    def _closing(self) -> re.Pattern[str]:
        return re.compile(rf"{self.quote} *+(?={self._mark}|\Z)")


def _split_unquoted(
    content: str, lines: Collection[str], delimiter: str, newline: str, count: int
) -> list[list[str]] | None:
    """Return the columns of lines without quotes, or None unless each line has ``count`` fields."""
    if newline == "\n" and "\r" in content:
        content = content.replace("\r\n", "\n").removesuffix("\r")
    if count == 1:
        return [content.split(newline)]
    if {line.count(delimiter) for line in lines} != {count - 1}:
        return None
    cells = content.replace(newline, delimiter).split(delimiter)
    return [cells[place::count] for place in range(count)]


def _join_pairs(inside: list[str], between: list[str], quote: str) -> tuple[list[str], list[str]]:
    """Return quoted texts and what is between them, where nothing between two parts is a quote of the text."""
    texts: list[str] = []
    marks = between[:1]
    start = 0
    while (pair := _index("", between, start + 1)) < len(inside):
        end = pair + 1
        while end < len(inside) and not between[end]:
            end += 1
        texts += inside[start : pair - 1]
        texts.append(quote.join(inside[pair - 1 : end]))
        marks += between[start + 1 : pair]
        marks.append(between[end])
        start = end
    return texts + inside[start:], marks + between[start + 1 :]


def _index(item: str, items: list[str], start: int) -> int:
    """Return the place of an item at or after ``start``, or the number of items without one."""
    try:
        return items.index(item, start)
    except ValueError:
        return len(items)


def _fill(columns: list[list[str]], texts: Sequence[str]) -> bool:
    """Put quoted texts, row by row, into the cells that stand for them, and return whether each has one."""
    size = len(columns[0])
    counts = [column.count(_QUOTED) for column in columns]
    if sum(counts) != len(texts):
        return False  # one has more than blanks beside it
    places = [place for place, number in enumerate(counts) if number]
    if all(counts[place] == size for place in places):
        for first, place in enumerate(places):
            columns[place] = list(texts[first :: len(places)])
        return True
    remaining_texts = iter(texts)
    for row in range(size):
        for place in places:
            if columns[place][row] == _QUOTED:
                columns[place][row] = next(remaining_texts)
    return True
