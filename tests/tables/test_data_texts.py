"""Texts without labels: from lines, tables and standard input, in little memory."""

import tracemalloc

import pandas as pd
import pytest

from qllmft_base.errors import UserError
from qllmft_tables.bounds import MAX_TEXT
from qllmft_tables.texts import read_texts

TEXTS = ["a good film", 'she said "no", twice', "naïve « 😀 »"]
TABLES = {
    "csv": 'label,text\n1,a good film\n0,"she said ""no"", twice"\n\n1,naïve « 😀 »\n',
    "tsv": 'label\ttext\r\n1\ta good film\r\n0\tshe said "no", twice\r\n1\tnaïve « 😀 »\r\n',
    "jsonl": '{"text": "a good film"}\n\n{"text": "she said \\"no\\", twice", "x": [1]}\n{"text": "naïve « 😀 »"}\n',
    "txt": "\ufeffa good film\n\n" + 'she said "no", twice\r\n  naïve « 😀 »',
}


@pytest.mark.parametrize("suffix", TABLES)
def test_the_texts_of_a_file(tmp_path, suffix):
    (tmp_path / f"texts.{suffix}").write_bytes(TABLES[suffix].encode())
    assert list(read_texts(tmp_path / f"texts.{suffix}", "text")) == TEXTS


def test_the_texts_of_a_parquet_file(tmp_path):
    pd.DataFrame({"label": 0, "review": TEXTS}).to_parquet(tmp_path / "texts.parquet")
    assert list(read_texts(tmp_path / "texts.parquet", "review")) == TEXTS


def test_a_quoted_text_of_two_lines_is_one(tmp_path):
    (tmp_path / "x.csv").write_text('text,label\n"two\nlines",1\nnext,0\n')
    assert list(read_texts(tmp_path / "x.csv", "text")) == ["two\nlines", "next"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.txt", b"fine\ncaf\xe9\n", "x.txt, line 2: byte 0xe9 is not UTF-8. Convert the file first."),
        ("x.csv", b"text,label\nfine,1\n\xec\xe8\xf0,0\n", "x.csv, line 3: byte 0xec is not UTF-8"),
        ("x.csv", b"review,label\na,1\n", "there is no column 'text'. Its columns are 'review', 'label'. Choose with"),
        ("x.tsv", b"label\ttext\n1\tfine\n1\n", r"x.tsv, line 3: it has 1 field, expected 2 \(label, text\)"),
        ("x.csv", b'text\nfine\n"' + b"x" * 200_000, "x.csv, line 3: it has a stray quote in 'text'"),
        ("x.jsonl", b'{"text": "fine"}\n[1]\n', "x.jsonl, line 2: list, expected an object with a field per column"),
        ("x.jsonl", b'{"text": "fine"}\n{"label": 1}\n', "line 2: .* column 'text'. Its columns are 'label'. Choose"),
        ("x.jsonl", b'{"text": "fine"}\n{"txt": "a"}\n', "line 2: .* Its columns are 'txt'. Did you mean 'txt'"),
        ("x.jsonl", b'{"text": "fine"}\n{}\n', "line 2: there is no column 'text'. It has none. Choose"),
        ("x.jsonl", b'{"text": "fine"}\n{"text": 3}\n', "x.jsonl, line 2: the text is 3, expected a string"),
        ("x.csv", b"label,text\n1,fine\n\n0, \n", "x.csv, line 4: 'text' is empty. Fill it in, or leave the row out."),
        ("x.tsv", b"label\ttext\n1\tfine\n0\t\n", "x.tsv, line 3: 'text' is empty"),
        ("x.jsonl", b'{"text": "fine"}\n{"text": null}\n', "x.jsonl, line 2: 'text' is empty"),
        ("x.jsonl", b'{"text": "fine"}\n{\n', "x.jsonl, line 2: not JSON"),
        ("x.parquet", b"fine", "x.parquet cannot be read as parquet"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_named_after_the_texts_before_it(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    texts = []
    with pytest.raises(UserError, match=message):
        texts.extend(read_texts(tmp_path / name, "text"))
    assert texts in ([], ["fine"])
    # the encoding of a table is found before its rows
    assert bool(texts) == (b"fine" in content and name != "x.parquet" and b"\xec" not in content)


def test_a_line_without_an_end_takes_little_memory(tmp_path):
    with (tmp_path / "x.txt").open("wb") as file:
        file.write(b"fine\n")
        for _ in range(40):
            file.write(b"x" * MAX_TEXT)
    texts = read_texts(tmp_path / "x.txt", "text")
    assert next(texts) == "fine"
    tracemalloc.start()
    with pytest.raises(
        UserError,
        match=r"x.txt, line 2: it has more than 1,000,000 bytes. Expected one text per line",
    ):
        next(texts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * MAX_TEXT


def test_a_line_of_the_most_bytes_is_a_text(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"x" * (MAX_TEXT - 1) + b"\nfine")
    assert [len(text) for text in read_texts(tmp_path / "x.txt", "text")] == [MAX_TEXT - 1, 4]
