"""Truncation of states to a bond, and the least bonds at which a model keeps its labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from qllmft.analysis.audit.case import Ints
from qllmft.analysis.audit.circuit import States

SHARE = 0.99  # of the labels
ROUNDING = 1e-12  # of a difference of accuracies


def truncated(states: States, bond: int) -> States:
    """Return states (N, 2^Q) as matrix product states of a bond, made by one sweep, of norm 1."""
    n, dimension = states.shape
    qubits, rest, sites = dimension.bit_length() - 1, states[:, None, :], []
    for _ in range(qubits - 1):
        left, right = rest.shape[1], rest.shape[2] // 2
        matrix = rest.reshape(n, left * 2, right)
        values, vectors = np.linalg.eigh(matrix @ matrix.conj().transpose(0, 2, 1))
        kept = vectors[:, :, ::-1][:, :, : min(bond, right, values.shape[1])]
        rest = kept.conj().transpose(0, 2, 1) @ matrix
        sites.append(kept.reshape(n, left, 2, -1))
    out = np.ones((n, 1, 1), complex)
    for site in sites:
        out = np.einsum("nal,nlbr->nabr", out, site).reshape(n, -1, site.shape[-1])
    found = np.einsum("nal,nlb->nab", out, rest.reshape(n, rest.shape[1], -1)).reshape(n, dimension)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


@dataclass(frozen=True)
class StateBonds:
    """Least bonds to which a model's states can be truncated, by what stays."""

    most: int  # 99 % of the labels
    every: int  # all labels
    accuracy: int  # the accuracy, within a tolerance
    limit: int  # 2^⌊Q/2⌋, which truncates nothing


def state_bonds(
    labels_at: Callable[[int], Ints], labels: Ints, truth: Ints, limit: int, tolerance: float
) -> StateBonds:
    """Return the least bonds of a model whose states are truncated.

    The least bond that keeps the accuracy is χ* of SimCert if the tolerance is the gap between training and test rows.

    Args:
        labels_at: returns the labels (N,) of the model with all states truncated to a bond.
        labels: (N,) of the model itself.
        truth: (N,) right labels.
        limit: bond that truncates nothing.
        tolerance: accuracy that may be lost, as a share.

    >>> answers = np.array([0, 1, 1])
    >>> state_bonds(lambda bond: answers * (bond > 1), answers, answers, 4, 0.7)
    StateBonds(most=2, every=2, accuracy=1, limit=4)
    """
    full, found = float((labels == truth).mean()), dict.fromkeys(("accuracy", "most", "every"), 0)
    for bond in _bonds(limit):
        answers = labels if bond >= limit else labels_at(bond)
        agreed = float((answers == labels).mean())
        kept = {
            "accuracy": full - float((answers == truth).mean()) <= tolerance + ROUNDING,
            "most": agreed >= SHARE,
            "every": agreed == 1.0,
        }
        for name, holds in kept.items():
            found[name] = found[name] or bond * holds
        if all(found.values()):
            break
    return StateBonds(limit=limit, **found)


def _bonds(limit: int) -> Iterator[int]:
    """Yield the bonds that are tried: all up to 8, then in steps of an eighth."""
    bond = 1
    while bond < limit:
        yield bond
        bond += max(1, bond // 8)
    yield limit
