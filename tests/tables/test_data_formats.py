"""Local data: every format gives the same corpus, from a file or a folder of splits."""

from pathlib import Path

import pandas as pd
import pytest
from table_files import FORMATS, HAS_EXCEL, labelled_rows, read_file, write_table

from qllmft.data import SUFFIXES
from qllmft_tables.tables import WORKBOOKS

pytestmark = pytest.mark.usefixtures("forked_table_reader")

GOLDEN = Path(__file__).parents[1] / "golden"
EVERY_FORMAT = pytest.mark.parametrize("suffix", FORMATS)
PAIRS = (
    ("a fine film", 1),
    ("a dull film", 0),
    ("NA", 1),
    ("null", 0),
    ("nan", 1),
    ("it 's \"good", 1),  # SST-2 has lone quotes
    ("bad, bad, bad", 0),
    ("crème brûlée 😀 ｆｕｌｌ", 1),
    ("  spaces stay  ", 0),
    ("007", 0),
)


def test_the_formats_are_those_that_the_package_names():
    assert set(SUFFIXES) - set(FORMATS) <= {*WORKBOOKS}, "their package may be missing"
    assert set(FORMATS) <= set(SUFFIXES)


@EVERY_FORMAT
def test_a_file_is_one_split_with_its_texts_as_they_are(tmp_path, suffix):
    file = write_table(tmp_path / f"mine{suffix}", labelled_rows(*PAIRS))
    corpus = read_file(file)
    assert corpus.source == str(file)
    assert list(corpus.splits) == ["all"]
    assert corpus.label_names == ("0", "1")
    assert corpus.splits["all"].texts == [text for text, _ in PAIRS]
    assert corpus.splits["all"].labels.tolist() == [label for _, label in PAIRS]


@pytest.mark.skipif(not HAS_EXCEL, reason="pip install python-calamine")
@pytest.mark.parametrize("suffix", [".xls", ".xlsb"])
def test_workbooks_of_other_programs_are_read(suffix):
    file = GOLDEN / f"reviews{suffix}"
    assert read_file(file).splits["all"].texts == [
        f"Ein schöner Film {i} – naïve" for i in range(12)
    ]
    assert read_file(file).label_names == ("bad", "good")
    targets = read_file(file, label_column="stars", task="regression").splits["all"].labels
    assert targets.ravel().tolist() == [i % 5 + 0.5 if i % 3 else i % 5 for i in range(12)]


@EVERY_FORMAT
def test_the_columns_are_chosen_by_name_and_others_are_left_alone(tmp_path, suffix):
    rows = [{"id": i, "review": text, "stars": label} for i, (text, label) in enumerate(PAIRS)]
    corpus = read_file(
        write_table(tmp_path / f"mine{suffix}", rows), text_column="review", label_column="stars"
    )
    assert corpus.splits["all"].texts == [text for text, _ in PAIRS]
    assert corpus.splits["all"].labels.tolist() == [label for _, label in PAIRS]


@EVERY_FORMAT
@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"), ("Training", "train"),
        ("validation", "validation"), ("valid", "validation"), ("val", "validation"), ("dev", "validation"),
        ("TEST", "test"), ("testing", "test"),
    ],
)  # fmt: skip
def test_a_file_of_a_folder_is_the_split_that_its_name_means(tmp_path, suffix, name, split):
    write_table(tmp_path / f"{name}{suffix}", labelled_rows(*PAIRS))
    corpus = read_file(tmp_path)
    assert list(corpus.splits) == [split]
    assert corpus.splits[split].texts == [text for text, _ in PAIRS]


