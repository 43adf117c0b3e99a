"""Texts without labels from a file or a stream of any length."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from qllmft_base.errors import UserError
from qllmft_tables.blocks import Block, Fault
from qllmft_tables.bounds import MAX_TEXT
from qllmft_tables.cells import SHEET_ERRORS, is_blank, python_text, unusual_places
from qllmft_tables.columns import Columns, plain
from qllmft_tables.content import detect_kind
from qllmft_tables.file_bytes import DataFile, is_file
from qllmft_tables.formats import MARK
from qllmft_tables.records import ABSENT, RecordTable
from qllmft_tables.separated import SeparatedTable
from qllmft_tables.tables import SUFFIXES, RowSource, open_table, table_suffix

Report = Callable[[str], None]


@dataclass(frozen=True)
class TextColumns:
    """What is read of a file of texts.

    Attributes:
        columns: name of the column of the texts, or of both columns of pairs.
        delimiter: of the fields of a table; None: it is found.
        names: of all columns of a table without a line of names.
        keep: further columns whose cells go with each row; None: all.
    """

    columns: tuple[str, ...]
    delimiter: str | None = None
    names: tuple[str, ...] = ()
    keep: tuple[str, ...] | None = ()


class TextRow(NamedTuple):
    """Row of a table, or line of a file of lines."""

    number: int  # in the file
    texts: list[str]  # one, or two of pairs, without blanks around them
    kept: dict[str, Any]  # cells of the columns that are kept


class BadRowError(UserError):
    """Row without a text."""

    def __init__(self, path: DataFile, place: str, fault: str, remedy: str) -> None:
        super().__init__(f"{path}, {place}: {fault}. {remedy}")
        self.row = f"{place}: {fault}"


def read_rows(
    file: DataFile,
    wanted: TextColumns,
    report: Report = lambda _: None,
    most: int | None = None,
    on_bad_row: Report | None = None,
) -> Iterator[TextRow]:
    """Return the rows of a file with their texts or pairs, see `read_texts` and `read_pairs`.

    Args:
        file: with one text per line, or a table.
        wanted: columns of the texts, and how a table is written.
        report: gets a line about how a table is read, before its rows.
        most: number of bytes of a table when it is unpacked; None: any, as it is read lazily.
        on_bad_row: gets the place and the fault of a row without a text, which is left out; None: it is an error.
    """
    named = _all_columns(file, wanted, most) if wanted.keep is None else wanted.keep
    keep = [name for name in dict.fromkeys(named) if name not in wanted.columns]
    columns = Columns(wanted.columns, names=wanted.names, options=dict.fromkeys(keep, "--keep"))
    if len(wanted.columns) > 1:
        _check_is_table(file, columns, wanted.delimiter, most)
    return _filled_rows(file, columns, wanted.delimiter, report, most, on_bad_row)


def _all_columns(file: DataFile, wanted: TextColumns, most: int | None) -> list[str]:
    """Return the names of the columns of a table that stand there once, none of a file of lines."""
    columns = Columns(wanted.columns, names=wanted.names)
    try:
        table = _table_at(file, columns, wanted.delimiter, most)
    except OSError as error:
        raise _unreadable(file, error) from error
    if table is None:
        return []
    counts = Counter(table.all_names())
    forms = Counter(map(plain, counts))
    texts = {plain(name) for name in wanted.columns}
    return [
        name
        for name, count in counts.items()
        if count == 1 and name and forms[plain(name)] == 1 and plain(name) not in texts
    ]


def read_pairs(
    path: DataFile,
    columns: tuple[str, str],
    delimiter: str | None = None,
    report: Report = lambda _: None,
    names: Sequence[str] = (),
    most: int | None = None,
) -> Iterator[tuple[str, str]]:
    """Yield both texts of each row of a table lazily, as `read_texts` does.

    Args:
        path: of the file, or ``-``.
        columns: of the first and of the second texts.
        delimiter: of the fields of a table; None: it is found.
        report: gets a line about how a table is read, before its rows.
        names: of all columns of a table without a line of names.
        most: number of bytes of a table when it is unpacked; None: any, as it is read lazily.

    Raises:
        UserError: for a file of lines, and for a row with one text.
    """
    wanted = TextColumns(columns, delimiter, tuple(names))
    return ((row.texts[0], row.texts[1]) for row in read_rows(path, wanted, report, most))


def _check_is_table(
    path: DataFile, columns: Columns, delimiter: str | None, most: int | None
) -> None:
    """Raise UserError for a file of lines, which has no pairs."""
    if table_suffix(path) in ("", ".txt") and _table_at(path, columns, delimiter, most) is None:
        raise UserError(
            f"{path} has one text per line, and the model compares two. Give a {', '.join(SUFFIXES)} table with the "
            f"columns {' and '.join(columns.texts)}, or pairs of texts as arguments."
        )


def read_texts(
    path: DataFile,
    column: str,
    delimiter: str | None = None,
    report: Report = lambda _: None,
    names: Sequence[str] = (),
    most: int | None = None,
) -> Iterator[str]:
    """Yield the texts of a file lazily, in memory that does not depend on their number or length.

    A table of any format has a column of texts, also a ``.txt`` file whose first line names that column among others.
    Every other file, and standard input (``-``), has one text per line. Empty lines are left out, and an empty text of
    a table raises UserError.

    Args:
        path: of the file, or ``-``.
        column: of the texts.
        delimiter: of the fields of a table; None: it is found.
        report: gets a line about how a table is read, before its rows.
        names: of all columns of a table without a line of names.
        most: number of bytes of a table when it is unpacked; None: any, as it is read lazily.
    """
    wanted = TextColumns((column,), delimiter, tuple(names))
    return (row.texts[0] for row in read_rows(path, wanted, report, most))


def _filled_rows(
    path: DataFile,
    columns: Columns,
    delimiter: str | None,
    report: Report,
    most: int | None,
    on_bad_row: Report | None = None,
) -> Iterator[TextRow]:
    """Yield the rows or lines with texts; an empty text of a row is an error, or left out."""
    try:
        table = _table_at(path, columns, delimiter, most)
        if table is None:
            if columns.options:
                raise UserError(
                    f"{path} has one text per line, and no columns to keep. Omit --keep, or give a table."
                )
            for number, line in enumerate(_lines(path, report), start=1):
                if not is_blank(line):
                    yield TextRow(number, [line.strip()], {})
            return
        named = f"column{'s' if len(columns.required) > 1 else ''} {', '.join(columns.required)}"
        report(f"{path.name}: {', '.join(part for part in (table.in_words, named) if part)}")
        reader = _RowReader(path, table, columns, on_bad_row)
        for item in table.items():
            yield from reader.read(item)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: DataFile, error: OSError) -> UserError:
    return UserError(f"the file {path} cannot be read: {error.strerror or error}.")


def _table_at(
    path: DataFile, columns_to_read: Columns, delimiter: str | None, most: int | None
) -> RowSource | None:
    """Return the table of a file, or None if it has one text per line."""
    suffix = table_suffix(path)
    may_be_lines = suffix in ("", ".txt")
    if may_be_lines and not is_file(path):
        return None
    if not may_be_lines or columns_to_read.names:
        return open_table(path, columns_to_read, delimiter, most=most, longest=MAX_TEXT)
    kind = detect_kind(path)
    if kind in ("workbook", "parquet"):
        return open_table(path, columns_to_read, most=most)
    if kind == "gzip" and not suffix:
        raise UserError(f"{path} is packed by gzip. Unpack it first: gunzip {path.name}.")
    if suffix == ".txt":
        with suppress(UserError):  # of one text per line
            table = open_table(path, columns_to_read, delimiter, most=most, longest=MAX_TEXT)
            if isinstance(table, SeparatedTable) and len(table.names) > 1:
                return table
    if kind == "gzip":
        raise UserError(
            f"{path} is packed by gzip, and is no table. Unpack one text per line first: gunzip {path.name}."
        )
    return None


class _RowReader:
    """Rows with texts among the items of a table."""

    def __init__(
        self, path: DataFile, table: RowSource, columns: Columns, on_bad_row: Report | None
    ) -> None:
        self._path = path
        self._table = table
        self._names = columns.texts
        self._kept = tuple(columns.options)
        self._on_bad_row = on_bad_row

    def read(self, item: Block | tuple[int, Sequence[Any]] | Fault) -> Iterator[TextRow]:
        """Yield the rows of a block, a row, or none of a blank line and of what is left out."""
        if isinstance(item, Fault):
            place = self._table.place(item.line)
            remedy = "Correct it, or leave it out with --bad-rows skip."
            self._refuse(BadRowError(self._path, place, item.reason, remedy))
        elif isinstance(item, Block):
            yield from self._rows_of_block(item)
        elif item[1] and (row := self._check_row(*item)):
            yield row

    def _refuse(self, error: BadRowError) -> None:
        """Report a row that is left out, or raise its error."""
        if self._on_bad_row is None:
            raise error
        self._on_bad_row(error.row)

    def _rows_of_block(self, block: Block) -> Iterator[TextRow]:
        """Yield the rows of a block."""
        are_plain = np.ones(len(block.numbers), bool)
        for column_cells in block.cells[: len(self._names)]:
            try:
                texts = [*map(str.strip, column_cells)]
            except TypeError:  # numbers, or cells without a value
                are_plain[:] = False
                break
            are_plain[unusual_places(texts)] = False
        rows = zip(*block.cells, strict=True)
        for number, is_plain, cells in zip(
            block.numbers.tolist(), are_plain.tolist(), rows, strict=True
        ):
            if is_plain:
                yield TextRow(
                    number, [*map(str.strip, cells[: len(self._names)])], self._keep(cells)
                )
            elif row := self._check_row(number, cells):
                yield row

    def _keep(self, cells: Sequence[Any]) -> dict[str, Any]:
        """Return the cells of the columns that are kept, by name."""
        values = cells[len(self._names) :]
        pairs = zip(self._kept, values, strict=True)
        return {name: None if value is ABSENT else value for name, value in pairs}

    def _check_row(self, number: int, cells: Sequence[Any]) -> TextRow | None:
        """Return a row, or None if it is left out; see `_refuse`."""
        try:
            texts = [
                self._text(cell, number, column)
                for column, cell in zip(self._names, cells[: len(self._names)], strict=True)
            ]
        except BadRowError as error:
            self._refuse(error)
            return None
        return TextRow(number, texts, self._keep(cells))

    def _text(self, value: Any, number: int, column: str) -> str:
        """Return the text in a cell without blanks around it, or raise an error."""
        place = self._table.place(number)
        remedy = "Fill it in, or leave the row out with --bad-rows skip."
        if value is ABSENT:
            assert isinstance(self._table, RecordTable)
            if self._on_bad_row is None:
                raise self._table.no_column(column, number)
            raise BadRowError(self._path, place, f"there is no {column!r}", remedy)
        if value is not None and not isinstance(value, str):
            raise BadRowError(
                self._path,
                place,
                f"the text is {python_text(value):.60}, expected a string",
                "Choose the column with --text-column, or write numbers in quotes.",
            )
        text = (value or "").strip()
        if is_blank(text):
            raise BadRowError(self._path, place, f"{column!r} is empty", remedy)
        if text in SHEET_ERRORS:
            raise BadRowError(
                self._path,
                place,
                f"{column!r} is {text!r}, an error of a spreadsheet",
                "Correct it, or leave the row out with --bad-rows skip.",
            )
        return text


def _lines(path: DataFile, report: Report) -> Iterator[str]:
    """Yield the lines of a file or of standard input, with their ends and without byte order marks."""
    is_input = isinstance(path, Path) and str(path) == "-"
    if is_input and sys.stdin is None:
        raise UserError(
            "standard input is closed, expected one text per line. Give a file, or a text as an argument."
        )
    is_marked = False
    with nullcontext(sys.stdin.buffer) if is_input else _open_lines(path) as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_TEXT + 1), b""), start=1):
            if len(line) > MAX_TEXT:
                raise UserError(
                    f"{path}, line {number}: it has more than {MAX_TEXT:,} bytes. Expected one text per line. "
                    "Split it."
                )
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{path}, line {number}: byte {line[error.start]:#04x} is not UTF-8. Convert the file first."
                ) from None
            if MARK in text:
                text = text.replace(MARK, "")
                if not is_marked:
                    report(f"{path.name}: byte order marks left out, the first in line {number}")
                is_marked = True
            yield text


def _open_lines(path: DataFile) -> BinaryIO:
    """Open a file of lines, which may be a pipe."""
    return path.open("rb") if isinstance(path, Path) else BytesIO(path.content)
