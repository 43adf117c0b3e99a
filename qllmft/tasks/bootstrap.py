"""Bootstrap over texts, for the intervals of scores that have no formula."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from qllmft.randomness import numpy_generator
from qllmft.tasks.measure import Score, ScorePart

REPEATS = 1_000  # bootstrap samples of the texts
INTERVAL = (0.025, 0.975)
Z95 = NormalDist().inv_cdf(INTERVAL[1])


class BootstrapScore(Score):
    """Several scores of a model, the first of which models are compared by, each with its 95 % interval.

    Intervals are those of 1,000 bootstrap samples of the texts.
    """

    # names of each score by its field, in narrow tables and in full; its interval is a field too
    NAMES: ClassVar[Mapping[str, tuple[str, str]]]

    @property
    def parts(self) -> list[ScorePart]:
        """Return all scores."""
        return [
            ScorePart(*names, getattr(self, field), getattr(self, f"{field}_interval"))
            for field, names in self.NAMES.items()
        ]

    @classmethod
    def by_name(cls, values: NDArray[np.float64]) -> dict[str, float]:
        """Return values of all scores by their names."""
        names = (name for _, name in cls.NAMES.values())
        return dict(zip(names, values.tolist(), strict=True))

    @property
    def value(self) -> float:
        """Return the first score."""
        return self.parts[0].value

    @property
    def interval(self) -> tuple[float, float]:
        """Return its interval."""
        return self.parts[0].interval

    @property
    def beside(self) -> list[ScorePart]:
        """Return all scores but the first."""
        return self.parts[1:]

    def as_dict(self) -> dict[str, object]:
        """Return the scores as JSON values."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in vars(self).items()
        }


def resampled_rows(n: int) -> Iterator[NDArray[np.int64]]:
    """Yield rows (n,) of 1,000 bootstrap samples of n texts, the same ones for every model."""
    random = numpy_generator(0, "bootstrap of texts")
    for _ in range(REPEATS):
        yield random.integers(n, size=n)


@dataclass(frozen=True)
class BootstrapDifference:
    """Difference of a score of two trained models on the same texts."""

    value: float  # score of the first model minus that of the second
    interval: tuple[float, float]  # 95 %, over bootstrap samples of the texts
    total: int  # number of texts

    @classmethod
    def of(
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

        drawn = [value(rows) for rows in resampled_rows(len(labels))]
        low, high = np.quantile(drawn, INTERVAL)
        return cls(value(slice(None)), (float(low), float(high)), len(labels))

    @property
    def p(self) -> float:
        """Return the two-sided p of no difference, by the normal distribution with the deviation of the interval."""
        deviation = (self.interval[1] - self.interval[0]) / (2 * Z95)
        if not deviation:
            return 1.0 if not self.value else 0.0
        return float(2 * NormalDist().cdf(-abs(self.value) / deviation))

    def as_dict(self) -> dict[str, object]:
        """Return the difference as JSON values."""
        return {"value": self.value, "interval95": list(self.interval), "total": self.total}
