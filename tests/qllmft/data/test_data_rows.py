"""Data as it comes: rows without texts or labels, delimiters, other encodings, duplicates."""

import numpy as np
import pandas as pd
import pytest
from table_files import FORMATS, labelled_rows, write_table

from qllmft.config import DataConfig
from qllmft.data import Corpus, Findings, Splits, Table, read_corpus, split_corpus
from qllmft_base.errors import UserError
from qllmft_tables.texts import read_texts

pytestmark = pytest.mark.usefixtures("forked_table_reader")

ROWS = labelled_rows(
    ("a", 1), ("", 1), ("b", 0), ("c", ""), (" ", 0), ("d", 1), ("e", ""), ("", ""), ("", 0)
)


@pytest.mark.parametrize("suffix", FORMATS)
def test_bad_rows_are_all_counted_or_left_out(tmp_path, suffix):
    rows = [row | {"label": str(row["label"])} for row in ROWS]
    source = str(write_table(tmp_path / f"mine{suffix}", rows))
    first = 1 if suffix in (".json", ".jsonl", ".parquet") else 2
    with pytest.raises(UserError) as caught:
        read_corpus(DataConfig(source=source))
    named = [(1, "text"), (3, "label"), (4, "text"), (6, "label"), (7, "text")]
    parts = [f"split 'all', row {row + first}: the {missing} is empty" for row, missing in named]
    words = f"of 9 rows 6 have no text or no label: {'; '.join(parts)}; and 1 more. Fill them in, or leave them out"
    assert words in str(caught.value)
    corpus = read_corpus(DataConfig(source=source, bad_rows="skip"))
    assert corpus.join_splits().texts == ["a", "b", "d"]
    assert corpus.join_splits().labels.tolist() == [1, 0, 1]
    assert corpus.findings == Findings(skipped_rows=6, first_skipped=tuple(parts))
    assert list(corpus.findings.sentences()) == [
        f"6 rows are left out: {'; '.join(parts)}; and 1 more."
    ]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_column_of_splits_in_one_table_is_named_as_unused(tmp_path, suffix):
    splits = ("train", "Test", "dev", "test")
    rows = [
        {"text": text, "label": label, "split": split}
        for text, label, split in zip("abcd", "0101", splits, strict=True)
    ]
    corpus = read_corpus(DataConfig(source=str(write_table(tmp_path / f"mine{suffix}", rows))))
    assert corpus.join_splits().texts == ["a", "b", "c", "d"]
    assert corpus.findings == Findings(unused_splits={"dev": 1, "test": 2, "train": 1})
    assert list(corpus.findings.sentences()) == [
        "The column 'split' is not used: dev (1), test (2), train (1). To keep these splits, add "
        "--split-column split."
    ]


@pytest.mark.parametrize("values", ["aaaa", "abab", ("train",) * 4, ("train", "", "test", "test")])
def test_other_columns_named_split_say_nothing(tmp_path, values):
    rows = [
        {"text": text, "label": label, "split": value}
        for text, label, value in zip("abcd", "0101", values, strict=True)
    ]
    source = str(write_table(tmp_path / "mine.csv", rows))
    assert read_corpus(DataConfig(source=source)).findings == Findings()
    config = DataConfig(source=source, text_column="split")
    if "" not in values:
        assert read_corpus(config).join_splits().texts == list(values)


@pytest.mark.parametrize(
    ("name", "delimiter"), [("mine.csv", ";"), ("mine.csv", "\\t"), ("mine.tsv", "|")]
)
def test_the_delimiter_is_a_setting(tmp_path, name, delimiter):
    mark = "\t" if delimiter == "\\t" else delimiter
    file = tmp_path / name
    quote = '"' if file.suffix == ".csv" else ""
    file.write_text(f"text{mark}label\n{quote}one, two{quote}{mark}1\nb{mark}0\n", encoding="utf-8")
    config = DataConfig(source=str(file), delimiter=delimiter)
    assert read_corpus(config).join_splits().texts == ["one, two", "b"]
    assert list(read_texts(file, "text", config.delimiter)) == ["one, two", "b"]
    assert read_corpus(DataConfig(source=str(file))).join_splits().texts == ["one, two", "b"]


DOUBLE = {
    "train": [("a", 0), ("b", 1), ("a ", 0), ("c", 1), ("d", 0), ("e", 1), ("f", 0)],
    "validation": [("b", 1), ("g", 0), ("h", 1)],
    "test": [("c", 1), ("e", 0), ("i", 0), ("i\n", 0), ("j", 1)],
}


def corpus_with_copies(**changes):
    rows = {
        name: Table([t for t, _ in part], np.array([y for _, y in part]))
        for name, part in DOUBLE.items()
    }
    return Corpus("made", ("no", "yes"), rows | changes)


def test_duplicates_are_counted_over_the_three_parts():
    splits = split_corpus(corpus_with_copies(), DataConfig(protocol="given"), 0)
    findings = splits.findings(corpus_with_copies())
    assert findings == Findings(repeated_texts=5, crossing_texts=3, contradictory_texts=1)
    (sentence,) = findings.sentences()
    assert sentence.startswith(
        "Duplicates: 5 texts occur more than once, 3 of them in more than one of training, val"
    )


