"""L-BFGS on all training texts at once, for a linear layer or a quantum head on odd encoders.

Its objective is the task's loss and a ridge. No batch is simulated in the encoders, whose latent values are linear in
the loaded vector. With a linear layer, the model is a linear classifier of that vector, with weight vectors
parametrised by circuits. A head's circuit is simulated.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from torch import Tensor

from qllmft.config import TrainConfig
from qllmft.heads import Classifier, QuantumHead
from qllmft.training.examples import Examples
from qllmft.training.interruption import interruptible
from qllmft.training.linear_solution import Strength
from qllmft.training.linear_start import MEMORY
from qllmft.training.metrics import EpochMetrics, Selection
from qllmft.training.odd_rows import Floats, OddObjective
from qllmft.training.ridge import penalty, ridge_factor


class _Parts(NamedTuple):
    """Parameters of encoders and linear layer."""

    thetas: Floats  # (E, G) angles
    weight: Floats  # (k, T)
    bias: Floats  # (k,)


class LinearObjective(OddObjective):
    """Mean cross-entropy in nats plus r/(2N)·‖W a‖² of N texts, as a function of one vector of all parameters.

    The model is a linear layer on odd encoders.

    W a (k, m) is the linear map from the loaded vector to the logits, and r is `ridge_factor`.
    """

    def __init__(self, model: Classifier, examples: Examples, c: Strength) -> None:
        super().__init__(model, examples)
        self._y, self._weights = examples.y.numpy(), _array(examples.relative)
        assert isinstance(c, float)
        self._ridge = float(ridge_factor(examples.task, len(self._final.weight), c))

    def parameters(self) -> Floats:
        """Return the model's parameters in one vector."""
        parts = [
            *(encoder.theta for encoder in self._map.encoders),
            self._final.weight,
            self._final.bias,
        ]
        return np.concatenate([part.detach().double().numpy().ravel() for part in parts])

    @torch.no_grad()
    def keep(self, vector: Floats) -> None:
        """Copy the parameters in ``vector`` to the model."""
        parts = self._parts(vector)
        for encoder, theta in zip(self._map.encoders, parts.thetas, strict=True):
            encoder.theta.copy_(torch.from_numpy(theta))
        self._final.weight.copy_(torch.from_numpy(parts.weight))
        self._final.bias.copy_(torch.from_numpy(parts.bias))

    def logits(self, vector: Floats, x: Floats) -> Floats:
        """Return logits (N, k) of loaded vectors (N, m)."""
        parts = self._parts(vector)
        return x @ (parts.weight @ self._rows(parts)).T + parts.bias

    def __call__(self, vector: Floats) -> tuple[float, Floats]:
        """Return the value and its gradient."""
        parts, n = self._parts(vector), len(self.x)
        ridge = self._ridge / self._size
        rows = self._rows(parts)  # (T, m)
        values = self.x @ rows.T
        linear = parts.weight @ rows
        logits = values @ parts.weight.T + parts.bias
        loss = cross_entropy(logits, self._y, self._weights) + ridge / 2 * float((linear**2).sum())
        by_logits = softmax(logits, axis=1)
        by_logits[np.arange(n), self._y] -= 1.0
        by_logits /= n
        if self._weights is not None:
            by_logits *= self._weights[:, None]
        by_weight = by_logits.T @ values + ridge * linear @ rows.T
        by_rows = (by_logits @ parts.weight).T @ self.x + ridge * parts.weight.T @ linear
        shares = np.split(by_rows, len(self._map.odd))
        by_theta = [
            odd.gradient(theta, share)
            for odd, theta, share in zip(self._map.odd, parts.thetas, shares, strict=True)
        ]
        return loss, np.concatenate([*by_theta, by_weight.ravel(), by_logits.sum(axis=0)])

    def _rows(self, parts: _Parts) -> Floats:
        return np.concatenate(
            [odd.rows(theta) for odd, theta in zip(self._map.odd, parts.thetas, strict=True)]
        )

    def _parts(self, vector: Floats) -> _Parts:
        weights = self._final.weight.numel()
        at = len(vector) - weights - self._final.bias.numel()
        thetas = vector[:at].reshape(len(self._map.odd), -1)
        return _Parts(
            thetas,
            vector[at : at + weights].reshape(self._final.weight.shape),
            vector[at + weights :],
        )


