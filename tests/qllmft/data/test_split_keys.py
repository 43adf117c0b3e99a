"""Groups and times of rows: one unit, one kind and one writing in all tables."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from qllmft.config import DataConfig
from qllmft.data import corpus_in_memory
from qllmft_base.errors import UserError

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


EMPTY = "row 3: the column 'key' is empty"


@pytest.mark.parametrize(
    ("column", "tables", "message"),
    [
        (
            "time_column",
            {"train": [2019, 2020, 2021, 2022], "test": DAYS},
            "'train', row 1: 2019 in the column 'key' is a number, and another row has '2020-01-01'",
        ),
        *(
            (column, {"train": [Decimal(1), Decimal(2), Decimal(cell), Decimal(4)]}, EMPTY)
            for column in ("time_column", "group_column")
            for cell in ("NaN", "sNaN")
        ),
        *(
            (
                "time_column",
                {"train": pd.to_datetime(pd.Series([*DAYS[:2], cell, *DAYS[2:]]))},
                EMPTY,
            )
            for cell in (pd.NaT, None, np.datetime64("NaT", "s"))
        ),
    ],
)
def test_missing_times_and_numbers_beside_dates_are_refused(column, tables, message):
    with pytest.raises(UserError, match=message):
        keys(column, **tables)


def test_years_are_their_first_days_or_numbers():
    years = ["2019", "2020", "2021", "2022"]
    train, test = keys(train=years, test=DAYS)
    assert train[1] == test[0], "a year written as text is its first day"
    numbers, texts = keys(train=[2019, 2020, 2021, 2022], test=years)
    np.testing.assert_array_equal(numbers, texts)


def test_one_group_in_two_writings_is_one():
    first, second = keys("group_column", train=[1, 2, 3, 4], test=[2.0, 1.0, np.inf, 5.5])
    assert (first.tolist(), second.tolist()[:2]) == ([0, 1, 2, 3], [1, 0])
    names, test_names = keys(
        "group_column", train=["Ann", "Bob", "1", "x"], test=["ann ", "BOB", 1, 7]
    )
    assert (names.tolist(), test_names.tolist()) == ([0, 1, 2, 3], [0, 1, 2, 4])


def parse_days(cells):
    """Return the days of a column of times."""
    (times,) = keys(train=(cells * 4)[: max(4, len(cells))])
    return [str(pd.Timestamp(time, unit="us"))[:16] for time in times[: len(cells)]]


def test_the_order_of_other_dates_is_not_that_of_dates_with_the_year_first():
    days = parse_days(["23/11/2026", "2026-04-03", "20260403", "03/04/2026", "Apr 3, 2026"])
    assert days == ["2026-11-23 00:00", *["2026-04-03 00:00"] * 4]


@pytest.mark.parametrize(
    "cells",
    [
        ["Fri 03/04/2026 12:30", "Thu 23/04/2026 12:30"],
        ["12:30 03/04/2026", "12:30 23/04/2026"],
        ["03/04/2026T12:30", "23/04/2026T12:30"],
        ["03 04 2026 12:30", "23 04 2026 12:30"],
        ["3. 4. 2026 12:30:00 UTC", "23. 4. 2026 14:30 +0200"],
        ["3/4/26 12:30 PM", "23/4/26 12:30 PM"],
        ["04/03/26 12:30", "04/23/26 12:30"],
    ],
)
def test_the_order_of_dates_is_found_anywhere_in_the_text(cells):
    assert parse_days(cells) == ["2026-04-03 12:30", "2026-04-23 12:30"]


@pytest.mark.filterwarnings("ignore:Parsing .* as a quarterly string")
@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("03-Apr-26", "2026-04-03"),
        ("Tue 3 Apr 12:30:00 2026", "2026-04-03"),
        ("3rd April 2026", "2026-04-03"),
        ("April 2026", "2026-04-01"),
        ("04/2026", "2026-04-01"),
        ("2026Q2", "2026-04-01"),
        ("12:30 2026/4/3", "2026-04-03"),
        ("03/03/2026", "2026-03-03"),
        ("03.04.98", "1998-04-03"),
    ],
)
def test_dates_that_have_one_reading_are_read(cell, day):
    another_date = ["23.04.98"] if cell.endswith("98") else []
    assert parse_days([cell, *another_date])[0][:10] == day


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["26/04/03", "26/04/30"], "'26/04/03' may have the year first or last"),
        (["Fri 03/04/2026"], "'Fri 03/04/2026' may be a day and a month or a month and a day"),
        (["98/04/03", "03/04/98"], "'03/04/98' and '98/04/03' have the day at two places"),
        (["today", "now"], "'today' in the column 'key' is no date"),
        (["10:30", "9:30"], "'10:30' in the column 'key' is no date"),
        (["2026-04-03", "3 April"], "row 2: '3 April' in the column 'key' is no date"),
        (["Apr-26"], "'Apr-26' in the column 'key' is no date"),
        (["2026-23-11"], "'2026-23-11' in the column 'key' is no date"),
        (["31/04/2026", "03/04/2026"], "'31/04/2026' in the column 'key' is no date"),
    ],
)
def test_dates_that_may_be_others_are_refused(cells, message):
    with pytest.raises(UserError, match=message):
        parse_days(cells)
