"""Baselines on exactly the vectors that a run's encoders load: centred, rotated and of norm 1 if its model says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from qllmft.baselines.classical import GridBaseline, weights_and_biases
from qllmft.baselines.head import MOST_SUPPORTED, Baseline
from qllmft.config import ModelConfig, RunConfig
from qllmft.heads.data_map import DataMap
from qllmft.heads.encoder import Pad, amplitudes

Weights = NDArray[np.float64] | None  # (N,) of the texts


class OnLoadedVectors:
    """Scikit-learn estimator on the amplitudes that encoders load; ``stored`` counts the numbers of the data map."""

    def __init__(self, estimator: Any, model: ModelConfig, pad: Pad) -> None:
        self.estimator, self.stored, self._model, self._pad = estimator, 0, model, pad
        self._map: DataMap | None = None

    def fit(
        self, x: NDArray[np.float32], y: NDArray[np.int64], sample_weight: Weights = None
    ) -> Self:
        """Fit the data map and the estimator on embeddings (N, D) and labels (N,)."""
        if self._model.centre or self._model.components:
            self._map = DataMap(
                x.shape[1], centre=self._model.centre, components=self._model.components
            )
            self._map.fit(torch.from_numpy(x))
            self.stored = self._map.n_stored
        self.estimator.fit(self._loaded(x), y, sample_weight)
        return self

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return labels (N,) of embeddings (N, D)."""
        return np.asarray(self.estimator.predict(self._loaded(x)), np.int64)

    def score(
        self, x: NDArray[np.float32], y: NDArray[np.int64], sample_weight: Weights = None
    ) -> float:
        """Return the accuracy in [0, 1]."""
        return float(np.average(self.predict(x) == y, weights=sample_weight))

    def _loaded(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        vectors = torch.from_numpy(x)
        return amplitudes(vectors if self._map is None else self._map(vectors), self._pad).numpy()


def _stored(
    of_model: Callable[[OnLoadedVectors], int], model: ModelConfig
) -> list[Callable[[Any], int]]:
    return (
        [of_model, lambda fitted: fitted.stored] if model.centre or model.components else [of_model]
    )


def _logistic_regression(config: RunConfig, *_: int) -> GridBaseline:
    """Return logistic regression at C = 1. Its intercept takes the constant's place, so that is not loaded."""
    from sklearn.linear_model import LogisticRegression

    def make(**settings: Any) -> OnLoadedVectors:
        return OnLoadedVectors(LogisticRegression(max_iter=500, **settings), config.model, "zeros")

    counts = _stored(lambda fitted: weights_and_biases(fitted.estimator), config.model)
    return GridBaseline(SAME_VECTORS.label, make, [{"C": 1.0}], *counts)


def _quadratic_kernel(config: RunConfig, *_: int) -> GridBaseline:
    """Return an SVC with K = (x·y)² of the loaded amplitudes, in whose space every ⟨Z⟩ of an encoder is linear."""
    from sklearn.svm import SVC

    def make(**settings: Any) -> OnLoadedVectors:
        estimator = SVC(kernel="poly", degree=2, gamma=1.0, coef0=0.0, **settings)
        return OnLoadedVectors(estimator, config.model, config.model.pad)

    strengths = (
        [1.0, 10.0, 100.0]
        if config.baselines.grid == "small"
        else [m * 10.0**e for e in range(-1, 4) for m in (1, 3)]
    )
    counts = _stored(lambda fitted: len(fitted.estimator.support_), config.model)
    grid = [{"C": c} for c in strengths]
    return GridBaseline(QUADRATIC_SVC.label, make, grid, *counts).kept(config)


SAME_VECTORS = Baseline("logistic regression (same vectors)", _logistic_regression, tuned=False)
QUADRATIC_SVC = Baseline("quadratic SVC", _quadratic_kernel, tuned=True, most_texts=MOST_SUPPORTED)
