"""Accuracy with its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.stats import binomtest


@dataclass(frozen=True)
class Accuracy:
    """Right answers out of N, with Wilson's 95 % interval (Wilson 1927).

    >>> Accuracy(right=90, total=100).interval
    (0.8256..., 0.9447...)
    """

    right: int
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.right <= self.total or not self.total:
            raise ValueError(f"{self.right} right of {self.total}; expected 0 ≤ right ≤ total, total at least 1.")

    @property
    def value(self) -> float:
        """Share of right answers, in [0, 1]."""
        return self.right / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper limit of the 95 % interval, in [0, 1]. It covers the test set's sampling, nothing else."""
        interval = binomtest(self.right, self.total).proportion_ci(0.95, method="wilson")
        return float(interval.low), float(interval.high)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {"right": self.right, "total": self.total, "value": self.value, "interval95": list(self.interval)}
