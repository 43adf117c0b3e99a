"""Bad data: the error says what was got, what was expected and the remedy."""

import re
import socket

import pandas as pd
import pytest

from qllmft.config import DataConfig
from qllmft.data import read_corpus
from qllmft.errors import UserError

HEAD, A = "text\tlabel\n", '{"text": "a", "label": 1}\n'
TRAIN = {"train.tsv": f"{HEAD}a\t0\nb\t1\n"}

# a file, its content, and what the error says in this order
WRONG = {
    "unknown suffix": ("mine.txt", "a", ["mine.txt has the suffix '.txt'", "expected one of .tsv"]),
    "no suffix": ("mine", "a", ["the suffix ''", "expected one of .tsv, .csv, .jsonl, .parquet"]),
    "an empty file": (
        "mine.csv",
        "",
        ["mine.csv is empty; expected a first line that names the columns"],
    ),
    "only a first line": (
        "mine.tsv",
        HEAD,
        ["split 'all'", "no row", "Fill it in, or leave it out"],
    ),
    "no parquet": ("mine.parquet", "hello", ["cannot be read as parquet", "Parquet"]),
    "no text column": (
        "mine.tsv",
        "review\tlabel\na\t1\nb\t0\n",
        [
            "split 'all'",
            "no column 'text'",
            "its columns are review, label",
            "--text-column and --label-column",
        ],
    ),
    "no label column": (
        "mine.csv",
        "text,stars\na,1\n",
        ["no column 'label'", "its columns are text, stars"],
    ),
    "more fields than columns": (
        "mine.tsv",
        f"{HEAD}a\t1\tb\nc\t0\td\n",
        ["mine.tsv", "more fields than its first line names", "Name every column"],
    ),
    "commas without quotes": (
        "mine.csv",
        "text,label\nyes, good,1\nno, bad,0\n",
        ["more fields than its first line names", "quote the texts that hold a comma"],
    ),
    "one row with more fields": (
        "mine.csv",
        "text,label\ngood,1\nno, bad,0\n",
        [
            "mine.csv, line 3: it has 3 fields, and the first line names 2 columns. Quote the texts",
            "--delimiter",
        ],
    ),
    "a blank line": ("mine.tsv", f"{HEAD}a\t1\n\nb\t0\n", ["row 3", "the text is empty"]),
    "an empty text": (
        "mine.jsonl",
        f'{A}\n{{"text": "", "label": 0}}\n',
        ["row 3", "the text is empty"],
    ),
    "no text in an object": ("mine.jsonl", f'{A}{{"label": 0}}\n', ["row 2", "the text is empty"]),
    "a number for a text": (
        "mine.jsonl",
        f'{A}{{"text": 5, "label": 0}}\n',
        ["row 2", "the text is 5", "expected a string", "--text-column"],
    ),
    "null for a label": (
        "mine.jsonl",
        f'{{"text": "a", "label": null}}\n{A}',
        ["row 1: the label is empty"],
    ),
    "one label": (
        "mine.tsv",
        f"{HEAD}a\tspam\nb\tspam\n",
        ["every text has the label 'spam'", "two labels or more", "Is --label-column right?"],
    ),
    "not UTF-8": (
        "mine.tsv",
        f"{HEAD}good\t1\ncafé\t0\n".encode("latin1"),
        ["mine.tsv, line 3", "byte 0xe9 is not UTF-8", "iconv -f cp1252 -t utf-8 mine.tsv"],
    ),
    "a byte order mark, then not UTF-8": (
        "mine.jsonl",
        b"\xef\xbb\xbf{}\n\xff\n",
        ["mine.jsonl, line 2", "byte 0xff is not UTF-8", "iconv"],
    ),
    "nested beyond reason": (
        "mine.jsonl",
        "{}\n" + "[" * 100_000,
        ["mine.jsonl, line 2: not JSON (it is nested too deeply). Expected one object per line"],
    ),
    "not JSON": (
        "mine.jsonl",
        f'{A}{{"text": "b"\n',
        ["line 2", "not JSON", "Expected one object per line"],
    ),
    "not an object": (
        "mine.jsonl",
        f'{A}\n["b", 0]\n',
        ["mine.jsonl, line 3", "list", "expected an object"],
    ),
}
# the files of a folder
WRONG_FOLDERS = {
    "no file": ({}, ["has no split", "train, validation (or dev), test", ".tsv, .csv"]),
    "no split": ({"mine.tsv": HEAD}, ["has no split", "expected files named train"]),
    "two files of a split": (
        {"dev.csv": "text,label\na,1\n", "validation.tsv": HEAD},
        ["two files of the split 'validation'", "dev.csv, validation.tsv"],
    ),
    "an empty split": ({**TRAIN, "test.jsonl": ""}, ["split 'test'", "no row", "leave it out"]),
    "no column in one split": (
        {**TRAIN, "test.tsv": "sentence\tlabel\nc\t0\n"},
        ["split 'test'", "no column 'text'", "its columns are sentence, label"],
    ),
    "an empty text, counted in its own split": (
        {**TRAIN, "test.tsv": f"{HEAD}d\t0\n \t1\n"},
        [
            "of 4 rows 1 have no text or no label: split 'test', row 3: the text is empty. Fill them in, or",
            "--bad-rows",
        ],
    ),
}


