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
from table_files import labelled_rows, read_file, write_content, write_table

from qllmft_base.errors import UserError
from qllmft_tables.texts import read_texts


def assert_refused(path, message, *, predict=True):
    with pytest.raises(UserError, match=message):
        read_file(path)
    if predict:
        with pytest.raises(UserError, match=message):
            list(read_texts(path, "text"))


def write_repeated_text(path, text, rows):
    """A file of a few kB with one text in many rows."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([text]))
    pq.write_table(
        pa.table({"text": texts, "label": pa.array([0, 1] * (rows // 2))}), path, compression="zstd"
    )
    return path


LONG_TEXT = labelled_rows(("a", 0), ("b" * 1_000_001, 1))
# how a file is written, its name, what the error says, and whether the reader of texts alone says it too
TOO_MUCH = [
    *(
        (write_table, f"x{suffix}", LONG_TEXT, r"1,000,001 (characters|bytes), expected at most 1,000,000", False)
        for suffix in (".tsv", ".csv", ".jsonl", ".parquet")
    ),
    *(
        (write_table, f"x{suffix}", [{str(i): 1 for i in range(10_001)}], "has 10,001 columns, expected at", False)
        for suffix in (".tsv", ".csv", ".jsonl")
    ),
    (write_content, "x.csv", "text,label\n" + "a" * 20_000_001, r"line 2: it has more than \d+,000,000 bytes", True),
    (
        write_content,
        "x.csv",
        ",".join(["text", "label", *map(str, range(9_000))]) + "\n" + ",".join(['"a"b'] * 9_002),
        "line 2: it has a quote at a wrong place",
        True,
    ),
    (write_content, "x.json", "[" + "{}," * 200_000 + "{}]", "there is no column 'text'", True),
    (write_content, "x.jsonl", "{}\n" * 200_000, "there is no column 'text'", True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("write", "name", "content", "message", "predict"),
    TOO_MUCH,
    ids=[f"{name} {message[:20]}" for _, name, _, message, _ in TOO_MUCH],
)
def test_a_file_that_is_too_much_is_refused(tmp_path, write, name, content, message, predict):
    assert_refused(write(tmp_path / name, content), message, predict=predict)


@pytest.mark.parametrize(
    ("columns", "names", "message"),
    [
        (
            [pa.array([b"\x83", b"a"], pa.binary()).view(pa.string()), pa.array([0, 1])],
            ["text", "label"],
            "cannot be read as parquet: 'utf-8' codec",
        ),
        (
            [["a"], ["b"], ["good"]],
            ["text", "text", "label"],
            "has several columns named 'text', expected one",
        ),
    ],
)
def test_a_damaged_parquet_is_refused(tmp_path, columns, names, message):
    pq.write_table(pa.table(columns, names=names), tmp_path / "x.parquet")
    assert_refused(tmp_path / "x.parquet", message)


def test_a_repeated_text_takes_its_memory_once(tmp_path):
    path = write_repeated_text(tmp_path / "x.parquet", "a" * 90_000, 500)
    assert path.stat().st_size < 20_000
    texts = read_file(path).splits["all"].texts
    assert len(texts) == 500
    assert len({id(text) for text in texts}) < 10


def test_parquet_that_unpacks_to_much_is_refused(tmp_path, monkeypatch):
    assert_refused(
        write_repeated_text(tmp_path / "x.parquet", "a" * 2_000_000, 4),
        "a cell has 2,000,000 bytes, expected at most 1,0",
    )
    many = write_repeated_text(tmp_path / "y.parquet", "a" * 1_000, 4)
    monkeypatch.setattr("qllmft_tables.bounds.MAX_ROWS", 3)
    assert_refused(many, "unpacks to 4 rows, expected at most 3")
    monkeypatch.undo()
    long = write_repeated_text(tmp_path / "z.parquet", "a" * 900_000, 70_000)
    assert long.stat().st_size < 20_000
    assert_refused(long, r"unpacks to more than 60,\d+,\d+ bytes", predict=False)


def test_a_list_of_records_is_read_in_parts(tmp_path, monkeypatch):
    path = write_table(tmp_path / "x.json", labelled_rows(*[("a" * 90, 0), ("b", 1)] * 20))
    monkeypatch.setattr("qllmft_tables.json_list._CHARACTERS_AT_ONCE", 7)
    assert len(read_file(path).splits["all"].texts) == 40
    monkeypatch.setattr("qllmft_tables.records.MAX_LINE", 50)
    assert_refused(path, "record 1: not JSON \\(a value has more than 50 characters\\)")


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".jsonl", ".parquet"])
def test_pipes_and_devices_are_no_tables(tmp_path, suffix):
    os.mkfifo(tmp_path / f"pipe{suffix}")
    (tmp_path / f"zeros{suffix}").symlink_to("/dev/zero")
    for name in ("pipe", "zeros"):
        assert_refused(
            tmp_path / f"{name}{suffix}", "is a pipe or a device", predict=suffix == ".parquet"
        )


@examples(20)
@given(st.integers(201, 5_500), st.sampled_from("19-"), st.booleans())
def test_a_long_label_is_refused(tmp_path, digits, first, quoted):
    label = first + "9" * (digits - 1)
    if quoted or digits > 4_000:
        path = write_table(tmp_path / "x.tsv", labelled_rows(("a", label), ("b", 0)))
    else:
        path = tmp_path / "x.jsonl"
        path.write_text(f'{{"text": "a", "label": {label}}}\n{{"text": "b", "label": 0}}\n')
    assert_refused(
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
    assert read_file(tmp_path / "x.parquet").splits["all"].texts == ["a", "b"]


def test_a_closed_standard_input_is_said(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UserError, match="standard input is closed"):
        list(read_texts(Path("-"), "text"))


def test_categories_and_an_index_are_columns_like_others(tmp_path):
    frame = pd.DataFrame(
        {"text": ["a", "b"], "label": pd.Categorical([3, 2])}, index=pd.Index([5, 6], name="n")
    )
    frame.to_parquet(tmp_path / "x.parquet")
    assert read_file(tmp_path / "x.parquet").label_names == ("2", "3")


STREAMS = [
    *(
        (f"x{suffix}", content, message)
        for suffix, mark in ((".tsv", "\t"), (".csv", ","))
        for content, message in (
            (mark.join(["text", *map(str, range(10_001))]) + "\nfilm\n", "has 10,002 columns"),
            ("text\nfilm\n" + "a" * 1_000_001 + "\n", "line 3: it has more than 1,000,000 bytes"),
        )
    ),
    (
        "x.csv",
        'text\nfilm\n"' + f"{'a' * 19}\n" * 40_000 + "," * 700_000,
        "larger than|has more than",
    ),
    (
        "x.csv",
        "text,x\nfilm,1\n" + ('"' + f"{'a' * 9}\n" * 10_000 + '",') * 21,
        r"its row has more than 1,000,000 characters\. Is a quote not closed",
    ),
]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    STREAMS,
    ids=[f"{name} {message[:20]}" for name, _, message in STREAMS],
)
def test_a_stream_of_rows_has_bounds(tmp_path, name, content, message):
    with pytest.raises(UserError, match=message):
        list(read_texts(write_content(tmp_path / name, content), "text"))


CELLS = {  # of a table, before the text and after it
    ".tsv": ("label\ttext\n1\t", "\n"),
    ".csv": ("label,text\n1,", "\n"),
    ".jsonl": ('{"label": 1, "text": "', '"}\n{"label": 0, "text": "a"}\n'),
}


@pytest.mark.slow
@pytest.mark.parametrize("suffix", CELLS)
def test_a_cell_of_400_megabytes(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    (head, tail) = CELLS[suffix]
    with path.open("w") as file:
        file.write(head)
        for _ in range(400):
            file.write("a" * 1_000_000)
        file.write(tail)
    assert_refused(path, r"expected at most 1,000,000|more than 1,000,000 bytes")
