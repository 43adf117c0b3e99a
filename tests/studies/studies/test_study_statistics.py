"""Means, paired differences and Holm's correction, McNemar's test, each by a second route."""

import itertools
from math import comb

import numpy as np
import pytest
from scipy import stats

from qllmft.tasks.accuracy import DiscordantTexts
from qllmft.tasks.comparison import Comparison, PairedDifference
from qllmft.tasks.statistics import MeanInterval, detectable_effect, holm
from qllmft_studies.comparison import better_than_every


@pytest.mark.parametrize("n", [2, 3, 5, 12])
def test_the_interval_of_a_mean_is_students(n):
    values = np.random.default_rng(n).normal(0.8, 0.02, n)
    interval = MeanInterval.from_values(values)
    low, high = stats.t.interval(0.95, n - 1, values.mean(), values.std(ddof=1) / n**0.5)
    assert (
        interval.mean - interval.half_width,
        interval.mean + interval.half_width,
    ) == pytest.approx((low, high), abs=1e-12)
    assert interval.n == n


def test_one_value_has_no_interval():
    assert MeanInterval.from_values([0.8]) == MeanInterval(0.8, None, 1)
    assert PairedDifference.from_values([0.8], [0.7]).interval is None
    assert PairedDifference.from_values([0.8], [0.7]).p is None


@pytest.mark.parametrize("n", [2, 3, 5, 12])
def test_the_paired_test_is_a_t_test_of_the_differences(n):
    rng = np.random.default_rng(100 + n)
    splits = rng.normal(0, 0.1, n)  # shared by both sides: pairing takes it out
    a = 0.8 + splits + rng.normal(0, 0.01, n)
    b = 0.79 + splits + rng.normal(0, 0.01, n)
    difference = PairedDifference.from_values(a, b)
    d = a - b
    t = d.mean() / (d.std(ddof=1) / n**0.5)
    half = stats.t.ppf(0.975, n - 1) * d.std(ddof=1) / n**0.5
    assert difference.p == pytest.approx(2 * stats.t.sf(abs(t), n - 1))
    assert difference.interval == pytest.approx((d.mean() - half, d.mean() + half))
    back = PairedDifference.from_values(b, a)
    assert (back.value, back.p) == pytest.approx((-difference.value, difference.p))


def test_differences_without_scatter_have_no_test():
    assert PairedDifference.from_values([0.8, 0.9, 0.7], [0.7, 0.8, 0.6]) == PairedDifference(
        pytest.approx(0.1), (pytest.approx(0.1), pytest.approx(0.1)), None, None, 3
    )
    assert PairedDifference.from_values([0.5, 0.6], [0.5, 0.6]).p is None


def test_unequal_numbers_of_seeds_are_refused():
    with pytest.raises(ValueError, match="got 2 and 3 values"):
        PairedDifference.from_values([1, 2], [1, 2, 3])


def closed_testing(p):
    """Return Holm's p as a closed test: the largest Bonferroni p over all sets that contain the hypothesis."""
    m = len(p)
    return [
        max(
            min(1.0, len(subset) * min(p[i] for i in subset))
            for size in range(1, m + 1)
            for subset in itertools.combinations(range(m), size)
            if index in subset
        )
        for index in range(m)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_holm_is_the_closed_test_of_bonferronis(seed):
    p = np.random.default_rng(seed).beta(0.3, 2, 7).tolist()
    assert holm(p) == pytest.approx(closed_testing(p))


def test_holm_of_no_p_of_large_ones_and_of_undefined_ones():
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
    # what is not defined was looked at all the same
    assert holm([0.01, None]) == [pytest.approx(0.02), None]


@pytest.mark.parametrize(("ours", "theirs"), [(10, 2), (2, 10), (7, 8), (0, 5), (30, 30), (0, 0)])
def test_mcnemars_p_is_the_sum_of_binomial_tails(ours, theirs):
    n = ours + theirs
    few = min(ours, theirs)
    tail = sum(comb(n, k) for k in range(few + 1)) / 2**n
    assert DiscordantTexts(ours, theirs, 100).p == pytest.approx(min(1.0, 2 * tail))


DIFFERENCES = (0.004, -0.001, 0.003, 0.0005, 0.002, -0.002)


def paired_difference(differences):
    return PairedDifference.from_values([0.8 + d for d in differences], [0.8] * len(differences))


@pytest.mark.parametrize("margin", [0.001, 0.005, 0.02])
def test_equivalence_is_two_one_sided_tests(margin):
    """Compare with scipy's one-sided tests of each bound, and with the 90 % interval."""
    difference = paired_difference(DIFFERENCES)
    below = stats.ttest_1samp(DIFFERENCES, -margin, alternative="greater").pvalue
    above = stats.ttest_1samp(DIFFERENCES, margin, alternative="less").pvalue
    assert difference.equivalence_p(margin) == pytest.approx(max(below, above))
    low, high = stats.ttest_1samp(DIFFERENCES, 0).confidence_interval(0.9)
    assert (difference.equivalence_p(margin) < 0.05) == (-margin < low and high < margin)


def test_tests_that_are_not_defined_have_no_power():
    for differences in ((0.01,), (0.01, 0.01)):
        assert paired_difference(differences).equivalence_p(0.005) is None
        assert paired_difference(differences).detectable(0.05) is None


@pytest.mark.parametrize(("n", "level"), [(5, 0.05), (5, 0.05 / 7), (10, 0.05 / 38), (20, 0.05)])
def test_a_detectable_difference_is_found_in_four_of_five_cases(n, level):
    """Compare with simulated t-tests, and with scipy's noncentral t where it is a number."""
    effect = detectable_effect(level, n - 1)
    samples = np.random.default_rng(n).normal(effect / np.sqrt(n), 1.0, (40_000, n))
    assert (stats.ttest_1samp(samples, 0.0, axis=1).pvalue < level).mean() == pytest.approx(
        0.8, abs=0.008
    )
    critical = stats.t.isf(level / 2, n - 1)
    if level == 0.05:
        assert stats.nct.sf(critical, n - 1, effect) == pytest.approx(0.8, abs=1e-3)
    differences = np.random.default_rng(1).normal(0, 0.01, n)
    expected = effect * np.std(differences, ddof=1) / np.sqrt(n)
    assert paired_difference(differences).detectable(level) == pytest.approx(expected)


def test_better_than_every_baseline_needs_no_correction_over_the_baselines_of_a_point():
    """Simulate heads that equal one baseline and beat one: at most 5 % are found better than both."""
    rng = np.random.default_rng(3)
    discoveries = 0
    points = 600
    for _ in range(points):
        differences = rng.normal((0.0, 0.03), 0.01, (8, 2))
        tests = [paired_difference(of_baseline) for of_baseline in differences.T]
        (p,) = better_than_every([[Comparison("Q", "B", test, None) for test in tests]])
        discoveries += p < 0.05
    assert 0.005 < discoveries / points < 0.05  # near 2.5 %, as the tests are two-sided
    # all better: the largest p decides, and is multiplied by the number of points alone
    sure = [
        Comparison(
            "Q", "B", paired_difference([d + 0.05 for d in DIFFERENCES[i:] + DIFFERENCES[:i]]), None
        )
        for i in range(3)
    ]
    alone = better_than_every([sure])[0]
    together = better_than_every([sure, sure])
    assert alone == max(c.difference.p for c in sure)
    assert together == [pytest.approx(2 * alone)] * 2
