"""Linear models of words, the plainest rivals: their vectors are rows of a sparse matrix beside the embeddings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from qllmft.baselines.classical import (
    GridOneVersusRest,
    grid_one_versus_rest,
    logistic_regression,
    ridge_regression,
)
from qllmft.baselines.grid import GridBaseline
from qllmft.baselines.head import baseline
from qllmft.config import RunConfig
from qllmft.tasks import TASKS

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from qllmft.training import Examples

_METHODS_OF_VECTORS = ("predict", "predict_proba", "decision_function", "scores")


class OnRows:
    """Estimator on rows of a sparse matrix, which it gets by their numbers (N, 1)."""

    def __init__(self, estimator: Any, matrix: csr_array) -> None:
        self._estimator = estimator
        self._matrix = matrix

    def fit(self, x: NDArray[np.float32], y: NDArray[Any], **weights: Any) -> Self:
        """Fit the estimator on the rows of the matrix with the numbers ``x``."""
        self._estimator = self._estimator.fit(self.take(x), y, **weights)
        return self

    def take(self, x: NDArray[np.float32]) -> csr_array:
        """Return the rows with the numbers ``x`` (N, 1)."""
        return self._matrix[x[:, 0].astype(np.int64)]

    def __getattr__(self, name: str) -> Any:
        """Return what the estimator has, a method of vectors as one of numbers of rows."""
        if name.startswith("_"):
            raise AttributeError(name)
        value = getattr(self._estimator, name)
        return (lambda x: value(self.take(x))) if name in _METHODS_OF_VECTORS else value


class WordBaseline(GridBaseline):
    """Linear model on vectors of words in place of embeddings. Its examples are numbers of rows of a matrix."""

    matrix: csr_array | None = None

    def read(self, matrix: csr_array) -> None:
        """Take the vectors (N, D) of all texts of a run, before `fit`."""
        make: Callable[..., Any] = self.make
        self.matrix = matrix
        self.make = lambda **settings: OnRows(make(**settings), matrix)

    def dimension(self, train: Examples) -> int:
        """Return the number of columns of the matrix, or of the examples if there is none."""
        return int((train.x if self.matrix is None else self.matrix).shape[1])

    def compute_logits(
        self, weight: NDArray[np.floating], bias: NDArray[np.floating], x: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return the outputs (N, k) of a linear layer for rows of the matrix with the numbers ``x`` (N, 1)."""
        assert self.matrix is not None
        rows = self.matrix[x[:, 0].astype(np.int64)]
        return np.asarray(rows @ weight.T + bias, np.float64)

    def find_linear_layer(self, k: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return weights (k, D) and biases (k,) of the fitted model's k outputs, of two labels a half each."""
        parts = getattr(self.estimator, "estimators", None) or [self.estimator]
        weight = np.concatenate([np.atleast_2d(part.coef_) for part in parts])
        bias = np.concatenate([np.atleast_1d(part.intercept_) for part in parts])
        if len(weight) == 1 and k == 2:
            return np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
        return weight, bias


class WordsOneVersusRest(GridOneVersusRest, WordBaseline):
    """Linear models of words for several labels per text."""


@baseline(
    "TF-IDF + logistic regression",
    tuned=True,
    tasks=("classification", "regression", "multilabel"),
)
def tfidf(config: RunConfig, *_: int) -> WordBaseline:
    """Return a linear model of words: logistic regression, one for each of several labels, or ridge regression."""
    task = TASKS[config.data.task]
    if task.real:
        linear = ridge_regression(config.baselines.grid)
        label = "TF-IDF + ridge regression"
    else:
        linear = logistic_regression(config.baselines.grid)
        label = tfidf.label
    if task.several:
        label += ", one-versus-rest"
        rows = grid_one_versus_rest(label, linear, config, WordsOneVersusRest)
        assert isinstance(rows, WordsOneVersusRest)
        return rows
    return WordBaseline(
        label,
        linear.make,
        linear.grid,
        strength=linear.strength,
        weighs_classes=linear.weighs_classes,
    ).apply_search(config)
