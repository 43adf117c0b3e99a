"""Scikit-learn's models on grids: classifiers of tables VIII and IX, those of several labels, and regressors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from qllmft.baselines.grid import GridBaseline, grid_points, strength_setting
from qllmft.baselines.head import MAX_SUPPORT_VECTOR_TEXTS, Baseline, Grid, baseline
from qllmft.config import RunConfig
from qllmft.config.training import ThresholdChoice
from qllmft.tasks.multilabel import best_thresholds
from qllmft.training.search import LOGISTIC_STRENGTHS

if TYPE_CHECKING:
    from qllmft.training import Examples

Floats = NDArray[np.float64]

# rows of the kernel that libsvm keeps; scikit-learn's 200 MB are full at 7,000 texts, and more are computed again. The
# fit is the same to the bit
KERNEL_CACHE_MB = 1_000


def logistic_regression(grid: Grid) -> GridBaseline:
    """Return logistic regression of table IX (its rows "penalty" and "C" are printed swapped) by lbfgs."""
    from sklearn.linear_model import LogisticRegression

    strengths: list[float | None] = [*LOGISTIC_STRENGTHS]
    values: dict[str, list[Any]] = {"C": strengths, "class_weight": [None], "max_iter": [200]}
    if grid == "paper":
        # None replaces an infinite C in the record, because JSON has no infinity
        strengths = [*np.arange(0.3, 9.901, 0.05).round(2).tolist(), None]
        values = {"C": strengths, "class_weight": [None, "balanced"], "max_iter": [50, 100, 200]}
    return GridBaseline(
        LOGISTIC_REGRESSION.label,
        lambda **s: LogisticRegression(**{**s, "C": np.inf if s["C"] is None else s["C"]}),
        grid_points(values),
        strength=strength_setting(grid, "C"),
        weighs_classes=True,
    )


@baseline("logistic regression (C = 1)")
def plain_logistic_regression(*_: object) -> GridBaseline:
    """Return logistic regression at C = 1, scikit-learn's default, without any choice on the validation texts."""
    from sklearn.linear_model import LogisticRegression

    settings = [{"C": 1.0, "max_iter": 500}]
    return GridBaseline(plain_logistic_regression.label, LogisticRegression, settings)


def support_vectors(grid: Grid, *, most: bool = False) -> GridBaseline:
    """Return a support vector classifier with an RBF kernel, table VIII.

    ``most`` chooses the most support vectors, as in the row SVC 435 of table II (all training texts).
    """
    from sklearn.svm import SVC

    values: dict[str, list[Any]] = {"C": [0.5, 1.0, 5.0], "gamma": ["scale"]}
    if grid == "paper":
        strengths = [m * 10.0**e for e in range(-3, 2) for m in (1, 5)] + [100.0]
        values = {"C": strengths, "gamma": ["scale", "auto", 0.01, 0.1, 0.5, 1.0]}
    label = (FULL_SVC if most else SUPPORT_VECTORS).label
    return GridBaseline(
        label,
        lambda **s: SVC(kernel="rbf", cache_size=KERNEL_CACHE_MB, **s),
        grid_points(values),
        most=most,
        strength=strength_setting(grid, "C"),
        weighs_classes=True,
    )


def ridge_regression(grid: Grid) -> GridBaseline:
    """Return ridge regression; the penalty is that of embeddings of length 1."""
    from sklearn.linear_model import Ridge

    strengths = np.logspace(2, -2, 5 if grid == "small" else 17).tolist()
    strength = strength_setting(grid, "alpha")
    return GridBaseline(RIDGE.label, Ridge, grid_points({"alpha": strengths}), strength=strength)


