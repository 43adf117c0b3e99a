"""How a model's answers scatter when the measured shots are drawn again: the bootstrap beside the analytic errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from qllmft.errors import UserError
from qllmft.heads import Classifier
from qllmft.inference.requests import Request
from qllmft.training import checked_logits
from qllmft_backends import Backend

INTERVAL = (0.025, 0.975)  # quantiles that hold 95 % between them


@dataclass(frozen=True)
class Bootstrap:
    """The scatter of the probabilities (N, k) of k labels for N samples over bootstrap samples of the shots."""

    repeats: int  # bootstrap samples
    standard_errors: NDArray[np.float64]  # (N, k) standard deviations
    low: NDArray[np.float64]  # (N, k) 2.5 % quantiles
    high: NDArray[np.float64]  # (N, k) 97.5 % quantiles
    single_shots: bool = False  # the single shots were drawn again; else draws were made from their counts


@torch.no_grad()
def bootstrap(classifier: Classifier, request: Request, backend: Backend | None, repeats: int, seed: int) -> Bootstrap:
    """Draw the shots behind a measurement again, with replacement, and read the head from each draw.

    Args:
        classifier: the model.
        request: what ``backend`` has measured.
        backend: one that keeps the counts, or the shots, of every circuit (``resample``): IonQ's.
        repeats: number of draws.
        seed: of the draws.

    Raises:
        UserError: for another backend.
    """
    remote: Any = backend
    if not hasattr(backend, "resample"):
        raise UserError(
            f"a bootstrap draws the shots of each circuit again, and {backend.name if backend else 'no backend'} keeps "
            "none. Use it with ionq_forte or ionq_simulator and shots, or leave it out."
        )
    drawn = remote.resample(request.circuit, request.parameters, request.observables, repeats, seed)
    answers = np.stack([_probabilities(classifier, request, values) for values in drawn.values])  # (R, N, k)
    low, high = np.quantile(answers, INTERVAL, axis=0)
    return Bootstrap(repeats, answers.std(axis=0, ddof=1), low, high, drawn.single_shots)


def _probabilities(classifier: Classifier, request: Request, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Softmax of the logits (N, k) from expectation values (N·C, O)."""
    logits = checked_logits(request.logits(classifier, values)).double()
    return np.asarray(torch.softmax(logits, dim=1).numpy())
