"""Texts without labels from a file or a stream of any length."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from qllmft_base.errors import UserError
from qllmft_tables.blocks import Block, Fault
from qllmft_tables.bounds import MAX_TEXT
from qllmft_tables.cells import SHEET_ERRORS, is_blank, python_text, unusual_places
from qllmft_tables.columns import Columns
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
    """

    columns: tuple[str, ...]
    delimiter: str | None = None
    names: tuple[str, ...] = ()


def read_columns(
    file: DataFile, wanted: TextColumns, report: Report = lambda _: None, most: int | None = None
) -> Iterator[str | tuple[str, str]]:
    """Return the texts or pairs of a file, see `read_texts` and `read_pairs`.

    Args:
        file: with one text per line, or a table.
        wanted: columns of the texts, and how a table is written.
        report: gets a line about how a table is read, before its rows.
        most: number of bytes of a table when it is unpacked; None: any, as it is read lazily.
    """
    settings = (wanted.delimiter, report, wanted.names, most)
    if len(wanted.columns) == 1:
        return read_texts(file, wanted.columns[0], *settings)
    first, second = wanted.columns
    return read_pairs(file, (first, second), *settings)


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
    columns_to_read = Columns(columns, names=tuple(names))
    if (
        table_suffix(path) in ("", ".txt")
        and _table_at(path, columns_to_read, delimiter, most) is None
    ):
        raise UserError(
            f"{path} has one text per line, and the model compares two. Give a {', '.join(SUFFIXES)} table with the "
            f"columns {' and '.join(columns)}, or pairs of texts as arguments."
        )
    return (
        (first, second)
        for first, second in _filled_rows(path, columns_to_read, delimiter, report, most)
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
    columns_to_read = Columns((column,), names=tuple(names))
    return (text for (text,) in _filled_rows(path, columns_to_read, delimiter, report, most))


def _filled_rows(
    path: DataFile,
    columns_to_read: Columns,
    delimiter: str | None,
    report: Report,
    most: int | None,
) -> Iterator[list[str]]:
    """Yield the texts of each row or line without blanks around them, or raise UserError for an empty one of a row."""
    columns = columns_to_read.texts
    try:
        table = _table_at(path, columns_to_read, delimiter, most)
        if table is None:
            yield from ([line.strip()] for line in _lines(path, report) if not is_blank(line))
            return
        named = f"column{'s' if len(columns) > 1 else ''} {', '.join(columns)}"
        report(f"{path.name}: {', '.join(part for part in (table.in_words, named) if part)}")
        for item in table.items():
            if isinstance(item, Fault):
                raise UserError(
                    f"{path}, {table.place(item.line)}: {item.reason}. Correct it, or leave it out."
                )
            if isinstance(item, Block):
                yield from _rows_of_block(item, table, path, columns)
            elif item[1]:
                yield _check_row(item[0], item[1], table, path, columns)
    except OSError as error:
        raise UserError(f"the file {path} cannot be read: {error.strerror or error}.") from error


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


def _rows_of_block(
    block: Block, table: RowSource, path: DataFile, columns: Sequence[str]
) -> Iterator[list[str]]:
    """Yield the texts of each row of a block, as `_check_row` does."""
    are_plain = np.ones(len(block.numbers), bool)
    for column_cells in block.cells:
        try:
            texts = [*map(str.strip, column_cells)]
        except TypeError:  # numbers, or cells without a value
            are_plain[:] = False
            break
        are_plain[unusual_places(texts)] = False
    numbers = block.numbers.tolist()
    rows = zip(*block.cells, strict=True)
    for number, is_plain, cells in zip(numbers, are_plain.tolist(), rows, strict=True):
        yield (
            [*map(str.strip, cells)]
            if is_plain
            else _check_row(number, cells, table, path, columns)
        )


def _check_row(
    number: int, cells: Sequence[Any], table: RowSource, path: DataFile, columns: Sequence[str]
) -> list[str]:
    """Return the texts of a row without blanks around them, or raise UserError for one that is none."""
    where = f"{path}, {table.place(number)}"
    texts = [
        _text(cell, table, number, where, column)
        for column, cell in zip(columns, cells, strict=True)
    ]
    for column, text in zip(columns, texts, strict=True):
        if is_blank(text):
            raise UserError(f"{where}: {column!r} is empty. Fill it in, or leave the row out.")
        if text.strip() in SHEET_ERRORS:
            raise UserError(
                f"{where}: {column!r} is {text.strip()!r}, an error of a spreadsheet. Correct it, or leave the row "
                "out."
            )
    return [text.strip() for text in texts]


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


def _text(value: Any, table: RowSource, number: int, where: str, column: str) -> str:
    if value is ABSENT:
        assert isinstance(table, RecordTable)
        raise table.no_column(column, number)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UserError(
            f"{where}: the text is {python_text(value):.60}, expected a string. Choose the column with "
            "--text-column, or write numbers in quotes."
        )
    return value
