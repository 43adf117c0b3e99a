"""Linear models of vectors by scikit-learn, from which a head starts, and the choice of their strength."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from qllmft.tasks import Task
from qllmft.tasks.multilabel import USUAL_THRESHOLD
from qllmft.tasks.regression import Regression
from qllmft.training.examples import Examples, weigh_classes
from qllmft.training.ridge import Floats, Strength, ridge_factor
from qllmft.training.search import (
    FOLDS,
    LOGISTIC_STRENGTHS,
    MAX_ITERATIONS,
    Judgement,
    Part,
    Settings,
    best_trial,
    judge_outputs,
    search_settings,
    with_class_weights,
)
from qllmft_base.native_threads import one_thread

OF_TARGETS = tuple(10.0**e for e in range(-3, 5))  # of C for targets
LABEL_STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)  # of C for several labels, by the loss
# C of uneven labels if one has fewer texts: with C = 1 their intercept outweighs the vectors,
# docs/decisions/0018-few-texts.md
FEW_TEXTS_PER_LABEL = 50
FEW_TEXTS_STRENGTH = 10.0
LOW_RANK_STEPS = 300  # of a linear model of low rank, at most


class LinearSolution(NamedTuple):
    """Outputs x·weights.T + bias of vectors x (N, m)."""

    weights: Floats  # (k, m)
    bias: Floats  # (k,)
    c: Strength  # of its ridge


def linear_solution(
    task: Task, x: Floats, y: NDArray[np.float64], weight: Floats | None, c: Strength | None
) -> LinearSolution:
    """Return the ridge, logistic or one-versus-rest logistic regression of a task.

    Args:
        task: its labels or targets.
        x: vectors (N, m).
        y: labels (N,), scaled targets (N, T) or several labels (N, L).
        weight: (N,) of the rows, or None for equal ones.
        c: C of scikit-learn; None: 1 for one label, or `FEW_TEXTS_STRENGTH` if labels are uneven and one has fewer
            than `FEW_TEXTS_PER_LABEL` texts; by cross-validation of the loss for several labels, and by generalised
            cross-validation for real targets.
    """
    if isinstance(task, Regression):
        return _fit_ridge(x, np.clip(y, -task.farthest, task.farthest), weight, c)
    fit = _fit_one_versus_rest if task.several else _fit_logistic
    # steps of L-BFGS are so small that threads of BLAS take five times as long, even of 16,000 texts
    with one_thread("blas"):
        return fit(x, y.astype(np.int64), weight, c)


def _fit_logistic(
    x: Floats, labels: NDArray[np.int64], weight: Floats | None, c: Strength | None
) -> LinearSolution:
    """Return a row for each label, opposite ones of two labels."""
    from sklearn.linear_model import LogisticRegression

    if c is None:
        counts = np.unique(labels, return_counts=True)[1]
        c = FEW_TEXTS_STRENGTH if counts.min() < min(FEW_TEXTS_PER_LABEL, counts.max()) else 1.0
    model = LogisticRegression(C=c, max_iter=MAX_ITERATIONS).fit(x, labels, weight)
    weights = model.coef_
    bias = model.intercept_
    if len(weights) == 1:
        weights = np.concatenate([-weights, weights]) / 2
        bias = np.array([-1, 1]) * bias / 2
    return LinearSolution(weights, bias, c)


def _fit_one_versus_rest(
    x: Floats, y: NDArray[np.int64], weight: Floats | None, c: Strength | None
) -> LinearSolution:
    """Return a row for each label; a label that all rows have, or none, has no weights."""
    from sklearn.linear_model import LogisticRegression

    weights = np.zeros((y.shape[1], x.shape[1]))
    bias = np.zeros(y.shape[1])
    if c is None:
        c = np.array([_choose_strength(x, labels, weight) for labels in y.T])
    strengths = np.broadcast_to(np.asarray(c, np.float64), y.shape[1])
    for i, labels in enumerate(y.T):
        if len(np.unique(labels)) > 1:
            model = LogisticRegression(C=strengths[i], max_iter=MAX_ITERATIONS)
            fitted_model = model.fit(x, labels, weight)
            weights[i] = fitted_model.coef_[0]
            bias[i] = fitted_model.intercept_[0]
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


def _choose_strength(x: Floats, labels: NDArray[np.int64], weight: Floats | None) -> float:
    """Return C of one label's least cross-validated loss, or 1 if there are not two folds."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.model_selection import StratifiedKFold

    (folds,) = fold_counts(labels[:, None])
    if folds < 2:
        return 1.0
    losses = np.zeros(len(LABEL_STRENGTHS))
    for fit_rows, held_out_rows in StratifiedKFold(folds).split(x, labels):
        fit_weights, held_out_weights = (
            (None, None) if weight is None else (weight[fit_rows], weight[held_out_rows])
        )
        for i, c in enumerate(LABEL_STRENGTHS):
            model = LogisticRegression(C=c, max_iter=MAX_ITERATIONS)
            probabilities = model.fit(x[fit_rows], labels[fit_rows], fit_weights).predict_proba(
                x[held_out_rows]
            )[:, 1]
            loss_options = {"normalize": False, "sample_weight": held_out_weights, "labels": [0, 1]}
            losses[i] += log_loss(labels[held_out_rows], probabilities, **loss_options)
    return LABEL_STRENGTHS[int(losses.argmin())]


def _fit_ridge(x: Floats, y: Floats, weight: Floats | None, c: Strength | None) -> LinearSolution:
    from sklearn.linear_model import Ridge, RidgeCV

    alphas = [1.0 / c_value for c_value in OF_TARGETS]
    model = RidgeCV(alphas, alpha_per_target=True) if c is None else Ridge(1.0 / c)
    fitted_model = model.fit(x, y, weight)
    strength = 1.0 / np.atleast_1d(fitted_model.alpha_) if c is None else c
    return LinearSolution(
        np.atleast_2d(fitted_model.coef_), np.atleast_1d(fitted_model.intercept_), strength
    )


