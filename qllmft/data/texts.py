"""Texts without labels from a file or a stream of any length."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from qllmft.data.cells import check_columns, is_blank
from qllmft.data.parquet import batches, open_parquet
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
    first, second = (_of_file(path, column, delimiter) for column in columns)
    try:
        for number, pair in enumerate(zip(first, second, strict=True), start=1):
            if empty := [name for name, text in zip(columns, pair, strict=True) if is_blank(text)]:
                raise UserError(
                    f"{path}, row {number}: {empty[0]!r} is empty. Fill it in, or leave the row out."
                )
            yield pair[0].strip(), pair[1].strip()
    except OSError as error:
        raise UserError(f"the file {path} cannot be read: {error.strerror or error}.") from error


def read_texts(path: Path, column: str, delimiter: str | None = None) -> Iterator[str]:
    """Yield the texts of a file lazily, in memory that does not depend on their number or length.

    A ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet`` file has a column of texts; every other file, and standard input
    (``-``), has one text per line. Empty texts are left out.
    """
    try:
        texts = _of_file(path, column, delimiter)
        yield from (text.strip() for text in texts if not is_blank(text))
    except OSError as error:
        raise UserError(f"the file {path} cannot be read: {error.strerror or error}.") from error


def _of_file(path: Path, column: str, delimiter: str | None) -> Iterator[str]:
    if path.suffix == ".parquet":
        return _of_parquet(path, column)
    if path.suffix in SUFFIXES:
        return _of_table(path, column, delimiter)
    return (line for _, line in _lines(path))


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


def _of_table(path: Path, column: str, delimiter: str | None) -> Iterator[str]:
    """Yield the column of a text file with a row per line, or with quoted ends of lines in ``.csv``."""
    if path.suffix == ".jsonl":
        for number, line in _lines(path):
            if line.strip():
                where = f"{path}, line {number}"
                found = parse_object(line, where)
                _index([*found], column, where)
                yield _text(found[column], where)
        return
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
    separator = delimiter or ("\t" if tabs else ",")
    rows = csv.reader(
        lines(), delimiter=separator, quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL
    )
    try:
        names = next(rows, [])
        check_columns(len(names), path)
        index = _index(names, column, path)
        row_bytes = 0
        for row in rows:
            row_bytes = 0
            if row:
                if len(row) <= index:
                    raise UserError(
                        f"{path}, line {rows.line_num}: it has {len(row)} fields, and {column!r} is number {index + 1}."
                    )
                yield row[index]
    except csv.Error as error:
        raise UserError(f"{path}, line {rows.line_num}: it cannot be read: {error}.") from None


def _of_parquet(path: Path, column: str) -> Iterator[str]:
    with open_parquet(path, [column]) as file:
        _index(file.schema_arrow.names, column, path)
        rows = 0
        for (values,) in batches(file, [column], path, keeps_all=False):
            for value in values:
                rows += 1
                yield _text(value, f"{path}, row {rows}")


def _index(names: list[str], column: str, where: object) -> int:
    if column not in names:
        raise UserError(
            f"{where}: there is no column {column!r}; its columns are {', '.join(names)}. Choose with --text-column, "
            "or give a .txt file with one text per line."
        )
    return names.index(column)


def _text(value: Any, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UserError(
            f"{where}: the text is {value!r}, expected a string. Choose the column with --text-column."
        )
    return value
