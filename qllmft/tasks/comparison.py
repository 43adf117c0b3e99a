"""Paired difference of two models on the same texts or over the same seeds, and the comparison that it decides."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from qllmft.tasks.statistics import (
    ALPHA,
    BOOTSTRAP_SAMPLES,
    CONFIDENCE_LEVEL,
    INTERVAL_QUANTILES,
    Z95,
    detectable_effect,
    holm,
    interval_deviation,
    normal_effect,
    normal_p,
    resampled_rows,
)

# of a resampled difference (Davison and Hinkley 1997, section 4.2)
SMALLEST_BOOTSTRAP_P = 1 / (BOOTSTRAP_SAMPLES + 1)
FEW_DIFFERING_TEXTS = 10  # texts with other answers, below which a bootstrap of them is too narrow
# differences this close are equal, as accuracies are multiples of 1/N with N below 1e9
EQUAL_TOLERANCE = 1e-12

Outcome = Literal["better", "worse", "equal", "open"]
RESULTS = {
    "better": "better",
    "worse": "worse",
    "equal": "equivalent",
    "open": "inconclusive",
}  # of a comparison in words, for its subject


@dataclass(frozen=True)
class PairedDifference:
    """Score of one model minus that of another, paired by text, or the mean of such differences, paired by seed."""

    value: float
    # 95 %, not corrected for other comparisons; None for one seed
    interval: tuple[float, float] | None
    # two-sided; None for one seed, or if the differences of all seeds are equal
    p: float | None
    # standard deviation of the differences by seed; None when p is, and for one pair of trained models
    deviation: float | None = None
    n: int | None = None  # number of seeds; None for one pair of trained models on the same texts

    @classmethod
    def from_values(cls, a: Sequence[float], b: Sequence[float]) -> PairedDifference:
        """Return the mean of a_s - b_s over seeds s, with Student's t as its distribution."""
        differences = np.subtract(a, b) if len(a) == len(b) else np.empty(0)
        if not len(differences):
            counts = f"got {len(a)} and {len(b)} values"
            raise ValueError(f"{counts}, expected equal numbers of at least one.")
        mean = math.fsum(differences) / len(differences)
        if len(differences) < 2:
            return cls(mean, None, None, n=1)
        if np.ptp(differences) < EQUAL_TOLERANCE:
            return cls(mean, (mean, mean), None, n=len(differences))
        from scipy import stats

        test = stats.ttest_rel(a, b)
        deviation = float(np.std(differences, ddof=1))
        interval = test.confidence_interval(CONFIDENCE_LEVEL)
        ends = float(interval.low), float(interval.high)
        return cls(mean, ends, float(test.pvalue), deviation, len(differences))

    def equivalence_p(self, margin: float) -> float | None:
        """Return the p of the two one-sided tests that |difference| < ``margin`` (Schuirmann 1987).

        It is the larger of the two p; None if the scatter is not known. The tests are t-tests over seeds, and of the
        normal distribution over texts.
        """
        if self.n is None:
            deviation = self._text_deviation
            if deviation is None:
                return None
            return NormalDist().cdf((abs(self.value) - margin) / deviation)
        if self.deviation is None:
            return None
        from scipy import stats

        error = self.deviation / math.sqrt(self.n)
        freedom = self.n - 1
        # of the hypothesis that it is -margin or less
        below = stats.t.sf((self.value + margin) / error, freedom)
        above = stats.t.cdf((self.value - margin) / error, freedom)
        return float(max(below, above))

    def detectable(self, level: float) -> float | None:
        """Return the least true difference that the two-sided test at ``level`` finds with 80 % power.

        The observed deviation is taken for the true one. Over seeds the power is that of the noncentral t (Cohen 1988).
        None if the deviation is not known.
        """
        if self.n is None:
            deviation = self._text_deviation
            return None if deviation is None else normal_effect(level) * deviation
        if self.deviation is None:
            return None
        return detectable_effect(level, self.n - 1) * self.deviation / math.sqrt(self.n)

    def as_dict(self) -> dict[str, object]:
        """Return the difference as JSON values."""
        interval = None if self.interval is None else list(self.interval)
        return {"value": self.value, "interval95": interval, "p": self.p}

    @property
    def _text_deviation(self) -> float | None:
        """Return the standard deviation over draws of the texts, or None if the interval has no width."""
        return None if self.interval is None else interval_deviation(self.interval) or None


def bootstrap_difference(
    score: Callable[[NDArray[Any], NDArray[Any]], float],
    labels: NDArray[Any],
    first: NDArray[Any],
    second: NDArray[Any],
) -> PairedDifference:
    """Return the difference of a score of two models on the same texts, with bootstrap samples of the texts.

    p is two-sided, by the normal distribution with the deviation of the interval. So many samples show no smaller p
    than `SMALLEST_BOOTSTRAP_P`.

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
    interval = (float(low), float(high))
    p = max(SMALLEST_BOOTSTRAP_P, normal_p(observed, interval))
    return PairedDifference(observed, interval, p)


def _least_half_width(first: NDArray[Any], second: NDArray[Any]) -> float | None:
    """Return the half width of the 95 % interval of a difference of accuracies, if few answers (N, ...) differ.

    Most samples of a bootstrap have no text with other answers then, and its interval is too narrow. As in Bonett's and
    Price's, each model is right alone for one more text.
    """
    n = len(first)
    n_differing = int((first != second).reshape(n, -1).any(axis=1).sum())
    return Z95 * math.sqrt(n_differing + 2) / (n + 2) if n_differing < FEW_DIFFERING_TEXTS else None


@dataclass(frozen=True)
class Comparison:
    """Comparison of a subject with a baseline, as one of several."""

    subject: str  # name of its model or label of its row
    baseline: str  # the same of the other one
    # subject minus baseline, of test scores; balanced accuracies if labels are uneven
    difference: PairedDifference
    # after Holm's correction over all comparisons; None if the test is not defined
    p_holm: float | None
    # of the test that the difference is within the margin, after Holm's correction
    p_equal: float | None = None
    # least true difference found with 80 % power at 5 % / number of comparisons
    detectable: float | None = None

    @property
    def outcome(self) -> Outcome:
        """Return the outcome for the subject: better or worse, equal within the margin, or open.

        Each is decided by a corrected p below `ALPHA`. A difference that is found counts, also within the margin.
        """
        if self.p_holm is not None and self.p_holm < ALPHA:
            return "better" if self.difference.value > 0 else "worse"
        return "equal" if self.p_equal is not None and self.p_equal < ALPHA else "open"


def judge_differences(
    differences: Sequence[tuple[str, str, PairedDifference]], margins: float | Sequence[float]
) -> list[Comparison]:
    """Return the comparison of each of several differences, with both p after Holm's correction over all.

    Args:
        differences: names of subject and baseline, and their difference.
        margins: margin within which two models are equal, of each difference or of all.
    """
    difference_margins = np.broadcast_to(margins, len(differences)).tolist()
    paired_differences = [difference for _, _, difference in differences]
    p_values = holm([difference.p for difference in paired_differences])
    equivalence_p_values = holm(
        [
            difference.equivalence_p(margin)
            for difference, margin in zip(paired_differences, difference_margins, strict=True)
        ]
    )
    return [
        Comparison(*named_difference, p, p_equal, difference.detectable(ALPHA / len(differences)))
        for named_difference, difference, p, p_equal in zip(
            differences, paired_differences, p_values, equivalence_p_values, strict=True
        )
    ]
