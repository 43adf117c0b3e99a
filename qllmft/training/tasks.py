"""Tasks: the loss of a model's outputs, its gradient, and the score by which an epoch is selected."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor
from torch.nn.functional import cross_entropy

from qllmft_backends.adjoint.compiled import layers


class Task(Protocol):
    """Meaning of a model's outputs (B, k). Weights (B,) have mean 1 over all texts, or are None if all are equal."""

    def loss(self, outputs: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the mean loss of a batch, in nats for labels."""

    def gradient(self, outputs: NDArray[np.float32], y: Tensor, weight: Tensor | None = None) -> float:
        """Return the mean loss of a batch, and overwrite the outputs (B, k) with its gradient."""

    def score(self, outputs: Tensor, y: Tensor, weight: Tensor | None = None) -> float:
        """Return the number by which the epoch is selected, the higher the better."""


class Classification:
    """One label per text: outputs are logits, the loss is their cross-entropy, and the score is the accuracy."""

    def loss(self, outputs: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
        """See `Task`; ``y`` (B,) are indices of labels."""
        if weight is None:
            return cross_entropy(outputs, y)
        return (cross_entropy(outputs, y, reduction="none") * weight).mean()

    def gradient(self, outputs: NDArray[np.float32], y: Tensor, weight: Tensor | None = None) -> float:
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


class Regression:
    """Real targets: the loss is the mean squared error, and the score is R², the mean over T targets, at least -1.

    A score below that says no more, and the lower loss then selects the epoch.
    """

    def loss(self, outputs: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
        """See `Task`; ``y`` (B, T) are targets."""
        errors = (outputs - y.to(outputs.dtype)).square()
        return (errors if weight is None else errors * weight[:, None]).mean()

    def gradient(self, outputs: NDArray[np.float32], y: Tensor, weight: Tensor | None = None) -> float:
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


CLASSIFICATION = Classification()
REGRESSION = Regression()


def balanced_weights(labels: NDArray[np.int64], given: NDArray[np.int64]) -> Tensor:
    """Return weights (N,) of labels (N,) such that all labels in ``given`` have the same total weight there.

    They are M / (k·n), as in scikit-learn: M texts in ``given``, k labels, n texts with this label.
    """
    counts = np.bincount(given, minlength=int(labels.max()) + 1)
    of_label = counts.sum() / ((counts > 0).sum() * np.maximum(counts, 1))
    return torch.from_numpy(of_label[labels])
