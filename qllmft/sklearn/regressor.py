"""Base of both regressors: real targets and their weights in, real values out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin

from qllmft.config import RunConfig
from qllmft.heads import Classifier
from qllmft.sklearn.base import TrainedEstimator, with_weights
from qllmft.training import Examples, Scaling

REAL = {"data__task": "regression"}  # settings of an estimator's configuration


class TrainedRegressor(RegressorMixin, TrainedEstimator):  # type: ignore[misc]
    """A head on vectors whose outputs are real values."""

    def predict(self, X: Any) -> NDArray[np.float64]:  # noqa: N803 - scikit-learn's name
        """Return values (N,), or (N, T) for several targets."""
        values = self._outputs(X)
        return values[:, 0] if self.one_target_ else values

    def _fit_targets(
        self, vectors: NDArray[np.float32], y: NDArray[Any], weights: Any, config: RunConfig
    ) -> None:
        """Train on vectors (N, D), targets (N,) or (N, T), and weights (N,) or None."""
        targets = np.asarray(y, np.float64)
        rows = with_weights(
            Examples.from_arrays(vectors, targets.reshape(len(targets), -1)), weights
        )
        self.one_target_ = targets.ndim == 1
        self._fit_head(rows, None, rows.y.shape[1], config)

    def _start(self, network: Classifier, rows: Examples) -> None:
        """Give a network that was trained before scaled values, with which training starts."""
        Scaling.of(rows).undo(network)
