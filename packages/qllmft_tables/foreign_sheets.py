"""Rows of the sheets of a workbook, written by the process that reads foreign files."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import PurePath
from typing import Any, BinaryIO

from qllmft_tables.bounds import MAX_TEXT
from qllmft_tables.cell_codec import encode_cells
from qllmft_tables.formats import ContentError

_ROWS_AT_ONCE = 1_000
_MAX_EXACT = 2**53  # beyond it, not every whole number is a float
# parts of workbooks that are zip files
_BOOK_PARTS = frozenset(("xl/workbook.xml", "xl/workbook.bin", "content.xml"))
_ZIP = b"PK"


def write_sheets(content: BinaryIO, output: BinaryIO, max_rows: int, name: str) -> dict[str, Any]:
    """Write the rows of each sheet that are not blank, with their numbers, and return the places of the sheets.

    Args:
        content: of the workbook.
        output: gets the rows in blocks, see `encode_cells`.
        max_rows: of all sheets together.
        name: of the file, whose suffix is in a message.

    Returns:
        ``sheets``: title of each sheet, byte of ``output`` where its blocks begin, and number of blocks.

    Raises:
        ContentError: for a workbook that is damaged, has a password or too many rows.
    """
    import python_calamine

    try:
        book = python_calamine.load_workbook(content)
        sheets = [
            (sheet.name, book.get_sheet_by_name(sheet.name))
            for sheet in book.sheets_metadata
            if sheet.typ == python_calamine.SheetTypeEnum.WorkSheet
        ]
    except python_calamine.PasswordError:
        raise ContentError(" is protected by a password. Save it without one.") from None
    except (MemoryError, KeyboardInterrupt):
        raise
    except BaseException as error:  # calamine, in Rust, may panic
        raise _damage_error(content, name, error) from None
    places = []
    n_rows = 0
    for title, sheet in sheets:
        place = output.tell()
        rows = _number_rows(sheet.iter_rows())
        n_lines = 0
        while block := list(islice(rows, _ROWS_AT_ONCE)):
            n_lines += 1
            n_rows += len(block)
            if n_rows > max_rows:
                raise ContentError(f" has more than {max_rows:,} rows. Save it as .csv.")
            output.write(encode_cells(block))
        places.append([title, place, n_lines])
    return {"sheets": places}


def _number_rows(rows: Iterator[list[Any]]) -> Iterator[tuple[int, list[Any]]]:
    """Yield the number of each row that is not blank, and its cells without empty ones at its end."""
    for number, cells in enumerate(rows, start=1):
        end = len(cells)
        while end and cells[end - 1] == "":
            end -= 1
        if end:
            yield number, [_convert(cell) for cell in cells[:end]]


def _convert(cell: Any) -> Any:
    """Return a cell as in a table: None if it is empty, and a whole number as such."""
    if type(cell) is float and cell.is_integer() and abs(cell) < _MAX_EXACT:
        return int(cell)
    if type(cell) is not str:
        return cell
    if len(cell) > MAX_TEXT:
        raise ContentError(
            f": a cell has {len(cell):,} characters, expected at most {MAX_TEXT:,}. Split it."
        )
    return cell or None


def _damage_error(content: BinaryIO, name: str, error: BaseException) -> ContentError:
    """Return the error for a file that calamine cannot read."""
    content.seek(0)
    is_zip = content.read(len(_ZIP)) == _ZIP
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    if is_zip:
        try:
            with zipfile.ZipFile(content) as archive:
                parts = archive.namelist()
        except Exception as fault:  # zipfile has no error of its own for a damaged part
            parts = ["xl/workbook.xml"]
            reason = str(fault)
        if not _BOOK_PARTS & {*parts}:
            return ContentError(" is a zip archive, expected a table. Unpack it first.")
    suffix = PurePath(name).suffix.lower()
    if suffix in (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"):
        return ContentError(f" cannot be read as {suffix}: {reason}. Save it again, or as .csv.")
    kind = "a damaged zip archive" if is_zip else "no workbook"
    return ContentError(f" is {kind}, expected a table: {reason}. Save the table again, as .csv.")
