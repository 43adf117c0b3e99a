"""Bad data: the error says what was got, what was expected and the remedy."""

import re
import socket

import pandas as pd
import pytest

from qllmft.config import DataConfig
from qllmft.data import read_corpus
from qllmft_base.errors import UserError

HEAD, A = "text\tlabel\n", '{"text": "a", "label": 1}\n'
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


def refused(source, said):
    """Raise unless the error has the parts between the dots, in this order."""
    parts = map(re.escape, said.split(" ... "))
    with pytest.raises(UserError, match=re.compile(".*".join(parts), re.DOTALL)):
        read_corpus(DataConfig(source=str(source)))


@pytest.mark.parametrize(("name", "content", "said"), WRONG)
def test_a_bad_file_is_refused(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(tmp_path / name, said)


@pytest.mark.parametrize(("files", "said"), WRONG_FOLDERS)
def test_a_bad_folder_is_refused(tmp_path, files, said):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    refused(tmp_path, said)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "/no/mine.tsv",
            "no file or folder /no/mine.tsv ... .tsv, .csv, .jsonl, .parquet ... SetFit",
        ),
        ("~nosuchuser/mine", "no file or folder ~nosuchuser/mine. Give a"),
        ("/dev/null", "/dev/null is a pipe or a device, expected a regular file"),
    ],
)
def test_what_is_no_file_is_refused(source, said):
    refused(source, said)


@pytest.mark.parametrize(
    ("label", "text", "said"),
    [
        (pd.array([1, None, 0], dtype="Int64"), ["a", "b", "c"], "row 2: the label is empty"),
        ([1.0, float("nan"), 0.0], ["a", "b", "c"], "row 2: the label is empty"),
        ([1, 0, 1], ["a", "b", None], "row 3: the text is empty"),
        ([1, 0, 1], [4, 5, 6], "row 1: the text is 4, expected a string"),
        (
            [1, 0, 1],
            [b"a", b"b", b"c"],
            "row 1: the text is b'a', expected a string (decode bytes first",
        ),
        ([b"x", b"", b"y"], ["a", "b", "c"], "row 2: the label is empty"),
    ],
)
def test_a_bad_cell_of_parquet_is_refused_with_its_row(tmp_path, label, text, said):
    pd.DataFrame({"text": text, "label": label}).to_parquet(tmp_path / "mine.parquet")
    refused(tmp_path / "mine.parquet", f"mine.parquet ... split 'all', {said}")


@pytest.mark.parametrize("name", ["SetFit/sst2", "no-such-data"])
def test_the_hub_out_of_reach_is_said_without_a_try(monkeypatch, name):
    asked = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: asked.append(a) or [])
    said = f"the data set {name!r} could not be loaded from the hub"
    refused(name, f"{said} ... Offline ... Check the name and the network ... 'reviews'")
    assert asked == []
