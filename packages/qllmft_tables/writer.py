"""Tables that are written row by row: .csv, .tsv, .jsonl and .xlsx."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import date, datetime, time
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any
from xml.sax.saxutils import escape

import numpy as np

from qllmft_base.errors import UserError
from qllmft_base.files import writing

WRITTEN = (".csv", ".tsv", ".jsonl", ".xlsx")
# of a worksheet
MAX_SHEET_ROWS = 1_048_576
MAX_SHEET_CELL = 32_767  # characters
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
# what XML does not hold, and what would be read as the writing of it
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_CONTENT = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_CONTENT}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_CONTENT}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="r1" Type="{_OFFICE}/officeDocument" '
    'Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_SHEET}" xmlns:r="{_OFFICE}"><sheets>'
    '<sheet name="answers" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="r1" '
    f'Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'

WriteRow = Callable[[Mapping[str, Any]], None]


def check_can_write(path: Path) -> str:
    """Return the suffix of a file that can be written, or raise UserError for another one and if it exists."""
    suffix = path.suffix.lower()
    if suffix not in WRITTEN:
        raise UserError(
            f"--out {path} ends with {suffix or 'no suffix'}, expected {', '.join(WRITTEN)}. Name such a file."
        )
    if path.exists():
        raise UserError(
            f"{path} exists and is not overwritten. Name another file, or delete that one."
        )
    return suffix


@contextmanager
def open_writer(path: Path, columns: Sequence[str]) -> Iterator[WriteRow]:
    """Return a function that writes a row, by the names of its columns, into a new file.

    The file is there when all rows are written: an error leaves none.

    Args:
        path: see `check_can_write`.
        columns: of the table in their order.
    """
    suffix = check_can_write(path)
    temporary = path.with_name(f".{path.name}.part")
    write_rows = {".jsonl": _write_records, ".xlsx": _write_sheet}.get(suffix, _write_separated)
    name = f"the file {path}"
    parts = ExitStack()
    with writing(name):
        temporary.unlink(missing_ok=True)
        file = parts.enter_context(temporary.open("xb"))
        write_part = parts.enter_context(write_rows(file, columns, suffix))

    def write_row(row: Mapping[str, Any]) -> None:
        with writing(name):
            write_part(row)

    try:
        yield write_row
        with writing(name):
            parts.close()
            temporary.rename(path)
    finally:
        with suppress(OSError):
            parts.close()
        temporary.unlink(missing_ok=True)


@contextmanager
def _write_separated(file: IO[bytes], columns: Sequence[str], suffix: str) -> Iterator[WriteRow]:
    with _as_text(file) as text:
        table = csv.writer(text, delimiter=_DELIMITERS[suffix], lineterminator="\n")
        table.writerow(columns)
        yield lambda row: table.writerow([_cell_text(row.get(name)) for name in columns])


@contextmanager
def _write_records(file: IO[bytes], columns: Sequence[str], _: str) -> Iterator[WriteRow]:
    with _as_text(file) as text:

        def write_row(row: Mapping[str, Any]) -> None:
            record = {name: row.get(name) for name in columns}
            text.write(json.dumps(record, ensure_ascii=False, default=_cell_text) + "\n")

        yield write_row


@contextmanager
def _as_text(file: IO[bytes]) -> Iterator[TextIOWrapper]:
    text = TextIOWrapper(file, "utf-8", newline="")
    try:
        yield text
    finally:
        text.flush()
        text.detach()


@contextmanager
def _write_sheet(file: IO[bytes], columns: Sequence[str], _: str) -> Iterator[WriteRow]:
    """Write the one sheet of a workbook, with texts in its cells and no list of shared ones."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in _PARTS.items():
            book.writestr(name, _XML + content)
        with book.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            sheet.write(f'{_XML}<worksheet xmlns="{_SHEET}"><sheetData>'.encode())

            def write_cells(cells: Sequence[Any]) -> None:
                sheet.write(f"<row>{''.join(map(_sheet_cell, cells))}</row>".encode())

            write_cells(columns)
            yield lambda row: write_cells([row.get(name) for name in columns])
            sheet.write(b"</sheetData></worksheet>")


def _sheet_cell(value: Any) -> str:
    """Return a cell of a sheet: a number as one, and anything else as text, which no program computes."""
    if value is None:
        return "<c/>"
    if isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value):
        return f"<c><v>{value!r}</v></c>"
    text = _NO_XML.sub(lambda found: f"_x{ord(found[0]):04X}_", _cell_text(value))
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'


def _cell_text(value: Any) -> str:
    """Return a cell as text: "" without a value, dates in ISO 8601, and lists as JSON."""
    if value is None:
        return ""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
