"""Logistic regression at C = 1 within a number of parameters: on fewer axes, or with weights from a codebook."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from qllmft.baselines.classical import GridBaseline, weights_and_biases
from qllmft.baselines.head import Baseline
from qllmft.config import RunConfig
from qllmft.randomness import derive_seed

MOST_BITS, LONGEST = 8, 32  # bits per code, entries per sub-vector
WORD_BITS = 32  # bits per parameter of other heads


class QuantisedRegression:
    """Logistic regression with product-quantised weights: sub-vectors of equal length share one codebook.

    Length and codebook minimise the squared error of the weights within ``most`` words of 32 bits; if none fits, the
    smallest is taken. ``words`` is the number of stored words: centroids, packed codes, and biases.
    """

    def __init__(self, linear: Any, most: int, seed: int) -> None:
        self.words, self._linear, self._most, self._seed = 0, linear, most, seed

    def fit(
        self,
        x: NDArray[np.float32],
        y: NDArray[np.int64],
        sample_weight: NDArray[np.float64] | None = None,
    ) -> Self:
        """Fit the weights on embeddings (N, D) and labels (N,), then replace their sub-vectors by centroids."""
        from sklearn.cluster import KMeans

        weights, least = self._linear.fit(x, y, sample_weight).coef_, math.inf
        for words, length, codes in _codebooks(weights.shape[0], weights.shape[1], self._most):
            found = KMeans(codes, n_init=1, random_state=self._seed).fit(
                weights.reshape(-1, length)
            )
            if found.inertia_ < least:
                least, self.words = found.inertia_, words
                self._linear.coef_ = found.cluster_centers_[found.labels_].reshape(weights.shape)
        self.predict, self.score = self._linear.predict, self._linear.score
        self.predict_proba = self._linear.predict_proba
        self.decision_function = self._linear.decision_function
        return self


def _codebooks(rows: int, dimension: int, most: int) -> list[tuple[int, int, int]]:
    """Return words, length and number of centroids of the largest codebook within ``most`` words per length."""
    found = [
        (
            2**bits * length + math.ceil(rows * dimension // length * bits / WORD_BITS) + rows,
            length,
            2**bits,
        )
        for length in range(1, LONGEST + 1)
        if dimension % length == 0
        for bits in range(1, MOST_BITS + 1)
        if 2**bits <= rows * dimension // length
    ]
    fitting = {size[1]: size for size in found if size[0] <= most}
    return list(fitting.values()) or [min(found)]


def _quantised(config: RunConfig, n_parameters: int, *_: int) -> GridBaseline:
    seed = derive_seed(config.seed, "codebook") % 2**32  # limit of NumPy's legacy generators
    return _at_c1(
        QUANTISED,
        lambda linear: QuantisedRegression(linear, n_parameters, seed),
        lambda fitted: fitted.words,
    )


def _principal_axes(_: RunConfig, *sizes: int) -> GridBaseline:
    """Return a head on principal axes, which are stored and not trained, as in a quantum head's data map."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    first = FunctionTransformer(lambda x: x[:, : _axes(*sizes)])  # PCA refuses more axes than texts
    make = partial(make_pipeline, PCA(), first)
    return _at_c1(
        PRINCIPAL_AXES, make, _weights, lambda fitted: sizes[1] * (1 + fitted[-1].coef_.shape[1])
    )


def _random_axes(config: RunConfig, *sizes: int) -> GridBaseline:
    """Return a head on Gaussian axes, which are drawn again from the seed and not stored."""
    from sklearn.pipeline import make_pipeline
    from sklearn.random_projection import GaussianRandomProjection

    seed = derive_seed(config.seed, "random projection") % 2**32
    axes = GaussianRandomProjection(_axes(*sizes), random_state=seed)
    return _at_c1(RANDOM_AXES, partial(make_pipeline, axes), _weights)


def _at_c1(
    baseline: Baseline, make: Callable[[Any], Any], *counts: Callable[[Any], int]
) -> GridBaseline:
    from sklearn.linear_model import LogisticRegression

    return GridBaseline(
        baseline.label,
        lambda **s: make(LogisticRegression(max_iter=500, **s)),
        [{"C": 1.0}],
        *counts,
    )


def _weights(fitted: Any) -> int:
    return weights_and_biases(fitted[-1])


def _axes(n_parameters: int, dimension: int, n_classes: int) -> int:
    """Return the largest number of axes, from 1 to D, with at most ``n_parameters`` weights and biases."""
    rows = 1 if n_classes == 2 else n_classes  # rows of scikit-learn's weights
    return min(max(1, n_parameters // rows - 1), dimension)


PRINCIPAL_AXES = Baseline("PCA + logistic regression", _principal_axes, tuned=False)
RANDOM_AXES = Baseline("random projection + logistic regression", _random_axes, tuned=False)
QUANTISED = Baseline("quantised logistic regression", _quantised, tuned=False)
