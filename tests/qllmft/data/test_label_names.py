"""Names of labels: counts before training, near-equal and missing ones, lists as text, and hidden labels."""

import json

import pytest
from table_files import read_file, refusal

from qllmft.config import DataConfig
from qllmft.data import read_corpus, split_corpus
from qllmft.data.label_names import MAX_LINES, label_table
from qllmft.events import DataChecked
from qllmft.progress import LineListener
from qllmft_base.errors import UserError

THINGS = ("lamp", "tent", "clock", "mug", "chair", "kettle", "blanket", "toaster")


def table(path, labels):
    rows = [f'The {THINGS[i % 8]} is number {i},"{label}"' for i, label in enumerate(labels)]
    path.write_text("\n".join(["text,label", *rows, ""]), encoding="utf-8")
    return path


def findings(path, **settings):
    return " ".join(read_file(path, **settings).findings.sentences())


@pytest.mark.public_report(
    case="labels_case",
    source="own audit",
    seen="Good and good, and two forms of a blank, were labels of their own without a message",
    outcome="near-equal labels are named with their counts, and --merge-labels merges them",
)
@pytest.mark.parametrize(
    ("labels", "named", "names"),
    [
        (
            ["Good", "BAD", "good", "Bad", "Good", "BAD"],
            "'BAD' (2), 'Bad' (1); 'Good' (2), 'good' (1)",
            ("BAD", "Good"),
        ),
        (
            ["very good", "very  good", "very\u00a0good", "very good", "bad", "bad "],
            r"'very good' (2), 'very  good' (1), 'very\xa0good' (1)",
            ("bad", "very good"),
        ),
        (["ok", "ok\u200b", "no", "no"], r"'ok' (1), 'ok\u200b' (1)", ("no", "ok")),
        (["café", "cafe\u0301", "no", "no"], "'cafe\u0301' (1), 'café' (1)", ("cafe\u0301", "no")),
    ],
    ids=["capitals", "blanks", "invisible", "unicode forms"],
)
def test_near_equal_labels_are_named_and_merged(tmp_path, labels, named, names):
    path = table(tmp_path / "mine.csv", labels)
    sentences = findings(path)
    groups = sentences.removeprefix("Labels that differ only in writing: ").partition(". --merge")[
        0
    ]
    assert sorted(groups.split("; ")) == sorted(named.split("; "))
    assert "--merge-labels makes one label of each group." in sentences
    merged = read_file(path, merge_labels=True)
    assert merged.label_names == names
    assert "Labels merged: " in " ".join(merged.findings.sentences())
    assert "--merge-labels" not in " ".join(merged.findings.sentences())


@pytest.mark.public_report(
    case="labels_mixed_numbers",
    source="own audit",
    seen="1, 1.0, 0 and 0.0 in a .csv were four labels without a message",
    outcome="they are named with their counts, and --merge-labels makes two of them",
)
def test_numbers_in_two_forms_are_named_and_merged(tmp_path):
    path = table(tmp_path / "mine.csv", ["1", "1.0", "0", "0.0", "1.0", "0.0"])
    assert "'1' (1), '1.0' (2)" in findings(path)
    merged = read_file(path, merge_labels=True)
    assert merged.label_names == ("0", "1")
    assert merged.splits["all"].labels.tolist() == [1, 1, 0, 0, 1, 0]


def test_near_equal_labels_of_lists_are_merged(tmp_path):
    path = table(tmp_path / "mine.csv", ["home;Bad", "home;bad", "Home", "bad"])
    several = {"task": "multilabel", "label_separator": ";"}
    assert "'bad' (2), 'Bad' (1)" in findings(path, **several)
    assert read_file(path, merge_labels=True, **several).label_names == ("bad", "home")


def test_rare_near_equal_labels_have_the_remedy_in_the_error(tmp_path):
    path = table(tmp_path / "mine.csv", ["good"] * 9 + ["bad"] * 9 + ["GOOD"])
    with pytest.raises(UserError, match=r"fewer of 'GOOD' 1\. .*--merge-labels\.$"):
        split_corpus(read_file(path), DataConfig(source="mine", protocol="split"), 0)


@pytest.mark.public_report(
    case="labels_nan",
    source="own audit",
    seen="nan and NaN, which pandas writes for a missing label, were two labels",
    outcome="they are counted and refused, left out with --bad-rows skip, or kept by an option",
)
@pytest.mark.parametrize("mark", ["nan", "NaN", "None", "n/a", "-", "?", "NULL"])
def test_marks_of_missing_labels_are_asked_about(tmp_path, mark):
    path = table(tmp_path / "mine.csv", ["good", "bad", mark, "good", "bad", mark])
    message = refusal(path)
    assert f"of 6 rows 2 have a label that looks missing, {mark!r} (2)" in message
    assert "the first in split 'all', row 4. Leave these rows out with --bad-rows skip" in message
    assert "--missing-labels keep" in message
    skipped = read_file(path, bad_rows="skip")
    assert skipped.label_names == ("bad", "good")
    assert skipped.findings.skipped_rows == 2
    assert len(read_file(path, missing_labels="keep").label_names) == 3


def test_empty_and_marked_labels_are_counted_together(tmp_path):
    path = table(tmp_path / "mine.csv", ["good", "", "nan", "bad", "\u200b"])
    message = refusal(path)
    assert "of 5 rows 3 have no text or no label" in message
    assert "row 3: the label is empty; split 'all', row 4: the label is 'nan'" in message
    assert "Labels that look missing are 'nan' (1)." in message
    assert len(read_file(path, bad_rows="skip").join_splits()) == 2


