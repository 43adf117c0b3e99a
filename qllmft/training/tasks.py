"""Tasks: the loss of a model's outputs, its gradient, and the score by which an epoch is selected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, softmax
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from qllmft.config.data import Task as TaskName
from qllmft.tasks.multilabel import macro_f1
from qllmft_backends.adjoint.compiled import layers


class Task(Protocol):
    """Meaning of a model's outputs (B, k). Weights (B,) have mean 1 over all texts, or are None if all are equal."""

    name: TaskName
    loss_name: str  # with its unit

    def loss(self, outputs: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the mean loss of a batch, in nats for labels."""

    def gradient(
        self, outputs: NDArray[np.float32], y: Tensor, weight: Tensor | None = None
    ) -> float:
        """Return the mean loss of a batch, and overwrite the outputs (B, k) with its gradient."""

    def score(self, outputs: Tensor, y: Tensor, weight: Tensor | None = None) -> float:
        """Return the number by which the epoch is selected, the higher the better."""

    def probabilities(self, outputs: Tensor) -> NDArray[np.floating] | None:
        """Return probabilities (B, k) of labels, or None if there are none."""

    def answers(self, outputs: Tensor) -> NDArray[Any]:
        """Return labels (B,), values (B, T), or of several labels the leads (B, L) of probabilities over 1/2."""


class Classification:
    """One label per text: outputs are logits, the loss is their cross-entropy, and the score is the accuracy."""

    name: TaskName = "classification"
    loss_name = "cross-entropy (nats)"

    def loss(self, outputs: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
        """See `Task`; ``y`` (B,) are indices of labels."""
        if weight is None:
            return cross_entropy(outputs, y)
        return (cross_entropy(outputs, y, reduction="none") * weight).mean()

    def gradient(
        self, outputs: NDArray[np.float32], y: Tensor, weight: Tensor | None = None
    ) -> float:
        """See `Task`."""
        if weight is None:
            return float(layers.cross_entropy(outputs, y.numpy()))
        rows, labels, share = np.arange(len(y)), y.numpy(), weight.numpy() / len(y)
        found = softmax(outputs.astype(np.float64), axis=1)
        loss = float(-(np.log(found[rows, labels]) * share).sum())
        found[rows, labels] -= 1.0
        outputs[:] = found * share[:, None]
        return loss

    def score(self, outputs: Tensor, y: Tensor, weight: Tensor | None = None) -> float:
        """See `Task`."""
        right = (outputs.argmax(dim=1) == y).double()
        return float((right if weight is None else right * weight).mean())

    def probabilities(self, outputs: Tensor) -> NDArray[np.floating]:
        """See `Task`."""
        return np.asarray(outputs.softmax(dim=1).numpy())

    def answers(self, outputs: Tensor) -> NDArray[np.int64]:
        """See `Task`."""
        return np.asarray(outputs.argmax(dim=1).numpy(), np.int64)


class Regression:
    """Real targets: the loss is the mean squared error, and the score is R², the mean over T targets, at least -1.

    A score below that says no more, and the lower loss then selects the epoch.
    """

    name: TaskName = "regression"
    loss_name = "squared error, scaled"

    def loss(self, outputs: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
        """See `Task`; ``y`` (B, T) are targets."""
        errors = (outputs - y.to(outputs.dtype)).square()
        return (errors if weight is None else errors * weight[:, None]).mean()

    def gradient(
        self, outputs: NDArray[np.float32], y: Tensor, weight: Tensor | None = None
    ) -> float:
        """See `Task`."""
        errors = outputs.astype(np.float64) - y.numpy()
        weighted = errors if weight is None else errors * weight.numpy()[:, None]
        outputs[:] = 2.0 / errors.size * weighted
        return float((errors * weighted).mean())

    def score(self, outputs: Tensor, y: Tensor, weight: Tensor | None = None) -> float:
        """See `Task`."""
        share = torch.ones(len(y), dtype=torch.float64) if weight is None else weight
        share, y = (share / share.sum())[:, None], y.double()
        spread = (share * (y - (share * y).sum(dim=0)).square()).sum(dim=0)
        errors = (share * (outputs.double() - y).square()).sum(dim=0)
        found = 1.0 - errors / spread.clamp(min=torch.finfo(torch.float64).tiny)
        return max(-1.0, float(found.mean()))

    def probabilities(self, outputs: Tensor) -> None:
        """See `Task`."""

    def answers(self, outputs: Tensor) -> NDArray[np.float64]:
        """See `Task`."""
        return np.asarray(outputs.double().numpy())


class MultiLabel:
    """Several labels per text: a logit and a sigmoid each, the mean of their binary cross-entropies, and macro-F1."""

    name: TaskName = "multilabel"
    loss_name = "binary cross-entropy (nats)"

    def loss(self, outputs: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
        """See `Task`; ``y`` (B, L) are 0 or 1, and the loss is the mean over texts and labels."""
        if weight is None:
            return binary_cross_entropy_with_logits(outputs, y.to(outputs.dtype))
        losses = binary_cross_entropy_with_logits(outputs, y.to(outputs.dtype), reduction="none")
        return (losses * weight[:, None]).mean()

    def gradient(
        self, outputs: NDArray[np.float32], y: Tensor, weight: Tensor | None = None
    ) -> float:
        """See `Task`."""
        logits, labels = outputs.astype(np.float64), y.numpy()
        share = 1.0 if weight is None else weight.numpy()[:, None]
        losses = np.logaddexp(0.0, logits) - labels * logits
        outputs[:] = share * (expit(logits) - labels) / logits.size
        return float((losses * share).mean())

    def score(self, outputs: Tensor, y: Tensor, weight: Tensor | None = None) -> float:
        """See `Task`; a label is given if its logit is not negative."""
        return macro_f1(
            y.numpy(), (outputs >= 0).numpy(), None if weight is None else weight.numpy()
        )

    def probabilities(self, outputs: Tensor) -> NDArray[np.float64]:
        """See `Task`."""
        return np.asarray(expit(outputs.double().numpy()))

    def answers(self, outputs: Tensor) -> NDArray[np.float64]:
        """See `Task`."""
        return self.probabilities(outputs) - USUAL_THRESHOLD


USUAL_THRESHOLD = 0.5  # of the probability of a label
CLASSIFICATION = Classification()
REGRESSION = Regression()
MULTILABEL = MultiLabel()
TASKS: Mapping[TaskName, Task] = {
    task.name: task for task in (CLASSIFICATION, REGRESSION, MULTILABEL)
}


def task_of(labels: NDArray[Any]) -> Task:
    """Return the task of labels (N,), real targets (N, T) or integers 0 and 1 (N, L)."""
    if labels.ndim == 1:
        return CLASSIFICATION
    return REGRESSION if labels.dtype.kind == "f" else MULTILABEL


def balanced_weights(labels: NDArray[np.int64], given: NDArray[np.int64]) -> Tensor:
    """Return weights (N,) of labels (N,) such that all labels in ``given`` have the same total weight there.

    They are M / (k·n), as in scikit-learn: M texts in ``given``, k labels, n texts with this label.
    """
    counts = np.bincount(given, minlength=int(labels.max()) + 1)
    of_label = counts.sum() / ((counts > 0).sum() * np.maximum(counts, 1))
    return torch.from_numpy(of_label[labels])
