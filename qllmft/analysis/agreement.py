"""SurrogateAgreement of a surrogate with the circuits on labelled texts, and the texts whose label is certain."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import softmax

from qllmft.heads import Classifier, without_noise
from qllmft.tasks.accuracy import Accuracy
from qllmft.training import finite_logits

# of probabilities in float32, from which a label is read
ROUNDING_OF_SOFTMAX = float(np.finfo(np.float32).eps)


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
    # `compare`
    rounding: float
    certain: int  # number of texts whose label both terms together guarantee
    circuit_s: float  # processor time per text from the embedding on, in seconds
    surrogate_s: float


@torch.no_grad()
def compare(
    circuit: Classifier,
    surrogate: Classifier,
    reference: Classifier,
    truncation: Callable[[Tensor], Tensor],
    vectors: NDArray[np.float32],
    labels: NDArray[Any],
) -> SurrogateAgreement:
    """Return the agreement of a surrogate with the circuits, both in float32.

    The rounding is measured in float64, whose own is 10⁹ times smaller: the largest difference of the circuits' logits
    to theirs in float64, and of the surrogate's to its reference.

    Args:
        circuit: the model with circuits, which is compared without its noise.
        surrogate: its surrogate.
        reference: the surrogate in float64, with numbers that were never rounded to float32.
        truncation: maps embeddings (N, D) to the bound (N, k) on each logit's change by truncation.
        vectors: embeddings (N, D).
        labels: of the texts (N,), as indices.
    """
    x = torch.from_numpy(vectors)
    with without_noise(circuit):
        logits, circuit_s = _timed(circuit, x)
        rounding = _distance(logits, _in_float64(circuit, x))
    found, surrogate_s = _timed(surrogate, x)
    rounding += _distance(found, finite_logits(reference, x.double())) + ROUNDING_OF_SOFTMAX
    bounds = truncation(x)
    own, answers = (softmax(each, dim=1).argmax(dim=1).numpy() for each in (logits, found))
    return SurrogateAgreement(
        same_labels=Accuracy.of(own, answers),
        circuit=Accuracy.of(labels, own),
        surrogate=Accuracy.of(labels, answers),
        largest_difference=_distance(logits, found),
        truncation=float(bounds.max()),
        rounding=rounding,
        certain=int(certain(logits, bounds + rounding).sum()),
        circuit_s=circuit_s,
        surrogate_s=surrogate_s,
    )


def certain(logits: Tensor, bounds: Tensor) -> Tensor:
    """Return True (N,) for texts whose label stays if each logit (N, k) changes by at most its bound (N, k).

    >>> certain(torch.tensor([[0.0, 1.0], [0.0, 0.1]]), torch.full((2, 2), 0.2)).tolist()
    [True, False]
    """
    best, bounds = logits.double().max(dim=1, keepdim=True), bounds.double()
    gaps = best.values - logits - (bounds.gather(1, best.indices) + bounds)
    return (gaps.scatter(1, best.indices, 1.0) > 0).all(dim=1)


def logit_bounds(model: Classifier, latent: Tensor, values: Tensor) -> Tensor:
    """Return the bound (N, k) on each logit's change by the last layer.

    Latent values change by at most ``latent`` (N, Q) and the head's values by at most ``values`` (N, Q_m).
    """
    if model.final is None:
        return values.expand(-1, 2)
    read = torch.cat([latent, values], dim=1) if model.skip else values
    return read.double() @ model.final.weight.double().abs().T


def _distance(first: Tensor, second: Tensor) -> float:
    return float((first.double() - second.double()).abs().max())


def _in_float64(model: Classifier, x: Tensor) -> Tensor:
    """Return the logits (N, k) of a model in float64. Its numbers are float32 before and after."""
    try:
        return finite_logits(model.double(), x.double())
    finally:
        model.float()


def _timed(model: nn.Module, x: Tensor) -> tuple[Tensor, float]:
    """Return the logits, and the processor time per text in seconds, after a first batch."""
    finite_logits(model, x[:1])
    started = time.process_time()
    logits = finite_logits(model, x)
    return logits, (time.process_time() - started) / len(x)
