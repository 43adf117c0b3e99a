"""Label names: words as they are, numbers by value, and the names that a data set gives beside the numbers."""

import pytest
from table_files import FORMATS, labelled_rows, read_file, write_table

pytestmark = pytest.mark.usefixtures("forked_table_reader")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["positive", "negative", "neutral"], ("negative", "neutral", "positive")),
        ([10, 9, 2], ("2", "9", "10")),
        ([1, -1, 0], ("-1", "0", "1")),
        (["10", "9", "x"], ("10", "9", "x")),
        (["--1", "0"], ("--1", "0")),
        (["1.5", "0.5"], ("0.5", "1.5")),
        ([" spam ", "ham"], ("ham", "spam")),
        ([10.5, 9.5, -1.5], ("-1.5", "9.5", "10.5")),
        (["+1", "-1"], ("-1", "+1")),
    ],
    ids=[
        "words",
        "numbers",
        "negative numbers",
        "numbers and a word",
        "two signs",
        "halves",
        "spaces",
        "fractions",
        "a plus",
    ],
)
@pytest.mark.parametrize("suffix", FORMATS)
def test_names_in_order(tmp_path, suffix, labels, names):
    corpus = read_file(
        write_table(
            tmp_path / f"mine{suffix}",
            labelled_rows(*((f"text {i}", y) for i, y in enumerate(labels))),
        )
    )
    assert corpus.label_names == names
    assert corpus.n_classes == len(names)
    assert [names[y] for y in corpus.splits["all"].labels] == [
        str(label).strip() for label in labels
    ]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_whole_floats_are_the_integers_that_they_stand_for(tmp_path, suffix):
    corpus = read_file(
        write_table(tmp_path / f"mine{suffix}", labelled_rows(("a", 1.0), ("b", 0.0)))
    )
    assert corpus.label_names == ("0", "1")


def test_truth_values_are_labels(tmp_path):
    corpus = read_file(
        write_table(tmp_path / "mine.jsonl", labelled_rows(("a", True), ("b", False)))
    )
    assert corpus.label_names == ("False", "True")
    assert corpus.splits["all"].labels.tolist() == [1, 0]


@pytest.mark.parametrize("suffix", FORMATS)
def test_names_from_the_column_beside_the_label(tmp_path, suffix):
    named = {0: "very bad", 1: "middling", 2: "very good"}
    rows = [{"text": f"text {y}", "stars": y, "stars_text": named[y]} for y in (2, 0, 1)]
    corpus = read_file(write_table(tmp_path / f"mine{suffix}", rows), label_column="stars")
    assert corpus.label_names == ("very bad", "middling", "very good")
    assert corpus.splits["all"].labels.tolist() == [2, 0, 1]
