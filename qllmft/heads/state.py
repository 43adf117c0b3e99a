"""Heads in plain tensor operations, by their gates: the state vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qllmft.config import ModelConfig
from qllmft.errors import UserError
from qllmft.heads.gates import moved, string_signs, turned
from qllmft.templates import head_template
from qllmft_backends import UnsupportedGateError
from qllmft_backends.adjoint import lower
from qllmft_circuits import data_parameters, readout_observables

STATE_ENTRIES = 2**24  # amplitudes at once
# amplitudes in one sum of float32: in a single text's sum over 2^20 the rounding is 2e-4
SUMMED = 2**16


class GateHead(nn.Module):
    """Head of the gates R_Y, CNOT, CZ, X and Z with trained weights; subclasses compute ⟨Z⟩ of its words."""

    by_angle: Tensor  # (rotations, Q + P) in float64, as the angles' offset (rotations,)
    offset: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        circuit = head_template(config)
        words = readout_observables(config.n_qubits, config.measured, config.word_weight)
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
        self._derive("by_angle", torch.from_numpy(program.angle_matrix[:, columns]))
        self._derive("offset", torch.from_numpy(program.angle_offset))

    def _derive(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    def _half_angles(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Return cos and sin (B, rotations) of half the angles of R_Y, of latent angles (B, Q)."""
        weights = latent[:, :1] * 0 + self.theta  # (B, P), for any B
        by_angle, offset = self.by_angle.to(latent.dtype), self.offset.to(latent.dtype)
        half = (torch.cat([latent, weights], dim=1) @ by_angle.T + offset) / 2
        return torch.cos(half), torch.sin(half)


class StateHead(GateHead):
    """State vector of the head: ⟨Z⟩ (B, T) of latent angles (B, Q)."""

    signs: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        masks = [sum(1 << q for q in word) for word in self.words]
        self._derive("signs", string_signs(config.n_qubits, masks))

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
            state = moved(state, op, control, target)
            if slot >= 0:
                state = turned(state, target, cos[:, slot], sin[:, slot])
        squares = state.square()
        if squares.shape[1] <= SUMMED:
            return squares @ self.signs
        parts = torch.einsum(
            "nkc,kct->nkt",
            squares.reshape(len(squares), -1, SUMMED // 16),
            self.signs.reshape(-1, SUMMED // 16, self.outputs),
        )
        return parts.sum(dim=1)