class ScaledSVR:
    """One SVR with an RBF kernel per target, each scaled to mean 0 and deviation 1."""

    def __init__(self, **settings: Any) -> None:
        self._settings = settings

    def fit(self, x: NDArray[np.float32], y: Floats, sample_weight: Floats | None = None) -> Self:
        """Fit on embeddings (N, D) and targets (N, T), with weights (N,) of the texts."""
        from sklearn.svm import SVR

        self.mean_ = y.mean(axis=0)
        deviation = y.std(axis=0)
        if sample_weight is not None:
            self.mean_ = np.average(y, axis=0, weights=sample_weight)
            variance = np.average(np.square(y - self.mean_), axis=0, weights=sample_weight)
            deviation = np.sqrt(variance)
        self.deviation_ = np.where(np.ptp(y, axis=0) > 0, deviation, 1.0)
        targets = ((y - self.mean_) / self.deviation_).T
        self.estimators = [
            SVR(kernel="rbf", cache_size=KERNEL_CACHE_MB, **self._settings).fit(
                x, target, sample_weight
            )
            for target in targets
        ]
        return self

    def predict(self, x: NDArray[np.float32]) -> Floats:
        """Return values (N, T)."""
        predictions = np.stack([estimator.predict(x) for estimator in self.estimators], axis=1)
        return np.asarray(predictions * self.deviation_ + self.mean_)


def support_vector_regression(grid: Grid) -> GridBaseline:
    """Return support vector regression with an RBF kernel."""
    values = {"C": [0.1, 1.0, 10.0], "epsilon": [0.1]}
    if grid == "paper":
        strengths = [m * 10.0**e for e in range(-2, 2) for m in (1, 3)] + [100.0]
        values = {"C": strengths, "epsilon": [0.03, 0.1, 0.3]}
    strength = strength_setting(grid, "C")
    return GridBaseline(
        SUPPORT_VECTOR_REGRESSION.label, ScaledSVR, grid_points(values), strength=strength
    )


class OneVersusRest:
    """Scikit-learn's `OneVsRestClassifier` with scores, probabilities or distances, over their usual threshold."""

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator

    def fit(
        self,
        x: NDArray[np.float32],
        y: NDArray[np.int64],
        sample_weight: Floats | None = None,
    ) -> Self:
        """Fit a classifier per label on embeddings (N, D) and labels (N, L), with weights (N,) of the texts."""
        from sklearn import config_context
        from sklearn.base import clone
        from sklearn.multiclass import OneVsRestClassifier

        if sample_weight is None:
            self._fitted = OneVsRestClassifier(self._estimator).fit(x, y)
        else:
            with config_context(enable_metadata_routing=True):
                weighted = _request_weights(clone(self._estimator))
                self._fitted = OneVsRestClassifier(weighted).fit(x, y, sample_weight=sample_weight)
        self.estimators = list(self._fitted.estimators_)
        return self

    @property
    def n_iter_(self) -> int:
        """Return the largest number of iterations of a classifier."""
        return max(int(np.max(estimator.n_iter_)) for estimator in self.estimators)

    @property
    def usual_threshold(self) -> float:
        """Return the probability 1/2, or the distance 0 of classifiers without probabilities."""
        return 0.5 if hasattr(self._estimator, "predict_proba") else 0.0

    def scores(self, x: NDArray[np.float32]) -> Floats:
        """Return probabilities (N, L), or distances from the boundary of classifiers without probabilities."""
        compute_scores = (
            self._fitted.predict_proba if self.usual_threshold else self.decision_function
        )
        return np.asarray(compute_scores(x), np.float64)

    def decision_function(self, x: NDArray[np.float32]) -> Floats:
        """Return distances (N, L) from the boundary."""
        return np.asarray(self._fitted.decision_function(x))


def _request_weights(estimator: Any) -> Any:
    """Return an estimator, or a pipeline with its last step, that asks scikit-learn for weights of texts."""
    last_step = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    last_step.set_fit_request(sample_weight=True)
    for _, step in estimator.steps[:-1] if hasattr(estimator, "steps") else ():
        step.set_fit_request(sample_weight=False)
    return estimator


