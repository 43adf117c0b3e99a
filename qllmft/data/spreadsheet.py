"""Rows of a sheet of Excel."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from itertools import islice
from typing import Any

from qllmft.data.cells import MAX_TEXT, SHEET_ERRORS, check_columns
from qllmft.data.columns import (
    MAX_BEFORE,
    Columns,
    are_names,
    find_position,
    has_all,
    no_column,
    seems_row,
)
from qllmft.data.file_bytes import DataFile, open_file
from qllmft.data.separated import Fault
from qllmft.errors import UserError, first_line

# that openpyxl, zipfile and the parsers of XML raise for a damaged part
_DAMAGE_ERRORS: tuple[type[Exception], ...] = (
    *(ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError, OSError),
    *(SyntaxError, TypeError, ValueError, zipfile.BadZipFile, zlib.error),
)
_WORKBOOK = "xl/workbook.xml"


class SheetTable:
    """The sheet of a workbook whose first rows name the columns."""

    def __init__(self, path: DataFile, columns: Columns, most: int) -> None:
        self.path = path
        self.most = most
        self.remarks: list[str] = []
        with _workbook(path, most) as book:
            heads = {
                sheet.title: [
                    _names(row) for row in islice(sheet.iter_rows(values_only=True), MAX_BEFORE)
                ]
                for sheet in book.worksheets
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

    def place(self, number: int) -> str:
        """Return the place of a row in words."""
        return f"row {number}"

    def items(self) -> Iterator[tuple[int, list[Any]] | Fault]:
        """Yield the number of each row below the names, and its cells; no cell for a blank row."""
        places = list(self._places.values())
        with _workbook(self.path, self.most) as book:
            rows = book[self._title].iter_rows(min_row=self._header + 2, values_only=True)
            for number, row in enumerate(rows, start=self._header + 2):
                if all(cell is None for cell in row):
                    yield number, []
                elif are_names(_names(row), self.names):
                    yield Fault(number, "it names the columns again")
                elif not self._has_names and len(_names(row)) > len(self.names):
                    yield Fault(
                        number,
                        f"it has {len(_names(row)):,} cells, expected {len(self.names):,}, as many as names",
                    )
                else:
                    yield (
                        number,
                        [_cell(row[place]) if place < len(row) else None for place in places],
                    )

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
        return no_column(missing, rows[0], self.path, columns)


@contextmanager
def _workbook(path: DataFile, most: int) -> Iterator[Any]:
    """Open a workbook whose unpacked size has a bound."""
    try:
        from openpyxl import load_workbook
    except ModuleNotFoundError:
        raise UserError(
            f"{path} is a file of Excel, which needs the package openpyxl: pip install '.[excel]'. Or save it as .csv."
        ) from None
    with open_file(path, most) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                size = sum(part.file_size for part in archive.infolist())
                if _WORKBOOK not in archive.namelist():
                    raise UserError(f"{path} is a zip archive, expected a table. Unpack it first.")
            if size > most:
                raise UserError(
                    f"{path} unpacks to {size:,} bytes, expected at most {most:,}. Split it."
                )
            file.seek(0)
            book = load_workbook(file, read_only=True, data_only=True)
        except UserError:
            raise
        except Exception as error:  # openpyxl has no error of its own for a damaged part
            raise _damage_error(path, error) from error
        try:
            yield book
        except UserError:
            raise
        except _DAMAGE_ERRORS as error:
            raise _damage_error(path, error) from error
        finally:
            book.close()


def _damage_error(path: DataFile, error: Exception) -> UserError:
    if not {".xlsx", ".xlsm"} & {suffix.lower() for suffix in path.suffixes}:
        return UserError(
            f"{path} is a damaged zip archive, expected a table: {first_line(error)}. Save the table again, as .csv."
        )
    return UserError(
        f"{path} cannot be read as .xlsx: {first_line(error)}. Save it again, or as .csv."
    )


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
    from openpyxl.utils.escape import unescape

    if value is None or isinstance(value, bool | int | float | date):
        return value
    text = unescape(str(value))
    if len(text) > MAX_TEXT:
        raise UserError(
            f"a cell has {len(text):,} characters, expected at most {MAX_TEXT:,}. Split it."
        )
    return None if text in SHEET_ERRORS else text
