"""Rows of a sheet of a workbook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from qllmft_base.errors import UserError
from qllmft_tables.blocks import Fault
from qllmft_tables.bounds import MAX_BLANK_ROWS
from qllmft_tables.cell_codec import decode_cells
from qllmft_tables.cells import SHEET_ERRORS, check_columns
from qllmft_tables.columns import (
    MAX_BEFORE,
    Columns,
    are_names,
    find_position,
    has_all,
    no_column,
    seems_row,
)
from qllmft_tables.file_bytes import DataFile
from qllmft_tables.foreign_files import ForeignContent


class SheetTable:
    """The sheet of a workbook whose first rows name the columns."""

    def __init__(self, path: DataFile, content: ForeignContent, columns: Columns) -> None:
        self.path = path
        self.remarks: list[str] = []
        self._content = content
        heads = {
            title: [_names(row) for _, row in islice(self._rows(title), MAX_BEFORE)]
            for title, _, _ in content.facts["sheets"]
        }
        headers = {
            title: number
            for title, rows in heads.items()
            for number in (_header(rows, columns),)
            if number is not None
        }
        self._has_names = bool(headers) or not columns.names
        if not self._has_names:
            headers = {title: -1 for title, rows in heads.items() if any(map(any, rows))}
        if len(headers) != 1:
            raise self._not_one_sheet(heads, list(headers), columns)
        ((self._title, self._header),) = headers.items()
        if self._has_names:
            self.names = heads[self._title][self._header]
        else:
            columns.check_names(path)
            self.names = list(columns.names)
        check_columns(len(self.names), path)
        self._places = columns.positions(self.names, path)
        self._n_sheets = len(heads)

    @property
    def columns_read(self) -> list[str]:
        """Return the columns that each row has a cell of."""
        return list(self._places)

    @property
    def in_words(self) -> str:
        """Return how the table is read."""
        several = f" of {self._n_sheets}" if self._n_sheets > 1 else ""
        named = f", the columns are named in row {self._header + 1}" if self._header > 0 else ""
        if not self._has_names:
            named = ", no row of names"
        return f"sheet {self._title!r}{several}{named}"

    def all_names(self) -> list[str]:
        """Return the names of all columns."""
        return list(self.names)

    def place(self, number: int) -> str:
        """Return the place of a row in words."""
        return f"row {number}"

    def items(self) -> Iterator[tuple[int, list[Any]] | Fault]:
        """Yield the number of each row below the names, and its cells; no cell for a blank row."""
        places = list(self._places.values())
        for number, row in islice(self._rows(self._title), self._header + 1, None):
            names = _names(row)
            if not row:
                yield number, []
            elif are_names(names, self.names):
                yield Fault(number, "it names the columns again")
            elif not self._has_names and len(names) > len(self.names):
                yield Fault(
                    number,
                    f"it has {len(names):,} cells, expected {len(self.names):,}, as many as names",
                )
            else:
                yield (
                    number,
                    [_cell(row[place]) if place < len(row) else None for place in places],
                )

    def _rows(self, title: str) -> Iterator[tuple[int, list[Any]]]:
        """Yield all rows of a sheet up to the last that is not blank, with their numbers from 1."""
        sheets = self._content.facts["sheets"]
        place, n_blocks = next((place, n) for name, place, n in sheets if name == title)
        expected = 1
        with self._content.spool.open(place) as file:
            for line in islice(file, n_blocks):
                for number, cells in decode_cells(line):
                    if number - expected > MAX_BLANK_ROWS:
                        raise UserError(
                            f"{self.path}, row {number}: it follows {number - expected:,} blank rows. Delete it, or "
                            "move it up."
                        )
                    yield from ((blank, []) for blank in range(expected, number))
                    yield number, cells
                    expected = number + 1

    def _not_one_sheet(
        self, heads: dict[str, list[list[str]]], titles: Sequence[str], columns: Columns
    ) -> UserError:
        """Return the error for a workbook with no table or with several."""
        if titles:
            sheets = " and ".join(map(repr, titles[:2]))
            return UserError(
                f"{self.path}: the sheets {sheets} both have the columns. Expected one such sheet. Save it as .csv."
            )
        rows = next((rows for rows in heads.values() if any(map(any, rows))), [])
        rows = [row for row in rows if any(row)]
        if not rows:
            return UserError(f"{self.path} is empty, expected a first row that names the columns.")
        if seems_row(rows[0], rows[1:]):
            return UserError(
                f"{self.path}: the first row seems to be a text, not the names of columns: "
                f"{', '.join(rows[0])[:60]!r}. Add a first row with {' and '.join(columns.required)}, or name the "
                "columns with --columns."
            )
        missing = next(
            name for name in columns.required if find_position(name, rows[0], self.path) < 0
        )
        return no_column(missing, rows[0], self.path, columns, rows[1:])


def _names(row: Sequence[Any]) -> list[str]:
    """Return the cells of a row as names, without empty ones at its end."""
    names = ["" if cell is None else str(cell).strip() for cell in row]
    while names and not names[-1]:
        names.pop()
    return names


def _header(rows: Sequence[Sequence[str]], columns: Columns) -> int | None:
    """Return the number of the row that names all columns, below rows with one filled cell or none."""
    for number, names in enumerate(rows):
        if has_all(columns.required, names):
            return number
        if sum(map(bool, names)) > 1:
            return None
    return None


def _cell(value: Any) -> Any:
    """Return a cell as text, number or date, and None for one of Excel's errors."""
    return None if isinstance(value, str) and value in SHEET_ERRORS else value