@dataclass(eq=False)
class GridOneVersusRest(GridBaseline):
    """One-versus-rest classifiers with settings chosen by macro-F1, the same for all labels."""

    _: KW_ONLY
    choice: ThresholdChoice = "half"  # of the thresholds, ``train.thresholds``
    thresholds: Floats | None = field(default=None, init=False)  # None: the usual ones

    def fit(self, train: Examples, validation: Examples) -> None:
        """Choose and fit settings as `GridBaseline` does, and choose thresholds."""
        super().fit(train, validation)
        if self.choice == "validation":
            scores = self.estimator.scores(validation.x.numpy())
            usual = self.estimator.usual_threshold
            self.thresholds = best_thresholds(scores, validation.y.numpy(), usual)
        elif self.choice == "auto":
            if self.judgement is None:
                parts = self.choosing_parts(train, validation)
                self.judgement = self.judge(self.settings, train, parts)
            self.thresholds = self.judgement.thresholds
        if self.thresholds is not None:
            self.settings = {**self.settings, "thresholds": self.thresholds.tolist()}

    @property
    def least_probabilities(self) -> tuple[float, ...] | None:
        """Return the thresholds as probabilities, sigmoids of distances; None if they were not chosen."""
        if self.thresholds is None:
            return None
        usual = self.estimator.usual_threshold
        probabilities = self.thresholds if usual else 1.0 / (1.0 + np.exp(-self.thresholds))
        return tuple(probabilities.tolist())

    @property
    def usual_threshold(self) -> float | None:
        """Return the usual threshold of the estimators if others are chosen; see `GridBaseline`."""
        if self.choice == "half":
            return None
        usual: float = self.make(**self.grid[0]).usual_threshold
        return usual

    def answers(self, estimator: Any, x: NDArray[np.float32]) -> NDArray[Any]:
        """Return the leads (N, L) of the labels' scores over the usual thresholds."""
        return np.asarray(estimator.scores(x) - estimator.usual_threshold)

    def outputs(self, estimator: Any, x: NDArray[np.float32]) -> NDArray[Any]:
        """Return scores (N, L) if thresholds are chosen, else leads over the usual ones."""
        if self.choice == "half":
            return self.answers(estimator, x)
        return np.asarray(estimator.scores(x))

    def predict(self, x: NDArray[np.float32]) -> NDArray[Any]:
        """Return the leads (N, L) of the labels' scores over their thresholds."""
        if self.thresholds is None:
            return self.answers(self.estimator, x)
        return np.asarray(self.estimator.scores(x) - self.thresholds)


def grid_one_versus_rest(
    label: str,
    label_baseline: GridBaseline,
    config: RunConfig,
    kind: type[GridOneVersusRest] = GridOneVersusRest,
) -> GridOneVersusRest:
    """Return classifiers of several labels per text by the estimator of one label.

    Args:
        label: name in tables.
        label_baseline: makes the estimator of a label, and has its grid.
        config: of the run, which says how thresholds are chosen.
        kind: class of the result.
    """
    return kind(
        label,
        lambda **settings: OneVersusRest(label_baseline.make(**settings)),
        label_baseline.grid,
        strength=label_baseline.strength,
        choice=config.train.thresholds,
    ).apply_search(config)


def _one_versus_rest(
    label: str, make_label_baseline: Callable[[Grid], GridBaseline], most_texts: int | None = None
) -> Baseline:
    def make(config: RunConfig, *_: int) -> GridOneVersusRest:
        return grid_one_versus_rest(label, make_label_baseline(config.baselines.grid), config)

    return Baseline(label, make, tuned=True, tasks=("multilabel",), most_texts=most_texts)


LOGISTIC_REGRESSION = Baseline.from_grid("logistic regression", logistic_regression)
SUPPORT_VECTORS = Baseline.from_grid("SVC", support_vectors, most_texts=MAX_SUPPORT_VECTOR_TEXTS)
FULL_SVC = Baseline.from_grid(
    "SVC (most vectors)",
    lambda grid: support_vectors(grid, most=True),
    most_texts=MAX_SUPPORT_VECTOR_TEXTS,
)
RIDGE = Baseline.from_grid("ridge regression", ridge_regression, ("regression",))
SUPPORT_VECTOR_REGRESSION = Baseline.from_grid(
    "SVR", support_vector_regression, ("regression",), MAX_SUPPORT_VECTOR_TEXTS
)
LOGISTIC_REGRESSION_OVR = _one_versus_rest(
    "logistic regression, one-versus-rest", logistic_regression
)
SVC_OVR = _one_versus_rest("SVC, one-versus-rest", support_vectors, MAX_SUPPORT_VECTOR_TEXTS)