@pytest.mark.public_report(
    case="duplicates_invisible",
    source="embeddings-benchmark/mteb#1036",
    seen="copies in capitals or with a zero-width space were not counted",
    outcome="they are counted and dropped as copies",
)
def test_copies_in_capitals_and_with_invisible_characters_are_counted():
    texts = ["The lamp works.", "A fine tent", "The mug broke", "One of its kind"]
    copies = ["the LAMP works.", "A fine\u00a0tent\u200b", "\ufeffThe mu\u00adg broke", "Another"]
    corpus = Corpus(
        "made",
        ("no", "yes"),
        {
            "train": Table([*texts, *texts], np.array([0, 1, 0, 1] * 2)),
            "test": Table(copies, np.array([0, 1, 0, 1])),
        },
    )
    dropped = corpus.without_duplicates()
    assert {name: table.texts for name, table in dropped.splits.items()} == {
        "train": texts[3:],
        "test": copies,
    }
    once = Table(texts, np.array([0, 1, 0, 1]))
    splits = Splits(once, Table(["x"], np.array([0])), corpus.splits["test"])
    findings = splits.findings(Corpus("made", ("no", "yes"), splits.tables))
    assert (findings.repeated_texts, findings.crossing_texts) == (3, 3)


def test_of_duplicates_one_copy_stays_that_of_the_test_set_first():
    corpus = corpus_with_copies().without_duplicates()
    assert {name: table.texts for name, table in corpus.splits.items()} == {
        "train": ["a", "d", "f"],  # e has two labels
        "validation": ["b", "g", "h"],
        "test": ["c", "i", "j"],
    }
    assert corpus.findings.dropped_rows == 6
    assert list(corpus.findings.sentences()) == ["6 rows are left out as duplicates."]
    alone = Table(["c", "e"], np.array([1, 1]))
    with pytest.raises(
        UserError,
        match="every text of the split 'train' is in another split, or has several labels",
    ):
        corpus_with_copies(train=alone).without_duplicates()


def test_duplicates_are_dropped_where_they_are_read(tmp_path):
    pd.DataFrame({"text": ["a", "b", "a", "c"], "label": [0, 1, 0, 1]}).to_csv(
        tmp_path / "mine.csv"
    )
    corpus = read_corpus(DataConfig(source=str(tmp_path / "mine.csv"), duplicates="drop"))
    assert corpus.join_splits().texts == ["a", "b", "c"]


def test_a_column_that_is_named_gives_the_splits_and_rows_keep_their_numbers(tmp_path):
    spellings = ("train", "Training", "val", "valid", "dev", " validation ", "test", "TEST")
    rows = [{"text": f"text {i}", "label": i % 2, "part": part} for i, part in enumerate(spellings)]
    source = str(write_table(tmp_path / "mine.csv", rows))
    config = DataConfig(source=source, split_column="part", protocol="split")
    corpus = read_corpus(config)
    splits = split_corpus(corpus, config, 0)
    assert [table.texts for table in splits.tables.values()] == [
        ["text 0", "text 1"],
        ["text 2", "text 3", "text 4", "text 5"],
        ["text 6", "text 7"],
    ]
    assert splits.test.rows.tolist() == [8, 9]
    assert corpus.join_splits().rows.tolist() == [*range(2, 10)]
    assert splits.rule == "the data's own test"
    again = [*rows, {"text": "Text 0", "label": 0, "part": "test"}]
    write_table(tmp_path / "mine.csv", again)
    repeated = read_corpus(config)
    findings = split_corpus(repeated, config, 0).findings(repeated)
    assert findings.crossing_texts == 1


SPLIT_REFUSALS = [
    (
        ("train", "holdout", "", "test"),
        "row 3: 'holdout' in the column 'part' names no split. 1 more row name none.",
    ),
    (
        ("train", "train", "test", ""),
        "row 5: '' in the column 'part' names no split. Expected train, validation",
    ),
    (
        ("train", "train", "dev", "dev"),
        "has no row of test (train 2, validation 2, test 0). Add such rows, or leave",
    ),
]


@pytest.mark.parametrize(("parts", "message"), SPLIT_REFUSALS)
def test_a_column_that_names_no_split_is_refused_by_its_row(tmp_path, parts, message):
    rows = [{"text": f"text {i}", "label": i % 2, "part": part} for i, part in enumerate(parts)]
    source = str(write_table(tmp_path / "mine.csv", rows))
    with pytest.raises(UserError) as error:
        read_corpus(DataConfig(source=source, split_column="part", protocol="split"))
    assert message in str(error.value)


def test_a_column_of_splits_is_for_one_table_that_has_it(tmp_path):
    rows = [{"text": "a", "label": 0, "part": "train"}, {"text": "b", "label": 1, "part": "test"}]
    write_table(tmp_path / "train.csv", rows)
    write_table(tmp_path / "test.csv", rows)
    config = DataConfig(source=str(tmp_path), split_column="part", protocol="split")
    with pytest.raises(
        UserError, match="has the splits test, train already, and --split-column is 'part'"
    ):
        read_corpus(config)
    source = str(tmp_path / "train.csv")
    missing = config.model_copy(update={"source": source, "split_column": "splits"})
    with pytest.raises(UserError, match=r"there is no column 'splits'.*Choose with --split-column"):
        read_corpus(missing)
