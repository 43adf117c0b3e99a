"""Small files that would be the cause of large work, and pipes and devices in the place of files."""

import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from any_input import examples
from hypothesis import given
from hypothesis import strategies as st
from table_files import labelled, read, write_table

from qllmft_base.errors import UserError
from qllmft_tables.texts import read_texts


def refused(path, message, *, predict=True):
    with pytest.raises(UserError, match=message):
        read(path)
    if predict:
        with pytest.raises(UserError, match=message):
            list(read_texts(path, "text"))


def repeated(path, text, rows):
    """A file of a few kB with one text in many rows."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([text]))
    pq.write_table(
        pa.table({"text": texts, "label": pa.array([0, 1] * (rows // 2))}), path, compression="zstd"
    )
    return path


def test_a_repeated_text_takes_its_memory_once(tmp_path):
    path = repeated(tmp_path / "x.parquet", "a" * 90_000, 500)
    assert path.stat().st_size < 20_000
    texts = read(path).splits["all"].texts
    assert len(texts) == 500
    assert len({id(text) for text in texts}) < 10


def test_parquet_that_unpacks_to_much_is_refused(tmp_path, monkeypatch):
    refused(
        repeated(tmp_path / "x.parquet", "a" * 2_000_000, 4),
        "a cell has 2,000,000 bytes, expected at most 1,0",
    )
    many = repeated(tmp_path / "y.parquet", "a" * 1_000, 4)
    monkeypatch.setattr("qllmft_tables.bounds.MAX_ROWS", 3)
    refused(many, "unpacks to 4 rows, expected at most 3")
    monkeypatch.undo()
    long = repeated(tmp_path / "z.parquet", "a" * 900_000, 70_000)
    assert long.stat().st_size < 20_000
    refused(long, r"unpacks to more than 60,\d+,\d+ bytes", predict=False)


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".jsonl", ".parquet"])
def test_a_long_text_is_refused_before_it_is_tokenised(tmp_path, suffix):
    path = write_table(tmp_path / f"x{suffix}", labelled(("a", 0), ("b" * 1_000_001, 1)))
    refused(path, r"1,000,001 (characters|bytes), expected at most 1,000,000", predict=False)


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".jsonl"])
def test_a_table_of_many_columns_is_refused(tmp_path, suffix):
    path = write_table(tmp_path / f"x{suffix}", [{str(i): 1 for i in range(10_001)}])
    refused(path, "has 10,001 columns, expected at most 10,000", predict=False)


def test_a_line_without_an_end_is_no_table(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("text,label\n" + "a" * 20_000_001)
    refused(path, r"line 2: it has more than \d+,000,000 bytes")


def test_a_list_of_records_is_read_in_parts(tmp_path, monkeypatch):
    path = write_table(tmp_path / "x.json", labelled(*[("a" * 90, 0), ("b", 1)] * 20))
    monkeypatch.setattr("qllmft_tables.json_list._CHARACTERS_AT_ONCE", 7)
    assert len(read(path).splits["all"].texts) == 40
    monkeypatch.setattr("qllmft_tables.records.MAX_LINE", 50)
    refused(path, "record 1: not JSON \\(a value has more than 50 characters\\)")


@pytest.mark.parametrize("content", ["[" + "{}," * 200_000 + "{}]", "{}\n" * 200_000])
def test_records_without_the_column_are_not_read_to_the_end(tmp_path, content):
    path = tmp_path / ("x.json" if content.startswith("[") else "x.jsonl")
    path.write_text(content)
    refused(path, "there is no column 'text'")


def test_a_damaged_line_of_many_fields_is_read_in_bounded_time(tmp_path):
    path = tmp_path / "x.csv"
    names = ",".join(["text", "label", *map(str, range(9_000))])
    path.write_text(f"{names}\n" + ",".join(['"a"b'] * 9_002) + "\n")
    refused(path, "line 2: it has a quote at a wrong place")


def test_parquet_that_is_not_utf_8_is_refused(tmp_path):
    texts = pa.array([b"\x83", b"a"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": texts, "label": [0, 1]}), tmp_path / "x.parquet")
    refused(tmp_path / "x.parquet", "cannot be read as parquet: 'utf-8' codec")


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".jsonl", ".parquet"])
def test_pipes_and_devices_are_no_tables(tmp_path, suffix):
    os.mkfifo(tmp_path / f"pipe{suffix}")
    (tmp_path / f"zeros{suffix}").symlink_to("/dev/zero")
    for name in ("pipe", "zeros"):
        refused(tmp_path / f"{name}{suffix}", "is a pipe or a device", predict=suffix == ".parquet")


@examples(20)
@given(st.integers(201, 5_500), st.sampled_from("19-"), st.booleans())
def test_a_long_label_is_refused(tmp_path, digits, first, quoted):
    label = first + "9" * (digits - 1)
    if quoted or digits > 4_000:
        path = write_table(tmp_path / "x.tsv", labelled(("a", label), ("b", 0)))
    else:
        path = tmp_path / "x.jsonl"
        path.write_text(f'{{"text": "a", "label": {label}}}\n{{"text": "b", "label": 0}}\n')
    refused(
        path,
        r"(row \d: the label has [\d,]+ characters, expected at most 200|integer has [\d,]+ digits)",
        predict=False,
    )


@pytest.mark.parametrize(
    "metadata", [b"{", b"\xff", b"[]", b'{"index_columns": ["gone"], "columns": []}']
)
def test_what_pandas_wrote_about_a_table_is_not_read(tmp_path, metadata):
    table = pa.table({"text": ["a", "b"], "label": [0, 1]}).replace_schema_metadata(
        {b"pandas": metadata}
    )
    pq.write_table(table, tmp_path / "x.parquet")
    assert read(tmp_path / "x.parquet").splits["all"].texts == ["a", "b"]


def test_a_closed_standard_input_is_said(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UserError, match="standard input is closed"):
        list(read_texts(Path("-"), "text"))


def test_categories_and_an_index_are_columns_like_others(tmp_path):
    frame = pd.DataFrame(
        {"text": ["a", "b"], "label": pd.Categorical([3, 2])}, index=pd.Index([5, 6], name="n")
    )
    frame.to_parquet(tmp_path / "x.parquet")
    assert read(tmp_path / "x.parquet").label_names == ("2", "3")


@pytest.mark.parametrize("suffix", [".tsv", ".csv"])
def test_a_stream_of_rows_has_bounds(tmp_path, suffix):
    wide, long, quoted = (tmp_path / f"{name}{suffix}" for name in ("wide", "long", "quoted"))
    separator = "\t" if suffix == ".tsv" else ","
    wide.write_text(separator.join(["text", *map(str, range(10_001))]) + "\nfilm\n")
    long.write_text("text\nfilm\n" + "a" * 1_000_001 + "\n")
    quoted.write_text('text\nfilm\n"' + f"{'a' * 19}\n" * 40_000 + "," * 700_000)
    expected = {wide: "has 10,002 columns", long: "line 3: it has more than 1,000,000 bytes"}
    for path, message in (
        expected | ({quoted: "larger than|has more than"} if suffix == ".csv" else {})
    ).items():
        with pytest.raises(UserError, match=message):
            list(read_texts(path, "text"))


def test_a_row_of_many_lines_is_not_read_without_end(tmp_path):
    path = tmp_path / "x.csv"
    cell = '"' + f"{'a' * 9}\n" * 10_000 + '",'
    path.write_text("text,x\nfilm,1\n" + cell * 21)
    with pytest.raises(
        UserError, match=r"its row has more than 1,000,000 characters\. Is a quote not closed"
    ):
        list(read_texts(path, "text"))


CELLS = {  # of a table, before the text and after it
    ".tsv": ("label\ttext\n1\t", "\n"),
    ".csv": ("label,text\n1,", "\n"),
    ".jsonl": ('{"label": 1, "text": "', '"}\n{"label": 0, "text": "a"}\n'),
}


@pytest.mark.slow
@pytest.mark.parametrize("suffix", CELLS)
def test_a_cell_of_400_megabytes(tmp_path, suffix):
    path, (before, after) = tmp_path / f"x{suffix}", CELLS[suffix]
    with path.open("w") as file:
        file.write(before)
        for _ in range(400):
            file.write("a" * 1_000_000)
        file.write(after)
    refused(path, r"expected at most 1,000,000|more than 1,000,000 bytes")


def test_parquet_with_a_column_twice_is_refused(tmp_path):
    pq.write_table(
        pa.table([["a"], ["b"], ["good"]], names=["text", "text", "label"]), tmp_path / "x.parquet"
    )
    refused(tmp_path / "x.parquet", "has several columns named 'text', expected one", predict=True)
