"""Tables that are written: cells come back as they were, and a table that is not finished leaves no file."""

import csv
import json

import pytest
from table_files import HAS_EXCEL

from qllmft_base.errors import UserError
from qllmft_tables.writer import open_writer

ROWS = [
    {"id": 7, "text": "=1+1"},
    {"id": 2.5, "text": 'a "quoted",\ttext\nof <two> lines & more'},
    {"id": None, "text": "Grüße, 你好"},
]


def write(path, rows=ROWS):
    with open_writer(path, ["id", "text"]) as write_row:
        for row in rows:
            write_row(row)


@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".tsv", "\t")])
def test_separated_tables_quote_what_they_must(tmp_path, suffix, delimiter):
    write(tmp_path / f"a{suffix}")
    with (tmp_path / f"a{suffix}").open(encoding="utf-8", newline="") as file:
        assert [*csv.DictReader(file, delimiter=delimiter)] == [
            {"id": "" if row["id"] is None else str(row["id"]), "text": row["text"]} for row in ROWS
        ]


def test_records_keep_numbers(tmp_path):
    write(tmp_path / "a.jsonl")
    lines = (tmp_path / "a.jsonl").read_text("utf-8").splitlines()
    assert [*map(json.loads, lines)] == ROWS


@pytest.mark.skipif(not HAS_EXCEL, reason="openpyxl or python-calamine is not installed")
def test_a_sheet_has_numbers_and_texts_that_no_program_computes(tmp_path):
    import openpyxl
    import python_calamine

    write(tmp_path / "a.xlsx", [*ROWS, {"id": 1, "text": "bell\x07 and _x0007_"}])
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").active
    cells = [[cell.value for cell in row] for row in sheet.rows]
    assert cells[0] == ["id", "text"]
    assert cells[1:4] == [[row["id"], row["text"]] for row in ROWS]
    assert {cell.data_type for cell in sheet["B"]} == {"s"}
    # another reader knows the escapes of characters that XML has not
    book = python_calamine.load_workbook(str(tmp_path / "a.xlsx"))
    assert book.get_sheet_by_index(0).to_python()[4][1] == "bell\x07 and _x0007_"


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".xlsx"])
def test_an_error_leaves_no_file(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    with pytest.raises(AttributeError):
        write(path, [ROWS[0], None])
    assert not [*tmp_path.iterdir()]
    write(path)
    with pytest.raises(UserError, match="exists and is not overwritten"):
        write(path)
