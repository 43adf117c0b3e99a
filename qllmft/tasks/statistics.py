"""Means over seeds, paired tests and bootstrap samples of texts, each with its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from qllmft_base.randomness import numpy_generator

CONFIDENCE_LEVEL = 0.95
ALPHA = 0.05  # of a test, after Holm's correction over all comparisons
INTERVAL_QUANTILES = (0.025, 0.975)  # of an interval, as quantiles
Z95 = NormalDist().inv_cdf(
    INTERVAL_QUANTILES[1]
)  # half width of an interval, in standard deviations
BOOTSTRAP_SAMPLES = 1_000  # bootstrap samples of the texts
SMALLEST_BOOTSTRAP_P = 1 / (
    BOOTSTRAP_SAMPLES + 1
)  # of a resampled difference (Davison and Hinkley 1997, section 4.2)
FEW_DIFFERING_TEXTS = 10  # texts with other answers, below which a bootstrap of them is too narrow
POWER = 0.8  # chance to find a difference that counts as detectable
# differences this close are equal, as accuracies are multiples of 1/N with N below 1e9
EQUAL_TOLERANCE = 1e-12


@dataclass(frozen=True)
class MeanInterval:
    """Mean over seeds."""

    mean: float
    # of its 95 % interval by Student's t; None for one value, which has no scatter
    half_width: float | None
    n: int  # number of values

    @classmethod
    def from_values(cls, values: Sequence[float]) -> MeanInterval:
        """Return the mean of values.

        >>> MeanInterval.from_values([0.7, 0.8, 0.9]).half_width
        0.248...
        """
        n = len(values)
        mean = math.fsum(values) / n
        if n < 2:
            return cls(mean, None, n)
        from scipy import stats

        return cls(
            mean, float(stats.t.ppf((1 + CONFIDENCE_LEVEL) / 2, n - 1) * stats.sem(values)), n
        )

    @property
    def interval(self) -> tuple[float, float] | None:
        """Return the limits of the 95 % interval, or None for one value."""
        if self.half_width is None:
            return None
        return self.mean - self.half_width, self.mean + self.half_width


@dataclass(frozen=True)
class PairedDifference:
    """Mean of a_s - b_s over seeds s."""

    mean: float
    # 95 % by Student's t, not corrected for other comparisons; None for one seed
    interval: tuple[float, float] | None
    # two-sided, of the paired t-test; None for one seed, or if all differences are equal
    p: float | None
    deviation: float | None = None  # standard deviation of the differences; None when p is
    n: int = 1  # number of seeds

    @classmethod
    def from_values(cls, a: Sequence[float], b: Sequence[float]) -> PairedDifference:
        """Return the difference of values given by seed."""
        differences = np.subtract(a, b) if len(a) == len(b) else np.empty(0)
        if not len(differences):
            counts = f"got {len(a)} and {len(b)} values"
            raise ValueError(f"{counts}, expected equal numbers of at least one.")
        mean = math.fsum(differences) / len(differences)
        if len(differences) < 2:
            return cls(mean, None, None)
        if np.ptp(differences) < EQUAL_TOLERANCE:
            return cls(mean, (mean, mean), None, None, len(differences))
        from scipy import stats

        test = stats.ttest_rel(a, b)
        deviation = float(np.std(differences, ddof=1))
        interval = test.confidence_interval(CONFIDENCE_LEVEL)
        ends = float(interval.low), float(interval.high)
        return cls(mean, ends, float(test.pvalue), deviation, len(differences))

    def equivalence_p(self, margin: float) -> float | None:
        """Return the p of the two one-sided t-tests that |difference| < ``margin`` (Schuirmann 1987).

        It is the larger of the two p; None if the deviation is not known.
        """
        if self.deviation is None:
            return None
        from scipy import stats

        error = self.deviation / math.sqrt(self.n)
        freedom = self.n - 1
        # of the hypothesis that it is -margin or less
        below = stats.t.sf((self.mean + margin) / error, freedom)
        above = stats.t.cdf((self.mean - margin) / error, freedom)
        return float(max(below, above))

    def detectable(self, level: float) -> float | None:
        """Return the least true difference that the two-sided paired t-test at ``level`` finds with 80 % power.

        The observed deviation is taken for the true one. The power is that of the noncentral t (Cohen 1988). None if
        the deviation is not known.
        """
        if self.deviation is None:
            return None
        return detectable_effect(level, self.n - 1) * self.deviation / math.sqrt(self.n)


@lru_cache
def detectable_effect(level: float, degrees_of_freedom: int) -> float:
    """Return the least mean, in standard errors, that a two-sided t-test at ``level`` finds with 80 % power.

    The noncentral t is (Z + effect) / S with S² = χ²/ν. The power is averaged over S, because scipy's noncentral t is
    NaN far out.

    >>> detectable_effect(0.05, 4)
    3.7...
    """
    from scipy import optimize, special, stats

    shares = (np.arange(4000) + 0.5) / 4000
    scatter = stats.t.isf(level / 2, degrees_of_freedom) * np.sqrt(
        stats.chi2.ppf(shares, degrees_of_freedom) / degrees_of_freedom
    )

    def missing_power(effect: float) -> float:
        powers = special.ndtr(effect - scatter) + special.ndtr(-effect - scatter)
        return float(powers.mean() - POWER)

    return float(optimize.brentq(missing_power, 0.0, scatter[-1] + 10.0))


def normal_effect(level: float) -> float:
    """Return the least mean, in standard errors, that a two-sided normal test at ``level`` finds with 80 % power."""
    normal = NormalDist()
    return normal.inv_cdf(1 - level / 2) + normal.inv_cdf(POWER)


def resampled_rows(n: int) -> Iterator[NDArray[np.int64]]:
    """Yield rows (n,) of 1,000 bootstrap samples of n texts, the same ones for every model."""
    random = numpy_generator(0, "bootstrap of texts")
    for _ in range(BOOTSTRAP_SAMPLES):
        yield random.integers(n, size=n)


def interval_deviation(interval: tuple[float, float]) -> float:
    """Return the standard deviation of a value from its 95 % interval."""
    return (interval[1] - interval[0]) / (2 * Z95)


def normal_p(value: float, interval: tuple[float, float]) -> float:
    """Return the two-sided p of 0, by the normal distribution with the deviation of the 95 % interval of a value."""
    if not (deviation := interval_deviation(interval)):
        return 1.0 if not value else 0.0
    return float(2 * NormalDist().cdf(-abs(value) / deviation))


@dataclass(frozen=True)
class BootstrapDifference:
    """Difference of a score of two trained models on the same texts."""

    value: float  # score of the first model minus that of the second
    interval: tuple[float, float]  # 95 %, over bootstrap samples of the texts
    total: int  # number of texts

    @classmethod
    def from_answers(
        cls,
        score: Callable[[NDArray[Any], NDArray[Any]], float],
        labels: NDArray[Any],
        first: NDArray[Any],
        second: NDArray[Any],
    ) -> BootstrapDifference:
        """Return the difference of a score of two models.

        Args:
            score: function of true labels or targets (N, ...) and of answers (N, ...), any of whose rows may repeat.
            labels: true labels or targets (N, ...).
            first: answers (N, ...) of the first model.
            second: answers (N, ...) of the second model.
        """

        def value(rows: NDArray[np.int64] | slice) -> float:
            true = labels[rows]
            return score(true, first[rows]) - score(true, second[rows])

        resampled_values = [value(rows) for rows in resampled_rows(len(labels))]
        observed = value(slice(None))
        (low, high) = np.quantile(resampled_values, INTERVAL_QUANTILES)
        if (least_half_width := _least_half_width(first, second)) is not None:
            low = min(low, observed - least_half_width)
            high = max(high, observed + least_half_width)
        return cls(observed, (float(low), float(high)), len(labels))

    @property
    def p(self) -> float:
        """Return the two-sided p of no difference, by the normal distribution with the deviation of the interval.

        So many samples show no smaller p than `SMALLEST_BOOTSTRAP_P`.
        """
        return max(SMALLEST_BOOTSTRAP_P, normal_p(self.value, self.interval))

    def as_dict(self) -> dict[str, object]:
        """Return the difference as JSON values."""
        return {"value": self.value, "interval95": list(self.interval), "total": self.total}


def _least_half_width(first: NDArray[Any], second: NDArray[Any]) -> float | None:
    """Return the half width of the 95 % interval of a difference of accuracies, if few answers (N, ...) differ.

    Most samples of a bootstrap have no text with other answers then, and its interval is too narrow. As in Bonett's and
    Price's, each model is right alone for one more text.
    """
    n = len(first)
    n_differing = int((first != second).reshape(n, -1).any(axis=1).sum())
    return Z95 * math.sqrt(n_differing + 2) / (n + 2) if n_differing < FEW_DIFFERING_TEXTS else None


def p_value(p: float | None) -> str:
    """Return ``p = 0.012`` or ``p < 0.001``, with a fourth digit where three would hide which side of 5 % it is on.

    >>> p_value(0.0498)
    'p = 0.0498'
    """
    if p is None:
        return "no p"
    if p < 0.001:
        return "p < 0.001"
    digits = 2 if p >= 0.1 else 4 if p < ALPHA == round(p, 3) else 3
    return f"p = {p:.{digits}f}"


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p adjusted by Holm (1979): the i-th smallest of m is multiplied by m - i + 1, at least the one before.

    A test that is not defined (None) stays so, and is one of the m.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    m = len(p_values)
    adjusted: list[float | None] = [None] * m
    largest = 0.0
    defined = [(p, index) for index, p in enumerate(p_values) if p is not None]
    for rank, (p, index) in enumerate(sorted(defined)):
        largest = max(largest, min(1.0, (m - rank) * p))
        adjusted[index] = largest
    return adjusted


Outcome = Literal["better", "worse", "equal", "open"]


class Difference(Protocol):
    """Difference of two models with its tests, as `PairedDifference`."""

    @property
    def p(self) -> float | None: ...
    def equivalence_p(self, margin: float) -> float | None: ...
    def detectable(self, level: float) -> float | None: ...


def judge_differences(
    differences: Sequence[Difference], margins: float | Sequence[float]
) -> list[tuple[float | None, float | None, float | None]]:
    """Return the tests of each of several differences: two p after Holm's correction over all, and the least one.

    They are the p that there is no difference, the p of one as large as the margin, and the least true difference that
    is found with 80 % power at `ALPHA` divided by the number of comparisons. ``margins`` has one of each difference, or
    is that of all.
    """
    of_each = np.broadcast_to(margins, len(differences)).tolist()
    pairs = zip(differences, of_each, strict=True)
    p_values = holm([difference.p for difference in differences])
    equivalence_p_values = holm([difference.equivalence_p(margin) for difference, margin in pairs])
    detectable_differences = [
        difference.detectable(ALPHA / len(differences)) for difference in differences
    ]
    return list(zip(p_values, equivalence_p_values, detectable_differences, strict=True))


def interval_side(interval: tuple[float, float] | None) -> int:
    """Return on which side of 0 an interval lies: 1 or -1, or 0 if it contains 0 or is not known.

    >>> interval_side((-14.7, -2.3)), interval_side((-0.3, 1.2))
    (-1, 0)
    """
    low, high = interval or (0.0, 0.0)
    return int(low > 0.0) - int(high < 0.0)


def outcome(value: float, p: float | None, equal_p: float | None) -> Outcome:
    """Return the outcome of a comparison for its first model: better or worse, equal within the margin, or open.

    Each is decided by a corrected p below `ALPHA`. A difference that is found counts, also within the margin.
    """
    if p is not None and p < ALPHA:
        return "better" if value > 0 else "worse"
    return "equal" if equal_p is not None and equal_p < ALPHA else "open"
