"""Ridge of models on odd encoders: a penalty on the size of the linear map from the loaded vector to the outputs."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qllmft.heads import Classifier, QuantumHead
from qllmft.heads.odd_rows import LatentMap
from qllmft.heads.sines import slope_bound
from qllmft.tasks import Task

Floats = NDArray[np.float64]
Strength = float | Floats  # C, or one of each output (k,)


def loaded_vectors(model: Classifier, x: Tensor) -> Floats:
    """Return vectors (N, m) in which the odd values of embeddings (N, D) are linear."""
    return np.asarray(model.quantum_encoders.loaded_vector(x.double()).numpy())


def ridge_factor(task: Task, n_outputs: int, c: Strength) -> Strength:
    """Return r = 1/C, or 2/C for two labels, 1/(L·C) for several labels and 2/(T·C) for targets.

    Two rows of weights have half the squared norm of their difference, which is scikit-learn's one row. The losses of L
    labels are a mean over them, those of T targets as well, and a squared error has no factor of 1/2.
    """
    if task.one_label:
        return (2.0 if n_outputs == 2 else 1.0) / c
    return (2.0 if task.real else 1.0) / (n_outputs * c)


def penalty(model: Classifier, task: Task, rows: Tensor, c: Strength, size: float) -> Tensor:
    """Return the ridge, the sum of r/(2N) times the squared sizes of the map from the loaded vector to each output.

    r is `ridge_factor` of C. The sum of the squared sizes is ‖W_z·B‖² + R²·‖W‖²·‖B‖². For a head that starts at sines
    the sizes are the `slope_bound` of the map from the embedding.

    B (Q, m) are the ``rows`` of the latent values. W_z (k, Q) are the weights by which the last layer reads latent
    values: all of it without a quantum head, those of a skip with one. W (k, Q_m) are the weights of the quantum head's
    values. R is the number of re-uploads: a ⟨Z⟩ changes by at most R for each radian of a latent value.

    Args:
        model: odd encoders, and a last linear layer on their values, those of a quantum head, or both.
        task: meaning of the outputs.
        rows: (Q, m) of the latent values by the loaded vector.
        c: C of scikit-learn, or one of each output (k,) for a head that starts at sines.
        size: N, the number of texts.
    """
    assert model.final is not None
    weight = model.final.weight.to(rows)
    head = model.head
    if not isinstance(head, QuantumHead):
        sizes = ((weight @ rows) ** 2).sum()
    elif head.start == "sines":
        slopes = rows * model.quantum_encoders.slope
        sizes = slope_bound(weight, head.connector.weight, slopes, head.registers)
    else:
        latent = len(rows) if model.skip else 0
        sizes = head.reuploads**2 * (weight[:, latent:] ** 2).sum() * (rows**2).sum()
        if latent:
            sizes = sizes + ((weight[:, :latent] @ rows) ** 2).sum()
    factor = ridge_factor(task, len(model.final.weight), c) / (2 * size)
    return (sizes * torch.as_tensor(factor, dtype=sizes.dtype)).sum()


class RidgeLoss:
    """Mean loss of a batch plus `penalty`.

    Odd latent values are linear in the loaded vector. The rows of that map are computed once per batch, in float64,
    and no text of the batch is simulated in the encoders.

    Args:
        model: odd encoders, and a last linear layer on their values, those of a quantum head, or both.
        task: gives the loss of outputs.
        c: C of scikit-learn, or one of each output.
        size: N, the number of training texts.
    """

    def __init__(self, model: Classifier, task: Task, c: Strength, size: float) -> None:
        self._model = model
        self._task = task
        self._c = c
        self._size = size
        self._map = LatentMap(model.quantum_encoders.encoders)

    def __call__(self, x: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss of embeddings (B, D), labels or targets (B,), and weights (B,)."""
        return self.loss_from_loaded(self._model.quantum_encoders.loaded_vector(x), y, weight)

    def loss_from_loaded(self, loaded: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss of loaded vectors (B, m)."""
        rows = self._map()
        outputs = self._model.from_latent(loaded @ rows.T.to(loaded))
        ridge = penalty(self._model, self._task, rows, self._c, self._size)
        return self._task.loss(outputs, y, weight) + ridge.to(outputs)

    def outputs(self, loaded: Tensor) -> Tensor:
        """Return the outputs (B, k) of loaded vectors (B, m)."""
        return self._model.from_latent(loaded @ self._map().T.to(loaded))
