"""Linear model of the loaded vectors, by scikit-learn, and how a head that starts at sines begins as that model.

Near 0 a sine is its angle. So outputs W sin(s B x) are those of a linear model with weights s W B, if each encoder
has one of its directions and the last layer has their lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeGuard

import numpy as np
import torch
from scipy.optimize import minimize
from torch import nn

from qllmft.config import TrainConfig
from qllmft.heads import Classifier, QuantumHead
from qllmft.heads.odd_rows import LatentMap, OddRows
from qllmft.heads.sines import sine_values
from qllmft.training.examples import Examples, weigh_classes
from qllmft.training.linear_model import (
    LinearChoice,
    LinearSolution,
    choose_linear,
    low_rank_solution,
    solve_linear,
)
from qllmft.training.ridge import Floats, Strength, loaded_vectors
from qllmft.training.search import LOGISTIC_STRENGTHS, Part, split_examples
from qllmft_base.native_threads import one_thread

MAX_ENCODER_STEPS = 150  # of L-BFGS for one encoder, at most
LBFGS_MEMORY = 20  # number of steps in L-BFGS' memory
# root mean square of a latent angle at the start, in radians: labels need few shots, and targets a
# sine that is straight for far values too
LABEL_START_ANGLE = 0.4
TARGET_START_ANGLE = 0.2
# largest latent angle of a training text at the start, in radians: a sine falls again beyond it, and the texts of a
# rare label are far from the others
LARGEST_START_ANGLE = np.pi / 2


class LinearStart(NamedTuple):
    """Choices of a training that starts at a linear model."""

    c: Strength  # of the ridge
    examples: Examples  # training examples, with class weights if these were chosen
    # None if C was given, or follows from a rule or from the loss
    choice: LinearChoice | None = None
    # folds that chose, as latent angles of the linear models of their training texts, up to a factor
    latent_folds: Sequence[Part] = ()

    @property
    def settings(self) -> dict[str, Any]:
        """Return what was chosen by the score that judges."""
        if self.choice is None:
            return {}
        weighted = {"class_weight": "balanced"} if self.choice.balanced else {}
        return {"C": np.asarray(self.choice.c).tolist(), **weighted}


def start_at_linear(
    model: nn.Module,
    examples: Examples,
    config: TrainConfig,
    *,
    validation: Examples | None = None,
    fresh: bool = True,
) -> LinearStart:
    """Set encoders and final layer so that the outputs begin as those of a linear model, in place; return its choices.

    A model without such a start stays as it is. So does one if a label has no texts.

    Args:
        model: odd encoders with their data map fitted, a quantum head and a linear layer.
        examples: training examples, with scaled targets if they are real.
        config: C of the ridge, or how it is chosen.
        validation: examples that choose C if ``config`` says so; None: none are left for it.
        fresh: if False, the weights stay, and only the choices are made.
    """
    c: Strength | None = None if isinstance(config.ridge_c, str) else config.ridge_c
    start = LinearStart(1.0 if c is None else c, examples)
    if not starts_at_linear(model):
        return start
    assert model.final is not None
    assert isinstance(model.head, QuantumHead)
    n_values = model.final.in_features
    labels = examples.y.numpy()
    task = examples.task
    if task.one_label and len(np.unique(labels)) < model.final.out_features:
        return start
    slope = model.quantum_encoders.slope
    x = loaded_vectors(model, examples.x)
    vectors = replace(examples, x=torch.from_numpy(x / slope))
    searches = config.ridge_c in ("folds", "validation")
    parts: list[Part] = []
    if config.ridge_c == "validation":
        if validation is not None:
            held_out_vectors = torch.from_numpy(loaded_vectors(model, validation.x) / slope)
            parts = [Part(vectors, replace(validation, x=held_out_vectors))]
    elif config.ridge_c == "folds" or _has_choice_beside_strength(examples, config):
        parts = split_examples(vectors)
    if parts:
        choice = choose_linear(
            vectors,
            parts,
            LOGISTIC_STRENGTHS if searches else (c,),
            weighs_classes=config.class_weight == "auto",
            thresholds=task.several and config.thresholds != "half",
        )
        c = choice.c
        if choice.balanced:
            vectors = weigh_classes(vectors, vectors)
            examples = weigh_classes(examples, examples)
        start = LinearStart(choice.c, examples, choice)
        if config.ridge_c != "validation" and model.head.start == "sines":
            folds = _latent_folds(parts, choice, n_values, model.head.registers)
            start = start._replace(latent_folds=folds)
    solution = solve_linear(vectors, c)
    rank = len(sine_values(n_values, model.head.registers))
    is_narrow = rank < len(solution.weights) - _are_opposite(solution.weights)
    if is_narrow:
        solution = low_rank_solution(vectors, solution, rank)
    if fresh:
        usual = TARGET_START_ANGLE if task.real else LABEL_START_ANGLE
        _load_solution(model, solution, x, slope, config.start_angle or usual)
    strength = solution.c
    if is_narrow and model.head.start == "sines":
        strength = _strength_of_shared_values(solution.weights, solution.c, rank)
    return start._replace(c=strength)


def _strength_of_shared_values(weights: Floats, c: Strength, rank: int) -> Floats:
    """Return C of each output (k,) with which the head's ridge is that of the linear model that it starts at.

    The ridge bounds a sum of slopes by the sum of their sizes. It is several times too large if outputs share values.
    """
    outputs, sizes, _ = np.linalg.svd(weights, full_matrices=False)  # the axes have length 1
    bounds = np.square(np.abs(outputs * sizes)[:, :rank].sum(axis=1))
    squares = np.square(weights).sum(axis=1)
    return np.asarray(c * bounds / np.where(squares == 0, 1.0, squares))


def _has_choice_beside_strength(examples: Examples, config: TrainConfig) -> bool:
    """Return whether thresholds of several labels, or class weights of uneven ones, are chosen at a given C."""
    if examples.task.several:
        return config.thresholds == "auto"
    return config.class_weight == "auto" and examples.uneven


def _latent_folds(
    parts: Sequence[Part], choice: LinearChoice, n_values: int, registers: int
) -> list[Part]:
    """Return folds with the latent values that the linear models of their training texts start from."""
    folds = []
    for part, solution in zip(parts, choice.solutions, strict=True):
        train = weigh_classes(part.train, part.train) if choice.balanced else part.train
        directions = torch.from_numpy(
            split_into_directions(solution.weights, n_values, registers)[0].T
        )
        train, held_out = (
            replace(rows, x=(rows.x @ directions).float()) for rows in (train, part.held_out)
        )
        folds.append(Part(train, held_out))
    return folds


def starts_at_linear(model: nn.Module) -> TypeGuard[Classifier]:
    """Return whether a model has a quantum head, and starts at a linear model."""
    head = model.head if isinstance(model, Classifier) else None
    return isinstance(head, QuantumHead) and head.start != "random"


@torch.no_grad()
def _load_solution(
    model: Classifier, solution: LinearSolution, x: Floats, slope: float, angle: float
) -> None:
    """Put a linear model of vectors into encoders and final layer, in place.

    Args:
        model: odd encoders, a quantum head and a linear layer.
        solution: the linear model, of x / ``slope``.
        x: loaded vectors (N, m).
        slope: of the loaded vector by the mapped embedding.
        angle: root mean square of a latent angle at the start, in radians.
    """
    assert model.final is not None
    latent_map = LatentMap(model.quantum_encoders.encoders)
    assert isinstance(model.head, QuantumHead)
    registers = model.head.registers
    directions, readout = split_into_directions(
        solution.weights / slope, model.final.in_features, registers
    )
    # a step of L-BFGS is so small that threads of BLAS take ten times its time
    with one_thread("blas"):
        _fit_encoders(latent_map, directions)
    first = 0
    for encoder in latent_map.encoders:
        last = first + len(encoder.engine.masks)
        target_directions = directions[first:last]
        mean_product = float(np.sqrt(np.square(x @ target_directions.T).mean()))
        largest_product = float(np.abs(x @ target_directions.T).max())
        scale = (
            min(angle / mean_product, LARGEST_START_ANGLE / largest_product)
            if mean_product > 0
            else 1.0
        )
        encoder.scale.fill_(scale)
        readout[:, first:last] /= float(encoder.scale)
        first = last
    if model.head.start == "linear":
        return
    model.final.weight.copy_(torch.from_numpy(readout))
    model.final.bias.copy_(torch.from_numpy(solution.bias))


def _fit_encoders(latent_map: LatentMap, directions: Floats) -> None:
    """Fit the angles of each encoder until its rows are its directions (Q, m), in place."""
    first = 0
    for encoder, odd_rows in zip(latent_map.encoders, latent_map.encoder_rows, strict=True):
        last = first + len(encoder.engine.masks)
        theta = fit_encoder_angles(odd_rows, encoder.theta.double().numpy(), directions[first:last])
        encoder.theta.copy_(torch.from_numpy(theta))
        first = last


def split_into_directions(
    weights: Floats, n_values: int, registers: int = 1
) -> tuple[Floats, Floats]:
    """Return a direction (Q, m) for each latent value, and weights (k, Q) with which they give a linear map (k, m).

    Each output has values of its own if there are enough, in turn from value 1 on; value 0 of a register has no weight,
    and the direction of value 1. Else the values are the principal directions of the map. Two outputs of opposite
    weights share all values.
    """
    value_indices = np.array(sine_values(n_values, registers))
    opposite = _are_opposite(weights)
    rows = weights[:1] if opposite else weights
    if len(rows) > len(value_indices):
        outputs, sizes, axes = np.linalg.svd(rows, full_matrices=False)
        directions = axes[: len(value_indices)]
        readout = (outputs * sizes)[:, : len(value_indices)]
    else:
        output_indices = np.arange(len(value_indices)) % len(rows)
        lengths = np.linalg.norm(rows, axis=1)
        directions = (rows / np.where(lengths == 0, 1.0, lengths)[:, None])[output_indices]
        readout = (output_indices == np.arange(len(rows))[:, None]) * lengths[:, None]
        readout /= np.bincount(output_indices, minlength=len(rows))[:, None]
    if opposite:
        readout = np.concatenate([readout, -readout])
    width = n_values // registers
    by_register = directions.reshape(registers, width - 1, -1)
    all_directions = np.concatenate([by_register[:, :1], by_register], axis=1)
    all_weights = np.zeros((len(readout), n_values))
    all_weights[:, value_indices] = readout
    return all_directions.reshape(n_values, -1), all_weights


def _are_opposite(weights: Floats) -> bool:
    """Return whether a linear map (k, m) has two outputs of opposite weights."""
    return len(weights) == 2 and np.array_equal(weights[0], -weights[1])


def fit_encoder_angles(odd_rows: OddRows, theta: Floats, directions: Floats) -> Floats:
    """Return weights (P,) of an encoder whose rows have the largest scalar products with directions (T, m).

    A row has a norm of 1 at most, so that a product of 1 is the direction itself.
    """

    def negative_products(vector: Floats) -> tuple[float, Floats]:
        product = float((odd_rows.rows(vector) * directions).sum())
        return -product, -odd_rows.gradient(vector, directions)

    options: Any = {"maxiter": MAX_ENCODER_STEPS, "maxcor": LBFGS_MEMORY}
    return np.asarray(
        minimize(negative_products, theta, jac=True, method="L-BFGS-B", options=options).x
    )
