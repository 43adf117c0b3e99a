"""Objective of L-BFGS for odd encoders before a re-uploading head: cross-entropy and a ridge on the effective map.

No batch is simulated in the encoders, whose latent values are linear in the loaded vector. The head's circuit is.
"""

from __future__ import annotations

import numpy as np
import torch

from qllmft.heads import Classifier
from qllmft.training.examples import Examples
from qllmft.training.odd_rows import Floats, OddObjective
from qllmft.training.ridge import penalty


class ReuploadingObjective(OddObjective):
    """Mean cross-entropy in nats plus r/(2N)·R²·‖W‖²·‖B‖² of N texts, as a function of one vector of all parameters.

    The ridge is `penalty`. With one latent value and a linear head of slope R, it is that of `LinearObjective`.
    The model has float64 weights until `keep`.

    Args:
        model: odd encoders, a quantum head and a linear layer.
        examples: N embeddings and labels.
        c: C.
    """

    def __init__(self, model: Classifier, examples: Examples, c: float) -> None:
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
        loss = loss + penalty(self._model, rows, self._c, self._size)
        gradient = torch.autograd.grad(loss, self._parameters)
        return loss.item(), np.concatenate([part.numpy().ravel() for part in gradient])

    @torch.no_grad()
    def _put(self, vector: Floats) -> None:
        at = 0
        for parameter in self._parameters:
            values = vector[at : at + parameter.numel()]
            parameter.copy_(torch.from_numpy(values).reshape(parameter.shape))
            at += parameter.numel()
