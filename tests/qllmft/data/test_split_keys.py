"""Groups and times of rows: one unit, one kind and one writing in all tables."""

import numpy as np
import pandas as pd
import pytest

from qllmft.config import DataConfig
from qllmft.data import corpus_in_memory
from qllmft.errors import UserError

DAYS = [f"2020-01-{day:02d}" for day in range(1, 31)]


def keys(column="time_column", **tables):
    frames = {
        split: pd.DataFrame(
            {
                "text": [f"{split} {i}" for i in range(len(cells))],
                "label": np.arange(len(cells)) % 2,
                "key": cells,
            }
        )
        for split, cells in tables.items()
    }
    corpus = corpus_in_memory(frames, DataConfig(protocol="split", **{column: "key"}))
    return [corpus.splits[split].keys for split in tables]


@pytest.mark.parametrize(
    "write",
    [
        lambda days: [f"{day}T00:00:00.0000001Z" for day in days],
        lambda days: pd.to_datetime(pd.Series(days)).astype("datetime64[ns]"),
        lambda days: pd.to_datetime(pd.Series(days)).astype("datetime64[s]"),
        lambda days: [pd.Timestamp(day).date() for day in days],
        lambda days: [pd.Timestamp(day, tz="UTC") for day in days],
    ],
    ids=["parts of a microsecond", "nanoseconds", "seconds", "dates", "with a zone"],
)
def test_times_of_tables_of_other_units_are_in_one(write):
    train, test = keys(train=write(DAYS[:20]), test=DAYS[20:])
    expected = [pd.Timestamp(day).timestamp() * 1e6 for day in DAYS]
    np.testing.assert_array_equal(np.concatenate([train, test]), expected)


def test_numbers_beside_dates_are_refused():
    message = (
        r"'train', row 1: 2019 in the column 'key' is a number, and another row has '2020-01-01'"
    )
    with pytest.raises(UserError, match=message):
        keys(train=[2019, 2020, 2021, 2022], test=DAYS)
    years = ["2019", "2020", "2021", "2022"]
    train, test = keys(train=years, test=DAYS)
    assert train[1] == test[0], "a year written as text is its first day"
    numbers, texts = keys(train=[2019, 2020, 2021, 2022], test=years)
    np.testing.assert_array_equal(numbers, texts)


@pytest.mark.parametrize("cell", [pd.NaT, None, np.datetime64("NaT")])
def test_a_missing_date_is_named(cell):
    with pytest.raises(UserError, match="row 3: the column 'key' is empty"):
        keys(train=pd.to_datetime(pd.Series([*DAYS[:2], cell, *DAYS[2:]])))


def test_a_missing_date_as_a_label_is_a_missing_label():
    frame = pd.DataFrame({"text": ["a", "b"], "label": pd.to_datetime(["2020-01-01", None])})
    with pytest.raises(UserError, match=r"row 2.*the label is empty"):
        corpus_in_memory(frame, DataConfig(protocol="split"))


def test_one_group_in_two_writings_is_one():
    first, second = keys("group_column", train=[1, 2, 3, 4], test=[2.0, 1.0, np.inf, 5.5])
    assert (first.tolist(), second.tolist()[:2]) == ([0, 1, 2, 3], [1, 0])
    names, others = keys("group_column", train=["Ann", "Bob", "1", "x"], test=["ann ", "BOB", 1, 7])
    assert (names.tolist(), others.tolist()) == ([0, 1, 2, 3], [0, 1, 2, 4])
