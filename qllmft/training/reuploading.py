"""Objective of L-BFGS for odd encoders before a re-uploading head: cross-entropy and a ridge on the effective map.

No batch is simulated in the encoders, whose latent values are linear in the loaded vector. The head's circuit is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from qllmft.heads import Classifier
from qllmft.training.examples import Examples
from qllmft.training.odd_rows import Floats, OddObjective, OddRows


class ReuploadingObjective(OddObjective):
    """Mean cross-entropy in nats plus r/(2N)·R²·‖W‖²·‖B‖² of N texts, as a function of one vector of all parameters.

    B (Q, m) maps the loaded vector to the latent values, W (k, Q_m) the head's values to the logits, both Frobenius
    norms. Each latent value is uploaded R times, so a value of the head changes by R radians' worth at most, and
    R·‖W‖·‖B‖ measures the map from the loaded vector to the logits. r is that of `LinearObjective`: with one latent
    value and a linear head of slope R, both ridges are the same. The model has float64 weights until `keep`.

    Args:
        model: odd encoders, a quantum head and a linear layer.
        examples: N embeddings and labels.
        c: C.
        reuploads: R.
    """

    def __init__(self, model: Classifier, examples: Examples, c: float, reuploads: int) -> None:
        assert model.final is not None
        self._model, self._dtype = model, model.final.weight.dtype
        super().__init__(model.double(), examples)
        self._y, self._task = examples.y, examples.task
        self._weights = examples.relative
        self._parameters = list(model.parameters())
        self._ridge = reuploads**2 * (2.0 if len(self._final.weight) == 2 else 1.0) / c

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
        size = (self._final.weight**2).sum() * (rows**2).sum()
        loss = (
            self._task.loss(logits, self._y, self._weights) + self._ridge / (2 * self._size) * size
        )
        gradient = torch.autograd.grad(loss, self._parameters)
        return loss.item(), np.concatenate([part.numpy().ravel() for part in gradient])

    def _map(self) -> Tensor:
        """Return B (Q, m)."""
        pairs = zip(self._encoders, self._odd, strict=True)
        return torch.cat(
            [
                encoder.scale * _Rows.apply(encoder.theta, odd)  # type: ignore[no-untyped-call]
                for encoder, odd in pairs
            ]
        )

    @torch.no_grad()
    def _put(self, vector: Floats) -> None:
        at = 0
        for parameter in self._parameters:
            values = vector[at : at + parameter.numel()]
            parameter.copy_(torch.from_numpy(values).reshape(parameter.shape))
            at += parameter.numel()


class _Rows(torch.autograd.Function):
    """Rows of an odd encoder (T, m) as a differentiable function of its angles."""

    @staticmethod
    def forward(ctx: Any, theta: Tensor, odd: OddRows) -> Tensor:
        ctx.odd = odd
        ctx.save_for_backward(theta)
        return torch.from_numpy(odd.rows(theta.detach().numpy()))

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor, None]:
        (theta,) = ctx.saved_tensors
        by_rows = np.ascontiguousarray(grad_outputs[0].numpy())
        return torch.from_numpy(ctx.odd.gradient(theta.detach().numpy(), by_rows)), None
