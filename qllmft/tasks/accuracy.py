"""Accuracy of one label per text, and the difference of two accuracies on the same texts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from qllmft.tasks.measure import ACCURACY, Score
from qllmft.tasks.statistics import LEVEL


@dataclass(frozen=True)
class Accuracy(Score):
    """Number of right answers out of N, with Wilson's 95 % interval (Wilson 1927).

    >>> Accuracy(right=90, total=100).interval
    (0.8256..., 0.9447...)
    >>> str(Accuracy(right=90, total=100))
    '90.00 % [82.6, 94.5]'
    """

    measure: ClassVar = ACCURACY

    right: int
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.right <= self.total or not self.total:
            raise ValueError(
                f"{self.right} right of {self.total}; expected 0 ≤ right ≤ total, total at least 1."
            )

    @classmethod
    def of(cls, labels: NDArray[np.int64], answers: NDArray[np.int64]) -> Accuracy:
        """Return the accuracy of answers (N,) for true labels (N,)."""
        return cls(int((answers == labels).sum()), len(labels))

    @property
    def value(self) -> float:
        """Return the share of right answers, in [0, 1]."""
        return self.right / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Return the limits of the 95 % interval, in [0, 1]. It covers only the sampling of the test set."""
        from scipy import stats

        interval = stats.binomtest(self.right, self.total).proportion_ci(LEVEL, method="wilson")
        return float(interval.low), float(interval.high)

    @property
    def exactly(self) -> str:
        """Return ``170 of 200 right answers``."""
        return f"{self.right} of {self.total} right answers"

    def as_dict(self) -> dict[str, object]:
        """Return the accuracy as JSON values."""
        return {
            "right": self.right,
            "total": self.total,
            "value": self.value,
            "interval95": list(self.interval),
        }


@dataclass(frozen=True)
class TextDifference:
    """Difference of the accuracies of two trained heads on the same texts.

    >>> TextDifference(only_first=12, only_second=4, total=100).interval
    (-0.00..., 0.15...)
    """

    only_first: int  # number of texts that only the first head got right
    only_second: int  # number of texts that only the second head got right
    total: int  # number of texts

    @classmethod
    def of(
        cls, labels: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]
    ) -> TextDifference:
        """Return the difference of two heads' answers (N,) for true labels (N,)."""
        right, other = first == labels, second == labels
        return cls(int((right & ~other).sum()), int((other & ~right).sum()), len(labels))

    @property
    def value(self) -> float:
        """Return the accuracy of the first head minus that of the second, in [-1, 1]."""
        return (self.only_first - self.only_second) / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Return the limits of the 95 % interval for paired shares by Bonett and Price (2012).

        One more text of either kind keeps it from vanishing if the heads differ on no text.
        """
        n = self.total + 2
        first, second = (self.only_first + 1) / n, (self.only_second + 1) / n
        error = NormalDist().inv_cdf((1 + LEVEL) / 2) * math.sqrt(
            (first + second - (first - second) ** 2) / n
        )
        return first - second - error, first - second + error

    @property
    def p(self) -> float:
        """Return the p of McNemar's exact test, two-sided binomial at 1/2; 1 if no text differs (McNemar 1947).

        It is about these two trained heads alone, on other such texts.

        >>> TextDifference(only_first=10, only_second=2, total=12).p
        0.0385...
        """
        from scipy import stats

        n = self.only_first + self.only_second
        return float(stats.binomtest(self.only_first, n).pvalue) if n else 1.0

    def as_dict(self) -> dict[str, object]:
        """Return the difference as JSON values."""
        return {**vars(self), "value": self.value, "interval95": list(self.interval), "p": self.p}
