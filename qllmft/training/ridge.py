"""Ridge of Adam: the loss of a batch plus a penalty on the linear map that odd encoders and the last layers make."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qllmft.config import TrainConfig
from qllmft.heads import Classifier, ParallelEncoders, QuantumHead
from qllmft.heads.encoder import loaded_vector
from qllmft.heads.sines import slope_bound
from qllmft.tasks import Task
from qllmft.training.linear_solution import Strength
from qllmft.training.odd_rows import OddMap


def ridge_factor(task: Task, n_outputs: int, c: Strength) -> Strength:
    """Return r = 1/C, or 2/C for two labels, 1/(L·C) for several labels and 2/(T·C) for targets.

    Two rows of weights have half the squared norm of their difference, which is scikit-learn's one row. The losses of L
    labels are a mean over them, those of T targets as well, and a squared error has no factor of 1/2.
    """
    if task.one_label:
        return (2.0 if n_outputs == 2 else 1.0) / c
    return (2.0 if task.real else 1.0) / (n_outputs * c)


def squared_sizes(model: Classifier, rows: Tensor) -> Tensor:
    """Return the squared sizes (k,) of the map from the loaded vector to each output, or their sum ().

    The sum is ‖W_z·B‖² + R²·‖W‖²·‖B‖². For a head that starts at sines the sizes are the `slope_bound` of the map from
    the embedding.

    B (Q, m) are the ``rows`` of the latent values. W_z (k, Q) are the weights by which the last layer reads latent
    values: all of it without a quantum head, those of a skip with one. W (k, Q_m) are the weights of the quantum head's
    values. R is the number of re-uploads: a ⟨Z⟩ changes by at most R for each radian of a latent value.
    """
    assert model.final is not None
    weight = model.final.weight.to(rows)
    if not isinstance(model.head, QuantumHead):
        return ((weight @ rows) ** 2).sum()
    if model.head.start == "sines":
        assert isinstance(model.encoder, ParallelEncoders)
        return slope_bound(weight, model.head.connector.weight, rows * model.encoder.slope)
    latent = len(rows) if model.skip else 0
    beside, of_head = weight[:, :latent], weight[:, latent:]
    through = model.head.reuploads**2 * (of_head**2).sum() * (rows**2).sum()
    return through + ((beside @ rows) ** 2).sum() if latent else through


def penalty(model: Classifier, task: Task, rows: Tensor, c: Strength, size: float) -> Tensor:
    """Return the ridge, the sum of r/(2N) times `squared_sizes`, where r is `ridge_factor` of C.

    Args:
        model: odd encoders, and a last linear layer on their values, those of a quantum head, or both.
        task: meaning of the outputs.
        rows: (Q, m) of the latent values by the loaded vector.
        c: C of scikit-learn, or one of each output (k,) for a head that starts at sines.
        size: N, the number of texts.
    """
    assert model.final is not None
    factor = ridge_factor(task, len(model.final.weight), c) / (2 * size)
    sizes = squared_sizes(model, rows)
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
        assert isinstance(model.encoder, ParallelEncoders)
        self._model, self._task, self._c, self._size = model, task, c, size
        self._mapped, self._map = model.encoder.mapped, OddMap(model.encoder)
        self._pad = self._map.encoders[0].pad

    def __call__(self, x: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss of embeddings (B, D), labels or targets (B,), and weights (B,)."""
        rows = self._map()
        loaded = loaded_vector(self._mapped(x), self._pad)
        outputs = self._model.from_latent(loaded @ rows.T.to(loaded))
        ridge = penalty(self._model, self._task, rows, self._c, self._size)
        return self._task.loss(outputs, y, weight) + ridge.to(outputs)


def ridge_of(
    model: nn.Module, task: Task, config: TrainConfig, size: float, c: Strength
) -> RidgeLoss | None:
    """Return the loss with a ridge, or None if there is none.

    Args:
        model: the model. Perceptrons and low-rank layers, baselines beside a head with a ridge, have none.
        task: gives the loss of outputs.
        config: whether there is a ridge.
        size: N, the number of training texts.
        c: C of scikit-learn, or one of each output.
    """
    if not config.ridge or not isinstance(model, Classifier) or model.encoder is None:
        return None
    return RidgeLoss(model, task, c, size)
