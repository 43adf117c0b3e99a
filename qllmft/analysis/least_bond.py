"""Least bond of a truncated head that keeps the labels of the exact one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from qllmft.analysis.agreement import certain, logit_bounds
from qllmft.config import ModelConfig
from qllmft.heads import Classifier, QuantumHead, without_noise
from qllmft.heads.truncated import TruncatedHead
from qllmft.tasks.accuracy import Accuracy

SHARES = (0.99, 1.0)  # of the texts that keep their label
MOST_BOND = 32  # of the search: no truncation up to 11 qubits
ALL_QUBITS = 12  # wider heads are searched on `FEWER` texts: a truncation takes 0.1 s and more
FEWER = 512
ROWS = 512  # texts at once in the exact head
CHUNKS = (16, 64, 256)  # texts at once; small ones first, since most bonds fail on them


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
    x = x if config.n_qubits <= ALL_QUBITS else x[:FEWER]
    with without_noise(classifier):
        latent = torch.cat([classifier.encoder(part) for part in torch.split(x, ROWS)])
        logits = torch.cat([classifier.from_latent(part) for part in torch.split(latent, ROWS)])
    leads = logits.topk(2, dim=1).values
    order = (leads[:, 0] - leads[:, 1]).argsort()
    latent, labels = latent[order], logits[order].argmax(dim=1)
    total, limit = len(x), 1 << config.n_qubits // 2
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
