"""Baselines of real targets: ridge regression and support vectors, on grids."""

from __future__ import annotations

import itertools
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from qllmft.baselines.classical import GridBaseline, weights_and_biases
from qllmft.baselines.head import MOST_SUPPORTED, Baseline, Grid
from qllmft.tasks.regression import r2


class GridRegressor(GridBaseline):
    """Scikit-learn regressor with settings chosen by R² on the validation texts."""

    def predict(self, x: NDArray[np.float32]) -> NDArray[Any]:
        """Return values (N, T) of embeddings (N, D)."""
        return np.asarray(self._best.predict(x), np.float64).reshape(len(x), -1)


class ScaledSVR:
    """One SVR with an RBF kernel per target, each scaled to mean 0 and deviation 1."""

    def __init__(self, **settings: Any) -> None:
        self._settings = settings

    def fit(self, x: NDArray[np.float32], y: NDArray[np.float64]) -> Self:
        """Fit on embeddings (N, D) and targets (N, T)."""
        from sklearn.svm import SVR

        self.mean_ = y.mean(axis=0)
        self.deviation_ = np.where(np.ptp(y, axis=0) > 0, y.std(axis=0), 1.0)
        scaled = (y - self.mean_) / self.deviation_
        self.estimators = [
            SVR(kernel="rbf", **self._settings).fit(x, column) for column in scaled.T
        ]
        return self

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return values (N, T)."""
        found = np.stack([each.predict(x) for each in self.estimators], axis=1)
        return np.asarray(found * self.deviation_ + self.mean_)

    def score(self, x: NDArray[np.float32], y: NDArray[np.float64]) -> float:
        """Return R², the mean over the targets."""
        return float(r2(y, self.predict(x)).mean())

    @property
    def n_vectors(self) -> int:
        """Return the number of support vectors of all targets."""
        return sum(len(each.support_) for each in self.estimators)


def ridge_regression(grid: Grid) -> GridRegressor:
    """Return ridge regression; the penalty is that of embeddings of length 1."""
    from sklearn.linear_model import Ridge

    strengths = np.logspace(2, -2, 5 if grid == "small" else 17)
    settings = [{"alpha": float(alpha)} for alpha in strengths]
    return GridRegressor(RIDGE.label, Ridge, settings, weights_and_biases)


def support_vector_regression(grid: Grid) -> GridRegressor:
    """Return support vector regression with an RBF kernel."""
    strengths = (
        [0.1, 1.0, 10.0]
        if grid == "small"
        else [m * 10.0**e for e in range(-2, 2) for m in (1, 3)] + [100.0]
    )
    widths = [0.1] if grid == "small" else [0.03, 0.1, 0.3]
    settings = [{"C": c, "epsilon": epsilon} for c, epsilon in itertools.product(strengths, widths)]
    return GridRegressor(
        SUPPORT_VECTOR_REGRESSION.label, ScaledSVR, settings, lambda fitted: fitted.n_vectors
    )


RIDGE = Baseline.of_grid("ridge regression", ridge_regression, ("regression",))
SUPPORT_VECTOR_REGRESSION = Baseline.of_grid(
    "SVR", support_vector_regression, ("regression",), MOST_SUPPORTED
)
