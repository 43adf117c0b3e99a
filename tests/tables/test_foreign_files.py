"""Files that are not plain UTF-8 text: what they hold is read, and what cannot be known is named."""

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile_tables import MAIN, pack_document, pack_workbook, sheet_cell
from table_files import HAS_EXCEL, labelled_rows, read_all_texts, read_file, refusal, write_lines

from qllmft_base.errors import UserError
from qllmft_tables import foreign_files
from qllmft_tables.bounds import ReadingLimits, limit_reading
from qllmft_tables.file_bytes import FileBytes
from qllmft_tables.texts import read_texts

MARK = "\ufeff"
excel = pytest.mark.skipif(not HAS_EXCEL, reason="pip install python-calamine")
# more than the reader of sheets takes at once
ROWS = [(f"a lamp, number {i}", "ab"[i % 2]) for i in range(1_200)]


def sheet(rows, dimension=""):
    """A sheet whose rows are written with or without their places."""
    mark = f'<dimension ref="{dimension}"/>' if dimension else ""
    return f'<worksheet xmlns="{MAIN}">{mark}<sheetData>{"".join(rows)}</sheetData></worksheet>'


def sheet_rows(pairs):
    return [
        f'<row r="{i}">{sheet_cell(a, f"A{i}")}{sheet_cell(b, f"B{i}")}</row>'
        for i, (a, b) in enumerate(pairs, 1)
    ]


@excel
@pytest.mark.public_report(
    case="sheet_dimension",
    source="pandas-dev/pandas#39001",
    seen="a sheet that states 40 of its 200 rows lost the other 160 without a word",
    outcome="all rows are read, whatever the sheet states",
)
@pytest.mark.parametrize("dimension", ["", "A1", "A1:B41", "A1:A201", "A1:XFD1048576", "C5:D9"])
def test_all_rows_are_read_whatever_a_sheet_states(tmp_path, dimension):
    path = tmp_path / "x.xlsx"
    path.write_bytes(pack_workbook(sheet(sheet_rows([("text", "label"), *ROWS]), dimension)))
    table = read_file(path).join_splits()
    assert table.texts == [text for text, _ in ROWS]
    assert table.labels.tolist() == [i % 2 for i in range(len(ROWS))]


@excel
def test_rows_of_a_sheet_stand_at_their_places(tmp_path):
    path = tmp_path / "x.xlsx"
    rows = sheet_rows([("text", "label"), ("first", "a"), ("second", "b"), ("third", "a")])
    path.write_bytes(pack_workbook(sheet([rows[0], rows[3], rows[1], rows[2]])))
    assert read_all_texts(path) == ["first", "second", "third"]
    bare = [f"<row>{sheet_cell(a)}{sheet_cell(b)}</row>" for a, b in [("text", "label"), *ROWS[:4]]]
    path.write_bytes(pack_workbook(sheet(bare)))
    assert read_all_texts(path) == [text for text, _ in ROWS[:4]]


@excel
def test_a_row_far_below_the_others_is_named(tmp_path):
    path = tmp_path / "x.xlsx"
    far = f'<row r="900000">{sheet_cell("z", "A900000")}</row>'
    path.write_bytes(pack_workbook(sheet([*sheet_rows([("text", "label"), *ROWS]), far])))
    assert "row 900000: it follows 898,798 blank rows. Delete it" in refusal(path)


@excel
def test_open_document_is_read(tmp_path):
    path = tmp_path / "x.ods"
    path.write_bytes(pack_document([("text", "label"), *ROWS]))
    assert read_all_texts(path) == [text for text, _ in ROWS]
    assert [*read_texts(FileBytes("x.ods", path.read_bytes()), "text")] == read_all_texts(path)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("qllmft_tables.content.find_spec", lambda name: None)
    (tmp_path / "x.xlsx").write_bytes(pack_workbook(""))
    assert "needs the package python-calamine: pip install python-calamine. Or save" in refusal(
        tmp_path / "x.xlsx"
    )


