"""Linear solution as the start of a head that starts at sines: put into encoders and last layer.

Near 0 a sine is its angle. So outputs W sin(s B x) are those of a linear model with weights s W B, if each encoder
has one of its directions and the last layer has their lengths.
"""

from __future__ import annotations

from typing import TypeGuard

import numpy as np
import torch
from scipy.optimize import minimize
from torch import nn

from qllmft.config import TrainConfig
from qllmft.heads import Classifier, ParallelEncoders, QuantumHead
from qllmft.training.examples import Examples
from qllmft.training.linear_solution import LinearSolution, Strength, linear_solution
from qllmft.training.odd_rows import Floats, OddMap, OddRows, loaded_vectors

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
    assert isinstance(model.encoder, ParallelEncoders)
    assert model.final is not None
    labels, task = examples.y.numpy(), examples.task
    if task.one_label and len(np.unique(labels)) < model.final.out_features:
        return 1.0 if c is None else c
    weight = None if examples.relative is None else examples.relative.double().numpy()
    slope = model.encoder.slope
    x = loaded_vectors(model.encoder, examples.x)
    found = linear_solution(task, x / slope, labels, weight, c)
    if fresh:
        _put(model, found, x, slope, OF_TARGETS if task.real else ANGLE)
    return found.c


def starts_at_sines(model: nn.Module) -> TypeGuard[Classifier]:
    """Return whether a model has a quantum head that starts at sines."""
    return (
        isinstance(model, Classifier)
        and isinstance(model.head, QuantumHead)
        and getattr(model.head, "start", "random") != "random"  # another head has no such start
    )


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
    assert isinstance(model.encoder, ParallelEncoders)
    assert model.final is not None
    odd_map = OddMap(model.encoder)
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

    found = minimize(
        missed, theta, jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "maxcor": MEMORY}
    )
    return np.asarray(found.x)
