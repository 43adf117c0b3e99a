"""Scikit-learn's models on grids: classifiers of tables VIII and IX, those of several labels, and regressors."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from qllmft.baselines.head import MOST_SUPPORTED, Baseline, Grid, baseline
from qllmft.config import RunConfig
from qllmft.randomness import drawn
from qllmft.tasks.multilabel import best_thresholds, macro_f1
from qllmft.tasks.regression import r2

if TYPE_CHECKING:
    from qllmft.training import Examples

Floats = NDArray[np.float64]


def n_trained(fitted: Any) -> int:
    """Return the number of support vectors of a fitted estimator, or of its weights and biases.

    Of a pipeline it is that of the last step, and of several estimators their sum. A constant one has none.
    """
    if hasattr(fitted, "steps"):
        return n_trained(fitted[-1])
    if hasattr(fitted, "estimators"):
        return sum(map(n_trained, fitted.estimators))
    if hasattr(fitted, "support_"):
        return len(fitted.support_)
    return int(fitted.coef_.size + np.size(fitted.intercept_)) if hasattr(fitted, "coef_") else 0


@dataclass(eq=False)
class GridBaseline:
    """Scikit-learn estimator with settings chosen on validation score; the first of equals wins."""

    name: str  # as in tables
    make: Callable[..., Any]  # estimator of settings
    grid: list[dict[str, Any]]  # settings, the most regularised first
    count: Callable[[Any], int] = n_trained  # trained parameters of a fitted estimator
    # further numbers of a fitted estimator, for its settings; None: none
    stored: Callable[[Any], int] | None = None
    _: KW_ONLY
    most: bool = False  # choose the most parameters first, and validation accuracy among equals
    settings: dict[str, Any] = field(default_factory=dict, init=False)
    # of each setting, after `fit`: the parameters if `most`, else 0, and the sum of the texts' scores
    scores: list[tuple[float, float]] = field(default_factory=list, init=False)
    # Ctrl-C during a search ends the whole run
    interrupted: bool = field(default=False, init=False)
    estimator: Any = field(default=None, init=False)  # the chosen one; None before `fit`

    def kept(self, config: RunConfig) -> Self:
        """Keep ``baselines.points`` settings in their order, drawn by the seed, or all if there are fewer."""
        n, count = len(self.grid), config.baselines.points
        if count is not None:
            rows = drawn(n, count, config.seed, "settings", self.name)
            self.grid = [self.grid[row] for row in rows]
        return self

    def choose(self, fitted: Sequence[Self]) -> None:
        """Keep the setting with the highest sum of scores of copies that were fitted on folds, the first of equals."""
        totals = np.sum([each.scores for each in fitted], axis=0).tolist()
        self.grid = [self.grid[totals.index(max(totals))]]

    def fit(self, train: Examples, validation: Examples) -> None:
        """Fit every setting on ``train``, and keep the best on ``validation``."""
        # takes a second, and predictions do not need it
        from sklearn.exceptions import ConvergenceWarning

        held = validation.relative
        weights = {} if held is None else {"sample_weight": held.numpy()}
        best, self.scores = (-1, -np.inf), []
        # small fits: threads cost more than they give
        with warnings.catch_warnings(), threadpool_limits(1):
            # iteration limits in the paper's grid are meant to stop early
            warnings.simplefilter("ignore", ConvergenceWarning)
            # OpenBLAS, of some products of finite numbers (numpy's issue 24067)
            warnings.filterwarnings("ignore", ".* encountered in matmul", RuntimeWarning)
            estimator, fitted = None, {}
            for settings in self.grid:
                if estimator is not None and _same_again(estimator, fitted, settings):
                    self.scores.append(self.scores[-1])
                    continue
                fitted = settings
                estimator = _fitted(self.make(**settings), train)
                found = estimator.score(validation.x.numpy(), validation.y.numpy(), **weights)
                score = (self.count(estimator) if self.most else 0, float(found))
                self.scores.append((score[0], round(score[1] * validation.size, 9)))
                if score > best:
                    best, self.estimator, self.settings = score, estimator, settings
        if self.stored:
            self.settings = {**self.settings, "stored": self.stored(self.estimator)}

    def predict(self, x: NDArray[np.float32]) -> NDArray[Any]:
        """Return labels (N,) or values (N, T) of embeddings (N, D)."""
        found = np.asarray(self.estimator.predict(x))
        real = found.dtype.kind == "f"
        return found.astype(np.float64).reshape(len(x), -1) if real else found.astype(np.int64)

    def probabilities(self, x: NDArray[np.float32]) -> NDArray[np.floating] | None:
        """Return probabilities (N, k) of embeddings (N, D), or None if the estimator has none."""
        of_labels = getattr(self.estimator, "predict_proba", None)
        return None if of_labels is None else np.asarray(of_labels(x))

    def exact_score(self, examples: Examples) -> None:
        """Return None: no circuit, no noise."""

    @property
    def n_parameters(self) -> int:
        """Return the number of trained parameters of the chosen estimator."""
        return self.count(self.estimator)


def _fitted(estimator: Any, train: Examples) -> Any:
    """Return the estimator after its fit, with the weights of the texts if they have any."""
    if train.relative is None:
        return estimator.fit(train.x.numpy(), train.y.numpy())
    last = f"{estimator.steps[-1][0]}__" if hasattr(estimator, "steps") else ""
    weights = {f"{last}sample_weight": train.relative.numpy()}
    return estimator.fit(train.x.numpy(), train.y.numpy(), **weights)


def _same_again(estimator: Any, fitted: dict[str, Any], settings: dict[str, Any]) -> bool:
    """Return whether ``settings`` only raise an iteration limit that was not reached, so the fit would be the same."""
    limit = fitted.get("max_iter")
    if limit is None or fitted | {"max_iter": settings.get("max_iter")} != settings:
        return False
    return bool(settings["max_iter"] >= limit > np.max(getattr(estimator, "n_iter_", limit)))


def points(values: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Return the points of a grid; the value of the last setting changes first."""
    from sklearn.model_selection import ParameterGrid

    return list(ParameterGrid(values))