@excel
def test_cells_are_what_a_person_sees(tmp_path):
    from openpyxl import Workbook

    book = Workbook()
    labels = [1, 1.5, True, "007", dt.datetime(2020, 1, 1), dt.time(1, 2), 0.25, "1.0"]
    for row in [("text", "label"), *((f"text {i}", label) for i, label in enumerate(labels))]:
        book.active.append(row)
    book.create_sheet("hidden").sheet_state = "hidden"
    book.save(tmp_path / "x.xlsx")
    expected = {"1", "1.5", "True", "007", "2020-01-01", "01:02:00", "0.25", "1.0"}
    assert {*read_file(tmp_path / "x.xlsx").label_names} == expected


@pytest.mark.public_report(
    case="byte_order_marks",
    source="dotnet/machinelearning#544",
    seen="byte order marks within a file became parts of labels and texts",
    outcome="they are left out, and the line on the table says it",
)
@pytest.mark.parametrize(
    ("lines", "count"),
    [
        ([f"{MARK}text,label", *(f"{MARK}{text},{label}" for text, label in [("a", 0), ("b", 1)])], 2),
        ([f"{MARK}text,label", "a,0", f"{MARK}b,1"], 1),
        ([f'{MARK}"text","label"', f'{MARK}"a","0"', '"b","1"'], 1),
        (["text,label", f"a,{MARK}0", f"{MARK}b,1{MARK}"], 3),
    ],
    ids=["each line", "joined files", "quotes", "fields"],
)  # fmt: skip
def test_byte_order_marks_are_no_text(tmp_path, lines, count):
    corpus = read_file(write_lines(tmp_path / "x.csv", *lines))
    assert (corpus.join_splits().texts, corpus.label_names) == (["a", "b"], ("0", "1"))
    marks = "a byte order mark" if count == 1 else f"{count} byte order marks"
    assert f"{marks} left out" in corpus.tables[0]


def test_byte_order_marks_of_lines_are_no_text(tmp_path):
    path = write_lines(tmp_path / "x.txt", f"{MARK}a lamp", f"{MARK}a tent")
    lines = []
    assert [*read_texts(path, "text", report=lines.append)] == ["a lamp", "a tent"]
    assert lines == ["x.txt: byte order marks left out, the first in line 2"]


def test_names_of_joined_files_are_no_row(tmp_path):
    path = write_lines(tmp_path / "x.csv", f"{MARK}text,label", "a,0", f"{MARK}text,label", "b,1")
    assert "line 3: it names the columns again" in refusal(path)
    assert read_file(path, bad_rows="skip").label_names == ("0", "1")


@pytest.mark.public_report(
    case="mixed_encodings",
    source="own attack",
    seen="one line in Windows-1252 made mojibake of the UTF-8 lines, without a word",
    outcome="the line is named",
)
@pytest.mark.parametrize(("plain", "foreign"), [("café", "naïve"), ("ГОСТ", "é"), ("“so”", "für")])
def test_a_line_in_another_encoding_is_named(tmp_path, plain, foreign):
    path = tmp_path / "x.csv"
    lines = [f"text,label\n{plain} 1,a\n".encode(), f"{foreign} 2,b\n".encode("cp1252")]
    path.write_bytes(b"".join(lines))
    byte = foreign.encode("cp1252").strip(b"abcdefghijklmnopqrstuvwxyz")[0]
    assert f"line 3: byte {byte:#04x} is not UTF-8, and line 2 is UTF-8. Save" in refusal(path)


@pytest.mark.public_report(
    case="two quotes after backslashes",
    source="own attack",
    seen=r"`\"\"` in a text lost one of its quotes",
    outcome="both quotes are read",
)
def test_two_quotes_after_backslashes_are_two(tmp_path):
    rows = [f'"say \\"\\" now {i}",{i % 2}' for i in range(9)]
    path = write_lines(tmp_path / "x.csv", "text,label", *rows)
    assert read_all_texts(path)[0] == 'say "" now 0'


def test_cells_of_parquet_keep_their_types(tmp_path):
    days = [dt.date(2020, 1, 1), dt.date(2021, 1, 1)]
    for labels, names in (
        (days, ("2020-01-01", "2021-01-01")),
        ([b"x", b"y"], ("x", "y")),
        ([1.0, 2.0], ("1", "2")),
        (pa.array([0, 1], pa.timestamp("ns")), ("1970-01-01", "1970-01-01 00:00:00.000000001")),
        (pa.array([0, 86_400], pa.timestamp("s")), ("1970-01-01", "1970-01-02")),
        (pa.array([0.1, 0.2], pa.float32()), ("0.1", "0.2")),
    ):
        pq.write_table(pa.table({"text": ["a", "b"], "label": labels}), tmp_path / "x.parquet")
        assert read_file(tmp_path / "x.parquet").label_names == names


