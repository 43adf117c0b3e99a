"""Bad data: the error says what was got, what was expected and the remedy."""

import gzip
import io
import re
import socket

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from table_files import HAS_EXCEL, write_content

from qllmft.config import DataConfig
from qllmft.data import read_corpus
from qllmft_base.errors import UserError

pytestmark = pytest.mark.usefixtures("forked_table_reader")

HEAD = "text\tlabel\n"
A = '{"text": "a", "label": 1}\n'
MARK = "\ufeff"
FILMS = "text,label\n" + "".join(f'"a {word} film",{i % 2}\n' for i, word in enumerate("abcd"))
ROWS = "".join(f"The lamp {i} works,{'good' if i % 2 else 'bad'}\n" for i in range(6))


def parquet(**columns) -> bytes:
    """Return a file of columns of Arrow."""
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


TRAIN = {"train.tsv": f"{HEAD}a\t0\nb\t1\n"}

# a file and its content, or the files of a folder, and what the error says, with dots for the rest
WRONG = [
    ("mine.md", "a", "mine.md has the suffix '.md' ... expected one of .tsv"),
    ("mine", "a", "has no suffix, expected one of .tsv, .csv, .jsonl, .parquet"),
    ("mine.csv", "", "mine.csv is empty, expected a first line that names the columns"),
    ("mine.tsv", HEAD, "split 'all' ... no row ... Fill it in, or leave it out"),
    ("mine.parquet", "hello", "cannot be read as parquet: it is a text file"),
    (
        "mine.tsv",
        "review\tlabel\na\t1\nb\t0\n",
        "mine.tsv: there is no column 'text'. Its columns are 'review', 'label' ... --text-column and --label-column",
    ),
    ("mine.csv", "text,stars\na,1\n", "no column 'label'. Its columns are 'text', 'stars'"),
    ("mine.tsv", f"{HEAD}a\t1\tb\nc\t0\td\n", "line 2: it has 3 fields, expected 2 ... 1 more line: 3. Quote"),
    ("mine.csv", "text,label\nyes, good,1\nno, bad,0\n", "line 2: it has 3 fields ... Quote the texts that hold"),
    (
        "mine.csv",
        "text,label\ngood,1\nno, bad,0\n",
        "mine.csv, line 3: it has 3 fields, expected 2 (text, label). Correct the line, or ... --bad-rows skip",
    ),
    ("mine.tsv", f"{HEAD}a\t1\n\nb\t0\n", "row 3: the text is empty"),
    ("mine.jsonl", f'{A}\n{{"text": "", "label": 0}}\n', "row 3: the text is empty"),
    ("mine.jsonl", f'{A}{{"label": 0}}\n', "row 2: the text is empty"),
    ("mine.jsonl", f'{A}{{"text": 5, "label": 0}}\n', "row 2: the text is 5, expected a string"),
    ("mine.jsonl", f'{{"text": "a", "label": null}}\n{A}', "row 1: the label is empty"),
    (
        "mine.tsv",
        f"{HEAD}good\t1\nмир\t0\n".encode("cp1251"),
        "mine.tsv, line 3: byte 0xec is not UTF-8 ... Windows-1252 ... iconv -f cp1250 -t utf-8 mine.tsv",
    ),
    ("mine.jsonl", b"\xef\xbb\xbf{}\n\xff\n", "mine.jsonl, line 2: byte 0xff is not UTF-8"),
    ("mine.jsonl", "{}\n" + "[" * 100_000, "line 2: not JSON (it is nested too deeply). Expected one object per line"),
    ("mine.jsonl", f'{A}{{"text": "b"\n', "line 2: not JSON ... Expected one object per line"),
    (
        "mine.json",
        '{"text": {"0": "a", "1": "b"}, "label": {"0": 1, "1": 0}}',
        "mine.json is one object of columns, expected a list of records ... df.to_json(path, orient='records')",
    ),
    ("mine.json", '{"text": ["a", "b"], "label": [1, 0]}', "mine.json is one object of columns ... orient='records'"),
    ("mine.jsonl", f'{A}\n["b", 0]\n', "mine.jsonl, line 3: list, expected an object"),
    ("mine.jsonl", '{"text": "a", "stars": 1}\n', "no column 'label'. Its columns are 'text', 'stars'"),
    ("mine.jsonl", f'{{"text": "a", "label": ["x"]}}\n{A}', "row 1: the label is ['x'], several values, expected one"),
    ("mine.tsv", f"{HEAD}a fine film\t1\na dull film\t\n\n", "row 3: the label is empty"),
    ("mine.csv", "texts,lable\n" + ROWS, "Its columns are 'texts', 'lable'. Did you mean 'texts'?"),
    ("mine.csv", FILMS + 'another film,1"0\n', "line 6: it has a stray quote in 'label'"),
    ("mine.csv", FILMS + "a strange; odd film\n", "line 6: it has 1 field"),
    (
        "mine.csv",
        "name,x;y\na,b;c\nd,e;f\n",
        "commas and semicolons both divide all lines. Name one of the two with --delimiter",
    ),
    ("mine.csv", "text^label\na^1\nb^0\n", "Name the character between the fields with --delimiter"),
    (
        "mine.csv",
        "".join(f'"{i % 2}","14678{i}","NO_QUERY","The lamp works, and so {i}"\n' for i in range(16)),
        "--columns label,column2,column3,text",
    ),
    ("mine.csv.gz", gzip.compress(FILMS.encode() * 100, mtime=0)[:-40], "mine.csv.gz cannot be unpacked"),
    ("mine.csv.gz", gzip.compress(gzip.compress(FILMS.encode(), mtime=0), mtime=0), "is packed twice by gzip"),
    ("mine.csv", FILMS.encode("utf-32"), "is UTF-32, expected UTF-8"),
    *(
        ("mine.tsv", f"{MARK}{HEAD}{line}\n".encode(encoding)[:end], message)
        for encoding in ("utf-16-le", "utf-16-be")
        for line, end, message in (
            ("good\ta", -1, "mine.tsv: line 2 ends within a character of UTF-16"),
            ("go\0od\ta", None, "mine.tsv, line 2: it has a NUL byte"),
        )
    ),
    *(
        ("mine.csv", f'{FILMS}"{text}",1\n'.encode(encoding), "mine.csv, line 6: byte 0x ... is not UTF-8")
        for encoding, text in (
            ("cp1251", "хороший фильм"),
            ("cp1251", "я и он в кино"),
            ("cp1250", "było dobrze, żółty"),
            ("mac-roman", "un café"),
            ("cp1253", "καλή ταινία"),
            ("shift-jis", "良い映画です"),
            ("gb18030", "很好的电影"),
            ("koi8-r", "хороший фильм"),
            ("iso8859-15", "5 € für die Karte"),
            ("iso8859-15", "dobrá žena"),
        )
    ),
    # files of other kinds
    ("mine.csv", b"PK\x03\x04 and more", "is a damaged zip archive" if HAS_EXCEL else "pip install"),
    ("mine.npz", b"PK\x03\x04 and more", "mine.npz is a damaged zip archive" if HAS_EXCEL else "pip install"),
    *(
        (f"mine{suffix}", b"PK\x03\x04 and more", f"mine{suffix} cannot be read as {suffix.lower()}")
        for suffix in (".ods", ".XLSX", ".xlsb")
        if HAS_EXCEL
    ),
    ("mine.csv", b"\xd0\xcf\x11\xe0 and more", "is no workbook, expected a table"),
    ("mine.csv", b"<!DOCTYPE html><html>", "is a web page, expected a table"),
    ("mine.csv", b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
    ("mine.csv", b"BZh91AY&SY\0\0", "is packed by bzip2"),
    ("mine.csv.bz2", b"BZh91AY&SY\0\0", "is packed by bzip2"),
    ("mine.csv.xz", b"\xfd7zXZ\0\0\4", "is packed by xz"),
    ("mine.csv", b"\x28\xb5\x2f\xfd\0\0", "is packed by Zstandard"),
    ("mine.csv", b"%PDF-1.4\n%\xe2\xe3", "is a PDF document"),
    ("mine.csv", b"SQLite format 3\0", "is a database of SQLite"),
    ("mine.csv", b"ARROW1\0\0", "is an Arrow file"),
    # cells of parquet
    *(
        ("mine.parquet", pd.DataFrame(columns).to_parquet(), f"mine.parquet ... split 'all', {message}")
        for columns, message in (
            ({"text": [*"abc"], "label": pd.array([1, None, 0], dtype="Int64")}, "row 2: the label is empty"),
            ({"text": [*"abc"], "label": [1.0, float("nan"), 0.0]}, "row 2: the label is empty"),
            ({"text": ["a", "b", None], "label": [1, 0, 1]}, "row 3: the text is empty"),
            ({"text": [4, 5, 6], "label": [1, 0, 1]}, "row 1: the text is 4, expected a string"),
            ({"text": [b"a", b"b"], "label": [1, 0]}, "row 1: the text is b'a', expected a string (decode bytes first"),
            ({"text": [*"abc"], "label": [b"x", b"", b"y"]}, "row 2: the label is empty"),
            ({"text": [*"ab"], "label": [["x"], ["x", "y"]]}, "row 1: the label is ... 'x' ... several values"),
        )
    ),
    (
        "mine.parquet",
        parquet(text=["a", "b"], label=pa.array([0, 2**50], pa.timestamp("s"))),
        "mine.parquet, row 2: 'label' is a time out of range",
    ),
]  # fmt: skip
LISTS = pa.ListArray.from_arrays(pa.array([0, 1, 20_001], pa.int32()), pa.repeat(1, 20_001))
# and settings of the data
WRONG_WITH_SETTINGS = [
    (
        "mine.tsv",
        f"{HEAD}a\t['b', {'1, ' * 7_000}]\nb\t['c']\n",
        {"task": "multilabel"},
        "the labels have 21,007 characters, expected at most 20,000",
    ),
    (
        "mine.parquet",
        parquet(text=["a", "b"], label=LISTS),
        {"task": "multilabel"},
        "a cell has 20,000 values, expected at most 10,000",
    ),
    (
        "mine.csv",
        ROWS,
        {"text_column": "The lamp 0 works", "label_column": "bad"},
        "'bad' is a label of other rows too. Add a first line with names",
    ),
    *(
        ("mine.csv", content, {"column_names": names}, message)
        for content, names, message in (
            (f"v2,v1\n{ROWS}", "text,label", "'v1' is no label of another row. Omit --columns"),
            ("v2,v1\na,0.1\nb,0.2\nc,0.3\nd,0.4\n", "text,label", "'v1' is no label"),
            (ROWS, "label,text,id", "the lines have not 3 fields, as many as the names of --columns"),
            (ROWS, "v1,v2", "--columns: there is no column 'text'. Its columns are 'v1', 'v2'"),
            (ROWS.replace("The", "a;The"), "text,label", "commas and semicolons both divide the lines"),
            (f"{ROWS}text,label\n", "text,label", "line 7: it names the columns again"),
            (f"{ROWS}one,two,three\n", "text,label", "line 7: it has 3 fields, expected 2 (text, label)"),
        )
    ),
]  # fmt: skip
WRONG_FOLDERS = [
    ({}, "has no split: expected files named train, validation (or dev), test ... .tsv, .csv"),
    ({"mine.tsv": HEAD}, "has no split: expected files named train"),
    (
        {"dataset_dict.json": "{}"},
        "has no split ... train(datasets.load_from_disk(folder)) reads this one.",
    ),
    (
        {"train-00000-of-00001.parquet": ""},
        "has no split ... Rename train-00000-of-00001.parquet to train.parquet, and give the folder",
    ),
    (
        {"dev.csv": "text,label\na,1\n", "validation.tsv": HEAD},
        "two files of the split 'validation': dev.csv, validation.tsv",
    ),
    ({**TRAIN, "test.jsonl": ""}, "split 'test': it has no row ... leave it out"),
    ({**TRAIN, "test.tsv": "sentence\tlabel\nc\t0\n"}, "test.tsv: there is no column 'text'"),
    (
        {**TRAIN, "test.tsv": f"{HEAD}d\t0\n \t1\n"},
        "of 4 rows 1 has no text or no label: split 'test', row 3: the text is empty ... --bad-rows",
    ),
]


def assert_refused(source, message, **settings):
    """Raise unless the error has the parts between the dots, in this order."""
    parts = map(re.escape, message.split(" ... "))
    with pytest.raises(UserError, match=re.compile(".*".join(parts), re.DOTALL)):
        read_corpus(DataConfig(source=str(source), **settings))


@pytest.mark.parametrize(
    ("name", "content", "settings", "message"),
    [
        *((name, content, {}, message) for name, content, message in WRONG),
        *WRONG_WITH_SETTINGS,
    ],
)
def test_a_bad_file_is_refused(tmp_path, name, content, settings, message):
    assert_refused(write_content(tmp_path / name, content), message, **settings)


@pytest.mark.parametrize(("files", "message"), WRONG_FOLDERS)
def test_a_bad_folder_is_refused(tmp_path, files, message):
    for name, content in files.items():
        write_content(tmp_path / name, content)
    assert_refused(tmp_path, message)


def test_a_split_of_bad_rows_alone_is_refused(tmp_path):
    write_content(tmp_path / "train.tsv", TRAIN["train.tsv"])
    write_content(tmp_path / "test.tsv", f"{HEAD}c\t\n\t1\n")
    message = "split 'test': no row has a text and a label. Are the columns right"
    assert_refused(tmp_path, message, bad_rows="skip")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "/no/mine.tsv",
            "no file or folder /no/mine.tsv ... .tsv, .csv, .jsonl, .parquet ... SetFit",
        ),
        ("~nosuchuser/mine", "no file or folder ~nosuchuser/mine. Give a"),
        ("/dev/null", "/dev/null is a pipe or a device, expected a regular file"),
    ],
)
def test_what_is_no_file_is_refused(source, message):
    assert_refused(source, message)


@pytest.mark.parametrize("name", ["SetFit/sst2", "no-such-data"])
def test_the_hub_out_of_reach_is_said_without_a_try(monkeypatch, name):
    lookups = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: lookups.append(a) or [])
    message = f"the data set {name!r} could not be loaded from the hub"
    assert_refused(name, f"{message} ... Offline ... Check the name and the network ... 'reviews'")
    assert lookups == []