def low_rank_solution(examples: Examples, solution: LinearSolution, rank: int) -> LinearSolution:
    """Return the linear model of a rank that is trained for it, with the loss and the ridge of a solution of full rank.

    It begins at the principal directions of that solution, which are far from the best ones of a small rank.

    Args:
        examples: vectors, with scaled targets if they are real.
        solution: of full rank, on these vectors.
        rank: number of directions, fewer than outputs.
    """
    k, m = solution.weights.shape
    outputs, sizes, axes = np.linalg.svd(solution.weights.astype(np.float64), full_matrices=False)
    roots = np.sqrt(sizes[:rank])
    start = [
        outputs[:, :rank] * roots,
        roots[:, None] * axes[:rank],
        solution.bias.astype(np.float64),
    ]
    shapes = [(k, rank), (rank, m), (k,)]
    x = examples.x.double()
    task = examples.task
    factor = torch.as_tensor(ridge_factor(task, k, solution.c) / (2 * examples.size))

    def parts(vector: Floats) -> list[torch.Tensor]:
        ends = np.cumsum([np.prod(shape) for shape in shapes])[:-1]
        pieces = np.split(vector, ends)
        return [torch.from_numpy(p.reshape(s)) for p, s in zip(pieces, shapes, strict=True)]

    def objective(vector: Floats) -> tuple[float, Floats]:
        readout, directions, bias = (part.requires_grad_() for part in parts(vector.copy()))
        weights = readout @ directions
        loss = task.loss(x @ directions.T @ readout.T + bias, examples.y, examples.relative)
        loss = loss + (factor * (weights**2).sum(dim=1)).sum()
        gradient = torch.autograd.grad(loss, (readout, directions, bias))
        return loss.item(), np.concatenate([part.numpy().ravel() for part in gradient])

    options: Any = {"maxiter": LOW_RANK_STEPS}
    first = np.concatenate([part.ravel() for part in start])
    solution_vector = minimize(objective, first, jac=True, method="L-BFGS-B", options=options).x
    readout, directions, bias = (part.numpy() for part in parts(solution_vector))
    return LinearSolution(readout @ directions, bias, solution.c)


# --- the choice of its strength


class LinearChoice(NamedTuple):
    """Settings of a linear model that the score that judges has chosen."""

    c: Strength
    balanced: bool  # all labels have the same total weight
    judgement: Judgement
    solutions: Sequence[LinearSolution]  # of each part that chose, without its held-out texts


def choose_linear(
    examples: Examples,
    parts: Sequence[Part],
    strengths: Sequence[Strength | None] = LOGISTIC_STRENGTHS,
    *,
    weighs_classes: bool = False,
    thresholds: bool = False,
) -> LinearChoice:
    """Return the C, and class weights of uneven labels, with the best answers to the texts that parts hold out.

    It is the search of logistic regression beside the head. Ridge regression has its own choice of C for each target.

    Args:
        examples: all training vectors, with scaled targets if they are real.
        parts: of these vectors, or the vectors with others that are held out.
        strengths: of C, from which the search goes on; a single one is kept, and None is the rule of `linear_solution`.
        weighs_classes: search class weights, too, if labels are uneven.
        thresholds: of several labels, those of the highest F1 count in place of the usual ones.
    """
    task = examples.task
    labels = examples.y.numpy()
    solutions: list[tuple[Settings, list[LinearSolution]]] = []

    def judge(settings: Settings) -> Judgement:
        train_sets = [part.train for part in parts]
        if settings.get("class_weight") is not None:
            train_sets = [weigh_classes(train, train) for train in train_sets]
        fitted = [solve_linear(train, settings["C"]) for train in train_sets]
        solutions.append((settings, fitted))
        answers = [
            _answer_held_out(task, solution, part.held_out, thresholds=thresholds)
            for solution, part in zip(fitted, parts, strict=True)
        ]
        truth = [part.held_out.y.numpy() for part in parts]
        usual_threshold = USUAL_THRESHOLD if thresholds else None
        return judge_outputs(task, labels, truth, answers, usual_threshold)

    grid: list[Settings] = [{"C": c} for c in ((None,) if task.real else strengths)]
    if weighs_classes and examples.uneven:
        grid = with_class_weights(grid)
    best = best_trial(search_settings(grid, judge, "C"))
    fitted = next(fitted for settings, fitted in solutions if settings is best.settings)
    c = best.settings["C"]
    balanced = best.settings.get("class_weight") is not None
    strength = solve_linear(examples, None).c if c is None else c
    return LinearChoice(strength, balanced, best.judgement, fitted)


def solve_linear(examples: Examples, c: Strength | None) -> LinearSolution:
    """Return the `linear_solution` of vectors, with their weights if they have any.

    C counts a vector as often as its weight says, as the ridge of the training does.
    """
    weight = None if examples.weight is None else examples.weight.double().numpy()
    return linear_solution(examples.task, examples.x.numpy(), examples.y.numpy(), weight, c)


def _answer_held_out(
    task: Task, solution: LinearSolution, held_out: Examples, *, thresholds: bool
) -> NDArray[np.generic]:
    """Return a solution's answers to held-out vectors, or probabilities of several labels for thresholds."""
    outputs = torch.from_numpy(held_out.x.numpy() @ solution.weights.T + solution.bias)
    probabilities = task.probabilities(outputs) if thresholds else None
    return task.answers(outputs) if probabilities is None else probabilities
