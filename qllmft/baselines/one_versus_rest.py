"""Baselines of several labels per text: one classifier per label, on the grids of one label per text."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from qllmft.baselines.classical import GridBaseline, logistic_regression, support_vectors
from qllmft.baselines.head import MOST_SUPPORTED, Baseline
from qllmft.config import RunConfig
from qllmft.tasks.multilabel import best_thresholds, macro_f1

if TYPE_CHECKING:
    from qllmft.training import Examples

Floats = NDArray[np.float64]


class OneVersusRest:
    """Scikit-learn's `OneVsRestClassifier` with scores, probabilities or distances, over their usual threshold."""

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator

    def fit(self, x: NDArray[np.float32], y: NDArray[np.int64]) -> Self:
        """Fit a classifier per label on embeddings (N, D) and labels (N, L)."""
        from sklearn.multiclass import OneVsRestClassifier

        self._fitted = OneVsRestClassifier(self._estimator).fit(x, y)
        return self

    @property
    def estimators(self) -> list[Any]:
        """Return the fitted classifiers."""
        return list(self._fitted.estimators_)

    @property
    def n_iter_(self) -> int:
        """Return the largest number of iterations of a classifier."""
        return max(int(np.max(each.n_iter_)) for each in self.estimators)

    @property
    def usual_threshold(self) -> float:
        """Return the probability 1/2, or the distance 0 of classifiers without probabilities."""
        return 0.5 if hasattr(self._estimator, "predict_proba") else 0.0

    def scores(self, x: NDArray[np.float32]) -> Floats:
        """Return probabilities (N, L), or distances from the boundary of classifiers without probabilities."""
        of_labels = (
            self._fitted.predict_proba if self.usual_threshold else self._fitted.decision_function
        )
        return np.asarray(of_labels(x), np.float64)

    def score(self, x: NDArray[np.float32], y: NDArray[np.int64]) -> float:
        """Return macro-F1."""
        return macro_f1(y, self.scores(x) >= self.usual_threshold)


class GridOneVersusRest(GridBaseline):
    """One-versus-rest classifiers with settings chosen by macro-F1 on the validation texts, the same for all labels."""

    tuned_thresholds = False  # choose them on the validation texts
    _thresholds: Floats | None = None

    def fit(self, train: Examples, validation: Examples) -> None:
        """Fit every setting on ``train``, and keep the best, and thresholds, on ``validation``."""
        super().fit(train, validation)
        if self.tuned_thresholds:
            scores, usual = self._best.scores(validation.x.numpy()), self._best.usual_threshold
            self._thresholds = best_thresholds(scores, validation.y.numpy(), usual)
            self.settings = {**self.settings, "thresholds": self._thresholds.tolist()}

    @property
    def least_probabilities(self) -> tuple[float, ...] | None:
        """Return the thresholds as probabilities, sigmoids of distances; None if they were not chosen."""
        if self._thresholds is None:
            return None
        usual = self._best.usual_threshold
        found = self._thresholds if usual else 1.0 / (1.0 + np.exp(-self._thresholds))
        return tuple(found.tolist())

    def predict(self, x: NDArray[np.float32]) -> NDArray[Any]:
        """Return the leads (N, L) of the labels' scores over their thresholds."""
        usual = self._best.usual_threshold
        return np.asarray(
            self._best.scores(x) - (usual if self._thresholds is None else self._thresholds)
        )


def _baseline(
    label: str, of_one_label: Callable[[Any], GridBaseline], most_texts: int | None = None
) -> Baseline:
    def make(config: RunConfig, *_: int) -> GridOneVersusRest:
        one = of_one_label(config.baselines.grid)
        head = GridOneVersusRest(
            label,
            lambda **settings: OneVersusRest(one.make(**settings)),
            one.grid,
            lambda fitted: sum(map(one.count, fitted.estimators)),
        )
        head.tuned_thresholds = config.train.thresholds == "validation"
        return head.kept(config)

    return Baseline(label, make, tuned=True, tasks=("multilabel",), most_texts=most_texts)


LOGISTIC_REGRESSION_OVR = _baseline("logistic regression, one-versus-rest", logistic_regression)
SVC_OVR = _baseline("SVC, one-versus-rest", support_vectors, MOST_SUPPORTED)
