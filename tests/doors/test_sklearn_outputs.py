"""Labels, targets and texts of any library for the estimators: as the same values in a list, or refused by row."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.sparse import csr_array

from qllmft_base.errors import UserError
from qllmft_doors.sklearn import QuantumHeadClassifier, QuantumHeadRegressor
from qllmft_doors.sklearn.outputs import plain_array
from qllmft_doors.sklearn.text import check_texts

WORDS = ["good", "bad", "good", "bad"]
BITS = [1, 0, 1, 0]
STRINGS = np.dtypes.StringDType()
DICTIONARY = pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))
DAYS = ["2026-01-01", "2026-01-02"] * 2

WORD_COLUMNS = {
    "StringDType": np.array(WORDS, dtype=STRINGS),
    "string[python]": pd.Series(WORDS, dtype="string[python]"),
    "string[pyarrow]": pd.Series(WORDS, dtype="string[pyarrow]"),
    "Arrow's dictionary": pd.Series(WORDS, dtype=DICTIONARY),
    "category": pd.Series(pd.Categorical(WORDS, categories=["unused", "good", "bad"])),
    "Arrow": pa.array(WORDS),
    "Arrow in parts": pa.chunked_array([WORDS[:1], WORDS[1:]]),
    "extension array": pd.array(WORDS, dtype="string"),
    "Index": pd.Index(WORDS),
    "mask without a masked value": np.ma.array(WORDS),
}
NUMBER_COLUMNS = {
    "Int64": (pd.Series(BITS, dtype="Int64"), "i"),
    "int64[pyarrow]": (pd.Series(BITS, dtype="int64[pyarrow]"), "i"),
    "Float64": (pd.Series(BITS, dtype="Float64"), "f"),
    "boolean": (pd.Series(BITS, dtype="boolean"), "b"),
    "bool[pyarrow]": (pd.Series([True, False] * 2, dtype="bool[pyarrow]"), "b"),
    "Sparse": (pd.Series(BITS, dtype=pd.SparseDtype("int64")), "i"),
    "category": (pd.Series(BITS, dtype="category"), "i"),
    "Decimal": ([Decimal(bit) for bit in BITS], "f"),
}
MISSING = {
    "Int64": pd.Series([1, 0, None, 0], dtype="Int64"),
    "boolean": pd.Series([True, False, None, False], dtype="boolean"),
    "Float64": pd.Series([1, 0, None, 0], dtype="Float64"),
    "int64[pyarrow]": pd.Series([1, 0, None, 0], dtype="int64[pyarrow]"),
    "string[pyarrow]": pd.Series(["a", "b", None, "b"], dtype="string[pyarrow]"),
    "str": pd.Series(["a", "b", None, "b"]),
    "category": pd.Series(["a", "b", None, "b"], dtype="category"),
    "StringDType": np.array(["a", "b", np.nan, "b"], np.dtypes.StringDType(na_object=np.nan)),
    "a list with None": ["a", "b", None, "b"],
    "a list with nan": ["a", "b", float("nan"), "b"],
    "objects with NA": np.array(["a", "b", pd.NA, "b"], dtype=object),
    "objects with NaT": np.array([1, 0, pd.NaT, 0], dtype=object),
    "floats": np.array([1, 0, np.nan, 0]),
    "days": np.array(["2026-01-01", "2026-01-02", "NaT", "2026-01-02"], dtype="datetime64[D]"),
    "a mask": np.ma.array(BITS, mask=[0, 0, 1, 0]),
    "a mask of texts": np.ma.array(WORDS, mask=[0, 0, 1, 0]),
    "Arrow": pa.array(["a", "b", None, "b"]),
    "a table of one column": pd.DataFrame({"y": pd.array([1, 0, None, 0], dtype="Int64")}),
    "several labels": pd.DataFrame({"a": BITS, "b": pd.array([1, 0, None, 0], dtype="Int64")}),
    "several masked labels": np.ma.array([BITS, BITS], mask=[[0, 0, 0, 0], [0, 0, 1, 0]]).T,
}  # fmt: skip
OTHER_TYPES = {
    "bytes": ([b"good", b"bad"] * 2, "Decode bytes first"),
    "bytes of NumPy": (np.array([b"good", b"bad"] * 2), "Decode bytes first"),
    "days of Python": ([dt.date(2026, 1, 1)] * 4, "Write dates as texts"),
    "timestamps": (list(pd.to_datetime(DAYS)), "Write dates as texts"),
    "periods": (pd.Series(pd.period_range("2025", periods=4, freq="Y")), "Give texts or numbers"),
    "intervals": (pd.cut(pd.Series(BITS), 2), "Give texts or numbers"),
}


@pytest.mark.parametrize("kind", WORD_COLUMNS)
def test_words_of_any_library_are_words(kind):
    array = plain_array(WORD_COLUMNS[kind])
    assert array.dtype.kind in "OU"
    assert array.tolist() == WORDS


@pytest.mark.parametrize("kind", NUMBER_COLUMNS)
def test_numbers_of_any_library_keep_their_kind(kind):
    column, expected_kind = NUMBER_COLUMNS[kind]
    array = plain_array(column)
    assert array.dtype.kind == expected_kind
    assert array.tolist() == BITS


def test_days_of_numpy_are_classes_as_in_scikit_learn():
    days = np.array(DAYS, dtype="datetime64[D]")
    assert plain_array(days) is days


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        *(
            (labels, {}, r"row 3 of y is .*, expected a label. Fill it in, or leave")
            for labels in MISSING.values()
        ),
        *(
            (labels, {}, rf"y has .* of the type .*, expected a label\. {remedy}")
            for labels, remedy in OTHER_TYPES.values()
        ),
        (
            np.array(DAYS, dtype="datetime64[D]"),
            {"numeric": True},
            "'2026-01-01' of the type datetime64, expected a number",
        ),
    ],
    ids=[*MISSING, *OTHER_TYPES, "days as numbers"],
)
def test_missing_labels_and_other_types_are_refused(values, options, message):
    with pytest.raises(UserError, match=message):
        plain_array(values, **options)


def test_what_scikit_learn_refuses_itself_is_left_to_it():
    sparse = csr_array([[1, 0], [0, 1]])
    for values in (None, "good", sparse, [[1], [1, 2]]):
        assert plain_array(values) is values


VECTORS = np.array([[2.0, 1.0], [-2.0, 1.0], [1.5, -1.0], [-1.5, -1.0]])


@pytest.mark.public_report(
    case="strings_of_pandas_3",
    source="feature-engine/feature_engine#896",
    seen="labels of NumPy's StringDType, and a missing label of Int64 or string, ended in a raw TypeError",
    outcome="they are classes as other texts are; a missing label is named with its row",
)
def test_a_classifier_learns_labels_of_numpys_own_texts():
    labels = np.array(WORDS, dtype=STRINGS)
    model = QuantumHeadClassifier(epochs=2, random_state=0)
    expected = model.fit(VECTORS, WORDS).predict_proba(VECTORS)
    np.testing.assert_array_equal(model.fit(VECTORS, labels).predict_proba(VECTORS), expected)
    assert model.classes_.tolist() == ["bad", "good"]
    assert model.score(VECTORS, labels) == model.score(VECTORS, WORDS)
    with pytest.raises(UserError, match="row 3 of y is <NA>, expected a label"):
        model.fit(VECTORS, MISSING["Int64"])
    with pytest.raises(UserError, match="row 2 of sample_weight is <NA>, expected a number"):
        model.fit(VECTORS, labels, pd.Series([1, None, 1, 1], dtype="Float64"))
    with pytest.raises(UserError, match="row 3 of y is <NA>, expected a number"):
        QuantumHeadRegressor(epochs=2).fit(VECTORS, MISSING["Int64"])
    with pytest.raises(UserError, match="row 1 of X has a masked value"):
        model.predict(np.ma.array(VECTORS, mask=[[0, 1], [0, 0], [0, 0], [0, 0]]))


def test_classes_of_a_nullable_type_have_its_kind():
    model = QuantumHeadClassifier(epochs=2, random_state=0)
    truths = pd.Series(BITS, dtype="boolean")
    assert model.fit(VECTORS, truths).predict(VECTORS).dtype == bool
    assert model.fit(VECTORS, pd.Series(BITS, dtype="Int64")).classes_.dtype == np.int64


def test_rows_are_joined_by_position_and_another_order_is_said():
    frame = pd.DataFrame(VECTORS, columns=["a", "b"])
    labels = pd.Series(WORDS)
    model = QuantumHeadClassifier(epochs=2, random_state=0)
    expected = model.fit(frame, labels).predict_proba(frame)
    with pytest.warns(UserWarning, match="the same index in another order"):
        model.fit(frame, labels.set_axis([3, 2, 1, 0]))
    np.testing.assert_array_equal(model.predict_proba(frame), expected)
    model.fit(frame, labels.set_axis([7, 8, 9, 10]))  # a warning would be an error


@pytest.mark.parametrize(
    "texts", [np.array(WORDS, dtype=STRINGS), pa.array(WORDS), pd.Series(WORDS, dtype="category")]
)
def test_texts_of_any_library_are_texts(texts):
    assert check_texts(texts) == WORDS


def test_a_masked_text_is_named_with_its_row():
    masked = np.ma.array(WORDS, mask=[0, 0, 1, 0])
    for texts in (masked, masked.reshape(-1, 1)):
        with pytest.raises(UserError, match="row 3 of X is None, expected a non-empty text"):
            check_texts(texts)
