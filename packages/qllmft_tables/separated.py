"""Rows of a separated table, each with its line; what is no row is a fault that names its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import eq

import numpy as np

from qllmft_base.errors import UserError
from qllmft_base.text import format_count
from qllmft_tables.blocks import Block, Fault
from qllmft_tables.bounds import MAX_LINE, MAX_TEXT
from qllmft_tables.cells import check_columns, is_number
from qllmft_tables.columns import Columns, are_names, plain
from qllmft_tables.content import TextFile
from qllmft_tables.dialect import DELIMITERS, SAMPLE_LINES, begins_field, find_dialect
from qllmft_tables.fields import Grammar
from qllmft_tables.text_lines import CHARACTERS_AT_ONCE, TextLines, split_lines

Row = tuple[int, list[str]]  # line where it begins, and its cells; no cell for a blank line
MAX_SAMPLE = 4_000_000  # characters of the lines that tell the dialect
_MAX_CLOSING = 2_000  # lines
_MAX_LABELS = 10_000  # whose equal ones are one object
_SURE = 3  # fields that a line seldom has by chance
_ROWS_A_LABEL = 3  # at least, of a column that has the part of the labels
_RULE = re.compile(r":?([-=~_])\1{2,}:?")
_QUOTES = "Write a quote within quotes twice"


class SeparatedTable:
    """Table of lines of fields."""

    def __init__(
        self, file: TextFile, columns: Columns, delimiter: str | None, *, suffix: str
    ) -> None:
        self.file = file
        self.columns = columns
        sample = _sample(file, 0)
        if not any(map(str.strip, sample)):
            raise UserError(
                f"{file.path} is empty, expected a first line that names the columns, and one row per text."
            )
        self.dialect = find_dialect(sample, file.path, columns, delimiter, suffix=suffix)
        if later_lines := _lines_with_quotes(file, sample, self.dialect.grammar.delimiter):
            sample += later_lines
            self.dialect = find_dialect(sample, file.path, columns, delimiter, suffix=suffix)
        self.names = self.dialect.names
        check_columns(len(self.names), file.path)
        self._places = columns.positions(self.names, file.path)
        self._labels = self._sample_labels(sample[self.dialect.header :])
        self._check_first_line(sample[self.dialect.header :])
        self._equal_labels: dict[str, str] = {}  # one object for all equal ones
        self.remarks: list[str] = []  # on lines that were read in another way than the others

    def _check_first_line(self, lines: Sequence[str]) -> None:
        """Raise UserError if a row stands in the place of the names, or names in the place of the first row.

        Args:
            lines: the first ones below the line of the names, or all if there is none.
        """
        labels = [self._places[name] for name in self.columns.labels]
        if self.dialect.has_names:
            rows = [
                self.names[place] for place in labels if self.names[place] in self._labels[place]
            ]
            if rows:
                mark = self.dialect.grammar.delimiter
                raise UserError(
                    f"{self.file.path}: the first line seems to be a row, not the names of columns: {rows[0]!r} is a "
                    f"label of other rows too. Add a first line with names, such as text{mark}label, or name the "
                    "columns with --columns."
                )
            return
        first = self.dialect.grammar.split(lines[0]) or []
        values_by_place = self._sample_labels(lines[1:])
        for place in labels if len(first) == len(self.names) else ():
            name = first[place].strip()
            values = values_by_place[place]
            are_few = 0 < _ROWS_A_LABEL * len(values) < len(lines)
            is_no_number = bool(values) and all(map(is_number, values)) and not is_number(name)
            if name not in values and (are_few or is_no_number):
                raise UserError(
                    f"{self.file.path}: the first line seems to name the columns: {name!r} is no label of another "
                    "row. Omit --columns, and choose with --text-column and --label-column. Move the line down if it "
                    "is a row."
                )

    @property
    def columns_read(self) -> list[str]:
        """Return the columns that each row has a cell of, by the names that were asked for."""
        return list(self._places)

    @property
    def in_words(self) -> str:
        """Return how the table is read."""
        return ", ".join([self.dialect.in_words, *self.file.facts])

    def all_names(self) -> list[str]:
        """Return the names of all columns."""
        return list(self.names)

    def place(self, number: int) -> str:
        """Return the place of a row in words."""
        return f"line {number}"

    def items(self) -> Iterator[Block | Row | Fault]:
        """Yield the rows below the names of the columns, sound ones in blocks, and the faults."""
        with self.file.lines() as opened:
            lines = TextLines(opened, self.dialect.header, self.file.newline)
            first = lines.number + 1
            while content := lines.take(CHARACTERS_AT_ONCE):
                content += self._closing_lines(content, lines)
                end = lines.number
                block = self._sound_block(content, first, end - first + 1)
                if block is not None:
                    yield block
                else:
                    lines.push_back(split_lines(content, self.file.newline))
                    while lines.number < end:
                        yield from self._row(lines)
                first = lines.number + 1

    def _closing_lines(self, content: str, lines: TextLines) -> str:
        """Return the lines that close a quote which is open at the end of a content, if there are few."""
        grammar = self.dialect.grammar
        closing_lines: list[str] = []
        count = 0 if grammar.quoting == "none" else content.count(grammar.quote)
        size = 0
        while count % 2 and len(closing_lines) < _MAX_CLOSING and size < MAX_LINE:
            line = next(lines, "")
            closing_lines.append(line)
            size += len(line) or MAX_LINE
            count += line.count(grammar.quote)
        return "".join(closing_lines)

    def _sound_block(self, content: str, first: int, n_lines: int) -> Block | None:
        """Return the rows of the lines in a content if all of them are sound and none is blank, else None."""
        newline = self.file.newline
        sound_columns = self.dialect.grammar.columns_in(content, n_lines, newline, len(self.names))
        if sound_columns is None:
            return None
        columns, places = sound_columns
        starts = np.arange(first, first + len(columns[0]))
        if places is not None:
            starts = first + np.array(places)
            part = split_lines(content, newline)
            for place, end in zip(places, [*places[1:], len(part)], strict=True):
                if end - place > 1 and self._may_be_rows(part[place:end]):
                    return None
        for place in self._labels:
            if len(self._equal_labels) < _MAX_LABELS:
                labels = columns[place]
                columns[place] = [*map(self._equal_labels.setdefault, labels, labels)]
        # a mark of the encoding within a file is the beginning of another one that was appended
        if "\ufeff" in content or self._may_be_no_rows(columns):
            return None
        return Block(starts, [columns[place] for place in self._places.values()])

    def _may_be_no_rows(self, columns: Sequence[Sequence[str]]) -> bool:
        """Return whether fields of sound lines may be blank, name the columns, or be one word."""
        first = columns[0]
        stripped = [*map(str.strip, first)]
        if not all(stripped) or self.names[0] in stripped:
            return True
        if _is_rule([column[0] for column in columns]):
            return True
        for place in self._labels:
            name = plain(self.names[place])
            if any(plain(label) == name for label in {*columns[place]}):
                return True
        return len(columns) >= _SURE and any(map(eq, first, columns[-1]))

    def _row(self, lines: TextLines) -> Iterator[Row | Fault]:
        """Yield the row that begins with the next line, or the faults in its place."""
        grammar = self.dialect.grammar
        raw = next(lines)
        line = raw.rstrip("\r\n")
        if grammar.has_quote(line):
            yield from self._quoted_row(line, raw, lines)
            return
        fields = grammar.literal(line)
        if not line or line.isspace():
            yield lines.number, []
        elif len(fields) != len(self.names):
            yield self._wrong_count(line, fields, lines.number)
        else:
            yield self._row_or_fault(fields, lines.number)

    def _row_or_fault(self, fields: list[str], number: int) -> Row | Fault:
        """Return the row of fields, or the fault for those that are no values of their columns."""
        if are_names(fields, self.names):
            return Fault(number, "it names the columns again")
        if _is_rule(fields):
            return Fault(number, f"it is a line of {_dashes(fields)!r}, not a row")
        if len(fields) >= _SURE and fields[0] and len({*fields}) == 1:
            return Fault(number, f"all its fields are {fields[0]!r}")
        return number, [fields[place] for place in self._places.values()]

    def _quoted_row(self, line: str, raw: str, lines: TextLines) -> Iterator[Row | Fault]:
        """Yield the row that begins with a line with quotes, or a fault for it."""
        grammar = self.dialect.grammar
        number = lines.number
        fields = grammar.split(line)
        if fields is None and grammar.opens(line):
            parts = _rest_of_row(raw, lines, grammar)
            if sum(map(len, parts)) > MAX_TEXT:
                lines.push_back(parts[1:])
                yield Fault(
                    number, f"its row has more than {MAX_TEXT:,} characters. Is a quote not closed"
                )
                return
            fields = grammar.split("".join(parts).rstrip("\r\n")) if parts else None
            if fields is not None and self._swallows_rows(parts):
                fields = None
                lines.push_back(parts[1:])
        if fields is None:
            yield self._repair_row(line, number)
        elif len(fields) != len(self.names):
            yield self._wrong_count(line, fields, number)
        else:
            yield self._row_or_fault(fields, number)

    def _may_be_rows(self, parts: Sequence[str]) -> bool:
        """Return whether the lines of a row are too long, or rows of their own."""
        return sum(map(len, parts)) > MAX_TEXT or self._swallows_rows(parts)

    def _swallows_rows(self, parts: Sequence[str]) -> bool:
        """Return whether lines within quotes are rows of their own, so that the first quote is a stray one."""
        mark = self.dialect.grammar.delimiter
        if sum(part.count(mark) == len(self.names) - 1 for part in parts) <= 1:
            return False
        lines = [self.dialect.grammar.literal(part.rstrip("\r\n")) for part in parts]
        rows = [fields for fields in lines if len(fields) == len(self.names) > 1]
        labelled = [fields for fields in rows if self._has_labels(fields)]
        if self._labels:
            return len(labelled) > 1
        return len(rows) == len(parts) >= _SURE and len(self.names) >= _SURE

    def _repair_row(self, line: str, number: int) -> Row | Fault:
        """Return the row of a line with a quote at a wrong place, or a fault if its texts or labels are not certain."""
        if len(self.names) == 1 and not self.dialect.grammar.opens(line):
            return number, [line]
        readings = self.dialect.grammar.readings(line, len(self.names))
        if not readings:
            row = self._by_other_delimiter(line, number)
            return row or Fault(number, f"it has a quote at a wrong place. {_QUOTES}")
        cells = [[fields[i] for i in self._places.values()] for fields, _ in readings]
        strays = {i for _, marks in readings for i in marks}
        names = [name for name, place in self._places.items() if place in strays]
        agree = all(row == cells[0] for row in cells)
        if agree and not names:
            column = self.names[min(strays)]
            self.remarks.append(f"line {number} has a stray quote in {column!r}, which is not read")
            return number, cells[0]
        if agree and self._is_plain_text(names, cells[0]):
            return number, cells[0]
        column = f" in {names[0]!r}" if names else ""
        return Fault(number, f"it has a stray quote{column}. {_QUOTES}")

    def _is_plain_text(self, names: Sequence[str], cells: Sequence[str]) -> bool:
        """Return whether quotes are characters of a text without quotes around it, as in `a 5" disk`."""
        if not set(names) <= set(self.columns.texts):
            return False
        quote = self.dialect.grammar.quote
        for name in names:
            text = cells[self.columns_read.index(name)].strip()
            lone = text.count(quote) % 2 and (text.endswith(quote) or self.dialect.doubles)
            if text.startswith(quote) or lone:
                return False
        return True

    def _wrong_count(self, line: str, fields: Sequence[str], number: int) -> Row | Fault:
        """Return the row of a line with other delimiters, or a fault for its number of fields."""
        row = self._by_other_delimiter(line, number)
        if row is not None:
            return row
        named = ", ".join(self.names[:_SURE]) + (", …" if len(self.names) > _SURE else "")
        reason = (
            f"it has {format_count(len(fields), 'field')}, expected {len(self.names):,} ({named})"
        )
        if "\r" in line:
            reason += ", and a carriage return"
        return Fault(number, reason)

    def _by_other_delimiter(self, line: str, number: int) -> Row | None:
        """Return the row of a line that has another delimiter than the table, or None."""
        grammar = self.dialect.grammar
        rows = {}
        for mark in DELIMITERS:
            if mark != grammar.delimiter and mark in line and grammar.delimiter:
                fields = Grammar(mark, grammar.quoting, grammar.quote).split(line)
                if fields is not None and len(fields) == len(self.names):
                    rows[mark] = fields
        if len(rows) != 1:
            return None
        ((mark, fields),) = rows.items()
        if not self._has_labels(fields) or (not self._labels and len(fields) < _SURE):
            return None
        self.remarks.append(f"line {number} has {DELIMITERS[mark]} between its fields")
        return number, [fields[place] for place in self._places.values()]

    def _sample_labels(self, lines: Sequence[str]) -> dict[int, set[str]]:
        """Return the labels in the sound lines of a sample, by the place of their column.

        If no column of labels is read, those of few values take its part.
        """
        count = len(self.names)
        splits = map(self.dialect.grammar.split, lines)
        rows = [
            row for row in splits if row and len(row) == count and not are_names(row, self.names)
        ]
        values = [{row[place].strip() for row in rows} for place in range(count)]
        places = {self._places[name] for name in self.columns.labels} or {
            place
            for place, cells in enumerate(values)
            if _ROWS_A_LABEL * len(cells) <= len(rows) and place not in self._places.values()
        }
        return {place: values[place] for place in sorted(places)}

    def _has_labels(self, fields: Sequence[str]) -> bool:
        """Return whether fields have labels of other rows, or numbers among numbers."""
        for place, values in self._labels.items():
            cell = fields[place].strip()
            numbers = is_number(cell) and all(map(is_number, values))
            if not (numbers or cell in values):
                return False
        return True


def _is_rule(fields: Sequence[str]) -> bool:
    """Return whether fields are dashes that divide the names of the columns from the rows, as in Markdown."""
    filled = [field.strip() for field in fields if field.strip()]
    return bool(filled) and all(map(_RULE.fullmatch, filled))


def _dashes(fields: Sequence[str]) -> str:
    """Return the first two dashes of fields."""
    return next(field.strip(" :")[:2] for field in fields if field.strip())


def _lines_with_quotes(file: TextFile, sample: Sequence[str], mark: str) -> list[str]:
    """Return lines from the first field on that begins with a quote, if the first lines have no such quote."""
    quotes = [quote for quote in "\"'" if not any(quote in line for line in sample)]
    with file.lines() as opened:
        lines = TextLines(opened, len(sample), file.newline)
        number = len(sample)
        while quotes and (content := lines.take(CHARACTERS_AT_ONCE)):
            if any(quote in content for quote in quotes):
                for place, line in enumerate(split_lines(content, file.newline)):
                    if any(begins_field(quote, line, mark) for quote in quotes):
                        return _sample(file, number + place)
            number = lines.number
    return []


def _sample(file: TextFile, start: int) -> list[str]:
    """Return some lines of a file below the first ``start`` ones, without their ends."""
    sample: list[str] = []
    size = 0
    with file.lines() as lines:
        for line in islice(lines, start, start + SAMPLE_LINES):
            size += len(line)
            if sample and size > MAX_SAMPLE:
                break
            sample.append(line.rstrip("\r\n"))
    return sample


def _rest_of_row(first: str, lines: TextLines, grammar: Grammar) -> list[str]:
    """Return the lines of a row whose first line has an open quote, at most until it is too long.

    If a quote stands at a wrong place, or is never closed, there is no line, and all but the first are read again.
    """
    parts = [first]
    size = len(first)
    for raw in lines:
        parts.append(raw)
        size += len(raw)
        goes_on = grammar.goes_on(raw.rstrip("\r\n"))
        if goes_on is False or size > MAX_TEXT:
            return parts
        if goes_on is None:
            break
    lines.push_back(parts[1:])
    return []
