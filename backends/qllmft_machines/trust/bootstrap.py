"""Spread of measured answers over bootstrap samples of their shots."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from qllmft.answers.probabilities import Bootstrap
from qllmft.tasks import Task
from qllmft.tasks.statistics import INTERVAL_QUANTILES
from qllmft.training import checked_logits
from qllmft_backends import Backend
from qllmft_base.errors import UserError
from qllmft_machines.trust.circuits import ModelCircuits


@torch.no_grad()
def bootstrap(
    circuits: ModelCircuits, backend: Backend, repeats: int, seed: int, task: Task
) -> Bootstrap:
    """Draw the shots of measured circuits again, with replacement, and compute the probabilities of each draw.

    Args:
        circuits: of N texts, which ``backend`` has measured.
        backend: keeps their shots.
        repeats: R, number of draws.
        seed: of the draws.
        task: gives probabilities of the logits.

    Raises:
        UserError: if the backend keeps no shots.
    """
    remote: Any = backend
    if not hasattr(backend, "resample"):
        raise UserError(
            f"a bootstrap draws the shots of each circuit again, and {backend.name} keeps "
            "none. Use it with ionq_forte or ionq_simulator and shots, or omit it."
        )
    resampled_values = remote.resample(
        circuits.circuit, circuits.parameters, circuits.observables, repeats, seed
    )
    logits = [
        checked_logits(circuits.logits(values)).double() for values in resampled_values.values
    ]
    # (R, N, k)
    probabilities = np.stack([np.asarray(task.probabilities(part)) for part in logits])
    low, high = np.quantile(probabilities, INTERVAL_QUANTILES, axis=0)
    return Bootstrap(
        repeats, probabilities.std(axis=0, ddof=1), low, high, resampled_values.single_shots
    )
