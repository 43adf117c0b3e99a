"""Spread of a model's probabilities over bootstrap samples of the measured shots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from qllmft.errors import UserError
from qllmft.heads import Classifier
from qllmft.inference.circuits import ModelCircuits
from qllmft.training import checked_logits
from qllmft_backends import Backend

INTERVAL = (0.025, 0.975)  # quantiles that hold 95 % between them


@dataclass(frozen=True)
class Bootstrap:
    """Spread of the probabilities (N, k) over bootstrap samples."""

    repeats: int  # number of bootstrap samples
    standard_errors: NDArray[np.float64]  # (N, k) standard deviations
    low: NDArray[np.float64]  # (N, k) 2.5 % quantiles
    high: NDArray[np.float64]  # (N, k) 97.5 % quantiles
    single_shots: bool = False  # drawn from the single shots rather than from their counts


@torch.no_grad()
def bootstrap(
    classifier: Classifier, circuits: ModelCircuits, backend: Backend | None, repeats: int, seed: int
) -> Bootstrap:
    """Draw the shots of measured circuits again, with replacement, and compute the probabilities of each draw.

    Raises:
        UserError: if the backend keeps neither counts nor shots.
    """
    remote: Any = backend
    if not hasattr(backend, "resample"):
        raise UserError(
            f"a bootstrap draws the shots of each circuit again, and {backend.name if backend else 'no backend'} keeps "
            "none. Use it with ionq_forte or ionq_simulator and shots, or omit it."
        )
    drawn = remote.resample(circuits.circuit, circuits.parameters, circuits.observables, repeats, seed)
    logits = [checked_logits(circuits.logits(classifier, values)).double() for values in drawn.values]
    probabilities = torch.softmax(torch.stack(logits), dim=2).numpy()  # (R, N, k)
    low, high = np.quantile(probabilities, INTERVAL, axis=0)
    return Bootstrap(repeats, probabilities.std(axis=0, ddof=1), low, high, drawn.single_shots)
