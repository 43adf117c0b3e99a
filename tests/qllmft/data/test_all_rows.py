"""Splits of all rows: equal shares of each label, whole groups, the latest rows, and folds."""

import numpy as np
import pandas as pd
import pytest
from any_input import examples
from hypothesis import given
from hypothesis import strategies as st

from qllmft.config import DataConfig
from qllmft.data import corpus_in_memory, split_corpus
from qllmft_base.errors import UserError

N = 200


def frame(n=N, rare=0.2):
    """Rows of two uneven labels, of ten authors, on 40 days in no order."""
    random = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "text": [f"text {i}" for i in range(n)],
            "label": np.where(np.arange(n) < rare * n, "no", "yes"),
            "author": [f"author {i}" for i in random.integers(10, size=n)],
            "day": [
                f"2026-{1 + d // 28:02d}-{1 + d % 28:02d}" for d in random.integers(40, size=n)
            ],
        }
    )


def splits(seed=0, data=None, **settings):
    config = DataConfig(protocol="split", **settings)
    table = frame() if data is None else data
    return split_corpus(corpus_in_memory(table, config), config, seed), table


def rows(part):
    return [int(text.split()[1]) for text in part.texts]


def parts(splits):
    return splits.train, splits.validation, splits.test


@pytest.mark.parametrize(
    "settings",
    [{}, {"group_column": "author"}, {"time_column": "day"}, {"folds": 4, "fold": 2}],
    ids=["by chance", "groups", "times", "a fold"],
)
@pytest.mark.parametrize("seed", [0, 3])
def test_every_row_is_in_one_part(settings, seed):
    first, _ = splits(seed, **settings)
    assert sorted(i for part in parts(first) for i in rows(part)) == list(range(N))
    second, _ = splits(seed, **settings)
    assert [part.texts for part in parts(second)] == [part.texts for part in parts(first)]


def test_the_default_takes_a_fifth_for_the_test_and_fifteen_per_cent_of_the_rest_of_each_label():
    division, _ = splits()
    counts = [np.bincount(part.labels, minlength=2).tolist() for part in parts(division)]
    assert counts == [[27, 109], [5, 19], [8, 32]]
    assert (
        "200 rows: 136 training, 24 validation, 40 test (random 20 %, stratified by label)."
        in division.in_words
    )


def test_another_seed_draws_another_test():
    assert rows(splits(0)[0].test) != rows(splits(1)[0].test)


@examples(20)
@given(st.integers(0, 50), st.sampled_from([0.1, 0.2, 0.3, 0.5]))
def test_no_group_is_in_two_parts(seed, share):
    division, table = splits(seed, group_column="author", test_size=share)
    groups = [set(table["author"].iloc[rows(part)]) for part in parts(division)]
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]
    assert all(groups)


def test_the_latest_rows_are_the_test_and_no_day_is_in_two_parts():
    division, table = splits(time_column="day")
    days = [table["day"].iloc[rows(part)] for part in parts(division)]
    assert days[0].max() < days[1].min() <= days[1].max() < days[2].min()
    assert 30 <= len(division.test) <= 60


def test_numbers_are_times_by_their_size_and_not_as_text():
    table = frame().assign(day=[str(9 + i) for i in range(N)])
    division, _ = splits(data=table, time_column="day")
    assert rows(division.test) == list(range(160, 200))


@pytest.mark.parametrize("written", ["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%y", "%m-%d-%Y %H:%M"])
def test_the_dates_of_a_column_have_one_order(written):
    days = pd.date_range("2024-01-01", periods=N)
    division, _ = splits(data=frame().assign(day=days.strftime(written)), time_column="day")
    assert rows(division.test) == list(range(160, 200))


def test_each_row_is_tested_by_one_fold():
    test_rows = [rows(splits(7, folds=5, fold=fold)[0].test) for fold in range(5)]
    assert sorted(i for fold in test_rows for i in fold) == list(range(N))
    shares = [np.mean([i < 0.2 * N for i in fold]) for fold in test_rows]
    np.testing.assert_allclose(shares, 0.2)


def test_folds_of_groups_keep_groups_together():
    test_authors = []
    for fold in range(3):
        division, table = splits(7, folds=3, fold=fold, group_column="author")
        test_authors.append(set(table["author"].iloc[rows(division.test)]))
    assert sum(map(len, test_authors)) == len(set.union(*test_authors)) == 10


def test_a_label_with_three_texts_is_in_every_part():
    table = frame(63, rare=3 / 63)
    division, _ = splits(data=table)
    assert [int((part.labels == 0).sum()) for part in parts(division)] == [1, 1, 1]


def test_the_test_split_of_the_data_is_kept():
    tables = {"train": frame(), "test": frame().assign(text=lambda t: "other " + t["text"])}
    config = DataConfig(protocol="split")
    division = split_corpus(corpus_in_memory(tables, config), config, 0)
    assert len(division.test) == N
    assert all(text.startswith("other") for text in division.test.texts)
    assert division.in_words.endswith("(the data's own test).")


