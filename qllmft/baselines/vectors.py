"""Baselines on other vectors: few axes, weights from a codebook, and exactly the vectors that a run's encoders load."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from qllmft.baselines.grid import GridBaseline, grid_points, n_trained, strength_setting
from qllmft.baselines.head import MAX_SUPPORT_VECTOR_TEXTS, Baseline, baseline
from qllmft.config import ModelConfig, RunConfig
from qllmft.heads.data_map import DataMap
from qllmft.heads.loading import amplitudes
from qllmft.templates import Pad
from qllmft_base.randomness import derive_seed

MAX_CODE_BITS = 8  # bits per code, entries per sub-vector
LONGEST_SUBVECTOR = 32
WORD_BITS = 32  # bits per parameter of other heads

Vectors = NDArray[np.float32]
Labels = NDArray[np.int64]
Weights = NDArray[np.float64] | None  # (N,) of the texts


def _regression_at_c1(
    labelled_baseline: Baseline,
    make: Callable[[Any], Any],
    count: Callable[[Any], int] = n_trained,
    stored: Callable[[Any], int] | None = None,
) -> GridBaseline:
    """Return logistic regression at C = 1 as a part of an estimator."""
    from sklearn.linear_model import LogisticRegression

    def make_estimator(**settings: float) -> Any:
        return make(LogisticRegression(max_iter=500, **settings))

    return GridBaseline(labelled_baseline.label, make_estimator, [{"C": 1.0}], count, stored)


# --- within a number of parameters


class QuantisedRegression:
    """Logistic regression with product-quantised weights: sub-vectors of equal length share one codebook.

    Length and codebook minimise the squared error of the weights within ``most`` words of 32 bits; if none fits, the
    smallest is taken. ``words`` is the number of stored words: centroids, packed codes, and biases.
    """

    def __init__(self, linear: Any, most: int, seed: int) -> None:
        self.words = 0
        self._linear = linear
        self._most = most
        self._seed = seed

    def fit(self, x: Vectors, y: Labels, sample_weight: Weights = None) -> Self:
        """Fit the weights on embeddings (N, D) and labels (N,), then replace their sub-vectors by centroids."""
        from sklearn.cluster import KMeans

        weights = self._linear.fit(x, y, sample_weight).coef_
        least_inertia = math.inf
        rows, dimension = weights.shape
        books: list[tuple[int, int, int]] = []  # words, length and number of centroids
        for length in (
            candidate_length
            for candidate_length in range(1, LONGEST_SUBVECTOR + 1)
            if dimension % candidate_length == 0
        ):
            n_subvectors = rows * dimension // length
            for bits in (
                candidate_bits
                for candidate_bits in range(1, MAX_CODE_BITS + 1)
                if 2**candidate_bits <= n_subvectors
            ):
                words = 2**bits * length + math.ceil(n_subvectors * bits / WORD_BITS) + rows
                books.append((words, length, 2**bits))
        # the largest codebook of each length within the number of words
        fitting_books = {book[1]: book for book in books if book[0] <= self._most}
        for words, length, codes in list(fitting_books.values()) or [min(books)]:
            means = KMeans(codes, n_init=1, random_state=self._seed)
            clustering = means.fit(weights.reshape(-1, length))
            if clustering.inertia_ < least_inertia:
                least_inertia = clustering.inertia_
                self.words = words
                self._linear.coef_ = clustering.cluster_centers_[clustering.labels_].reshape(
                    weights.shape
                )
        self.predict = self._linear.predict
        self.predict_proba = self._linear.predict_proba
        self.decision_function = self._linear.decision_function
        return self


@baseline("quantised logistic regression")
def quantised_regression(config: RunConfig, n_parameters: int, *_: int) -> GridBaseline:
    """Return logistic regression with weights from a codebook, of at most as many words as parameters."""
    seed = derive_seed(config.seed, "codebook") % 2**32  # limit of NumPy's legacy generators
    make = partial(QuantisedRegression, most=n_parameters, seed=seed)
    return _regression_at_c1(quantised_regression, make, lambda fitted: fitted.words)


def _count_axes(n_parameters: int, dimension: int, n_classes: int) -> int:
    """Return the largest number of axes, from 1 to D, with at most ``n_parameters`` weights and biases."""
    rows = 1 if n_classes == 2 else n_classes  # rows of scikit-learn's weights
    return min(max(1, n_parameters // rows - 1), dimension)


@baseline("PCA + logistic regression")
def principal_axes(_: RunConfig, *sizes: int) -> GridBaseline:
    """Return a head on principal axes, which are stored and not trained, as in a quantum head's data map."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    # PCA refuses more axes than texts
    first = FunctionTransformer(lambda x: x[:, : _count_axes(*sizes)])
    return _regression_at_c1(
        principal_axes,
        partial(make_pipeline, PCA(), first),
        stored=lambda fitted: sizes[1] * (1 + fitted[-1].coef_.shape[1]),
    )


