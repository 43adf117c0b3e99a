"""Heads of real gates with trained weights, and the state vector among them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qllmft.config import ModelConfig
from qllmft.templates import head_template
from qllmft_base.errors import UserError
from qllmft_circuits import data_parameters, readout_observables
from qllmft_engine import Program, try_lower
from qllmft_engine.torch.state_vectors import Gate, final_states, string_signs

MAX_STATE_AMPLITUDES = 2**24  # amplitudes at once
# amplitudes in one sum of float32: in a single text's sum over 2^20 the rounding is 2e-4
MAX_SUMMED_AMPLITUDES = 2**16


class GateHead(nn.Module):
    """Head of the gates R_Y, CNOT, CZ, X and Z with trained weights; subclasses compute ⟨Z⟩ of its words."""

    by_angle: Tensor  # (rotations, Q + P) in float64, as the angles' offset (rotations,)
    offset: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        circuit = head_template(config)
        words = readout_observables(
            config.register_qubits, config.measured_values, config.word_weight
        )
        assert circuit is not None  # the head is quantum
        program = try_lower(circuit)
        if not isinstance(program, Program):
            raise UserError(f"{program.error} A surrogate computes real gates only.")
        self.n_qubits = config.register_qubits
        self.registers = config.registers
        self.outputs = config.registers * len(words)
        self.words = [[int(q) for q in word.paulis[0].z.nonzero()[0]] for word in words]
        self.gates: list[Gate] = [tuple(op) for op in program.ops.tolist()]
        names = [p.name for p in program.parameters]
        data = [p.name for p in data_parameters(circuit)]
        weights = [name for name in names if name not in data]
        columns = [names.index(name) for name in (*data, *weights)]
        self.theta = nn.Parameter(torch.zeros(config.registers * len(weights)))
        by_angle = program.angle_matrix[:, columns]
        offset = program.angle_offset
        self.register_buffer("by_angle", torch.from_numpy(by_angle), persistent=False)
        self.register_buffer("offset", torch.from_numpy(offset), persistent=False)

    def rows(self, latent: Tensor) -> Tensor:
        """Return the latent angles (B·R, Q/R) of each text's registers, and (B, Q) of one as they are."""
        return latent if self.registers == 1 else latent.reshape(-1, self.n_qubits)

    def texts(self, values: Tensor) -> Tensor:
        """Return the values (B, R·T) of texts, of the values (B·R, T) of registers."""
        return values if self.registers == 1 else values.reshape(-1, self.outputs)

    def half_angles(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Return cos and sin (B·R, rotations) of half the angles of R_Y, of `rows` of latent angles."""
        if self.registers == 1:
            weights = latent[:, :1] * 0 + self.theta  # (B, P), for any B
        else:
            by_register = latent[:, :1].reshape(-1, self.registers, 1) * 0
            by_register = by_register + self.theta.reshape(self.registers, -1)  # (B, R, P)
            weights = by_register.reshape(-1, by_register.shape[2])
        by_angle = self.by_angle.to(latent.dtype)
        offset = self.offset.to(latent.dtype)
        half = (torch.cat([latent, weights], dim=1) @ by_angle.T + offset) / 2
        return torch.cos(half), torch.sin(half)


class StateHead(GateHead):
    """State vector of the head: ⟨Z⟩ (B, T) of latent angles (B, Q)."""

    signs: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        masks = [sum(1 << q for q in word) for word in self.words]
        signs = string_signs(config.register_qubits, masks)
        self.register_buffer("signs", signs, persistent=False)

    @property
    def flops(self) -> int:
        """Return the operations per text: three per number of the state and gate."""
        return 3 * self.registers * len(self.gates) << self.n_qubits

    def forward(self, latent: Tensor) -> Tensor:
        """Return ⟨Z⟩ (B, T) of latent angles (B, Q) in radians."""
        rows = max(1, (MAX_STATE_AMPLITUDES >> self.n_qubits) // self.registers)
        if latent.shape[0] > rows:
            return torch.cat([self(part) for part in torch.split(latent, rows)])
        latent = self.rows(latent)
        cos, sin = self.half_angles(latent)
        zero = latent[:, :1] * 0 + torch.eye(1, 2**self.n_qubits, dtype=latent.dtype)  # |0...0⟩
        squares = final_states(self.gates, zero, cos, sin).square()
        if squares.shape[1] <= MAX_SUMMED_AMPLITUDES:
            return self.texts(squares @ self.signs)
        parts = squares.reshape(len(squares), -1, MAX_SUMMED_AMPLITUDES // 16)
        signs = self.signs.reshape(-1, MAX_SUMMED_AMPLITUDES // 16, self.signs.shape[1])
        return self.texts(torch.einsum("nkc,kct->nkt", parts, signs).sum(dim=1))
