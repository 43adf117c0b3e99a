"""Labels that are likely wrong, by held-out probabilities: the rules of confident learning (Northcutt et al. 2021)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def self_confidence(probabilities: Floats, labels: Labels) -> Floats:
    """Return the probability (N,) that a model gives to each text's own label, from all (N, k)."""
    return probabilities[np.arange(len(labels)), labels]


def confident_joint(probabilities: Floats, labels: Labels) -> Floats:
    """Return estimated numbers (k, k) of texts by given and by true label, whose rows sum to the given labels' counts.

    A text counts for the label with the highest probability among those that reach their threshold. The threshold of a
    label is the mean probability that its own texts have. A label without texts has none.
    """
    k = probabilities.shape[1]
    counts = np.bincount(labels, minlength=k)
    own = self_confidence(probabilities, labels)
    sums = np.bincount(labels, weights=own, minlength=k)
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    reached = (
        probabilities >= thresholds - 1e-6
    )  # the mean of equal probabilities may differ in its last bits
    is_confident = reached.any(axis=1)
    best = np.where(reached, probabilities, -1.0).argmax(axis=1)
    joint = np.bincount(labels[is_confident] * k + best[is_confident], minlength=k * k).reshape(
        k, k
    )
    np.fill_diagonal(joint, np.maximum(joint.diagonal(), 1))  # a label has a right text
    return np.asarray(joint / joint.sum(axis=1, keepdims=True) * counts[:, None])


def prune_by_class(probabilities: Floats, labels: Labels) -> NDArray[np.bool_]:
    """Return whether each text (N,) is among the estimated errors of its label: those with the least self-confidence.

    The number of errors of a label is that of the confident joint off its diagonal, rounded.
    """
    joint = confident_joint(probabilities, labels)
    own = self_confidence(probabilities, labels)
    is_error = np.zeros(len(labels), bool)
    for label in range(len(joint)):
        n_errors = int(np.rint(joint[label].sum() - joint[label, label]))
        rows = np.flatnonzero(labels == label)
        is_error[rows[np.argsort(own[rows], kind="stable")[:n_errors]]] = True
    return is_error
