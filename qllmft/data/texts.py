"""Texts without labels from a file or a stream of any length."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from qllmft.data.cells import batches, check_columns, is_blank, open_parquet
from qllmft.data.sources import SUFFIXES, parse_object
from qllmft.errors import UserError

LONGEST_LINE = 1_000_000  # bytes


def read_pairs(
    path: Path, columns: tuple[str, str], delimiter: str | None = None
) -> Iterator[tuple[str, str]]:
    """Yield both texts of each row of a table lazily, or raise UserError for a row with one text."""
    if path.suffix not in SUFFIXES:
        raise UserError(
            f"{path} has one text per line, and the model compares two. Give a {', '.join(SUFFIXES)} table with the "
            f"columns {' and '.join(columns)}, or pairs of texts as arguments."
        )
    return ((first, second) for first, second in _filled(path, columns, delimiter))


def read_texts(path: Path, column: str, delimiter: str | None = None) -> Iterator[str]:
    """Yield the texts of a file lazily, in memory that does not depend on their number or length.

    A ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet`` file has a column of texts; every other file, and standard input
    (``-``), has one text per line. Empty lines are left out, and an empty text of a table raises UserError.
    """
    return (text for (text,) in _filled(path, [column], delimiter))


def _filled(path: Path, columns: Sequence[str], delimiter: str | None) -> Iterator[list[str]]:
    """Yield the cells of `_rows` without blanks around them, or raise UserError for an empty one of a table."""
    for number, cells in enumerate(_rows(path, columns, delimiter), start=1):
        empty = [column for column, cell in zip(columns, cells, strict=True) if is_blank(cell)]
        if not empty:
            yield [cell.strip() for cell in cells]
        elif path.suffix in SUFFIXES:
            raise UserError(
                f"{path}, row {number}: {empty[0]!r} is empty. Fill it in, or leave the row out."
            )


def _rows(path: Path, columns: Sequence[str], delimiter: str | None) -> Iterator[Sequence[str]]:
    """Yield the cells of columns in each row, or the lines of a file that is no table."""
    try:
        if path.suffix == ".parquet":
            with open_parquet(path, columns) as file:
                _check(file.schema_arrow.names, columns, path)
                rows = (
                    cells
                    for batch in batches(file, columns, path, keeps_all=False)
                    for cells in zip(*batch, strict=True)
                )
                for number, cells in enumerate(rows, start=1):
                    yield [_text(cell, f"{path}, row {number}") for cell in cells]
        elif path.suffix == ".jsonl":
            for where, line in ((f"{path}, line {n}", line) for n, line in _lines(path)):
                if line.strip():
                    found = parse_object(line, where)
                    _check(found, columns, where)
                    yield [_text(found[column], where) for column in columns]
        elif path.suffix in SUFFIXES:
            yield from _of_separated(path, columns, delimiter)
        else:
            yield from ([line] for _, line in _lines(path))
    except OSError as error:
        raise UserError(f"the file {path} cannot be read: {error.strerror or error}.") from error


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield numbers and content of the lines of a file or of standard input, with their ends."""
    if str(path) == "-" and sys.stdin is None:
        raise UserError(
            "standard input is closed, expected one text per line; give a file, or a text as an argument."
        )
    with nullcontext(sys.stdin.buffer) if str(path) == "-" else path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), start=1):
            if len(line) > LONGEST_LINE:
                raise UserError(
                    f"{path}, line {number}: it has more than {LONGEST_LINE:,} bytes. Expected one text per line; "
                    "split it."
                )
            try:
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{path}, line {number}: byte {line[error.start]:#04x} is not UTF-8. Convert the file first."
                ) from None


def _of_separated(
    path: Path, columns: Sequence[str], delimiter: str | None
) -> Iterator[Sequence[str]]:
    """Yield rows of a file with a row per line, or with quoted ends of lines in ``.csv``."""
    row_bytes = 0  # read for this row, which may have ends of lines in quotes

    def lines() -> Iterator[str]:
        nonlocal row_bytes
        for number, line in _lines(path):
            row_bytes += len(line)
            if row_bytes > LONGEST_LINE:
                raise UserError(
                    f"{path}, line {number}: its row has more than {LONGEST_LINE:,} characters. Is a quote not closed?"
                )
            yield line

    tabs = path.suffix == ".tsv"
    rows = csv.reader(
        lines(),
        delimiter=delimiter or ("\t" if tabs else ","),
        quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL,
    )
    try:
        names = next(rows, [])
        check_columns(len(names), path)
        _check(names, columns, path)
        wanted = [names.index(column) for column in columns]
        row_bytes = 0
        for row in rows:
            row_bytes = 0
            if row and len(row) <= max(wanted):
                last = max(wanted)
                raise UserError(
                    f"{path}, line {rows.line_num}: it has {len(row)} fields, and {names[last]!r} is number {last + 1}."
                )
            if row:
                yield [row[i] for i in wanted]
    except csv.Error as error:
        raise UserError(f"{path}, line {rows.line_num}: it cannot be read: {error}.") from None


def _check(names: Iterable[str], columns: Sequence[str], where: object) -> None:
    if missing := [column for column in columns if column not in names]:
        raise UserError(
            f"{where}: there is no column {missing[0]!r}; its columns are {', '.join(names)}. Choose with "
            "--text-column, or give a .txt file with one text per line."
        )


def _text(value: Any, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UserError(
            f"{where}: the text is {value!r}, expected a string. Choose the column with --text-column."
        )
    return value
