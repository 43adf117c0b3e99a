"""Means over seeds with their intervals, p values and their correction, effects, and bootstrap samples of texts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

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
POWER = 0.8  # chance to find a difference that counts as detectable


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


def interval_side(interval: tuple[float, float] | None) -> int:
    """Return on which side of 0 an interval lies: 1 or -1, or 0 if it contains 0 or is not known.

    >>> interval_side((-14.7, -2.3)), interval_side((-0.3, 1.2))
    (-1, 0)
    """
    low, high = interval or (0.0, 0.0)
    return int(low > 0.0) - int(high < 0.0)
