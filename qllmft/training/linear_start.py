"""Linear model of the loaded vectors, by scikit-learn, and how a head that starts at sines begins as that model.

Near 0 a sine is its angle. So outputs W sin(s B x) are those of a linear model with weights s W B, if each encoder
has one of its directions and the last layer has their lengths.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import nn

from qllmft.config import TrainConfig
from qllmft.heads import Classifier, QuantumHead
from qllmft.tasks import Task
from qllmft.tasks.regression import Regression
from qllmft.training.examples import Examples
from qllmft.training.ridge import Floats, OddMap, OddRows, Strength, loaded_vectors

STRENGTHS = tuple(10.0**e for e in range(-3, 5))  # of C for targets
OF_LABELS = (0.01, 0.1, 1.0, 10.0, 100.0)  # of C for several labels
FOLDS = 5
# C of uneven labels if one has fewer texts: with C = 1 their intercept outweighs the vectors,
# docs/decisions/0018-few-texts.md
FEW, OF_FEW = 50, 10.0
LOGISTIC_STEPS = 1000  # of logistic regression, at most
STEPS = 150  # of L-BFGS for one encoder, at most
MEMORY = 20  # number of steps in L-BFGS' memory
# root mean square of a latent angle at the start, in radians: labels need few shots, and targets a
# sine that is straight for far values too
ANGLE, OF_TARGETS = 0.4, 0.2


def start_at_linear(
    model: nn.Module, examples: Examples, config: TrainConfig, *, fresh: bool = True
) -> Strength:
    """Set encoders and final layer so that the outputs begin as those of a linear model, in place, and return its C.

    A model that does not start at sines stays as it is. So does one if a label has no texts.

    Args:
        model: odd encoders with their data map fitted, a quantum head and a linear layer.
        examples: training examples, with scaled targets if they are real.
        config: C of the ridge; "auto" is that of `linear_solution`.
        fresh: if False, the weights stay, and only C is found.
    """
    c = None if config.ridge_c == "auto" else config.ridge_c
    if not starts_at_sines(model):
        return 1.0 if c is None else c
    assert model.final is not None
    labels, task = examples.y.numpy(), examples.task
    if task.one_label and len(np.unique(labels)) < model.final.out_features:
        return 1.0 if c is None else c
    weight = None if examples.relative is None else examples.relative.double().numpy()
    slope, x = model.quantum_encoders.slope, loaded_vectors(model, examples.x)
    found = linear_solution(task, x / slope, labels, weight, c)
    if fresh:
        _put(model, found, x, slope, OF_TARGETS if task.real else ANGLE)
    return found.c


def starts_at_sines(model: nn.Module) -> TypeGuard[Classifier]:
    """Return whether a model has a quantum head that starts at sines."""
    head = model.head if isinstance(model, Classifier) else None
    return isinstance(head, QuantumHead) and head.start != "random"


@torch.no_grad()
def _put(model: Classifier, found: LinearSolution, x: Floats, slope: float, angle: float) -> None:
    """Put a linear model of vectors into encoders and final layer, in place.

    Args:
        model: odd encoders, a quantum head and a linear layer.
        found: the linear model, of x / ``slope``.
        x: loaded vectors (N, m).
        slope: of the loaded vector by the mapped embedding.
        angle: root mean square of a latent angle at the start, in radians.
    """
    assert model.final is not None
    odd_map = OddMap(model)
    directions, readout = assigned(found.weights / slope, model.final.in_features)
    first = 0
    for encoder, odd in zip(odd_map.encoders, odd_map.odd, strict=True):
        last = first + len(encoder.engine.masks)
        wanted = directions[first:last]
        encoder.theta.copy_(torch.from_numpy(turned(odd, encoder.theta.double().numpy(), wanted)))
        size = float(np.sqrt(np.square(x @ wanted.T).mean()))
        encoder.scale.fill_(angle / size if size > 0 else 1.0)
        readout[:, first:last] /= float(encoder.scale)
        first = last
    if getattr(model.head, "start", "") == "linear":
        return
    model.final.weight.copy_(torch.from_numpy(readout))
    model.final.bias.copy_(torch.from_numpy(found.bias))


def assigned(weights: Floats, n_values: int) -> tuple[Floats, Floats]:
    """Return a direction (Q, m) for each latent value, and weights (k, Q) with which they give a linear map (k, m).

    Each output has values of its own if there are enough, in turn from value 1 on; value 0 has no weight. Else the
    values are the principal directions of the map. Two outputs of opposite weights share all values.
    """
    k, used = len(weights), np.arange(1, n_values)
    opposite = k == 2 and np.array_equal(weights[0], -weights[1])
    rows = weights[:1] if opposite else weights
    if len(rows) > len(used):
        outputs, sizes, axes = np.linalg.svd(rows, full_matrices=False)
        directions, readout = axes[: len(used)], (outputs * sizes)[:, : len(used)]
    else:
        turn = np.arange(len(used)) % len(rows)
        lengths = np.linalg.norm(rows, axis=1)
        directions = (rows / np.where(lengths == 0, 1.0, lengths)[:, None])[turn]
        readout = (turn == np.arange(len(rows))[:, None]) * lengths[:, None]
        readout /= np.bincount(turn, minlength=len(rows))[:, None]
    if opposite:
        readout = np.concatenate([readout, -readout])
    return np.concatenate([directions[:1], directions]), np.pad(readout, ((0, 0), (1, 0)))


def turned(odd: OddRows, theta: Floats, directions: Floats) -> Floats:
    """Return weights (P,) of an encoder whose rows have the largest scalar products with directions (T, m).

    A row has a norm of 1 at most, so that a product of 1 is the direction itself.
    """

    def missed(vector: Floats) -> tuple[float, Floats]:
        return -float((odd.rows(vector) * directions).sum()), -odd.gradient(vector, directions)

    options: Any = {"maxiter": STEPS, "maxcor": MEMORY}
    return np.asarray(minimize(missed, theta, jac=True, method="L-BFGS-B", options=options).x)


# --- the linear model


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
    from sklearn.linear_model import LogisticRegression

    labels = y.astype(np.int64)
    if c is None:
        counts = np.unique(labels, return_counts=True)[1]
        c = OF_FEW if counts.min() < min(FEW, counts.max()) else 1.0
    model = LogisticRegression(C=c, max_iter=LOGISTIC_STEPS).fit(x, labels, weight)
    weights, bias = model.coef_, model.intercept_
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
            model = LogisticRegression(C=strengths[i], max_iter=LOGISTIC_STEPS)
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
            model = LogisticRegression(C=c, max_iter=LOGISTIC_STEPS)
            found = model.fit(x[rows], labels[rows], part).predict_proba(x[held])[:, 1]
            weighted = {"normalize": False, "sample_weight": rest, "labels": [0, 1]}
            losses[i] += log_loss(labels[held], found, **weighted)
    return OF_LABELS[int(losses.argmin())]


def _ridge(x: Floats, y: Floats, weight: Floats | None, c: float | None) -> LinearSolution:
    from sklearn.linear_model import Ridge, RidgeCV

    alphas = [1.0 / each for each in STRENGTHS]
    model = RidgeCV(alphas, alpha_per_target=True) if c is None else Ridge(1.0 / c)
    found = model.fit(x, y, weight)
    strength = 1.0 / np.atleast_1d(found.alpha_) if c is None else c
    return LinearSolution(np.atleast_2d(found.coef_), np.atleast_1d(found.intercept_), strength)