def assert_says(message: str, parts: list[str]):
    """The parts are there, in this order."""
    assert re.search(".*".join(map(re.escape, parts)), message, re.DOTALL), (
        f"{parts} expected in: {message}"
    )


def refused(source, parts):
    with pytest.raises(UserError) as caught:
        read_corpus(DataConfig(source=str(source)))
    assert_says(str(caught.value), parts)


@pytest.mark.parametrize(("name", "content", "parts"), WRONG.values(), ids=WRONG)
def test_a_bad_file_is_refused(tmp_path, name, content, parts):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(tmp_path / name, parts)


@pytest.mark.parametrize(("files", "parts"), WRONG_FOLDERS.values(), ids=WRONG_FOLDERS)
def test_a_bad_folder_is_refused(tmp_path, files, parts):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    refused(tmp_path, parts)


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        (
            "/no/mine.tsv",
            ["no file or folder", "mine.tsv", ".tsv, .csv, .jsonl, .parquet", "SetFit"],
        ),
        ("~nosuchuser/mine", ["no file or folder ~nosuchuser/mine", "Give a"]),
        ("/dev/null", ["/dev/null has the suffix ''; expected one of .tsv"]),
    ],
)
def test_what_is_no_file_is_refused(source, parts):
    refused(source, parts)


@pytest.mark.parametrize(
    ("label", "text", "parts"),
    [
        (pd.array([1, None, 0], dtype="Int64"), ["a", "b", "c"], ["row 2: the label is empty"]),
        ([1.0, float("nan"), 0.0], ["a", "b", "c"], ["row 2: the label is empty"]),
        ([1, 0, 1], ["a", "b", None], ["row 3", "the text is empty"]),
        ([1, 0, 1], [4, 5, 6], ["row 1", "the text is 4", "expected a string"]),
    ],
    ids=["missing integer", "not a number", "missing text", "numbers for texts"],
)
def test_a_bad_cell_of_parquet_is_refused_with_its_row(tmp_path, label, text, parts):
    pd.DataFrame({"text": text, "label": label}).to_parquet(tmp_path / "mine.parquet")
    refused(tmp_path / "mine.parquet", ["mine.parquet", "split 'all'", *parts])


@pytest.mark.parametrize("name", ["SetFit/sst2", "no-such-data"])
def test_the_hub_out_of_reach_is_said_without_a_try(monkeypatch, name):
    asked = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: asked.append(a) or [])
    said = f"the data set {name!r} could not be loaded from the hub"
    refused(name, [said, "Offline", "Check the name and the network", "'reviews'"])
    assert asked == []