def test_no_module_of_the_current_folder_is_imported(tmp_path, monkeypatch):
    for name in (
        "gzip",
        "zipfile",
        "python_calamine",
        "pyarrow",
        "qllmft",
        "sitecustomize",
        "codecs",
    ):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert read_all_texts(write_lines(tmp_path / "x.csv", f"text,label\n{MARK}a,0", "b,1")) == [
        "a",
        "b",
    ]
    pd.DataFrame(labelled_rows(("a", 0), ("b", 1))).to_parquet("x.parquet")
    assert read_all_texts(tmp_path / "x.parquet") == ["a", "b"]
    assert not (tmp_path / "ran").exists()


LIMITS = limit_reading(0)
TINY = {
    "more than 0 s of computing": ReadingLimits(0, 10**9, 10**9, 10**6),
    "more than 100 MB of memory": ReadingLimits(9, 10**8, 10**9, 10**6),
    "unpacks to more than 1,000 bytes": ReadingLimits(9, 10**9, 1_000, 10**6),
    "unpacks to more than 5 lines": ReadingLimits(9, 10**9, 10**6, 5),
}


@excel
@pytest.mark.skipif(sys.platform != "linux", reason="limits of the kernel")
@pytest.mark.parametrize("message", TINY)
def test_what_reading_takes_has_limits(tmp_path, monkeypatch, message):
    monkeypatch.setattr(foreign_files, "limit_reading", lambda size: TINY[message])
    path = tmp_path / "x.csv"
    rows = "".join(
        f"été {i},{i % 2}\n" for i in range(500_000 if "computing" in message else 9_999)
    )
    path.write_bytes(f"text,label\n{rows}".encode("cp1252"))
    if "memory" in message:
        far = f'<row r="2000000000">{sheet_cell("z", "A2000000000")}</row>'
        path.write_bytes(pack_workbook(sheet([*sheet_rows([("text", "label")]), far])))
    assert message in refusal(path)


@pytest.mark.skipif(not hasattr(signal, "SIGSEGV"), reason="signals")
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "MB of memory"),
        ("import sys; sys.exit(7)", "the process that reads it ended with exit code 7"),
        (f"import os; os._exit({foreign_files.FULL_DISK_CODE})", "is full. Make room there"),
        ("import time; time.sleep(60)", "is not read within 0.2 s"),
    ],
)
def test_a_process_that_ends_early_is_an_error(tmp_path, monkeypatch, code, message):
    monkeypatch.setattr(foreign_files, "_READER_CODE", code)
    if "sleep" in code:
        monkeypatch.setattr(foreign_files, "MAX_WAIT_S", 0.2)
        monkeypatch.setattr(foreign_files, "limit_reading", lambda size: ReadingLimits(0, 1, 1, 1))
    path = write_lines(tmp_path / "x.csv", f"text,label\n{MARK}a,0")
    assert message in refusal(path)


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
def test_an_interruption_ends_the_process(tmp_path, monkeypatch):
    started = tmp_path / "started"
    code = f"open({str(started)!r}, 'w').write(str(__import__('os').getpid())); import time; time.sleep(60)"
    script = (
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"  # else a shell may ignore it
        "from qllmft_tables import foreign_files\nfrom qllmft_tables.file_bytes import FileBytes\n"
        f"foreign_files._READER_CODE = {code!r}\nforeign_files.read_foreign(FileBytes('x', b'a'))"
    )
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", script], stderr=subprocess.DEVNULL, start_new_session=True
    )
    while process.poll() is None and not (started.exists() and started.read_text()):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    assert process.wait(50) != 0
    for _ in range(5_000):
        if not Path(f"/proc/{started.read_text()}").exists():
            return
        time.sleep(0.01)
    pytest.fail("it goes on")


def test_the_content_of_a_file_in_memory_is_read():
    with pytest.raises(UserError, match=r"^a.csv.gz cannot be unpacked"):
        [*read_texts(FileBytes("a.csv.gz", b"\x1f\x8b\x08\x00"), "text")]