def test_a_folder_may_mix_formats_and_hold_other_files(tmp_path):
    write_table(tmp_path / "train.csv", labelled_rows(("a", "no"), ("b", "yes")))
    write_table(tmp_path / "dev.jsonl", labelled_rows(("c", "yes")))
    write_table(tmp_path / "test.parquet", labelled_rows(("d", "no")))
    write_table(tmp_path / "notes.tsv", labelled_rows(("e", "perhaps")))
    (tmp_path / "train.md").write_text("about the data")
    (tmp_path / "licence.txt").write_text("for everybody")
    corpus = read_file(tmp_path)
    assert "Tables of the folder that are no split, and are not read: notes.tsv." in " ".join(
        corpus.findings.sentences()
    )
    assert {name: table.texts for name, table in corpus.splits.items()} == {
        "train": ["a", "b"],
        "validation": ["c"],
        "test": ["d"],
    }
    assert corpus.label_names == ("no", "yes")
    assert corpus.splits["test"].labels.tolist() == [0]
    assert corpus.splits["validation"].labels.tolist() == [1]
    assert (corpus.join_splits().texts, corpus.join_splits().labels.tolist()) == (
        ["c", "d", "a", "b"],
        [1, 0, 0, 1],
    )


def test_labels_in_bytes_are_their_letters(tmp_path):
    labels = pd.Series([b"no", "dé".encode(), b"\xff"])
    pd.DataFrame({"text": ["a", "b", "c"], "label": labels}).to_parquet(tmp_path / "mine.parquet")
    assert read_file(tmp_path / "mine.parquet").label_names == ("\\xff", "dé", "no")


@pytest.mark.parametrize("suffix", [".tsv", ".csv"])
def test_digits_stay_the_text_that_they_are(tmp_path, suffix):
    corpus = read_file(
        write_table(tmp_path / f"mine{suffix}", labelled_rows(("007", "01"), ("1.50", "02")))
    )
    assert corpus.splits["all"].texts == ["007", "1.50"]
    assert corpus.label_names == ("01", "02")


def test_csv_has_quoting(tmp_path):
    (tmp_path / "mine.csv").write_text(
        'text,label\n"one, two",0\n"she said ""no""",1\n"two\nlines",0\n'
    )
    assert read_file(tmp_path / "mine.csv").splits["all"].texts == [
        "one, two",
        'she said "no"',
        "two\nlines",
    ]


def test_tsv_has_none(tmp_path):
    (tmp_path / "mine.tsv").write_text('text\tlabel\n"open\t0\n"both"\t1\n')
    assert read_file(tmp_path / "mine.tsv").splits["all"].texts == ['"open', '"both"']


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85"])
def test_jsonl_ends_its_lines_at_newlines_only(tmp_path, character):
    text = f"before{character}after"
    (tmp_path / "mine.jsonl").write_text(
        f'{{"text": "{text}", "label": 1}}\r\n\n{{"text": "b", "label": 0}}', encoding="utf-8"
    )
    assert read_file(tmp_path / "mine.jsonl").splits["all"].texts == [text, "b"]


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".jsonl"])
def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path, suffix):
    file = write_table(tmp_path / f"mine{suffix}", labelled_rows(("a", 0), ("b", 1)))
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert read_file(file).splits["all"].texts == ["a", "b"]


def test_a_source_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_table(tmp_path / "mine.tsv", labelled_rows(("a", 0), ("b", 1)))
    assert read_file("~/mine.tsv").splits["all"].texts == ["a", "b"]


def test_the_fingerprint_follows_texts_labels_and_splits(tmp_path):
    rows = labelled_rows(("a", 0), ("b", 1), ("c", 1))
    tables = {
        "as it is": {"train": rows},
        "another text": {"train": labelled_rows(("a", 0), ("b", 1), ("d", 1))},
        "another label": {"train": labelled_rows(("a", 0), ("b", 1), ("c", 0))},
        "another split": {"test": rows},
        "two splits": {"train": rows[:2], "test": rows[2:]},
        "another name of a label": {
            "train": labelled_rows(("a", "no"), ("b", "yes"), ("c", "yes"))
        },
    }
    fingerprints = {}
    for title, splits in tables.items():
        for suffix in (".tsv", ".jsonl"):
            folder = tmp_path / f"{title}{suffix}"
            folder.mkdir()
            for split, table in splits.items():
                write_table(folder / f"{split}{suffix}", table)
            fingerprints.setdefault(title, set()).add(read_file(folder).fingerprint)
    assert all(len(group) == 1 for group in fingerprints.values()), "the same in every format"
    assert len(set().union(*fingerprints.values())) == len(tables)
