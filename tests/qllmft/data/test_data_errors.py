"""Bad data: the error says what was got, what was expected and the remedy."""

import re
import socket

import pandas as pd
import pytest
from table_files import labelled, write_table

from qllmft.config import DataConfig
from qllmft.data import read_corpus
from qllmft.errors import UserError

HEAD = "text\tlabel\n"

# files of a folder, the source within it, settings, and what the error says in this order
WRONG = {
    "no such file": ({}, "mine.tsv", {}, ["no file or folder", "mine.tsv", ".tsv, .csv, .jsonl, .parquet", "SetFit"]),
    "no such user": ({}, "~nosuchuser/mine", {}, ["no file or folder ~nosuchuser/mine", "Give a"]),
    "unknown suffix": ({"mine.txt": "a"}, "mine.txt", {}, ["mine.txt has the suffix '.txt'", "expected one of .tsv"]),
    "no suffix": ({"mine": "a"}, "mine", {}, ["the suffix ''", "expected one of .tsv, .csv, .jsonl, .parquet"]),
    "empty folder": ({}, "", {}, ["has no split", "train, validation (or dev), test", ".tsv, .csv"]),
    "no split in a folder": ({"mine.tsv": HEAD}, "", {}, ["has no split", "expected files named train"]),
    "two files of a split": (
        {"dev.csv": "text,label\na,1\n", "validation.tsv": HEAD},
        "",
        {},
        ["two files of the split 'validation'", "dev.csv, validation.tsv"],
    ),
    "an empty file": (
        {"mine.csv": ""},
        "mine.csv",
        {},
        ["mine.csv is empty; expected a first line that names the columns"],
    ),
    "only a first line": ({"mine.tsv": HEAD}, "mine.tsv", {}, ["split 'all'", "no row", "Fill it in, or leave it out"]),
    "an empty split": (
        {"train.tsv": f"{HEAD}a\t0\nb\t1\n", "test.jsonl": ""},
        "",
        {},
        ["split 'test'", "no row", "leave it out"],
    ),
    "no parquet": ({"mine.parquet": "hello"}, "mine.parquet", {}, ["cannot be read as parquet", "Parquet"]),
    "no text column": (
        {"mine.tsv": "review\tlabel\na\t1\nb\t0\n"},
        "mine.tsv",
        {},
        ["split 'all'", "no column 'text'", "its columns are review, label", "--text-column and --label-column"],
    ),
    "no label column": (
        {"mine.csv": "text,stars\na,1\nb,0\n"},
        "mine.csv",
        {"label_column": "star"},
        ["no column 'star'", "its columns are text, stars", "--label-column"],
    ),
    "no column in one split": (
        {"train.tsv": f"{HEAD}a\t0\nb\t1\n", "test.tsv": "sentence\tlabel\nc\t0\n"},
        "",
        {},
        ["split 'test'", "no column 'text'", "its columns are sentence, label"],
    ),
    "more fields than columns": (
        {"mine.tsv": f"{HEAD}a\t1\tb\nc\t0\td\n"},
        "mine.tsv",
        {},
        ["mine.tsv", "more fields than its first line names", "Name every column"],
    ),
    "commas without quotes": (
        {"mine.csv": "text,label\nyes, good,1\nno, bad,0\n"},
        "mine.csv",
        {},
        ["more fields than its first line names", "quote the texts that hold a comma"],
    ),
    "one row with more fields": (
        {"mine.csv": "text,label\ngood,1\nno, bad,0\n"},
        "mine.csv",
        {},
        ["mine.csv, line 3: it has 3 fields, and the first line names 2 columns. Quote the texts", "--delimiter"],
    ),
    "an empty text": (
        {"mine.tsv": f"{HEAD}a\t1\nb\t0\n  \t1\n"},
        "mine.tsv",
        {},
        [
            "of 3 rows 1 have no text or no label: split 'all', row 4: the text is empty. Fill them in, or",
            "--bad-rows skip",
        ],
    ),
    "a blank line": ({"mine.tsv": f"{HEAD}a\t1\n\nb\t0\n"}, "mine.tsv", {}, ["row 3", "the text is empty"]),
    "an empty text in an object": (
        {"mine.jsonl": '{"text": "a", "label": 1}\n\n{"text": "", "label": 0}\n'},
        "mine.jsonl",
        {},
        ["row 3", "the text is empty"],
    ),
    "no text in an object": (
        {"mine.jsonl": '{"text": "a", "label": 1}\n{"label": 0}\n'},
        "mine.jsonl",
        {},
        ["row 2", "the text is empty"],
    ),
    "a number for a text": (
        {"mine.jsonl": '{"text": "a", "label": 1}\n{"text": 5, "label": 0}\n'},
        "mine.jsonl",
        {},
        ["row 2", "the text is 5", "expected a string", "--text-column"],
    ),
    "a missing label": (
        {"mine.csv": "text,label\na,1\nb,\nc,0\n"},
        "mine.csv",
        {},
        ["split 'all', row 3: the label is empty"],
    ),
    "null for a label": (
        {"mine.jsonl": '{"text": "a", "label": null}\n{"text": "b", "label": 1}\n{"text": "c", "label": 0}\n'},
        "mine.jsonl",
        {},
        ["row 1: the label is empty"],
    ),
    "one label": (
        {"mine.tsv": f"{HEAD}a\tspam\nb\tspam\n"},
        "mine.tsv",
        {},
        ["every text has the label 'spam'", "two labels or more", "Is --label-column right?"],
    ),
    "not UTF-8": (
        {"mine.tsv": f"{HEAD}good\t1\ncafé\t0\n".encode("latin1")},
        "mine.tsv",
        {},
        ["mine.tsv, line 3", "byte 0xe9 is not UTF-8", "iconv -f latin1 -t utf-8 mine.tsv"],
    ),
    "a byte order mark, then not UTF-8": (
        {"mine.jsonl": b"\xef\xbb\xbf{}\n\xff\n"},
        "mine.jsonl",
        {},
        ["mine.jsonl, line 2", "byte 0xff is not UTF-8", "iconv"],
    ),
    "nested beyond reason": (
        {"mine.jsonl": "{}\n" + "[" * 100_000},
        "mine.jsonl",
        {},
        ["mine.jsonl, line 2: not JSON (it is nested too deeply). Expected one object a line"],
    ),
    "not JSON": (
        {"mine.jsonl": '{"text": "a", "label": 1}\n{"text": "b"\n'},
        "mine.jsonl",
        {},
        ["mine.jsonl, line 2", "not JSON", "Expected one object a line"],
    ),
    "not an object": (
        {"mine.jsonl": '{"text": "a", "label": 1}\n\n["b", 0]\n'},
        "mine.jsonl",
        {},
        ["mine.jsonl, line 3", "list", "expected an object"],
    ),
}


