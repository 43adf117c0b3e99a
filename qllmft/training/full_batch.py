"""L-BFGS on all training texts at once, for a linear layer or a quantum head on odd encoders.

Its objective is the task's loss and a ridge. No batch is simulated in the encoders, whose latent values are linear in
the loaded vector. With a linear layer, the model is a linear classifier of that vector, with weight vectors
parametrised by circuits. A head's circuit is simulated.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from qllmft.config import TrainConfig
from qllmft.heads import Classifier, QuantumHead
from qllmft.heads.odd_rows import LatentMap
from qllmft.training.checkpoint import EpochMetrics, Selection
from qllmft.training.examples import Examples
from qllmft.training.interruption import interruptible
from qllmft.training.linear_start import LBFGS_MEMORY
from qllmft.training.ridge import Floats, RidgeLoss, Strength, loaded_vectors, ridge_factor


class LinearObjective:
    """Mean cross-entropy in nats plus r/(2N)·‖W a‖² of N texts, as a function of one vector of all parameters.

    The model is a linear layer on odd encoders.

    W a (k, m) is the linear map from the loaded vector to the logits, and r is `ridge_factor`.
    """

    def __init__(self, model: Classifier, examples: Examples, c: Strength) -> None:
        assert model.final is not None
        assert isinstance(c, float)
        self._map = LatentMap(model.quantum_encoders.encoders)
        self._final = model.final
        self.x = loaded_vectors(model, examples.x)
        self._y = examples.y.numpy()
        relative = examples.relative
        self._weights = None if relative is None else relative.double().numpy()
        factor = float(ridge_factor(examples.task, len(self._final.weight), c))
        self._ridge = factor / examples.size

    def parameters(self) -> Floats:
        """Return the model's parameters in one vector."""
        thetas = (encoder.theta for encoder in self._map.encoders)
        parts = [*thetas, self._final.weight, self._final.bias]
        return np.concatenate([part.detach().double().numpy().ravel() for part in parts])

    @torch.no_grad()
    def copy_to_model(self, vector: Floats) -> None:
        """Copy the parameters in ``vector`` to the model."""
        thetas, _, weight, bias = self._split_vector(vector)
        for encoder, theta in zip(self._map.encoders, thetas, strict=True):
            encoder.theta.copy_(torch.from_numpy(theta))
        self._final.weight.copy_(torch.from_numpy(weight))
        self._final.bias.copy_(torch.from_numpy(bias))

    def logits(self, vector: Floats, x: Floats) -> Floats:
        """Return logits (N, k) of loaded vectors (N, m)."""
        _, rows, weight, bias = self._split_vector(vector)
        return x @ (weight @ rows).T + bias

    def __call__(self, vector: Floats) -> tuple[float, Floats]:
        """Return the value and its gradient."""
        thetas, rows, weight, bias = self._split_vector(vector)
        values = self.x @ rows.T
        linear = weight @ rows
        logits = values @ weight.T + bias
        loss = cross_entropy(logits, self._y, self._weights)
        loss += self._ridge / 2 * float((linear**2).sum())
        by_logits = softmax(logits, axis=1)
        by_logits[np.arange(len(self.x)), self._y] -= 1.0
        by_logits /= len(self.x)
        if self._weights is not None:
            by_logits *= self._weights[:, None]
        by_weight = by_logits.T @ values + self._ridge * linear @ rows.T
        by_rows = (by_logits @ weight).T @ self.x + self._ridge * weight.T @ linear
        by_thetas = self._map.gradient(thetas, by_rows)
        return loss, np.concatenate([by_thetas, by_weight.ravel(), by_logits.sum(axis=0)])

    def _split_vector(self, vector: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Return angles (E, G), rows of the encoders (T, m), weight (k, T) and bias (k,)."""
        weight = self._final.weight
        bias = self._final.bias
        thetas, weights, biases = np.split(vector, [-weight.numel() - len(bias), -len(bias)])
        thetas = thetas.reshape(len(self._map.encoders), -1)
        return thetas, self._map.rows(thetas), weights.reshape(weight.shape), biases


class ReuploadingObjective:
    """`RidgeLoss` of N texts, as a function of one vector of all parameters.

    With one latent value and a linear head of slope R, the ridge is that of `LinearObjective`.

    Args:
        model: odd encoders, a quantum head and a linear layer, in float64.
        examples: N embeddings, with labels or scaled targets.
        c: C.
    """

    def __init__(self, model: Classifier, examples: Examples, c: Strength) -> None:
        self._loss = RidgeLoss(model, examples.task, c, examples.size)
        self.x = loaded_vectors(model, examples.x)
        self._examples = examples
        self._parameters = list(model.parameters())

    def parameters(self) -> Floats:
        """Return the model's parameters in one vector."""
        return np.concatenate([part.detach().numpy().ravel() for part in self._parameters])

    @torch.no_grad()
    def logits(self, vector: Floats, x: Floats) -> Floats:
        """Return logits (N, k) of loaded vectors (N, m)."""
        self.copy_to_model(vector)
        return np.asarray(self._loss.outputs(torch.from_numpy(x)).numpy())

    def __call__(self, vector: Floats) -> tuple[float, Floats]:
        """Return the value and its gradient."""
        self.copy_to_model(vector)
        loaded = torch.from_numpy(self.x)
        examples = self._examples
        loss = self._loss.loss_from_loaded(loaded, examples.y, examples.relative)
        gradient = torch.autograd.grad(loss, self._parameters)
        return loss.item(), np.concatenate([part.numpy().ravel() for part in gradient])

    @torch.no_grad()
    def copy_to_model(self, vector: Floats) -> None:
        """Copy the parameters in ``vector`` to the model."""
        at = 0
        for parameter in self._parameters:
            values = vector[at : at + parameter.numel()]
            parameter.copy_(torch.from_numpy(values).reshape(parameter.shape))
            at += parameter.numel()


def cross_entropy(logits: Floats, y: NDArray[np.int64], weights: Floats | None = None) -> float:
    """Return the mean cross-entropy in nats of logits (N, k) and labels (N,), with weights (N,) of mean 1 or None."""
    losses = -log_softmax(logits, axis=1)[np.arange(len(y)), y]
    return float((losses if weights is None else losses * weights).mean())


def fit_full_batch(
    model: Classifier,
    train: Examples,
    validation: Examples,
    config: TrainConfig,
    c: Strength,
    on_epoch: Callable[[EpochMetrics], None] | None,
) -> Selection:
    """Train ``model``, odd encoders with their data map fitted, in place up to the last point.

    A linear layer reads the encoders, or a quantum head does. Validation is measured after each iteration and does not
    affect the selection. Iterations take milliseconds and are not saved: an interrupted run starts again.

    Args:
        model: the classifier.
        train: training examples.
        validation: examples that are measured after each iteration.
        config: largest number of iterations (``epochs``).
        c: C of the ridge.
        on_epoch: called after every iteration.
    """
    dtype = next(model.parameters()).dtype
    model.double()
    quantum = isinstance(model.head, QuantumHead)
    objective = (ReuploadingObjective if quantum else LinearObjective)(model, train, c)
    held_out = loaded_vectors(model, validation.x)
    task = train.task
    done = 0
    score = 0.0
    vector = objective.parameters()
    started = time.perf_counter()

    def record_iteration(iterate: Floats) -> None:
        nonlocal done, score, vector, started
        outputs = torch.from_numpy(objective.logits(iterate, held_out))
        done = done + 1
        vector = iterate.copy()
        score = task.score(outputs, validation.y, validation.relative)
        iteration_start = started
        started = time.perf_counter()
        if on_epoch:
            held_loss = float(task.loss(outputs, validation.y, validation.relative))
            train_outputs = torch.from_numpy(objective.logits(iterate, objective.x))
            loss = float(task.loss(train_outputs, train.y, train.relative))
            measure = task.measure.name
            seconds = started - iteration_start
            on_epoch(EpochMetrics(done, loss, held_loss, score, 1.0, seconds, measure=measure))
        if interruption.signal is not None:  # Python ignores what is raised in a destructor
            raise KeyboardInterrupt

    finished = True
    with interruptible() as interruption:
        options = {"maxiter": config.epochs, "maxcor": LBFGS_MEMORY}
        minimize_options: dict[str, Any] = {
            "method": "L-BFGS-B",
            "callback": record_iteration,
            "options": options,
        }
        try:
            optimum = minimize(objective, vector, jac=True, **minimize_options)
            if not done:  # the gradient was zero at the start
                record_iteration(optimum.x)
        except KeyboardInterrupt:
            finished = False
    objective.copy_to_model(vector)
    model.to(dtype)
    return Selection(done, score, done, finished, interruption.signal)
