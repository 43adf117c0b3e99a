"""Least bonds that keep a model's labels: of a truncated head, and of truncated states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qllmft.analysis.agreement import certain, logit_bounds
from qllmft.config import ModelConfig
from qllmft.heads import Classifier, QuantumHead, without_noise
from qllmft.heads.truncated import TruncatedHead
from qllmft.tasks.accuracy import Accuracy

Ints = NDArray[np.int64]
States = NDArray[np.complex128]

SHARES = (0.99, 1.0)  # of the texts that keep their label
MOST_BOND = 32  # of the search: no truncation up to 11 qubits
ALL_QUBITS = 12  # wider heads are searched on `FEWER` texts: a truncation takes 0.1 s and more
FEWER = 512
ROWS = 512  # texts at once in the exact head
CHUNKS = (16, 64, 256)  # texts at once; small ones first, since most bonds fail on them
SHARE = 0.99  # of the labels
ROUNDING = 1e-12  # of a difference of accuracies


@dataclass(frozen=True)
class LeastBond:
    """Least bond with the exact head's label on a share of the texts."""

    share: float
    bond: int
    same: Accuracy  # texts with the exact head's label
    certain: int  # texts whose label the worst-case bound on the truncation guarantees


@dataclass(frozen=True)
class LeastBonds:
    """Least bonds of a head truncated after each gate; SimCert's measure χ* is that of share 1."""

    found: tuple[LeastBond, ...]  # one per share, without those above `searched`
    limit: int  # bond that truncates nothing, 2^⌊Q/2⌋
    searched: int  # largest bond of the search
    texts: int  # test texts compared

    @property
    def sentence(self) -> str:
        """Return the result in one sentence."""
        parts = [
            f"{each.bond} for {100 * each.share:g} % of {self.texts:,} test texts ({each.same.right:,} keep theirs, "
            f"the worst-case bound guarantees {each.certain:,})"
            for each in self.found
        ]
        if len(parts) < len(SHARES):
            parts.append(f"more than {self.searched} for {100 * SHARES[len(parts)]:g} %")
        return (
            f"Least bond that keeps the exact head's labels: {'; '.join(parts)}. "
            f"A bond of {self.limit} truncates nothing."
        )


@torch.no_grad()
def least_bonds(config: ModelConfig, classifier: Classifier, x: Tensor) -> LeastBonds:
    """Return the least bonds that keep the labels of a model with a quantum head.

    Bonds are tried from 1 on. Texts with the smallest lead of a label come first, and a bond ends with the first text
    that is too many.

    Args:
        config: of the model.
        classifier: the model in float64; its noise is left out.
        x: embeddings (N, D) in float64.

    Raises:
        UserError: if the head has gates on two qubits other than CNOT and CZ, or rotations other than R_Y.
    """
    assert classifier.encoder is not None  # a quantum head has latent values
    assert isinstance(classifier.head, QuantumHead)
    x = x if config.register_qubits <= ALL_QUBITS else x[:FEWER]
    with without_noise(classifier):
        latent = torch.cat([classifier.encoder(part) for part in torch.split(x, ROWS)])
        logits = torch.cat([classifier.from_latent(part) for part in torch.split(latent, ROWS)])
    leads = logits.topk(2, dim=1).values
    order = (leads[:, 0] - leads[:, 1]).argsort()
    latent, labels = latent[order], logits[order].argmax(dim=1)
    total, limit = len(x), 1 << config.register_qubits // 2
    found: list[LeastBond] = []
    for bond in range(1, min(limit - 1, MOST_BOND) + 1):
        if len(found) == len(SHARES):
            break
        allowed = total - _least(SHARES[len(found)], total)
        head = TruncatedHead(config, bond).double()
        head.theta.copy_(classifier.head.connector.weight)
        compared = _compared(head, classifier, latent, labels, allowed)
        if compared is not None:
            wrong, sure = compared
            found += [
                LeastBond(share, bond, Accuracy(total - wrong, total), sure)
                for share in SHARES[len(found) :]
                if total - wrong >= _least(share, total)
            ]
    if limit <= MOST_BOND:  # nothing is truncated, so that every label is kept
        everyone = Accuracy(total, total)
        found += [LeastBond(share, limit, everyone, total) for share in SHARES[len(found) :]]
    return LeastBonds(tuple(found), limit, min(limit, MOST_BOND), total)


def _least(share: float, total: int) -> int:
    """Return the least number of texts with a share of ``total``, in whole numbers.

    >>> _least(0.99, 100), _least(0.99, 101), _least(1.0, 7)
    (99, 100, 7)
    """
    return -(-round(100 * share) * total // 100)


def _compared(
    head: TruncatedHead, model: Classifier, latent: Tensor, labels: Tensor, allowed: int
) -> tuple[int, int] | None:
    """Return the numbers of other labels and of certain ones, or None after more than ``allowed`` other labels."""
    wrong, sure, start = 0, 0, 0
    while start < len(latent):
        chunk = next((size for size in CHUNKS if size > start), CHUNKS[-1])
        part = latent[start : start + chunk]
        values, errors = head.measured(part)
        found = model.read(part, values)
        wrong += int((found.argmax(dim=1) != labels[start : start + chunk]).sum())
        if wrong > allowed:
            return None
        bounds = logit_bounds(model, part * 0, errors[:, None].expand(-1, values.shape[1]))
        sure += int(certain(found, bounds).sum())
        start += len(part)
    return wrong, sure


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
    tried = [1]  # all up to 8, then in steps of an eighth
    while tried[-1] < limit:
        tried.append(min(limit, tried[-1] + max(1, tried[-1] // 8)))
    for bond in tried:
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
