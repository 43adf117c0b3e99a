"""Labelled texts that are objects of Python, against the same texts in a file."""

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from table_files import labelled_rows, write_table

from qllmft.config import DataConfig
from qllmft.data import corpus_in_memory, read_corpus
from qllmft_base.errors import UserError

PAIRS = [("good", "yes"), ("bad", "no"), ("fine", "yes")]
TEXTS, LABELS = (list(column) for column in zip(*PAIRS, strict=True))
TABLE = {"text": TEXTS, "label": LABELS}


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (pd.DataFrame(TABLE, index=[7, 7, 9]), "DataFrame"),
        (pd.DataFrame({**TABLE, "features": [1, 2, 3]}), "DataFrame"),
        (datasets.Dataset.from_dict(TABLE), "Dataset"),
        ((TEXTS, LABELS), "texts and labels"),
        ([np.array(TEXTS), pd.Series(LABELS)], "texts and labels"),
        (TABLE, "dict"),
        ({"text": np.array(TEXTS), "label": pd.Series(LABELS)}, "dict"),
        ({"text": pa.chunked_array([TEXTS[:1], TEXTS[1:]]), "label": pa.array(LABELS)}, "dict"),
        (pa.table(TABLE), "Table"),  # like a polars frame, which has to_pandas and no features
    ],
    ids=[
        "DataFrame",
        "column features",
        "Dataset",
        "lists",
        "arrays",
        "dict of lists",
        "dict of arrays",
        "dict of Arrow's",
        "Arrow",
    ],
)
def test_objects_are_read_as_a_file_is(tmp_path, data, kind):
    config = DataConfig(source=str(write_table(tmp_path / "mine.csv", labelled_rows(*PAIRS))))
    corpus = corpus_in_memory(data, config)
    file = read_corpus(config)
    assert (corpus.label_names, corpus.join_splits().texts) == (
        file.label_names,
        file.join_splits().texts,
    )
    assert corpus.join_splits().labels.tolist() == file.join_splits().labels.tolist()
    assert corpus.source == f"in memory: {kind} of 3 rows ({file.fingerprint})"


def test_a_dataset_dict_has_splits_and_names_of_labels():
    features = datasets.Features(
        {"t": datasets.Value("string"), "y": datasets.ClassLabel(names=["no", "yes"])}
    )
    part = datasets.Dataset.from_dict({"t": TEXTS, "y": [1, 0, 1]}, features)
    config = DataConfig(text_column="t", label_column="y")
    corpus = corpus_in_memory(datasets.DatasetDict(train=part, dev=part), config)
    assert corpus.label_names == ("no", "yes")
    assert list(corpus.splits) == ["train", "validation"]
    assert corpus.splits["validation"].labels.tolist() == [1, 0, 1]
    frames = {"train": part.to_pandas(), "dev": part.to_pandas()}
    assert list(corpus_in_memory(frames, config).splits) == ["train", "validation"]
    columns = {"train": {"t": TEXTS, "y": [1, 0, 1]}, "dev": {"t": TEXTS, "y": [0, 0, 1]}}
    splits = corpus_in_memory(columns, config).splits
    assert [splits[name].labels.tolist() for name in ("train", "validation")] == [
        [1, 0, 1],
        [0, 0, 1],
    ]


TWO_ROWS = {"text": ["a film", "a plot"], "label": ["good", "bad"]}


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("Train", "Test"), ["train", "test"]),
        (("TRAINING", " testing "), ["train", "test"]),
        (("train", "Dev", "test"), ["train", "validation", "test"]),
        (("everything",), ["everything"]),
    ],
)
def test_splits_of_a_dict_have_the_names_of_files(names, splits):
    table = pd.DataFrame(TWO_ROWS)
    assert [*corpus_in_memory(dict.fromkeys(names, table), DataConfig()).splits] == splits


