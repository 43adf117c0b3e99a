"""The one door to tables in files: `train`, `evaluate`, `predict` and `serve` read through it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from qllmft_base.errors import UserError
from qllmft_base.text import format_count
from qllmft_tables import bounds
from qllmft_tables.blocks import Block, Fault
from qllmft_tables.bounds import MAX_LINE
from qllmft_tables.cell_codec import decode_cells
from qllmft_tables.columns import Columns, no_column
from qllmft_tables.content import read_content
from qllmft_tables.file_bytes import DataFile
from qllmft_tables.foreign_files import ForeignContent
from qllmft_tables.records import ABSENT, RecordTable
from qllmft_tables.separated import SeparatedTable
from qllmft_tables.spreadsheet import SheetTable

if TYPE_CHECKING:
    import pandas as pd

WORKBOOKS = (".xlsx", ".xls", ".xlsb", ".ods")
SUFFIXES = (".tsv", ".csv", ".jsonl", ".parquet", ".txt", ".json", *WORKBOOKS)
_ALIASES = {".tab": ".tsv", ".ndjson": ".jsonl", ".xlsm": ".xlsx"}
_RECORDS = (".jsonl", ".json")
_PACKED = (".gz", ".gzip")
_MAX_NUMBERS = 4  # lines that an error names after the first
_MAX_REMARKS = 3


class RowSource(Protocol):
    """Table in a file, of any format."""

    @property
    def columns_read(self) -> list[str]:
        """Return the columns that each row has a cell of, by the names that were asked for."""

    @property
    def in_words(self) -> str:
        """Return how the table is read."""

    remarks: list[str]  # on rows that were read, when all were

    def all_names(self) -> list[str]:
        """Return the names of all columns, also of those that are not read."""

    def place(self, number: int) -> str:
        """Return the place of a row or a fault in words."""

    def items(self) -> Iterator[Block | tuple[int, list[Any]] | Fault]:
        """Yield blocks of rows, the line or number of a row with its cells, none for a blank line, and faults."""


@dataclass(frozen=True)
class FileTable:
    """Rows of a file, and what was left out of them."""

    frame: pd.DataFrame  # with the line or number of each row as index
    faults: tuple[Fault, ...]
    description: str  # of what was taken


def table_suffix(path: DataFile) -> str:
    """Return the suffix of a table by the file's name, without that of gzip, or "" if it is none of a table.

    >>> from pathlib import Path
    >>> table_suffix(Path("a.CSV.gz")), table_suffix(Path("b.tab")), table_suffix(Path("c.md"))
    ('.csv', '.tsv', '')
    """
    suffix = _last_suffix(path)
    suffix = _ALIASES.get(suffix, suffix)
    return suffix if suffix in SUFFIXES else ""


def _last_suffix(path: DataFile) -> str:
    """Return the last suffix of a file in small letters, without that of gzip."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def table_stem(path: DataFile) -> str:
    """Return the name of a file without the suffixes of `table_suffix`, in small letters."""
    name = path.name.lower()
    for suffix in reversed(path.suffixes[-2:]):
        if suffix.lower() in (*_PACKED, *SUFFIXES, *_ALIASES):
            name = name.removesuffix(suffix.lower())
    return name


def open_table(
    path: DataFile,
    columns: Columns,
    delimiter: str | None = None,
    *,
    most: int | None = None,
    longest: int = MAX_LINE,
) -> RowSource:
    """Open a table, whose content and not its name alone tells how it is read.

    Args:
        path: of a regular file.
        columns: those that are read.
        delimiter: of the fields of a separated table; None: it is found.
        most: number of bytes of the unpacked file; None: any.
        longest: number of bytes of a line.

    Raises:
        UserError: if the file is no table, or has not the columns.
    """
    suffix = _last_suffix(path)
    longest = bounds.MAX_BYTES if suffix == ".json" else longest  # which may be one line
    content = read_content(path, columns.all, most=most, longest=longest)
    if isinstance(content, ForeignContent):
        if content.kind == "parquet":
            return ParquetTable(path, content, columns)
        return SheetTable(path, content, columns)
    suffix = _ALIASES.get(suffix, suffix)
    if not suffix and columns.names:
        suffix = ".txt"
    if not suffix:
        raise UserError(
            f"{path} has no suffix, expected one of {', '.join(SUFFIXES)}. Rename it, or name its columns with "
            "--columns."
        )
    if suffix not in SUFFIXES:
        raise UserError(f"{path} has the suffix {suffix!r}, expected one of {', '.join(SUFFIXES)}.")
    if suffix in (".parquet", *WORKBOOKS):
        raise UserError(
            f"{path} cannot be read as {suffix[1:]}: it is a text file. Rename it by its content, such as "
            f"{table_stem(path)}.csv."
        )
    if suffix in _RECORDS:
        return RecordTable(content, columns)
    return SeparatedTable(content, columns, delimiter, suffix=suffix)


