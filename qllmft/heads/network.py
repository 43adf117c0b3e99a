"""Head of the paper's ansatz with C = 1 as a tensor network: exact ⟨Z⟩ at a cost linear in the qubits.

A layer is a row of tensors with bonds of two values between neighbours, because a CNOT is P_0 ⊗ I + P_1 ⊗ X. The L
layers make one tensor per qubit with bonds of 2^L, and a ring has one more bond from its last to its first qubit.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from qllmft_circuits import AnsatzOptions

_FLIPS = ((1.0, 0.0), (0.0, 1.0)), ((0.0, 1.0), (1.0, 0.0))  # X^b
_PROJECTORS = ((1.0, 0.0), (0.0, 0.0)), ((0.0, 0.0), (0.0, 1.0))  # P_b


def network_values(latent: Tensor, theta: Tensor, layers: Sequence[int], options: AnsatzOptions) -> Tensor:
    """Return ⟨Z⟩ (N, Q) of latent angles (N, Q) in radians, in their dtype.

    Args:
        latent: angles of the data.
        theta: weights (P,) in the order of application.
        layers: number of ansatz layers after each encoding.
        options: of the ansatz, with connectivity 1.
    """
    rows = theta.reshape(sum(layers), -1)
    contract = _ring if options.ring else _chain
    return torch.stack([contract(_sites(x, rows, layers, options)) for x in latent])


def _sites(x: Tensor, theta: Tensor, layers: Sequence[int], options: AnsatzOptions) -> Tensor:
    """Return tensors (Q, 2^L left bond, 2^L right bond, 2) of one text's angles (Q,)."""
    if not options.ring:  # qubit 0 is no target
        theta = torch.cat([theta, theta.new_zeros(len(theta), 1)], dim=1)
    encoding, sites = _turns(x), x.new_zeros(len(x), 1, 1, 2)
    sites[..., 0] = 1.0
    operators = iter([_operators(angles, options) for angles in theta])
    for count in layers:
        sites = torch.einsum("qlrs,qts->qlrt", sites, encoding)
        for _ in range(count):
            grown = torch.einsum("qlrs,qabts->qlarbt", sites, next(operators))
            sites = grown.reshape(len(x), 2 * sites.shape[1], 2 * sites.shape[2], 2)
    return sites


def _operators(angles: Tensor, options: AnsatzOptions) -> Tensor:
    """Return the tensors (Q, 2, 2, 2, 2) of one layer: left bond, right bond, qubit after it, qubit before it."""
    turns = _turns(angles.roll(1))  # of each qubit as a target
    flips, projectors = turns.new_tensor(_FLIPS), turns.new_tensor(_PROJECTORS)
    order = "qtu,aus->qats" if options.block == "cx_ry" else "atu,qus->qats"
    pair = (turns, flips) if options.block == "cx_ry" else (flips, turns)
    target = torch.einsum(order, *pair)
    layer = torch.einsum("btu,qaus->qabts", projectors, target)
    if options.ring:  # qubit 0 is a control before it is a target
        layer[0] = torch.einsum("atu,bus->abts", target[0], projectors)
    else:
        layer[-1, :, 0], layer[-1, :, 1] = target[-1], 0.0
    return layer


def _turns(angles: Tensor) -> Tensor:
    """Return R_Y (..., 2, 2) of angles."""
    cos, sin = torch.cos(angles / 2), torch.sin(angles / 2)
    return torch.stack([torch.stack([cos, -sin], dim=-1), torch.stack([sin, cos], dim=-1)], dim=-2)


def _chain(sites: Tensor) -> Tensor:
    """Return ⟨Z⟩ (Q,) of an open chain, whose outer bonds are at 0."""
    bond = sites.shape[1]
    edge = sites.new_zeros(bond, bond)
    edge[0, 0] = 1.0
    right = [edge]
    for site in sites.flip(0)[:-1]:
        right.append(torch.einsum("lrs,rt,mts->lm", site, right[-1], site))
    left, values = edge, []
    for site, after in zip(sites, reversed(right), strict=True):
        parts = torch.einsum("lrs,lm,mts->srt", site, left, site)
        values.append(((parts[0] - parts[1]) * after).sum())
        left = parts[0] + parts[1]
    return torch.stack(values)


def _ring(sites: Tensor) -> Tensor:
    """Return ⟨Z⟩ (Q,) of a ring. An environment is (bond, bond, w, w): its open bond and the ring's, ket and bra."""
    bond = sites.shape[1]
    identity = torch.eye(bond, dtype=sites.dtype)
    start = torch.einsum("lw,mv->lmwv", identity, identity).reshape(bond, bond, -1)
    right = [start]
    for site in sites.flip(0)[:-1]:
        right.append(_step(site[..., 0], right[-1]) + _step(site[..., 1], right[-1]))
    left, values = start, []
    for site, after in zip(sites, reversed(right), strict=True):
        parts = [_step(site[..., s].T, left) for s in range(2)]
        left = parts[0] + parts[1]
        values.append(((parts[0] - parts[1]) * after).sum())
    return torch.stack(values)


def _step(site: Tensor, environment: Tensor) -> Tensor:
    """Return the environment (l, m, W) behind one more site (l, r) with one value of its qubit, of one (r, t, W)."""
    bond, width = len(site), environment.shape[2]
    half = (site @ environment.reshape(bond, -1)).reshape(bond, bond, width)  # (l, t, W)
    return torch.matmul(site, half)
