"""Means, paired differences and Holm's correction, McNemar's test, each by a second route."""

import itertools
from math import comb

import numpy as np
import pytest
from scipy import stats

from qllmft.statistics import MeanInterval, PairedDifference, holm, mcnemar


@pytest.mark.parametrize("n", [2, 3, 5, 12])
def test_the_interval_of_a_mean_is_students(n):
    values = np.random.default_rng(n).normal(0.8, 0.02, n)
    found = MeanInterval.of(values)
    low, high = stats.t.interval(0.95, n - 1, values.mean(), values.std(ddof=1) / n**0.5)
    assert (found.mean - found.half_width, found.mean + found.half_width) == pytest.approx((low, high), abs=1e-12)
    assert found.n == n


def test_one_value_has_no_interval():
    assert MeanInterval.of([0.8]) == MeanInterval(0.8, None, 1)
    assert PairedDifference.of([0.8], [0.7]).interval is None
    assert PairedDifference.of([0.8], [0.7]).p is None


@pytest.mark.parametrize("n", [2, 3, 5, 12])
def test_the_paired_test_is_a_t_test_of_the_differences(n):
    rng = np.random.default_rng(100 + n)
    splits = rng.normal(0, 0.1, n)  # shared by both sides: pairing takes it out
    a, b = 0.8 + splits + rng.normal(0, 0.01, n), 0.79 + splits + rng.normal(0, 0.01, n)
    found = PairedDifference.of(a, b)
    d = a - b
    t = d.mean() / (d.std(ddof=1) / n**0.5)
    half = stats.t.ppf(0.975, n - 1) * d.std(ddof=1) / n**0.5
    assert found.p == pytest.approx(2 * stats.t.sf(abs(t), n - 1))
    assert found.interval == pytest.approx((d.mean() - half, d.mean() + half))
    back = PairedDifference.of(b, a)
    assert (back.mean, back.p) == pytest.approx((-found.mean, found.p))


def test_differences_without_scatter_have_no_test():
    assert PairedDifference.of([0.8, 0.9, 0.7], [0.7, 0.8, 0.6]) == PairedDifference(
        pytest.approx(0.1), (pytest.approx(0.1), pytest.approx(0.1)), None
    )
    assert PairedDifference.of([0.5, 0.6], [0.5, 0.6]).p is None


def test_unequal_numbers_of_seeds_are_refused():
    with pytest.raises(ValueError, match="got 2 and 3 values"):
        PairedDifference.of([1, 2], [1, 2, 3])


def closed_testing(p):
    """Return Holm's p as a closed test: the largest Bonferroni p over all sets that contain the hypothesis."""
    m = len(p)
    return [
        max(
            min(1.0, len(chosen) * min(p[i] for i in chosen))
            for size in range(1, m + 1)
            for chosen in itertools.combinations(range(m), size)
            if index in chosen
        )
        for index in range(m)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_holm_is_the_closed_test_of_bonferronis(seed):
    p = np.random.default_rng(seed).beta(0.3, 2, 7).tolist()
    assert holm(p) == pytest.approx(closed_testing(p))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
    assert holm([0.01, None]) == [pytest.approx(0.02), None]  # what is not defined was looked at all the same


@pytest.mark.parametrize(("ours", "theirs"), [(10, 2), (2, 10), (7, 8), (0, 5), (30, 30), (0, 0)])
def test_mcnemars_p_is_the_sum_of_binomial_tails(ours, theirs):
    n, few = ours + theirs, min(ours, theirs)
    tail = sum(comb(n, k) for k in range(few + 1)) / 2**n
    assert mcnemar(ours, theirs) == pytest.approx(min(1.0, 2 * tail))