def test_rows_of_lists_have_a_cell_for_each_of_several_columns():
    pairs = [(text, text[::-1]) for text in TEXTS]
    config = DataConfig(text_column=("a", "b"))
    columns = {"a": TEXTS, "b": [second for _, second in pairs], "label": LABELS}
    corpus = corpus_in_memory((pairs, LABELS), config)
    assert corpus.fingerprint == corpus_in_memory(columns, config).fingerprint
    indicators = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 0]])
    names = ("home", "bad", "old")
    several = DataConfig(task="multilabel", label_column=names)
    table = corpus_in_memory((TEXTS, indicators), several).join_splits()
    assert table.labels.tolist() == indicators.tolist()
    targets = torch.tensor([[1.5, 2], [0, 3], [4, 5]])
    real = DataConfig(task="regression", label_column=("x", "y"))
    assert corpus_in_memory((TEXTS, targets), real).join_splits().labels.tolist() == [
        *([1.5, 2.0], [0.0, 3.0], [4.0, 5.0])
    ]


@pytest.mark.parametrize("lists", [[["0", "1"], ["1", "0"], ["0", "1"]], [[0], [1], [0]]])
def test_labels_may_be_named_0_and_1(lists):
    corpus = corpus_in_memory((TEXTS, lists), DataConfig(task="multilabel"))
    assert corpus.label_names == ("0", "1")


def test_names_of_columns_may_differ_in_capitals_and_blanks(tmp_path):
    frame = pd.DataFrame({" Text": TEXTS, "LABEL ": LABELS})
    assert corpus_in_memory(frame, DataConfig()).join_splits().texts == TEXTS
    path = tmp_path / "mine.parquet"
    frame.to_parquet(path)
    corpus = read_corpus(DataConfig(source=str(path)))
    assert corpus.join_splits().texts == TEXTS
    assert corpus.label_names == ("no", "yes")


@pytest.mark.parametrize("labels", [[1, 0, 1], [True, False, True]])
def test_tensors_are_labels_as_their_numbers_are(labels):
    tensors = corpus_in_memory((TEXTS, torch.tensor(labels)), DataConfig())
    assert tensors.label_names == corpus_in_memory((TEXTS, labels), DataConfig()).label_names


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # datasets 4.0 of its own file
@pytest.mark.parametrize("labels", [["b", "a", "b"], ["1", "0", "1"], ["True", "False", "True"]])
def test_a_file_read_by_another_library_has_the_same_labels(tmp_path, labels):
    path = write_table(tmp_path / "mine.csv", labelled_rows(*zip(TEXTS, labels, strict=True)))
    expected = read_corpus(DataConfig(source=str(path)))
    files = {"data_files": str(path), "cache_dir": str(tmp_path / "cache")}
    for data in (
        pd.read_csv(path),
        pd.read_csv(path, dtype=str),
        pd.read_csv(path, dtype={"label": "category"}),
        datasets.load_dataset("csv", **files),
        datasets.load_dataset("csv", split="train", **files),
    ):
        corpus = corpus_in_memory(data, DataConfig())
        assert corpus.label_names == expected.label_names
        table = corpus.join_splits()
        assert table.texts == expected.join_splits().texts
        assert table.labels.tolist() == expected.join_splits().labels.tolist()


def index_labels(labels, names):
    """A Dataset whose labels are indices into names."""
    features = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)}
    columns = {"text": [f"{label} {i}" for i, label in enumerate(labels)], "label": labels}
    return datasets.Dataset.from_dict(columns, datasets.Features(features))


def named_labels(**splits):
    """Return the names of the labels of each split."""
    corpus = corpus_in_memory(splits, DataConfig(protocol="split"))
    return {
        split: [corpus.label_names[label] for label in table.labels]
        for split, table in corpus.splits.items()
    }


