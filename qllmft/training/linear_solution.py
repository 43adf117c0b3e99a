"""Linear models of the loaded vectors with the task's own loss, by scikit-learn: the start of a head's training."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qllmft.tasks import Task
from qllmft.tasks.regression import Regression

Floats = NDArray[np.float64]
Strength = float | Floats  # C, or one of each output (k,)

STRENGTHS = tuple(10.0**e for e in range(-3, 5))  # of C for targets
OF_LABELS = (0.01, 0.1, 1.0, 10.0, 100.0)  # of C for several labels
FOLDS = 5
# C of uneven labels if one has fewer texts: with C = 1 their intercept outweighs the vectors,
# docs/decisions/0018-few-texts.md
FEW, OF_FEW = 50, 10.0
STEPS = 1000  # of logistic regression, at most


class LinearSolution(NamedTuple):
    """Outputs x·weights.T + bias of vectors x (N, m)."""

    weights: Floats  # (k, m)
    bias: Floats  # (k,)
    c: Strength  # of its ridge


def linear_solution(
    task: Task, x: Floats, y: NDArray[np.float64], weight: Floats | None, c: float | None
) -> LinearSolution:
    """Return the ridge, logistic or one-versus-rest logistic regression of a task.

    Args:
        task: its labels or targets.
        x: vectors (N, m).
        y: labels (N,), scaled targets (N, T) or several labels (N, L).
        weight: (N,) of the rows, or None for equal ones.
        c: C of scikit-learn; None: 1 for one label, or `OF_FEW` if labels are uneven and one has fewer than `FEW`
            texts; by cross-validation of the loss for several labels, and by generalised cross-validation for real
            targets.
    """
    if isinstance(task, Regression):
        return _ridge(x, np.clip(y, -task.farthest, task.farthest), weight, c)
    if task.several:
        return _one_versus_rest(x, y.astype(np.int64), weight, c)
    labels = y.astype(np.int64)
    if c is None:
        counts = np.unique(labels, return_counts=True)[1]
        c = OF_FEW if counts.min() < min(FEW, counts.max()) else 1.0
    return _logistic(x, labels, weight, c)


def _logistic(x: Floats, y: NDArray[np.int64], weight: Floats | None, c: float) -> LinearSolution:
    from sklearn.linear_model import LogisticRegression

    found = LogisticRegression(C=c, max_iter=STEPS).fit(x, y, weight)
    weights, bias = found.coef_, found.intercept_
    if len(weights) == 1:
        weights, bias = np.concatenate([-weights, weights]) / 2, np.array([-1, 1]) * bias / 2
    return LinearSolution(weights, bias, c)


def _one_versus_rest(
    x: Floats, y: NDArray[np.int64], weight: Floats | None, c: float | None
) -> LinearSolution:
    """Return a row for each label; a label that all rows have, or none, has no weights."""
    from sklearn.linear_model import LogisticRegression

    weights, bias = np.zeros((y.shape[1], x.shape[1])), np.zeros(y.shape[1])
    strengths = np.ones(y.shape[1])
    for i, labels in enumerate(y.T):
        strengths[i] = _strength(x, labels, weight) if c is None else c
        if len(np.unique(labels)) > 1:
            model = LogisticRegression(C=strengths[i], max_iter=STEPS)
            found = model.fit(x, labels, weight)
            weights[i], bias[i] = found.coef_[0], found.intercept_[0]
        else:
            share = (labels.sum() + 0.5) / (len(labels) + 1)
            bias[i] = np.log(share / (1 - share))
    return LinearSolution(weights, bias, strengths)


def fold_counts(y: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of folds (L,) in which C of each label of ``y`` (N, L) is chosen; less than 2: C is 1.

    A label that fewer than `FOLDS` rows have, or do not have, has as many folds as there are such rows.
    """
    with_label = y.sum(axis=0)
    return np.asarray(np.minimum(FOLDS, np.minimum(with_label, len(y) - with_label)))


def _strength(x: Floats, labels: NDArray[np.int64], weight: Floats | None) -> float:
    """Return C of one label's least cross-validated loss, or 1 if there are not two folds."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.model_selection import StratifiedKFold

    (folds,) = fold_counts(labels[:, None])
    if folds < 2:
        return 1.0
    losses = np.zeros(len(OF_LABELS))
    for rows, held in StratifiedKFold(folds).split(x, labels):
        part, rest = (None, None) if weight is None else (weight[rows], weight[held])
        for i, c in enumerate(OF_LABELS):
            fitted = LogisticRegression(C=c, max_iter=STEPS).fit(x[rows], labels[rows], part)
            found = fitted.predict_proba(x[held])[:, 1]
            losses[i] += log_loss(
                labels[held], found, normalize=False, sample_weight=rest, labels=[0, 1]
            )
    return OF_LABELS[int(losses.argmin())]


def _ridge(x: Floats, y: Floats, weight: Floats | None, c: float | None) -> LinearSolution:
    from sklearn.linear_model import Ridge, RidgeCV

    alphas = [1.0 / each for each in STRENGTHS]
    model = RidgeCV(alphas, alpha_per_target=True) if c is None else Ridge(1.0 / c)
    found = model.fit(x, y, weight)
    strength = 1.0 / np.atleast_1d(found.alpha_) if c is None else c
    return LinearSolution(np.atleast_2d(found.coef_), np.atleast_1d(found.intercept_), strength)
