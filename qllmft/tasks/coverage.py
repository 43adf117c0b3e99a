"""Sets of labels that contain the true one with a given probability: split-conformal prediction.

Source: Vovk, Gammerman and Shafer 2005; the score is 1 - p of the true label (Sadinle et al. 2019).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

KEPT = 2_000  # of the validation texts' probabilities, at most


def true_probabilities(
    probabilities: NDArray[np.floating], labels: NDArray[np.int64]
) -> tuple[float, ...]:
    """Return the probabilities of the true labels in ascending order, of N texts or of `KEPT` quantiles of more.

    Args:
        probabilities: (N, k) of validation texts.
        labels: (N,) their true labels.
    """
    found = np.sort(probabilities[np.arange(len(labels)), labels].astype(np.float64))
    if len(found) > KEPT:
        found = found[np.linspace(0, len(found) - 1, KEPT).round().astype(np.int64)]
    return tuple(found.tolist())


def fewest_texts(coverage: float) -> int:
    """Return the least number of validation texts for sets that are not always all labels.

    >>> fewest_texts(0.9), fewest_texts(0.95)
    (9, 19)
    """
    return math.ceil(round(coverage / (1.0 - coverage), 9))


def least_probability(kept: Sequence[float], coverage: float) -> float:
    """Return the least probability of a label in a set.

    New texts' sets contain the true label with a probability of ``coverage`` or more, over draws of both the kept and
    the new texts, if these are exchangeable.

    Args:
        kept: n values of `true_probabilities`.
        coverage: above 0 and below 1.

    Returns:
        The probability; 0 if n is below `fewest_texts`, so that sets are all labels.
    """
    rank = math.ceil(round((len(kept) + 1) * coverage, 9))
    return 0.0 if rank > len(kept) else kept[len(kept) - rank]