@baseline("random projection + logistic regression")
def random_axes(config: RunConfig, *sizes: int) -> GridBaseline:
    """Return a head on Gaussian axes, which are drawn again from the seed and not stored."""
    from sklearn.pipeline import make_pipeline
    from sklearn.random_projection import GaussianRandomProjection

    seed = derive_seed(config.seed, "random projection") % 2**32
    axes = GaussianRandomProjection(_count_axes(*sizes), random_state=seed)
    return _regression_at_c1(random_axes, partial(make_pipeline, axes))


# --- on the vectors that encoders load: centred, rotated and of norm 1 if the model says so


class OnLoadedVectors:
    """Scikit-learn estimator on the amplitudes that encoders load; ``stored`` counts the numbers of the data map."""

    def __init__(self, estimator: Any, model: ModelConfig, pad: Pad) -> None:
        self.estimator = estimator
        self.stored = 0
        self._model = model
        self._pad = pad
        self._map: DataMap | None = None

    def fit(self, x: Vectors, y: Labels, sample_weight: Weights = None) -> Self:
        """Fit the data map and the estimator on embeddings (N, D) and labels (N,)."""
        if (components := self._model.components) is not None:
            self._map = DataMap(x.shape[1], components)
            self._map.fit(torch.from_numpy(x))
            self.stored = self._map.n_stored
        self.estimator.fit(self._load_vectors(x), y, sample_weight)
        return self

    def predict(self, x: Vectors) -> Labels:
        """Return labels (N,) of embeddings (N, D)."""
        return np.asarray(self.estimator.predict(self._load_vectors(x)), np.int64)

    def _load_vectors(self, x: Vectors) -> Vectors:
        vectors = torch.from_numpy(x)
        return amplitudes(vectors if self._map is None else self._map(vectors), self._pad).numpy()


def _baseline_on_loaded_vectors(
    labelled_baseline: Baseline,
    make: Callable[..., Any],
    config: RunConfig,
    pad: Pad,
    strengths: list[float],
) -> GridBaseline:
    mapped = config.model.components
    return GridBaseline(
        labelled_baseline.label,
        lambda **settings: OnLoadedVectors(make(**settings), config.model, pad),
        grid_points({"C": strengths}),
        lambda fitted: n_trained(fitted.estimator),
        (lambda fitted: fitted.stored) if mapped else None,
        strength=strength_setting(config.baselines.grid, "C"),
    )


@baseline("logistic regression (same vectors)")
def same_vectors(config: RunConfig, *_: int) -> GridBaseline:
    """Return logistic regression at C = 1. Its intercept takes the constant's place, so that is not loaded."""
    from sklearn.linear_model import LogisticRegression

    make = partial(LogisticRegression, max_iter=500)
    return _baseline_on_loaded_vectors(same_vectors, make, config, "zeros", [1.0])


@baseline("quadratic SVC", tuned=True, most_texts=MAX_SUPPORT_VECTOR_TEXTS)
def quadratic_svc(config: RunConfig, *_: int) -> GridBaseline:
    """Return an SVC with K = (x·y)² of the loaded amplitudes, in whose space every ⟨Z⟩ of an encoder is linear."""
    from sklearn.svm import SVC

    make = partial(SVC, kernel="poly", degree=2, gamma=1.0, coef0=0.0)
    strengths = [1.0, 10.0, 100.0]
    if config.baselines.grid == "paper":
        strengths = [m * 10.0**e for e in range(-1, 4) for m in (1, 3)]
    return _baseline_on_loaded_vectors(
        quadratic_svc, make, config, config.model.pad, strengths
    ).apply_search(config)
