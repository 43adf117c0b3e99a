"""Data and fits of Bowles, Ahmed and Schuld, "Better than classical?" (arXiv 2403.07059), drawn as in their scripts.

A function takes a `numpy.random.RandomState` and returns points (N, D) and labels (N,), -1 and 1. The order of draws
is theirs, so that `benchmark` gives the very points of their published results.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.preprocessing import StandardScaler

Floats = NDArray[np.float64]
Data = tuple[Floats, Floats]
FOLDS = 5


def linearly_separable(random: RandomState, n: int, features: int, margin: float) -> Data:
    """Draw points of a cube at least ``margin`` from the plane Σx = 0."""
    x = 2 * random.rand(2 * n, features) - 1
    x = x[np.abs(x.sum(axis=1)) > margin][:n]
    return x, np.where(x.sum(axis=1) > 0, -1.0, 1.0)


def hidden_manifold(random: RandomState, n: int, features: int, manifold: int) -> Data:
    """Draw points on a curved manifold of ``manifold`` dimensions, labelled by a random layer of tanh at its median."""
    embedding = random.normal(size=(manifold, features))
    points = random.normal(size=(n, manifold))
    x = np.tanh(points @ embedding / np.sqrt(manifold) - (2 * random.uniform(size=features) - 1))
    hidden = random.normal(size=(manifold, manifold))
    output = random.normal(size=manifold)
    values = np.tanh(points @ hidden.T) @ output / np.sqrt(manifold)
    return x, np.where(values < np.median(values), -1.0, 1.0)


def hyperplanes(random: RandomState, n: int, features: int, planes: int, dimension: int) -> Data:
    """Draw points of ``dimension`` dimensions, labelled by the parity of the planes above which they lie, and map them.

    The map to ``features`` dimensions is linear. Their labels are of the sorted points: an odd parity comes second.
    """
    weights = random.uniform(size=(planes, dimension))
    biases = random.uniform(size=planes)
    points = random.normal(size=(4 * n, dimension))
    even = (points @ weights.T + biases > 0).sum(axis=1) % 2 == 0
    points = np.concatenate([points[even][: n // 2], points[~even][: n // 2]])
    x = StandardScaler().fit_transform(points @ random.uniform(size=(dimension, features)))
    return x, np.repeat([-1.0, 1.0], n // 2)


def two_curves(
    random: RandomState, n: int, features: int, degree: int, offset: float, noise: float
) -> Data:
    """Draw points on two copies of a random Fourier curve, ``offset`` apart in every feature."""
    coefficients = random.uniform(size=(features, degree + 1, 2))
    coefficients /= np.linalg.norm(coefficients)
    frequencies = np.pi * np.arange(1, degree + 1)

    def point() -> Floats:
        angles = frequencies * random.rand()
        curve = coefficients[:, 1:, 0] @ np.cos(angles) + coefficients[:, 1:, 1] @ np.sin(angles)
        return np.asarray(
            coefficients[:, 0].sum(axis=1) + curve + random.normal(scale=noise, size=features)
        )

    x = np.stack([point() for _ in range(n)])
    x[n // 2 :] += offset
    return StandardScaler().fit_transform(x), np.repeat([-1.0, 1.0], n // 2)


def bars_and_stripes(random: RandomState, n: int, size: int, noise: float) -> Data:
    """Draw noisy images of ``size`` x ``size``: stripes (rows, 1) or bars (columns, -1)."""
    x = np.full((n, size, size), -1.0)
    y = np.empty(n)
    for image, i in zip(x, range(n), strict=True):
        stripes = random.rand() > 0.5
        lines = random.rand(size) > 0.5
        (image if stripes else image.T)[lines] = 1.0
        y[i] = 1.0 if stripes else -1.0
        image += random.normal(0, noise, size=image.shape)
    return x.reshape(n, -1), y


@dataclass(frozen=True)
class Benchmark:
    """One published data set: training and test part."""

    name: str
    folder: str  # of their results
    file: str  # part of the names of their results
    # training points, test points, training and test labels
    draw: Callable[[], tuple[Floats, Floats, Floats, Floats]]


def _split(random: RandomState, data: Data) -> tuple[Floats, Floats, Floats, Floats]:
    parts: list[Floats] = train_test_split(*data, test_size=0.2, random_state=random)
    return parts[0], parts[1], parts[2], parts[3]


def _last_split(
    seed: int, last: int, make: Callable[[RandomState, int], Data]
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the split of the last of a sequence of data sets, which their scripts draw from one generator."""
    random = RandomState(seed)
    parts = [_split(random, make(random, size)) for size in range(2, last + 1)]
    return parts[-1]


def _images() -> tuple[Floats, Floats, Floats, Floats]:
    random = RandomState(42)
    (x, y), (tx, ty) = (bars_and_stripes(random, n, 4, 0.5) for n in (1000, 200))
    return x, tx, y, ty


BENCHMARKS = (
    Benchmark(
        "linearly separable, 10 features",
        "linearly_separable",
        "linearly_separable_10d",
        lambda: _last_split(42, 10, lambda random, d: linearly_separable(random, 300, d, 0.02 * d)),
    ),
    Benchmark(
        "hidden manifold of 6 dimensions, 10 features",
        "hidden_manifold",
        "hidden_manifold-6manifold-10d",
        lambda: _last_split(3, 10, lambda random, d: hidden_manifold(random, 300, d, 6)),
    ),
    Benchmark(
        "hyperplanes and parity, 10 planes",
        "hyperplanes_diff",
        "hyperplanes-10d-from3d-10n",
        lambda: _last_split(1, 10, lambda random, planes: hyperplanes(random, 300, 10, planes, 3)),
    ),
    Benchmark(
        "two curves of degree 5, 10 features",
        "two_curves",
        "5degree-0.1offset-10d",
        lambda: _last_split(3, 10, lambda random, d: two_curves(random, 300, d, 5, 0.1, 0.01)),
    ),
    Benchmark("bars and stripes, 4 x 4", "bars_and_stripes", "bars_and_stripes_4_x_4", _images),
)


def fit_and_test(data: str, model: Any, fold: int | None) -> tuple[list[int], float]:
    """Return the points that a fit gets wrong, of a fold or else of the test part, and its processor seconds."""
    x, tx, y, ty = next(benchmark for benchmark in BENCHMARKS if benchmark.name == data).draw()
    if fold is not None:
        train, test = list(StratifiedKFold(FOLDS).split(x, y))[fold]
        tx = x[test]
        ty = y[test]
        x = x[train]
        y = y[train]
    started = time.process_time()
    answers = clone(model).fit(x, y).predict(tx)
    return np.flatnonzero(answers != ty).tolist(), time.process_time() - started
