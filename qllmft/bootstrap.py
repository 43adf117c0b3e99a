"""Bootstrap over texts, for the intervals of scores that have no formula."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qllmft.randomness import numpy_generator

REPEATS = 1_000  # bootstrap samples of the texts
INTERVAL = (0.025, 0.975)


class ScorePart(NamedTuple):
    """One of several scores of a model."""

    short: str  # in narrow tables
    name: str
    value: float
    interval: tuple[float, float]  # 95 %, over bootstrap samples of the texts

    @property
    def with_interval(self) -> str:
        """Return ``0.812 [0.79, 0.83]``."""
        return f"{self.value:.3g} [{self.interval[0]:.3g}, {self.interval[1]:.3g}]"


def resampled_rows(n: int) -> Iterator[NDArray[np.int64]]:
    """Yield rows (n,) of 1,000 bootstrap samples of n texts, the same ones for every model."""
    random = numpy_generator(0, "bootstrap of texts")
    for _ in range(REPEATS):
        yield random.integers(n, size=n)
