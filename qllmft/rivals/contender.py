"""What every head is to a comparison: fitted on one split, selected on another, asked for labels."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qllmft.training import Examples


class Contender(Protocol):
    """A head in a comparison, quantum or classical."""

    @property
    def name(self) -> str:
        """As the table shows it."""

    @property
    def n_parameters(self) -> int:
        """Trained parameters; for an SVC its support vectors (footnote 2 of the paper). Known after `fit`."""

    @property
    def settings(self) -> dict[str, Any]:
        """What validation chose. Known after `fit`."""

    def fit(self, train: Examples, validation: Examples) -> None:
        """Learn from ``train``; choose epoch or settings on ``validation``."""

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.int64]:
        """Labels (N,) of embeddings (N, D)."""