def assert_says(message: str, parts: list[str]):
    """The parts are there, in this order."""
    assert re.search(".*".join(map(re.escape, parts)), message, re.DOTALL), f"{parts} expected in: {message}"


@pytest.mark.parametrize(("files", "source", "settings", "parts"), WRONG.values(), ids=WRONG)
def test_a_bad_file_is_refused(tmp_path, files, source, settings, parts):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    path = source if source.startswith("~") else str(tmp_path / source)
    with pytest.raises(UserError) as caught:
        read_corpus(DataConfig(source=path, **settings))
    assert_says(str(caught.value), parts)


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
    with pytest.raises(UserError) as caught:
        read_corpus(DataConfig(source=str(tmp_path / "mine.parquet")))
    assert_says(str(caught.value), ["mine.parquet", "split 'all'", *parts])


def test_what_is_neither_file_nor_folder_is_refused():
    with pytest.raises(UserError, match=r"/dev/null has the suffix ''; expected one of \.tsv"):
        read_corpus(DataConfig(source="/dev/null"))


def test_the_row_is_counted_in_its_own_split(tmp_path):
    write_table(tmp_path / "train.tsv", labelled(("a", 0), ("b", 1), ("c", 1)))
    write_table(tmp_path / "test.tsv", labelled(("d", 0), (" ", 1)))
    with pytest.raises(UserError, match="split 'test', row 3: the text is empty"):
        read_corpus(DataConfig(source=str(tmp_path)))


@pytest.mark.parametrize("name", ["SetFit/sst2", "no-such-data"])
def test_the_hub_out_of_reach_is_said_without_a_try(monkeypatch, name):
    asked = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: asked.append(a) or [])
    with pytest.raises(UserError) as caught:
        read_corpus(DataConfig(source=name))
    assert_says(
        str(caught.value),
        [
            f"the data set {name!r} could not be loaded from the hub",
            "Offline",
            "Check the name and the network",
            "'reviews'",
        ],
    )
    assert asked == []
