"""Heads in plain tensor operations, by their gates: the state vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qllmft.config import ModelConfig
from qllmft.errors import UserError
from qllmft.templates import head_template
from qllmft_backends import UnsupportedGateError
from qllmft_backends.adjoint import lower
from qllmft_backends.adjoint.program.lowering import Op
from qllmft_circuits import data_parameters, readout_observables

STATE_ENTRIES = 2**24  # amplitudes at once


class GateHead(nn.Module):
    """Head of the gates R_Y, CNOT, CZ, X and Z with trained weights; subclasses compute ⟨Z⟩ of its words."""

    by_angle: Tensor
    offset: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        circuit, words = (
            head_template(config),
            readout_observables(config.n_qubits, config.measured, config.word_weight),
        )
        assert circuit is not None  # the head is quantum
        try:
            program = lower(circuit)
        except UnsupportedGateError as error:
            raise UserError(f"{error} A surrogate computes real gates only.") from error
        self.n_qubits = config.n_qubits
        self.outputs = len(words)
        self.words = [[int(q) for q in word.paulis[0].z.nonzero()[0]] for word in words]
        self.ops = [tuple(map(int, op)) for op in program.ops]
        data = [p.name for p in data_parameters(circuit)]
        weights = [p.name for p in program.parameters if p.name not in data]
        names = [p.name for p in program.parameters]
        columns = [names.index(name) for name in (*data, *weights)]
        self.theta = nn.Parameter(torch.zeros(len(weights)))
        self._derive("by_angle", torch.from_numpy(program.angle_matrix[:, columns]).float())
        self._derive("offset", torch.from_numpy(program.angle_offset).float())

    def _derive(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    def _half_angles(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Return cos and sin (B, rotations) of half the angles of R_Y, of latent angles (B, Q)."""
        weights = latent[:, :1] * 0 + self.theta  # (B, P), for any B
        half = (torch.cat([latent, weights], dim=1) @ self.by_angle.T + self.offset) / 2
        return torch.cos(half), torch.sin(half)


class StateHead(GateHead):
    """State vector of the head: ⟨Z⟩ (B, T) of latent angles (B, Q)."""

    signs: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        masks = torch.tensor([sum(1 << q for q in word) for word in self.words])
        self._derive("signs", _signs(torch.arange(2**config.n_qubits)[:, None] & masks))

    def forward(self, latent: Tensor) -> Tensor:
        """Return ⟨Z⟩ (B, T) of latent angles (B, Q) in radians."""
        rows = max(1, STATE_ENTRIES >> self.n_qubits)
        if latent.shape[0] <= rows:
            return self._values(latent)
        return torch.cat([self._values(part) for part in torch.split(latent, rows)])

    def _values(self, latent: Tensor) -> Tensor:
        cos, sin = self._half_angles(latent)
        state = latent[:, :1] * 0 + torch.eye(1, 2**self.n_qubits, dtype=latent.dtype)  # |0...0⟩
        for op, control, target, slot in self.ops:
            state = self._moved(op, control, target, state)
            if slot >= 0:
                state = _turned(state, target, cos[:, slot], sin[:, slot])
        return state.square() @ self.signs

    def _moved(self, op: int, control: int, target: int, state: Tensor) -> Tensor:
        """Return the state behind a gate that moves amplitudes or changes their signs."""
        index = torch.arange(2**self.n_qubits)
        if op in (Op.CX, Op.CX_ROT):
            return state.index_select(1, index ^ ((index >> control & 1) << target))
        if op == Op.X:
            return state.index_select(1, index ^ (1 << target))
        if op in (Op.Z, Op.CZ):
            both = index >> target & (1 if op == Op.Z else index >> control) & 1
            return state * (1 - 2 * both).to(state)
        return state


def _turned(state: Tensor, target: int, cos: Tensor, sin: Tensor) -> Tensor:
    """Return states (B, 2^Q) behind R_Y on one qubit, with cos and sin (B,) of half its angle."""
    pairs = state.reshape(-1, state.shape[1] >> target + 1, 2, 2**target)
    cos, sin = cos.reshape(-1, 1, 1), sin.reshape(-1, 1, 1)
    low, high = pairs[:, :, 0], pairs[:, :, 1]
    return torch.stack([cos * low - sin * high, sin * low + cos * high], dim=2).reshape(
        -1, state.shape[1]
    )


def _signs(masked: Tensor) -> Tensor:
    """Return (-1)^(number of ones) of integers, in float32."""
    parity = torch.zeros_like(masked)
    while masked.any():
        parity, masked = parity ^ (masked & 1), masked >> 1
    return (1 - 2 * parity).float()