def logistic_regression(grid: Grid) -> GridBaseline:
    """Return logistic regression of table IX (its rows "penalty" and "C" are printed swapped) by lbfgs."""
    from sklearn.linear_model import LogisticRegression

    strengths: list[float | None] = [0.1, 0.3, 1.0, 3.0, 10.0]
    values: dict[str, list[Any]] = {"C": strengths, "class_weight": [None], "max_iter": [200]}
    if grid == "paper":
        # None replaces an infinite C in the record, because JSON has no infinity
        strengths = [*np.arange(0.3, 9.901, 0.05).round(2).tolist(), None]
        values = {"C": strengths, "class_weight": [None, "balanced"], "max_iter": [50, 100, 200]}
    return GridBaseline(
        LOGISTIC_REGRESSION.label,
        lambda **s: LogisticRegression(**{**s, "C": np.inf if s["C"] is None else s["C"]}),
        points(values),
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
    return GridBaseline(label, lambda **s: SVC(kernel="rbf", **s), points(values), most=most)


def ridge_regression(grid: Grid) -> GridBaseline:
    """Return ridge regression; the penalty is that of embeddings of length 1."""
    from sklearn.linear_model import Ridge

    strengths = np.logspace(2, -2, 5 if grid == "small" else 17).tolist()
    return GridBaseline(RIDGE.label, Ridge, points({"alpha": strengths}))


class ScaledSVR:
    """One SVR with an RBF kernel per target, each scaled to mean 0 and deviation 1."""

    def __init__(self, **settings: Any) -> None:
        self._settings = settings

    def fit(self, x: NDArray[np.float32], y: Floats) -> Self:
        """Fit on embeddings (N, D) and targets (N, T)."""
        from sklearn.svm import SVR

        self.mean_ = y.mean(axis=0)
        self.deviation_ = np.where(np.ptp(y, axis=0) > 0, y.std(axis=0), 1.0)
        targets = ((y - self.mean_) / self.deviation_).T
        self.estimators = [SVR(kernel="rbf", **self._settings).fit(x, each) for each in targets]
        return self

    def predict(self, x: NDArray[np.float32]) -> Floats:
        """Return values (N, T)."""
        found = np.stack([each.predict(x) for each in self.estimators], axis=1)
        return np.asarray(found * self.deviation_ + self.mean_)

    def score(self, x: NDArray[np.float32], y: Floats) -> float:
        """Return R², the mean over the targets."""
        return float(r2(y, self.predict(x)).mean())


def support_vector_regression(grid: Grid) -> GridBaseline:
    """Return support vector regression with an RBF kernel."""
    values = {"C": [0.1, 1.0, 10.0], "epsilon": [0.1]}
    if grid == "paper":
        strengths = [m * 10.0**e for e in range(-2, 2) for m in (1, 3)] + [100.0]
        values = {"C": strengths, "epsilon": [0.03, 0.1, 0.3]}
    return GridBaseline(SUPPORT_VECTOR_REGRESSION.label, ScaledSVR, points(values))


class OneVersusRest:
    """Scikit-learn's `OneVsRestClassifier` with scores, probabilities or distances, over their usual threshold."""

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator

    def fit(self, x: NDArray[np.float32], y: NDArray[np.int64]) -> Self:
        """Fit a classifier per label on embeddings (N, D) and labels (N, L)."""
        from sklearn.multiclass import OneVsRestClassifier

        self._fitted = OneVsRestClassifier(self._estimator).fit(x, y)
        self.estimators = list(self._fitted.estimators_)
        return self

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
        of_labels = self._fitted.predict_proba if self.usual_threshold else self.decision_function
        return np.asarray(of_labels(x), np.float64)

    def decision_function(self, x: NDArray[np.float32]) -> Floats:
        """Return distances (N, L) from the boundary."""
        return np.asarray(self._fitted.decision_function(x))

    def score(self, x: NDArray[np.float32], y: NDArray[np.int64]) -> float:
        """Return macro-F1."""
        return macro_f1(y, self.scores(x) >= self.usual_threshold)


@dataclass(eq=False)
class GridOneVersusRest(GridBaseline):
    """One-versus-rest classifiers with settings chosen by macro-F1 on the validation texts, the same for all labels."""

    _: KW_ONLY
    tuned_thresholds: bool = False  # choose them on the validation texts
    thresholds: Floats | None = field(default=None, init=False)  # None: the usual ones

    def fit(self, train: Examples, validation: Examples) -> None:
        """Fit every setting on ``train``, and keep the best, and thresholds, on ``validation``."""
        super().fit(train, validation)
        if self.tuned_thresholds:
            scores = self.estimator.scores(validation.x.numpy())
            usual = self.estimator.usual_threshold
            self.thresholds = best_thresholds(scores, validation.y.numpy(), usual)
            self.settings = {**self.settings, "thresholds": self.thresholds.tolist()}

    @property
    def least_probabilities(self) -> tuple[float, ...] | None:
        """Return the thresholds as probabilities, sigmoids of distances; None if they were not chosen."""
        if self.thresholds is None:
            return None
        usual = self.estimator.usual_threshold
        found = self.thresholds if usual else 1.0 / (1.0 + np.exp(-self.thresholds))
        return tuple(found.tolist())

    def predict(self, x: NDArray[np.float32]) -> NDArray[Any]:
        """Return the leads (N, L) of the labels' scores over their thresholds."""
        usual, chosen = self.estimator.usual_threshold, self.thresholds
        return np.asarray(self.estimator.scores(x) - (usual if chosen is None else chosen))


def _one_versus_rest(
    label: str, of_one_label: Callable[[Grid], GridBaseline], most_texts: int | None = None
) -> Baseline:
    def make(config: RunConfig, *_: int) -> GridOneVersusRest:
        one = of_one_label(config.baselines.grid)
        return GridOneVersusRest(
            label,
            lambda **settings: OneVersusRest(one.make(**settings)),
            one.grid,
            tuned_thresholds=config.train.thresholds == "validation",
        ).kept(config)

    return Baseline(label, make, tuned=True, tasks=("multilabel",), most_texts=most_texts)


LOGISTIC_REGRESSION = Baseline.of_grid("logistic regression", logistic_regression)
SUPPORT_VECTORS = Baseline.of_grid("SVC", support_vectors, most_texts=MOST_SUPPORTED)
FULL_SVC = Baseline.of_grid(
    "SVC (most vectors)", lambda grid: support_vectors(grid, most=True), most_texts=MOST_SUPPORTED
)
RIDGE = Baseline.of_grid("ridge regression", ridge_regression, ("regression",))
SUPPORT_VECTOR_REGRESSION = Baseline.of_grid(
    "SVR", support_vector_regression, ("regression",), MOST_SUPPORTED
)
LOGISTIC_REGRESSION_OVR = _one_versus_rest(
    "logistic regression, one-versus-rest", logistic_regression
)
SVC_OVR = _one_versus_rest("SVC, one-versus-rest", support_vectors, MOST_SUPPORTED)


class WordBaseline(GridBaseline):
    """Logistic regression on vectors of words, see `word_body`, in place of those of the run's body."""


# a vector has as many entries as there are words, so their memory is limited as that of support vectors
@baseline("TF-IDF + logistic regression", tuned=True, most_texts=MOST_SUPPORTED)
def tfidf(config: RunConfig, *_: int) -> WordBaseline:
    """Return logistic regression on words."""
    like = logistic_regression(config.baselines.grid)
    return WordBaseline(tfidf.label, like.make, like.grid).kept(config)