@pytest.mark.parametrize("cell", ["['home', 'nan']", "nan"])
def test_marks_in_lists_are_asked_about(tmp_path, cell):
    path = table(tmp_path / "mine.csv", ["['home']", "['home', 'bad']", cell])
    assert "'nan' (1)" in refusal(path, task="multilabel")
    assert read_file(path, task="multilabel", bad_rows="skip").label_names == ("bad", "home")


def test_marks_beside_lists_are_asked_about(tmp_path):
    path = tmp_path / "mine.jsonl"
    labels = [["home", "bad"], "nan", ["home"], ["bad"]]
    records = [{"text": f"The {THINGS[i]}", "label": cell} for i, cell in enumerate(labels)]
    path.write_text("\n".join(map(json.dumps, records)))
    assert "'nan' (1)" in refusal(path, task="multilabel")
    assert len(read_file(path, task="multilabel", bad_rows="skip").join_splits()) == 3


@pytest.mark.public_report(
    case="hidden_test_labels",
    source="huggingface/datasets#245",
    seen="a test file whose labels are all -1 gave a wrong remedy, or a class -1",
    outcome="the error says that the labels are hidden, and to leave the file out",
)
@pytest.mark.parametrize("protocol", ["split", "paper", "given"])
@pytest.mark.parametrize(
    ("hidden", "state"), [("-1", "is -1"), ("", "is missing"), ("?", "is missing")]
)
def test_hidden_labels_of_the_test_are_named(tmp_path, protocol, hidden, state):
    table(tmp_path / "train.csv", ["0", "1"] * 4)
    table(tmp_path / "test.csv", [hidden] * 4)
    with pytest.raises(UserError) as caught:
        read_corpus(DataConfig(source=str(tmp_path), protocol=protocol))
    assert f"split 'test': every label {state}, as in data sets of contests" in str(caught.value)
    assert "Take the file of that split out of the folder" in str(caught.value)


def test_a_label_of_minus_one_that_training_has_is_no_hidden_one(tmp_path):
    table(tmp_path / "train.csv", ["-1", "1"] * 4)
    table(tmp_path / "test.csv", ["-1"] * 4)
    assert read_file(tmp_path).label_names == ("-1", "1")


@pytest.mark.public_report(
    case="lists_as_text",
    source="huggingface/datasets#4673",
    seen="lists written as text became labels with brackets, and the remedy split them at commas",
    outcome="--task multilabel reads them as lists, and without it a line says so",
)
def test_lists_as_text_are_lists(tmp_path):
    cells = ["['travel']", "['travel', 'good']", "['home', 'bad']", "['home']", "['travel']"]
    path = table(tmp_path / "mine.csv", cells)
    sentences = findings(path)
    assert "5 labels are lists written as text, such as \"['travel']\"" in sentences
    assert "--task multilabel reads lists." in sentences
    for separator in (None, ","):
        several = read_file(path, task="multilabel", label_separator=separator)
        assert several.label_names == ("bad", "good", "home", "travel")


def test_more_labels_than_a_quarter_of_the_rows_are_a_question(tmp_path):
    path = table(tmp_path / "mine.csv", [f"user {i % 5}" for i in range(19)])
    sentences = findings(path)
    assert "The column 'label' has 5 labels in 19 rows. Did you mean another column?" in sentences
    assert "Did you mean" not in findings(table(path, [f"user {i % 4}" for i in range(19)]))
    numbers = findings(table(path, [f"{i / 8}" for i in range(19)]))
    assert numbers.endswith("with --label-column, or learn the numbers with --task regression.")
    with pytest.raises(UserError, match="Did you mean another column"):
        split_corpus(read_file(path), DataConfig(source="mine", protocol="split"), 0)


def test_one_label_is_refused_where_texts_are_split(tmp_path):
    corpus = read_file(table(tmp_path / "mine.csv", ["spam"] * 4))
    message = "every text has the label 'spam'. A classifier needs two labels or more"
    with pytest.raises(UserError, match=message):
        split_corpus(corpus, DataConfig(source="mine", protocol="split"), 0)


@pytest.mark.parametrize("protocol", ["split", "paper", "given"])
def test_counts_of_labels_are_printed_before_training(tmp_path, capsys, protocol):
    table(tmp_path / "train.csv", ["good", "bad", "good"] * 8)
    table(tmp_path / "test.csv", ["good", "bad"] * 4)
    config = DataConfig(source=str(tmp_path), protocol=protocol)
    corpus = read_corpus(config)
    splits = split_corpus(corpus, config, 0)
    lines = splits.label_table(corpus)
    assert lines[0].split() == ["label", "rows", "training", "validation", "test"]
    assert [line.split()[:2] for line in lines[1:]] == [["good", "20"], ["bad", "12"]]
    sizes = [sum(int(line.split()[column]) for line in lines[1:]) for column in (2, 3, 4)]
    assert sizes == [*splits.sizes.values()]
    LineListener()(DataChecked(splits.findings(corpus), splits.in_words, (), lines))
    assert "\n".join(lines) in capsys.readouterr().out


def test_a_table_of_many_labels_has_ten_lines():
    counts = {f"label {i}": [i + 1, 1] for i in range(30)}
    lines = label_table(counts, ["training", "test"])
    assert len(lines) == MAX_LINES
    assert lines[1].split() == ["label", "29", "31", "30", "1"]
    assert lines[-1] == "and 22 more labels with 275 rows"
