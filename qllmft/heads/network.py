"""Head of the paper's ansatz with C = 1 as a tensor network: exact ⟨Z⟩ at a cost linear in the qubits.

A layer is a row of tensors with bonds of two values between neighbours, because a CNOT is P_0 ⊗ I + P_1 ⊗ X. The L
layers make one tensor per qubit with bonds of 2^L, and a ring has one more bond from its last to its first qubit.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from qllmft.config import ModelConfig
from qllmft.templates import head_ansatz
from qllmft_circuits import AnsatzOptions
from qllmft_engine.torch.state_vectors import FLIP_POWERS, PROJECTORS, rotation_matrices


class NetworkHead(nn.Module):
    """Head of the paper's ansatz with C = 1 as a tensor network: ⟨Z⟩ (B, Q_m) of latent angles (B, Q)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        options = head_ansatz(config)
        assert isinstance(options, AnsatzOptions)  # those of the paper's ansatz
        self.layers = [*[config.reupload_layers] * (config.reuploads - 1), config.main_layers]
        self.registers = config.registers
        self.options = options
        self.outputs = 1 if config.measured_values == "first" else config.n_qubits
        size = sum(self.layers) * options.layer_size(config.register_qubits)
        self.theta = nn.Parameter(torch.zeros(config.registers * size))

    def forward(self, latent: Tensor) -> Tensor:
        """Return ⟨Z⟩ (B, Q_m) of latent angles (B, Q) in radians, in their dtype."""
        pairs = zip(
            latent.chunk(self.registers, dim=1), self.theta.chunk(self.registers), strict=True
        )
        return torch.cat([self._values(*pair) for pair in pairs], dim=1)[:, : self.outputs]

    def _values(self, latent: Tensor, theta: Tensor) -> Tensor:
        """Return ⟨Z⟩ (B, Q/R) of the latent angles and the weights of one register."""
        contract = _contract_ring if self.options.ring else _contract_chain
        # a ring takes 2^(4L) numbers per qubit and text, and a file has one contraction for any
        # number of texts
        parts = [latent] if torch.onnx.is_in_onnx_export() else torch.split(latent, 1)
        return torch.cat([contract(self.sites(x, theta)) for x in parts])

    def sites(self, x: Tensor, theta: Tensor) -> tuple[Tensor, ...]:
        """Return the tensor (N, 2^L left bond, 2^L right bond, 2) of each qubit, of latent angles (N, Q/R)."""
        rows = theta.reshape(sum(self.layers), -1)
        if not self.options.ring:  # qubit 0 is no target
            rows = torch.cat([rows, rows.new_zeros(len(rows), 1)], dim=1)
        operators = iter([_operators(angles, self.options) for angles in rows])
        encoding = rotation_matrices(x)
        sites = torch.stack([torch.ones_like(x), torch.zeros_like(x)], dim=-1)[:, :, None, None]
        for count in self.layers:
            sites = torch.einsum("nqlrs,nqts->nqlrt", sites, encoding)
            for _ in range(count):
                bond = 2 * sites.shape[2]
                grown = torch.einsum("nqlrs,qabts->nqlarbt", sites, next(operators))
                sites = grown.reshape(-1, x.shape[1], bond, bond, 2)
        return sites.unbind(1)


def _operators(angles: Tensor, options: AnsatzOptions) -> Tensor:
    """Return the tensors (Q, 2, 2, 2, 2) of one layer: left bond, right bond, qubit after it, qubit before it."""
    rotations = rotation_matrices(angles.roll(1, 0))  # of each qubit as a target
    flips = rotations.new_tensor(FLIP_POWERS)
    projectors = rotations.new_tensor(PROJECTORS)
    order = "qtu,aus->qats" if options.block == "cx_ry" else "atu,qus->qats"
    pair = (rotations, flips) if options.block == "cx_ry" else (flips, rotations)
    target = torch.einsum(order, *pair)
    layer = torch.einsum("btu,qaus->qabts", projectors, target)
    if options.ring:  # qubit 0 is a control before it is a target
        first = torch.einsum("qatu,bus->qabts", target[:1], projectors)
        return torch.cat([first, layer[1:]])
    last = torch.stack([target[-1:], torch.zeros_like(target[-1:])], dim=2)
    return torch.cat([layer[:-1], last])


def _contract_chain(sites: Sequence[Tensor]) -> Tensor:
    """Return ⟨Z⟩ (N, Q) of an open chain, whose outer bonds are at 0."""
    corner = torch.eye(sites[0].shape[1], dtype=sites[0].dtype)[0]
    edge = torch.outer(corner, corner)[None]
    right_environments = [edge]
    for site in sites[:0:-1]:
        right_environments.append(
            torch.einsum("nlrs,nrt,nmts->nlm", site, right_environments[-1], site)
        )
    left_environment = edge
    values = []
    for site, right_environment in zip(sites, reversed(right_environments), strict=True):
        parts = torch.einsum("nlrs,nlm,nmts->nsrt", site, left_environment, site)
        values.append(((parts[:, 0] - parts[:, 1]) * right_environment).sum(dim=(1, 2)))
        left_environment = parts[:, 0] + parts[:, 1]
    return torch.stack(values, dim=1)


def _contract_ring(sites: Sequence[Tensor]) -> Tensor:
    """Return ⟨Z⟩ (N, Q) of a ring. An environment is (N, bond, bond, w, w): open bond and ring's, ket and bra."""
    bond = sites[0].shape[1]
    identity = torch.eye(bond, dtype=sites[0].dtype)
    start = torch.einsum("lw,mv->lmwv", identity, identity).reshape(1, bond, bond, -1)
    right_environments = [start]
    for site in sites[:0:-1]:
        right_environments.append(
            _extend_environment(site[..., 0], right_environments[-1])
            + _extend_environment(site[..., 1], right_environments[-1])
        )
    left_environment = start
    values = []
    for site, right_environment in zip(sites, reversed(right_environments), strict=True):
        parts = [
            _extend_environment(site[..., s].transpose(1, 2), left_environment) for s in range(2)
        ]
        left_environment = parts[0] + parts[1]
        values.append(((parts[0] - parts[1]) * right_environment).sum(dim=(1, 2, 3)))
    return torch.stack(values, dim=1)


def _extend_environment(site: Tensor, environment: Tensor) -> Tensor:
    """Return the environment (N, l, m, W) behind one more site (N, l, r) with one value of its qubit.

    The environment before it is (N, r, t, W), or (1, r, t, W) at the start.
    """
    bond = site.shape[1]
    width = environment.shape[3]
    half = (site @ environment.flatten(2)).reshape(-1, bond, bond, width)  # (N, l, t, W)
    return torch.matmul(site[:, None], half)