TRAIN_LABELS = ["bad", "good", "mixed"]
TEST_LABELS = ["good", "mixed", "mixed"]
TRAIN = index_labels(TRAIN_LABELS, ["bad", "good", "mixed"])
TEST = index_labels(TEST_LABELS, ["good", "mixed"])


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (TRAIN, TEST),
        (pd.DataFrame({"text": TEXTS, "label": TRAIN_LABELS}), TEST),
        (TRAIN, pd.DataFrame({"text": TEXTS, "label": TEST_LABELS})),
        (TRAIN, pd.DataFrame({"text": TEXTS, "label": [1, 2, 2]})),
        (TRAIN.to_pandas(), index_labels(TEST_LABELS, ["bad", "good", "mixed"])),
    ],
    ids=["other names", "texts first", "texts last", "indices last", "indices first"],
)
def test_labels_have_the_names_of_their_own_split(train, test):
    assert named_labels(train=train, test=test) == {"train": TRAIN_LABELS, "test": TEST_LABELS}


def test_numbers_that_are_names_are_no_indices():
    stars = index_labels(["1", "2", "3"], ["1", "2", "3"])
    frame = pd.DataFrame({"text": TEXTS, "label": [1, 2, 2]})
    expected = {"train": ["1", "2", "3"], "test": ["1", "2", "2"]}
    assert named_labels(train=stars, test=frame) == expected


def index_lists(lists, names):
    """A Dataset whose lists of labels are indices into names."""
    labels = datasets.Sequence(datasets.ClassLabel(names=names))
    features = datasets.Features({"text": datasets.Value("string"), "label": labels})
    return datasets.Dataset.from_dict({"text": TEXTS, "label": lists}, features)


TRAIN_LISTS = index_lists([[0], [1], [0, 1]], ["bad", "home"])


def test_lists_of_labels_have_the_names_of_their_own_split():
    data = {"train": TRAIN_LISTS, "test": index_lists([[0], [], [0]], ["home"])}
    config = DataConfig(protocol="split", task="multilabel")
    corpus = corpus_in_memory(data, config)
    assert corpus.label_names == ("bad", "home")
    assert corpus.splits["test"].labels.tolist() == [[0, 1], [0, 0], [0, 1]]


@pytest.mark.parametrize("column", ["split", "label_text"])
def test_an_optional_column_that_stands_twice_is_not_read(column):
    rows = [[*pair, "a", "b"] for pair in PAIRS]
    frame = pd.DataFrame(rows, columns=["text", "label", column, column])
    corpus = corpus_in_memory(frame, DataConfig())
    assert (corpus.join_splits().texts, corpus.label_names) == (TEXTS, ("no", "yes"))


@pytest.mark.parametrize(
    ("data", "settings"),
    [
        ((TEXTS, [np.str_("yes")] * 3), {"label_column": ("a", "b"), "task": "multilabel"}),
        ((map(np.str_, TEXTS), LABELS), {"text_column": ("a", "b")}),
        ({**TABLE, "day": [*map(np.str_, TEXTS)]}, {"time_column": "day", "protocol": "split"}),
        ({**TABLE, "day": [np.str_("03/04/2026")] * 3}, {"time_column": "day", "protocol": "split"}),
        ({np.str_("mine"): TABLE, np.str_("other"): TABLE}, {"protocol": "given"}),
        (([np.int64(3), *TEXTS[1:]], LABELS), {}),
    ],
)  # fmt: skip
def test_no_message_has_a_type_of_numpy(data, settings):
    if isinstance(data, tuple):
        data = tuple(map(list, data))
    with pytest.raises(UserError) as error:
        corpus_in_memory(data, DataConfig(**settings))
    assert "np." not in str(error.value)


