"""Texts and labels of pandas with different indices: joined as pandas joins them, or refused."""

import numpy as np
import pandas as pd
import pytest

from qllmft.config import DataConfig
from qllmft.data import corpus_in_memory
from qllmft_base.errors import UserError

TEXTS = [f"text {i}" for i in range(6)]
LABELS = ["good", "bad", "good", "good", "bad", "bad"]
TABLE = pd.DataFrame({"text": TEXTS, "label": LABELS})
SORTED_LABELS = TABLE["label"].sort_values(kind="stable")
NAMES = ["a", "b", "c", "d", "e", "f"]


def labels_by_text(data, config=None):
    """Return the name of the label of each text."""
    corpus = corpus_in_memory(data, config or DataConfig())
    table = corpus.join_splits()
    names = [corpus.label_names[label] for label in table.labels]
    return dict(zip(table.texts, names, strict=True))


@pytest.mark.public_report(
    case="columns_with_another_index",
    source="alanarazi7/TabSTAR#25",
    seen="a dict of pandas Series and a pair of them were joined by position: labels of other texts, without a word",
    outcome="a dict is joined by index as pandas does; other index values, and a pair in another order, are refused",
)
@pytest.mark.parametrize(
    "data",
    [
        {"text": TABLE["text"], "label": SORTED_LABELS},
        {"text": TABLE["text"][::-1], "label": SORTED_LABELS},
        {"train": {"text": TABLE["text"], "label": SORTED_LABELS}},
        {"text": TABLE["text"].set_axis(NAMES), "label": TABLE["label"].set_axis(NAMES)[::-1]},
        {"text": TABLE["text"], "label": SORTED_LABELS.astype("category")},
        {"text": TABLE["text"], "label": TABLE["label"].to_numpy()},
        {"text": TABLE["text"].set_axis([0, 0, 1, 1, 2, 2]), "label": LABELS},
        {
            "text": TABLE["text"].set_axis([0, 0, 1, 1, 2, 2]),
            "label": TABLE["label"].set_axis([0, 0, 1, 1, 2, 2]),
        },
        (TABLE["text"], TABLE["label"]),
        (TABLE["text"].set_axis(NAMES), LABELS),
        (TABLE[["text"]], TABLE[["label"]]),
        (pd.Index(TEXTS), TABLE["label"].set_axis(NAMES)),
    ],
    ids=[
        "a dict in another order",
        "both in another order",
        "a dict of a split",
        "an index of words",
        "a category",
        "an array",
        "index values twice and a list",
        "the same index values twice",
        "a pair with one index",
        "a pair with a list",
        "a pair of tables",
        "an index as the texts",
    ],
)
def test_each_text_has_its_own_label(data):
    assert labels_by_text(data) == dict(zip(TEXTS, LABELS, strict=True))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((TABLE["text"], SORTED_LABELS), r"a pair is joined by position: row 1 has 0 and 1\. Give a dict of both to"),
        ((TABLE[["text"]], SORTED_LABELS), r"different indices, and a pair is joined by position"),
        (
            (TABLE["text"], TABLE["label"].set_axis(range(1, 7))),
            r"row 1 has 0 and 1\. .* Give labels\.to_numpy\(\) to join them by position",
        ),
        (
            {"text": TABLE["text"], "label": TABLE["label"].set_axis(range(2, 8))},
            r"'text' and 'label' have different indices, .*: 'label' has no row 0, and 1 more are missing\. Give both",
        ),
        (
            {"text": TABLE["text"], "label": TABLE["label"].set_axis([0, 0, 1, 1, 2, 2])},
            r"the index of 'label' has values several times",
        ),
        (
            {"id": NAMES, "text": TABLE["text"], "label": SORTED_LABELS},
            r"have their rows in another order, by their indices, and 'id' has no index",
        ),
        ({"text": TABLE["text"], "label": TABLE["label"][:4]}, "'text': 6, 'label': 4, expected columns of one"),
    ],
)  # fmt: skip
def test_indices_that_do_not_fit_are_refused(data, message):
    with pytest.raises(UserError, match=message):
        corpus_in_memory(data, DataConfig())


def test_several_columns_of_pairs_and_labels_are_joined_by_index():
    table = TABLE.assign(second=TEXTS[::-1], bad=[0, 1, 0, 0, 1, 1], old=[1, 1, 0, 0, 0, 0])
    config = DataConfig(
        text_column=("text", "second"), label_column=("bad", "old"), task="multilabel"
    )
    columns = {name: table[name] for name in ("text", "second", "bad", "old")}
    expected = corpus_in_memory(columns, config)
    shuffled = columns | {"second": table["second"][::-1], "old": table["old"].sort_values()}
    assert corpus_in_memory(shuffled, config).fingerprint == expected.fingerprint
    tables = (table[["text", "second"]], table[["bad", "old"]])
    assert corpus_in_memory(tables, config).fingerprint == expected.fingerprint
    with pytest.raises(UserError, match="a pair is joined by position"):
        corpus_in_memory((tables[0], tables[1][::-1]), config)


MASKED = np.ma.array(LABELS, mask=[False, True, False, False, False, False])
MISSING_LABELS = {
    "a masked array": MASKED,
    "StringDType": np.array(["good", None, *LABELS[2:]], np.dtypes.StringDType(na_object=None)),
    "string": pd.Series(["good", None, *LABELS[2:]], dtype="string[python]"),
    "Int64": pd.Series([1, None, 1, 1, 0, 0], dtype="Int64"),
    "boolean": pd.Series([True, None, True, True, False, False], dtype="boolean"),
    "int64[pyarrow]": pd.Series([1, None, 1, 1, 0, 0], dtype="int64[pyarrow]"),
    "category": pd.Series(["good", None, *LABELS[2:]], dtype="category"),
    "days": np.array(["2026-01-01", "NaT", *["2026-01-02"] * 4], dtype="datetime64[ns]"),
    "a NaT of NumPy": [np.datetime64("2026-01-01"), np.datetime64("NaT"), *["good"] * 4],
}


@pytest.mark.parametrize("form", ["pair", "dict", "DataFrame"])
@pytest.mark.parametrize("kind", MISSING_LABELS)
def test_a_missing_label_of_any_type_is_named_with_its_row(kind, form):
    labels = MISSING_LABELS[kind]
    if form == "DataFrame" and not isinstance(labels, pd.Series):
        pytest.skip("pandas converts arrays")
    columns = {"text": TEXTS, "label": labels}
    data = {"pair": (TEXTS, labels), "dict": columns}.get(form)
    with pytest.raises(UserError, match="row 2: the label is empty"):
        corpus_in_memory(pd.DataFrame(columns) if data is None else data, DataConfig())


@pytest.mark.parametrize("unit", ["D", "s", "us", "ns"])
def test_days_of_numpy_are_labels_as_they_are_written(unit):
    days = np.array(["2026-01-01", "2026-01-02"] * 3, dtype=f"datetime64[{unit}]")
    assert corpus_in_memory((TEXTS, days), DataConfig()).label_names == ("2026-01-01", "2026-01-02")
    with pytest.raises(
        UserError, match=r"row 1: the target 'label' is '2026-01-01.*expected a fin"
    ):
        corpus_in_memory((TEXTS, days), DataConfig(task="regression"))


def test_texts_of_numpys_own_type_are_texts():
    texts = np.array(TEXTS, dtype=np.dtypes.StringDType())
    labels = np.array(LABELS, dtype=np.dtypes.StringDType())
    assert labels_by_text((texts, labels)) == dict(zip(TEXTS, LABELS, strict=True))
