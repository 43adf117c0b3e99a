"""A model beside its surrogate: bounds on the difference of their logits, and their agreement on labelled texts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import softmax

from qllmft.heads import Classifier, without_noise
from qllmft.heads.truncated import TruncatedHead
from qllmft.tasks.accuracy import Accuracy
from qllmft.training import finite_logits

# of probabilities in float32, from which a label is read
SOFTMAX_ROUNDING = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class SurrogateAgreement:
    """Comparison of a surrogate with the circuits on labelled texts."""

    same_labels: Accuracy
    circuit: Accuracy  # accuracy of the circuits, without noise
    surrogate: Accuracy
    largest_difference: float  # of the logits
    # on the difference of a logit by truncation, the largest of all texts; 0 if nothing is left out
    truncation: float
    # on the difference of a logit by float32 on these texts, circuits and surrogate together; see
    # `Pair.agreement`
    rounding: float
    certain: int  # number of texts whose label both terms together guarantee
    circuit_s: float  # processor time per text from the embedding on, in seconds
    surrogate_s: float


@dataclass(frozen=True)
class Pair:
    """Model with circuits and its surrogate, both in float32."""

    circuits: Classifier
    surrogate: Classifier
    reference: Classifier  # surrogate in float64, of numbers that were never rounded to float32
    errors: Tensor  # (Q,) bounds on the change of the latent values by what the forms leave out
    reuploads: int  # R of the head

    @torch.no_grad()
    def truncation(self, x: Tensor) -> Tensor:
        """Return the bound (N, k) on the change of logits by truncation, of embeddings (N, D).

        A derivative of ⟨Z⟩ by one angle is at most 1 in size, and a latent value turns R gates. ⟨Z⟩ changes by 2 at
        most, and by the head's own truncation, which depends on the text.
        """
        latent = self.errors.expand(len(x), -1)
        head = self.surrogate.head
        if head is None:
            return logit_bounds(self.circuits, latent, latent)
        values = (self.reuploads * self.errors.sum()).expand(len(x), cast("int", head.outputs))
        if isinstance(head, TruncatedHead):
            assert self.surrogate.encoder is not None  # a surrogate has an encoder
            values = values + head.values_with_bounds(self.surrogate.encoder(x))[1][:, None]
        return logit_bounds(self.circuits, latent, values.clamp(max=2.0))

    @torch.no_grad()
    def agreement(self, vectors: NDArray[np.float32], labels: NDArray[Any]) -> SurrogateAgreement:
        """Return the agreement on embeddings (N, D) with labels (N,); the circuits have no noise.

        The rounding is measured in float64, whose own is 10⁹ times smaller: the largest difference of the circuits'
        logits to theirs in float64, and of the surrogate's to its reference.
        """
        x = torch.from_numpy(vectors)
        with without_noise(self.circuits):
            circuit_logits, circuit_s = _time_logits(self.circuits, x)
            try:
                rounding = _largest_difference(
                    circuit_logits, finite_logits(self.circuits.double(), x.double())
                )
            finally:
                self.circuits.float()
        surrogate_logits, surrogate_s = _time_logits(self.surrogate, x)
        reference_logits = finite_logits(self.reference, x.double())
        rounding += _largest_difference(surrogate_logits, reference_logits) + SOFTMAX_ROUNDING
        bounds = self.truncation(x)
        circuit_labels, surrogate_labels = (
            softmax(model_logits, dim=1).argmax(dim=1).numpy()
            for model_logits in (circuit_logits, surrogate_logits)
        )
        return SurrogateAgreement(
            same_labels=Accuracy.from_answers(circuit_labels, surrogate_labels),
            circuit=Accuracy.from_answers(labels, circuit_labels),
            surrogate=Accuracy.from_answers(labels, surrogate_labels),
            largest_difference=_largest_difference(circuit_logits, surrogate_logits),
            truncation=float(bounds.max()),
            rounding=rounding,
            certain=int(mark_certain_labels(circuit_logits, bounds + rounding).sum()),
            circuit_s=circuit_s,
            surrogate_s=surrogate_s,
        )


def mark_certain_labels(logits: Tensor, bounds: Tensor) -> Tensor:
    """Return True (N,) for texts whose label stays if each logit (N, k) changes by at most its bound (N, k).

    >>> mark_certain_labels(torch.tensor([[0.0, 1.0], [0.0, 0.1]]), torch.full((2, 2), 0.2)).tolist()
    [True, False]
    """
    best = logits.double().max(dim=1, keepdim=True)
    bounds = bounds.double()
    gaps = best.values - logits - (bounds.gather(1, best.indices) + bounds)
    return (gaps.scatter(1, best.indices, 1.0) > 0).all(dim=1)


def logit_bounds(model: Classifier, latent: Tensor, values: Tensor) -> Tensor:
    """Return the bound (N, k) on each logit's change by the last layer.

    Latent values change by at most ``latent`` (N, Q) and the head's values by at most ``values`` (N, Q_m).
    """
    if model.final is None:
        return values.expand(-1, 2)
    layer_inputs = torch.cat([latent, values], dim=1) if model.skip else values
    return layer_inputs.double() @ model.final.weight.double().abs().T


def _largest_difference(first: Tensor, second: Tensor) -> float:
    return float((first.double() - second.double()).abs().max())


def _time_logits(model: nn.Module, x: Tensor) -> tuple[Tensor, float]:
    """Return the logits, and the processor time per text in seconds, after a first batch."""
    finite_logits(model, x[:1])
    started = time.process_time()
    logits = finite_logits(model, x)
    return logits, (time.process_time() - started) / len(x)