ONE_FILM = pd.DataFrame(TWO_ROWS)
PAIR_COLUMNS = {"text_column": ("a", "b")}
THREE_LABELS = {"task": "multilabel", "label_column": ("home", "bad", "old")}
OF_PYTHON = "and the texts are those of Python"
REFUSALS = [
    (7, {}, r"given as int, expected a path, a DataFrame \(pandas or polars\), a Dataset, a DatasetDict, a dict of"),
    ({"text": TEXTS, "label": LABELS[:2]}, {}, "the dict holds 'text': 3, 'label': 2, expected columns of one length"),
    ({"train": (TEXTS, LABELS)}, {}, "the dict holds 'train': tuple, expected columns of one length by name, or tab"),
    (("a text", "a label"), {}, "given as tuple, expected"),
    ({}, {}, "given as dict, expected"),
    (
        {"train": TEXTS},
        {},
        "in memory: dict of 3 rows, split 'all': there is no column 'text'. Its columns are 'train'",
    ),
    ((TEXTS, LABELS[:2]), {}, "there are 3 texts and 2 labels"),
    ((TEXTS, [["yes"], ["no"], ["yes"]]), {}, r"row 1: the label is \['yes'\], several values"),
    ((["a\ud83d", *TEXTS[1:]], LABELS), {}, r"row 1: 'a\\ud83d' holds half of a surrogate pair, expected text"),
    ((TEXTS, [*LABELS[:2], "\ud83d"]), {}, r"row 3: '\\ud83d' holds half of a surrogate pair, expected text"),
    (pd.DataFrame({"text": TEXTS}), {}, "in memory: DataFrame of 3 rows, split 'all': there is no column 'label'"),
    (
        pd.DataFrame({"text": [*TEXTS, None], "label": [*LABELS, "no"]}),
        {},
        "in memory: DataFrame of 4 rows: .* split 'all', row 4: the text is empty",
    ),
    (
        pd.DataFrame({"text": ["a", "b"], "label": pd.to_datetime(["2020-01-01", None])}),
        {},
        "row 2.*the label is empty",
    ),
    (
        pd.DataFrame([("a", "b", "c")], columns=["text", "label", "label"]),
        {},
        "has several columns named 'label', expected one",
    ),
    *(
        (dict.fromkeys(names, ONE_FILM), {"protocol": "split"}, message)
        for names, message in (
            (("train", "eval"), "a split named 'eval', expected train, validation .or dev. and test"),
            (("train", "dev", "val"), "two tables of the split 'validation': 'dev' and 'val'"),
            (("train", "Training", "test"), "two tables of the split 'train': 'train' and 'Training'"),
        )
    ),
    (
        {"train": TRAIN, "test": index_labels([0, -1], ["good", "mixed"])},
        {"protocol": "split"},
        r"split 'test', row 2: the label is '-1', expected one of \['0', '1'\]. It stands for no label. Leave",
    ),
    (
        {"train": TRAIN_LISTS, "test": index_lists([[0], [], [-1]], ["home"])},
        {"protocol": "split", "task": "multilabel"},
        "a text has the label '-1', expected 0 to 0 for home",
    ),
    *(
        ((TEXTS, rows), {"task": "multilabel"}, "every text has [23] values of 0 and 1 in the place of labels. Give")
        for rows in (
            np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1]]),
            [[True, False], [False, False], [True, True]],
            ["[1.0, 0.0, 1.0]", "[0, 0, 1]", "[1, 1, 1]"],
        )
    ),
    ((TEXTS, LABELS), PAIR_COLUMNS, "text 1 is 'good', expected 2 values, those of a, b"),
    ((TEXTS, np.eye(3)[:, :2]), THREE_LABELS, "label 1 is array.* expected 3 values, those of home"),
    (TABLE, {"subset": "small"}, f"data.subset is 'small', {OF_PYTHON}"),
    (TABLE, {"revision": "v2"}, f"data.revision is 'v2', {OF_PYTHON}"),
    (TABLE, {"delimiter": ";"}, f"--delimiter is ';', {OF_PYTHON}"),
    (TABLE, {"column_names": "text,label"}, f"--columns is 'text,label', {OF_PYTHON}"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "settings", "message"), REFUSALS)
def test_other_objects_are_refused(data, settings, message):
    with pytest.raises(UserError, match=message):
        corpus_in_memory(data, DataConfig(**settings))


def test_rows_without_a_text_are_left_out_on_request():
    frame = pd.DataFrame({"text": [*TEXTS, None], "label": [*LABELS, "no"]})
    assert corpus_in_memory(frame, DataConfig(bad_rows="skip")).join_splits().texts == TEXTS