class ReuploadingObjective(OddObjective):
    """Mean loss of the task plus `penalty` of N texts, as a function of one vector of all parameters.

    With one latent value and a linear head of slope R, the ridge is that of `LinearObjective`.
    The model has float64 weights until `keep`.

    Args:
        model: odd encoders, a quantum head and a linear layer.
        examples: N embeddings, with labels or scaled targets.
        c: C.
    """

    def __init__(self, model: Classifier, examples: Examples, c: Strength) -> None:
        assert model.final is not None
        self._model, self._dtype = model, model.final.weight.dtype
        super().__init__(model.double(), examples)
        self._y, self._task = examples.y, examples.task
        self._weights = examples.relative
        self._parameters = list(model.parameters())
        self._c = c

    def parameters(self) -> Floats:
        """Return the model's parameters in one vector."""
        return np.concatenate([part.detach().numpy().ravel() for part in self._parameters])

    def keep(self, vector: Floats) -> None:
        """Copy the parameters in ``vector`` to the model, in its own precision."""
        self._put(vector)
        for parameter in self._parameters:
            parameter.grad = None
        self._model.to(self._dtype)

    @torch.no_grad()
    def logits(self, vector: Floats, x: Floats) -> Floats:
        """Return logits (N, k) of loaded vectors (N, m)."""
        self._put(vector)
        return np.asarray(self._model.from_latent(torch.from_numpy(x) @ self._map().T).numpy())

    def __call__(self, vector: Floats) -> tuple[float, Floats]:
        """Return the value and its gradient."""
        self._put(vector)
        rows = self._map()
        logits = self._model.from_latent(torch.from_numpy(self.x) @ rows.T)
        loss = self._task.loss(logits, self._y, self._weights)
        loss = loss + penalty(self._model, self._task, rows, self._c, self._size)
        gradient = torch.autograd.grad(loss, self._parameters)
        return loss.item(), np.concatenate([part.numpy().ravel() for part in gradient])

    @torch.no_grad()
    def _put(self, vector: Floats) -> None:
        at = 0
        for parameter in self._parameters:
            values = vector[at : at + parameter.numel()]
            parameter.copy_(torch.from_numpy(values).reshape(parameter.shape))
            at += parameter.numel()


def cross_entropy(logits: Floats, y: NDArray[np.int64], weights: Floats | None = None) -> float:
    """Return the mean cross-entropy in nats of logits (N, k) and labels (N,), with weights (N,) of mean 1 or None."""
    losses = -log_softmax(logits, axis=1)[np.arange(len(y)), y]
    return float((losses if weights is None else losses * weights).mean())


def _array(weights: Tensor | None) -> Floats | None:
    return None if weights is None else weights.double().numpy()


def fit_full_batch(
    model: Classifier,
    train: Examples,
    validation: Examples,
    config: TrainConfig,
    c: Strength,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
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
    objective: LinearObjective | ReuploadingObjective
    if isinstance(model.head, QuantumHead):
        objective = ReuploadingObjective(model, train, c)
    else:
        objective = LinearObjective(model, train, c)
    held_out, task = objective.loaded(validation.x), train.task
    done, score, vector = 0, 0.0, objective.parameters()
    started = time.perf_counter()

    def after(xk: Floats) -> None:
        nonlocal done, score, vector, started
        outputs = torch.from_numpy(objective.logits(xk, held_out))
        done, vector = done + 1, xk.copy()
        score = task.score(outputs, validation.y, validation.relative)
        began, started = started, time.perf_counter()
        if on_epoch:
            held_loss = float(task.loss(outputs, validation.y, validation.relative))
            learnt = torch.from_numpy(objective.logits(xk, objective.x))
            loss, measure = float(task.loss(learnt, train.y, train.relative)), task.measure.name
            seconds = started - began
            on_epoch(EpochMetrics(done, loss, held_loss, score, 1.0, seconds, measure=measure))

    finished = True
    with interruptible() as interruption:
        try:
            found = minimize(
                objective,
                vector,
                jac=True,
                method="L-BFGS-B",
                callback=after,
                options={"maxiter": config.epochs, "maxcor": MEMORY},
            )
            if not done:  # the gradient was zero at the start
                after(found.x)
        except KeyboardInterrupt:
            finished = False
    objective.keep(vector)
    return Selection(done, score, done, finished, interruption.signal)
