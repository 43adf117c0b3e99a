"""Least bonds that keep a model's labels: of a truncated head, and of truncated states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qllmft.config import ModelConfig
from qllmft.heads import Classifier, QuantumHead, without_noise
from qllmft.heads.truncated import TruncatedHead
from qllmft.tasks.accuracy import Accuracy
from qllmft_audit.agreement import logit_bounds, mark_certain_labels

Ints = NDArray[np.int64]
States = NDArray[np.complex128]

LABEL_SHARES = (0.99, 1.0)  # of the texts that keep their label
MAX_BOND = 32  # of the search: no truncation up to 11 qubits
# wider heads are searched on `N_TEXTS_OF_WIDE_HEADS` texts: a truncation takes 0.1 s and more
MAX_QUBITS_ON_ALL_TEXTS = 12
N_TEXTS_OF_WIDE_HEADS = 512
TEXTS_PER_BLOCK = 512  # texts at once in the exact head
CHUNK_SIZES = (16, 64, 256)  # texts at once; small ones first, since most bonds fail on them
MAX_LABELS_SHARE = 0.99  # of the labels
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
        """Return the result in sentences."""
        bond_texts = [
            f"{least_bond.bond} for {100 * least_bond.share:g} % of {self.texts:,} test texts"
            for least_bond in self.found
        ]
        kept_texts = [
            f"At a bond of {least_bond.bond}, {least_bond.same.right:,} keep theirs, and the worst-case bound "
            f"guarantees {least_bond.certain:,}."
            for least_bond in self.found
        ]
        if len(bond_texts) < len(LABEL_SHARES):
            bond_texts.append(
                f"more than {self.searched} for {100 * LABEL_SHARES[len(bond_texts)]:g} %"
            )
        return " ".join(
            [
                f"Least bond that keeps the exact head's labels: {', '.join(bond_texts)}.",
                *dict.fromkeys(kept_texts),
                f"A bond of {self.limit} truncates nothing.",
            ]
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
    x = x if config.register_qubits <= MAX_QUBITS_ON_ALL_TEXTS else x[:N_TEXTS_OF_WIDE_HEADS]
    with without_noise(classifier):
        latent = torch.cat([classifier.encoder(block) for block in torch.split(x, TEXTS_PER_BLOCK)])
        logits = torch.cat(
            [classifier.from_latent(block) for block in torch.split(latent, TEXTS_PER_BLOCK)]
        )
    leads = logits.topk(2, dim=1).values
    order = (leads[:, 0] - leads[:, 1]).argsort()
    latent = latent[order]
    labels = logits[order].argmax(dim=1)
    total = len(x)
    limit = 1 << config.register_qubits // 2
    bonds: list[LeastBond] = []
    for bond in range(1, min(limit - 1, MAX_BOND) + 1):
        if len(bonds) == len(LABEL_SHARES):
            break
        allowed = total - _least_count(LABEL_SHARES[len(bonds)], total)
        head = TruncatedHead(config, bond).double()
        head.theta.copy_(classifier.head.connector.weight)
        counts = _count_changed_labels(head, classifier, latent, labels, allowed)
        if counts is not None:
            n_changed, n_certain = counts
            bonds += [
                LeastBond(share, bond, Accuracy(total - n_changed, total), n_certain)
                for share in LABEL_SHARES[len(bonds) :]
                if total - n_changed >= _least_count(share, total)
            ]
    if limit <= MAX_BOND:  # nothing is truncated, so that every label is kept
        all_texts = Accuracy(total, total)
        bonds += [LeastBond(share, limit, all_texts, total) for share in LABEL_SHARES[len(bonds) :]]
    return LeastBonds(tuple(bonds), limit, min(limit, MAX_BOND), total)


def _least_count(share: float, total: int) -> int:
    """Return the least number of texts with a share of ``total``, in whole numbers.

    >>> _least_count(0.99, 100), _least_count(0.99, 101), _least_count(1.0, 7)
    (99, 100, 7)
    """
    return -(-round(100 * share) * total // 100)


def _count_changed_labels(
    head: TruncatedHead, model: Classifier, latent: Tensor, labels: Tensor, allowed: int
) -> tuple[int, int] | None:
    """Return the numbers of other labels and of certain ones, or None after more than ``allowed`` other labels."""
    n_changed = 0
    n_certain = 0
    start = 0
    while start < len(latent):
        chunk = next((size for size in CHUNK_SIZES if size > start), CHUNK_SIZES[-1])
        block = latent[start : start + chunk]
        values, errors = head.values_with_bounds(block)
        logits = model.apply_readout(block, values)
        n_changed += int((logits.argmax(dim=1) != labels[start : start + chunk]).sum())
        if n_changed > allowed:
            return None
        bounds = logit_bounds(model, block * 0, errors[:, None].expand(-1, values.shape[1]))
        n_certain += int(mark_certain_labels(logits, bounds).sum())
        start += len(block)
    return n_changed, n_certain


def truncate_states(states: States, bond: int) -> States:
    """Return states (N, 2^Q) as matrix product states of a bond, made by one sweep, of norm 1."""
    n, dimension = states.shape
    qubits = dimension.bit_length() - 1
    remainder = states[:, None, :]
    sites = []
    for _ in range(qubits - 1):
        left_bond = remainder.shape[1]
        right_dimension = remainder.shape[2] // 2
        matrix = remainder.reshape(n, left_bond * 2, right_dimension)
        values, vectors = np.linalg.eigh(matrix @ matrix.conj().transpose(0, 2, 1))
        kept_vectors = vectors[:, :, ::-1][:, :, : min(bond, right_dimension, values.shape[1])]
        remainder = kept_vectors.conj().transpose(0, 2, 1) @ matrix
        sites.append(kept_vectors.reshape(n, left_bond, 2, -1))
    product = np.ones((n, 1, 1), complex)
    for site in sites:
        product = np.einsum("nal,nlbr->nabr", product, site).reshape(n, -1, site.shape[-1])
    full_states = np.einsum(
        "nal,nlb->nab", product, remainder.reshape(n, remainder.shape[1], -1)
    ).reshape(n, dimension)
    return np.asarray(full_states / np.linalg.norm(full_states, axis=1, keepdims=True))


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
    full = float((labels == truth).mean())
    least_by_criterion = dict.fromkeys(("accuracy", "most", "every"), 0)
    bonds = [1]  # all up to 8, then in steps of an eighth
    while bonds[-1] < limit:
        bonds.append(min(limit, bonds[-1] + max(1, bonds[-1] // 8)))
    for bond in bonds:
        answers = labels if bond >= limit else labels_at(bond)
        agreement = float((answers == labels).mean())
        holds_by_criterion = {
            "accuracy": full - float((answers == truth).mean()) <= tolerance + ROUNDING,
            "most": agreement >= MAX_LABELS_SHARE,
            "every": agreement == 1.0,
        }
        for name, holds in holds_by_criterion.items():
            least_by_criterion[name] = least_by_criterion[name] or bond * holds
        if all(least_by_criterion.values()):
            break
    return StateBonds(limit=limit, **least_by_criterion)