@pytest.mark.parametrize(
    ("names", "settings"),
    [
        (("train", "test"), {"test_size": 0.3}),
        (("train", "test"), {"group_column": "author"}),
        (("train", "test"), {"folds": 4, "fold": 0}),
        (("train", "validation"), {}),
    ],
)
def test_a_split_of_the_data_that_is_divided_anew_is_said(names, settings):
    division, _ = splits(data={name: frame() for name in names}, **settings)
    assert division.in_words.endswith(f", from the splits {', '.join(names)} together).")
    assert "together" not in splits(**settings)[0].in_words


def test_per_label_draws_from_the_rows_that_are_not_the_test():
    full, _ = splits(2)
    smaller, _ = splits(2, n_per_label=20)
    assert rows(smaller.test) == rows(full.test)
    assert np.bincount(np.r_[smaller.train.labels, smaller.validation.labels]).tolist() == [20, 20]


@pytest.mark.parametrize("task", ["regression", "multilabel"])
def test_other_tasks_are_split_by_chance(task):
    table = frame()
    table["label"] = (
        np.arange(N) / 7 if task == "regression" else [["a"] if i % 2 else ["b"] for i in range(N)]
    )
    division, _ = splits(data=table, task=task)
    assert division.sizes == {"train": 136, "validation": 24, "test": 40}
    grouped, _ = splits(data=table, task=task, group_column="author")
    groups = [set(table["author"].iloc[rows(part)]) for part in parts(grouped)]
    assert not groups[0] & groups[2]


BY_DAY = {"time_column": "day"}
BY_AUTHOR = {"group_column": "author"}
# rows, settings, and what the error says
REFUSALS = {
    "no date": (frame().assign(day="soon"), BY_DAY, "row 1: 'soon' in the column 'day' is no date"),
    "a blank": (frame().assign(day=" "), BY_DAY, "row 1: the column 'day' is empty"),
    "one time": (frame().assign(day="2026-01-01"), BY_DAY, "200 rows leave 0 for training and 200 for the test"),
    "open": (
        frame().assign(day=["03/04/2024"] * (N // 2) + ["05/06/2024"] * (N // 2)),
        BY_DAY,
        "'03/04/2024' may be a day and a month or a month and a day",
    ),
    "both orders": (
        frame().assign(day=["03/25/2024"] * (N // 2) + ["25/03/2024"] * (N // 2)),
        BY_DAY,
        "'25/03/2024' and '03/25/2024' have the day at two places",
    ),
    "no group": (frame().assign(author=None), BY_AUTHOR, "row 1: the column 'author' is empty"),
    "no column": (frame(), {"group_column": "who"}, "no column 'who'.*Choose with --group or --time"),
    "one group": (frame().assign(author="me"), BY_AUTHOR, "has 1 value, and the split needs 2"),
    "two groups": (
        frame().assign(author=["me", "you"] * (N // 2)),
        BY_AUTHOR,
        "has 1 value in the rows that are not the test, and the split needs 2",
    ),
    "one text a label": (
        frame(3).assign(label=["a", "b", "c"], author=["me", "you", "you"]),
        BY_AUTHOR,
        "has 1 value in the rows that are not the test",
    ),
    "few": (frame(60, rare=2 / 60), {}, "each label needs 3 texts.*'no' 2.* Add texts, or use --rare-labels"),
    "few for folds": (
        frame(60, rare=4 / 60),
        {"folds": 5, "fold": 0},
        "needs 5.*'no' 4.* Add texts, use fewer folds, or use --rare-labels",
    ),
    "few of those drawn": (
        frame(60, rare=9 / 60),
        {"n_per_label": 1},
        "needs 2.*'no' 1.* Add texts, raise --per-label, or leave the",
    ),
    "few to validate": (  # one of them is for the test
        frame(63, rare=3 / 63),
        {"validation_folds": 3},
        "needs 3 texts or more, one for each part or fold. .* 2",
    ),
    "no fold": (frame(), {"folds": 4}, "expected 0 to 3.*train --folds"),
    "a validation split and folds": (
        {name: frame() for name in ("train", "validation", "test")},
        {"validation_folds": 3},
        r"has a validation split, and data\.validation_folds is 3",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("data", "settings", "message"), REFUSALS.values(), ids=REFUSALS)
def test_rows_that_cannot_be_split_are_refused(data, settings, message):
    with pytest.raises(UserError, match=message):
        splits(data=data, **settings)


@pytest.mark.parametrize("settings", [{}, {"group_column": "author"}], ids=["by chance", "groups"])
def test_folds_validate_all_rows_but_those_of_the_test(settings):
    division, table = splits(validation_folds=4, **settings)
    assert division.validation is division.train
    assert sorted([*rows(division.train), *rows(division.test)]) == list(range(N))
    validated = []
    for fold in range(division.n_folds):
        part = division.take_fold(fold)
        assert sorted([*rows(part.train), *rows(part.validation)]) == sorted(rows(division.train))
        authors = [
            set(table["author"].iloc[rows(subset)]) for subset in (part.train, part.validation)
        ]
        assert not settings or not authors[0] & authors[1]
        validated += rows(part.validation)
        share = np.mean(part.validation.labels == part.validation.labels.max())
        assert settings or share == pytest.approx(0.8, abs=0.02)
    assert sorted(validated) == sorted(rows(division.train))
    assert f"{len(division.train)} training (cross-validated in 4 folds), " in division.in_words
    plain, _ = splits(**settings)
    assert rows(plain.test) == rows(division.test)
