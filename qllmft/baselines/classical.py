"""Logistic regression and support vectors on the grids of tables VIII and IX."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from qllmft.baselines.head import MOST_SUPPORTED, Baseline, Grid
from qllmft.randomness import drawn

if TYPE_CHECKING:
    from qllmft.config import RunConfig
    from qllmft.training import Examples


@dataclass(eq=False)
class GridBaseline:
    """Scikit-learn classifier with settings chosen on validation accuracy; the first of equals wins."""

    name: str  # as in tables
    make: Callable[..., Any]  # estimator of settings
    grid: list[dict[str, Any]]  # settings, the most regularised first
    count: Callable[[Any], int]  # trained parameters of a fitted estimator
    # further numbers of a fitted estimator, for its settings; None: none
    stored: Callable[[Any], int] | None = None
    _: KW_ONLY
    most: bool = False  # choose the most parameters first, and validation accuracy among equals
    settings: dict[str, Any] = field(default_factory=dict, init=False)
    # Ctrl-C during a search ends the whole run
    interrupted: bool = field(default=False, init=False)
    _best: Any = field(default=None, init=False)

    def kept(self, config: RunConfig) -> Self:
        """Keep ``baselines.points`` settings in their order, drawn by the seed, or all if there are fewer."""
        n, count = len(self.grid), config.baselines.points
        if count is not None:
            rows = drawn(n, count, config.seed, "settings", self.name)
            self.grid = [self.grid[row] for row in rows]
        return self

    def fit(self, train: Examples, validation: Examples) -> None:
        """Fit every setting on ``train``, and keep the best on ``validation``."""
        # takes a second, and predictions do not need it
        from sklearn.exceptions import ConvergenceWarning

        best = (-1, -np.inf)
        # small fits: threads cost more than they give
        with warnings.catch_warnings(), threadpool_limits(1):
            # iteration limits in the paper's grid are meant to stop early
            warnings.simplefilter("ignore", ConvergenceWarning)
            # OpenBLAS, of some products of finite numbers (numpy's issue 24067)
            warnings.filterwarnings("ignore", ".* encountered in matmul", RuntimeWarning)
            estimator, fitted = None, {}
            for settings in self.grid:
                if estimator is not None and _same_again(estimator, fitted, settings):
                    continue
                fitted = settings
                estimator = _fitted(self.make(**settings), train)
                weights = (
                    {}
                    if validation.relative is None
                    else {"sample_weight": validation.relative.numpy()}
                )
                accuracy = float(
                    estimator.score(validation.x.numpy(), validation.y.numpy(), **weights)
                )
                score = (self.count(estimator) if self.most else 0, accuracy)
                if score > best:
                    best, self._best, self.settings = score, estimator, settings
        if self.stored:
            self.settings = {**self.settings, "stored": self.stored(self._best)}

    @property
    def estimator(self) -> Any:
        """Return the chosen estimator, or None before `fit`."""
        return self._best

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return labels (N,) of embeddings (N, D)."""
        return np.asarray(self._best.predict(x), np.int64)

    def probabilities(self, x: NDArray[np.float32]) -> NDArray[np.floating] | None:
        """Return probabilities (N, k) of embeddings (N, D), or None if the estimator has none."""
        of_labels = getattr(self._best, "predict_proba", None)
        return None if of_labels is None else np.asarray(of_labels(x))

    def exact_score(self, examples: Examples) -> None:
        """Return None: no circuit, no noise."""

    @property
    def n_parameters(self) -> int:
        """Return the number of trained parameters of the chosen estimator."""
        return self.count(self._best)


def _fitted(estimator: Any, train: Examples) -> Any:
    """Return the estimator after its fit, with the weights of the texts if they have any."""
    if train.relative is None:
        return estimator.fit(train.x.numpy(), train.y.numpy())
    last = f"{estimator.steps[-1][0]}__" if hasattr(estimator, "steps") else ""
    return estimator.fit(
        train.x.numpy(), train.y.numpy(), **{f"{last}sample_weight": train.relative.numpy()}
    )


def _same_again(estimator: Any, fitted: dict[str, Any], settings: dict[str, Any]) -> bool:
    """Return whether ``settings`` only raise an iteration limit that was not reached, so the fit would be the same."""
    limit = fitted.get("max_iter")
    if limit is None or fitted | {"max_iter": settings.get("max_iter")} != settings:
        return False
    return bool(settings["max_iter"] >= limit > np.max(getattr(estimator, "n_iter_", limit)))


def logistic_regression(grid: Grid) -> GridBaseline:
    """Return logistic regression of table IX (its rows "penalty" and "C" are printed swapped) by lbfgs."""
    from sklearn.linear_model import LogisticRegression

    strengths = (
        [0.1, 0.3, 1.0, 3.0, 10.0]
        if grid == "small"
        else [*np.arange(0.3, 9.901, 0.05).round(2), None]
    )
    limits = [200] if grid == "small" else [50, 100, 200]
    weights = [None] if grid == "small" else [None, "balanced"]
    settings = [
        {"C": c if c is None else float(c), "class_weight": weight, "max_iter": limit}
        for c, weight, limit in itertools.product(strengths, weights, limits)
    ]
    return GridBaseline(
        LOGISTIC_REGRESSION.label,
        # None replaces an infinite C in the record, because JSON has no infinity
        lambda **s: LogisticRegression(**{**s, "C": np.inf if s["C"] is None else s["C"]}),
        settings,
        weights_and_biases,
    )


def plain_logistic_regression(*_: object) -> GridBaseline:
    """Return logistic regression at C = 1, scikit-learn's default, without any choice on the validation texts."""
    from sklearn.linear_model import LogisticRegression

    settings = {"C": 1.0, "max_iter": 500}
    return GridBaseline(
        PLAIN_LOGISTIC_REGRESSION.label, LogisticRegression, [settings], weights_and_biases
    )


def weights_and_biases(fitted: Any) -> int:
    """Return the number of trained parameters of a fitted logistic regression."""
    return int(fitted.coef_.size + fitted.intercept_.size)


def support_vectors(grid: Grid, *, most: bool = False) -> GridBaseline:
    """Return a support vector classifier with an RBF kernel, table VIII.

    ``most`` chooses the most support vectors, as in the row SVC 435 of table II (all training texts).
    """
    from sklearn.svm import SVC

    strengths = (
        [0.5, 1.0, 5.0]
        if grid == "small"
        else [m * 10.0**e for e in range(-3, 2) for m in (1, 5)] + [100.0]
    )
    gammas = ["scale"] if grid == "small" else ["scale", "auto", 0.01, 0.1, 0.5, 1.0]
    settings = [{"C": c, "gamma": gamma} for c, gamma in itertools.product(strengths, gammas)]
    label = (FULL_SVC if most else SUPPORT_VECTORS).label
    return GridBaseline(
        label,
        lambda **s: SVC(kernel="rbf", **s),
        settings,
        lambda fitted: len(fitted.support_),
        most=most,
    )


LOGISTIC_REGRESSION = Baseline.of_grid("logistic regression", logistic_regression)
PLAIN_LOGISTIC_REGRESSION = Baseline(
    "logistic regression (C = 1)", plain_logistic_regression, tuned=False
)
SUPPORT_VECTORS = Baseline.of_grid("SVC", support_vectors, most_texts=MOST_SUPPORTED)
FULL_SVC = Baseline.of_grid(
    "SVC (most vectors)", lambda grid: support_vectors(grid, most=True), most_texts=MOST_SUPPORTED
)