class ParquetTable:
    """Table of a parquet file."""

    def __init__(self, path: DataFile, content: ForeignContent, columns: Columns) -> None:
        self.path = path
        self.remarks: list[str] = []
        self._content = content
        names = content.facts["names"]
        places = columns.positions(names, path)
        if missing := [name for name in columns.required if name not in places]:
            raise no_column(missing[0], names, path, columns)
        self.columns_read = list(places)
        self._places = [content.facts["places"].index(place) for place in places.values()]
        self.in_words = ""

    def all_names(self) -> list[str]:
        """Return the names of all columns."""
        return list(self._content.facts["names"])

    def place(self, number: int) -> str:
        """Return the place of a row in words."""
        return f"row {number}"

    def items(self) -> Iterator[Block]:
        """Yield blocks of rows, numbered from 1."""
        first = 1
        with self._content.spool.open() as file:
            for line in file:
                n_rows, columns = decode_cells(line)
                numbers = np.arange(first, first + n_rows)
                yield Block(numbers, [_cells(*columns[place]) for place in self._places])
                first += n_rows


def _cells(kind: str, values: list[Any], codes: Sequence[int | None] = ()) -> list[Any]:
    """Return the cells of a column, which may have its different values once."""
    if kind == "cells":
        return values
    return [None if code is None else values[code] for code in codes]


def read_table(
    path: DataFile,
    columns: Columns | Sequence[str],
    delimiter: str | None = None,
    *,
    skips: bool = False,
) -> FileTable:
    """Read all rows of a table.

    Args:
        path: of a file within the bounds.
        columns: those that are read, or their names.
        delimiter: as of `open_table`.
        skips: leave out the lines that are no rows.

    Raises:
        UserError: as `open_table` does, and for lines that are no rows unless they are left out.
    """
    import pandas as pd  # takes a third of a second, and predictions need no frame

    if not isinstance(columns, Columns):
        columns = Columns(tuple(columns))
    table = open_table(path, columns, delimiter, most=bounds.MAX_BYTES)
    names = table.columns_read
    numbers, values, faults, n_rows = _read_cells(table)
    if faults and not skips:
        raise _not_rows(path, faults, n_rows, table)
    absent = [
        name
        for name, column in zip(names, values, strict=True)
        if name in columns.optional and all(cell is ABSENT for cell in column)
    ]
    if isinstance(table, RecordTable):
        values = [
            [None if cell is ABSENT else cell for cell in column] if ABSENT in column else column
            for column in values
        ]
    frame = pd.DataFrame(
        {
            name: pd.Series(column if n_rows == len(column) else column[:n_rows], dtype=object)
            for name, column in zip(names, values, strict=True)
            if name not in absent
        },
        copy=False,
    )
    frame.index = pd.Index(np.frombuffer(numbers, np.int64)[:n_rows])
    description = _describe_reading(path, table, n_rows, list(frame.columns))
    return FileTable(frame, tuple(faults), description)


def _read_cells(table: RowSource) -> tuple[array[int], list[list[Any]], list[Fault], int]:
    """Return the numbers of all rows, the cells of each column, the faults, and the number of rows.

    Blank lines at the end are not counted; their cells are empty.
    """
    numbers = array("q")
    values: list[list[Any]] = [[] for _ in table.columns_read]
    faults: list[Fault] = []
    n_rows = 0  # up to the last that is not blank
    for item in table.items():
        if isinstance(item, Fault):
            faults.append(item)
            continue
        if isinstance(item, Block):
            numbers.frombytes(item.numbers.tobytes())
            for column, cells_ in zip(values, item.cells, strict=True):
                column += cells_
        else:
            number, row = item
            numbers.append(number)
            for column, cell in zip(values, row or [""] * len(values), strict=True):
                column.append(cell)
            if not row:
                continue
        n_rows = len(numbers)
    return numbers, values, faults, n_rows


def _describe_reading(path: DataFile, table: RowSource, n_rows: int, columns: list[str]) -> str:
    """Return what was taken from a file, in words, with the first remarks on its rows."""
    named = f"column{'s' if len(columns) != 1 else ''} {', '.join(columns)}"
    parts = [format_count(n_rows, "row"), table.in_words, named]
    description = f"{path.name}: {', '.join(part for part in parts if part)}"
    remarks = table.remarks[:_MAX_REMARKS]
    if len(table.remarks) > _MAX_REMARKS:
        remarks.append(f"{len(table.remarks) - _MAX_REMARKS:,} more lines are like that")
    return "; ".join([description, *remarks])


def _not_rows(path: DataFile, faults: Sequence[Fault], rows: int, table: RowSource) -> UserError:
    """Return the error for lines that are no rows."""
    first, *other_faults = faults
    message = f"{path}, {table.place(first.line)}: {first.reason}."
    if other_faults:
        numbers = [str(fault.line) for fault in other_faults[:_MAX_NUMBERS]]
        if len(other_faults) > _MAX_NUMBERS:
            numbers.append(f"and {len(other_faults) - _MAX_NUMBERS:,} more")
        message += f" {format_count(len(other_faults), 'more line')}: {', '.join(numbers)}."
    if len(faults) > rows:
        return UserError(
            f"{message} Quote the texts that hold the delimiter ({table.in_words}), name another one with --delimiter, "
            "or name every column in the first line."
        )
    lines = "the line" if not other_faults else "these lines"
    return UserError(f"{message} Correct {lines}, or leave {lines} out with --bad-rows skip.")
