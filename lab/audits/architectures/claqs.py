"""CLAQS: a polynomial of a learned combination of the tokens' unitaries (Chen et al., arXiv 2510.06532)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lab.audits.architectures.model import (
    QuantumTextModel,
    States,
    expectation_values,
    matrices,
    paulis,
)

DEGREE = 5
HIDDEN = 16


class CLAQS(QuantumTextModel):
    """Mixer with the state U · Σ c_k M^k |0…0⟩, normalised, where M = Σ b_j U_j over the tokens j of a text.

    The angles of U_j are a linear map of the token; Σ |b_j| = 1. X, Y and Z of each qubit go into two layers.

    Args:
        n_qubits: Q.
        size: D, numbers of a token; texts are (N, S, D) with zeros where a text has ended.
        tokens: largest S.
    """

    def __init__(self, n_qubits: int, size: int, tokens: int) -> None:
        super().__init__()
        self.n_qubits = n_qubits
        self.observables = matrices(paulis(n_qubits, "XYZ"))
        self.angles = nn.Linear(size, 4 * n_qubits, bias=False)
        self.mixing = nn.Parameter(torch.tensor([0.1, 0.0]) + 0.05 * torch.randn(tokens, 2))
        self.polynomial = nn.Parameter(0.1 * torch.randn(DEGREE + 1))
        self.window = nn.Parameter(0.1 * torch.randn(1, 4 * n_qubits))
        self.readout = nn.Sequential(
            nn.Linear(3 * n_qubits, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 2)
        )
        self.double()

    def vectors(self, x: Tensor) -> Tensor:
        """Return the states (N, 2^Q) of texts."""
        mask = (x != 0).any(dim=2)
        texts = mask.nonzero()[:, 0]
        angles = self.angles(x[mask])
        mixing = torch.view_as_complex(self.mixing)[: x.shape[1]] * mask
        mixing = (mixing / mixing.abs().sum(dim=1, keepdim=True))[mask]
        power = torch.zeros(len(x), 2**self.n_qubits, dtype=torch.complex128)
        power[:, 0] = 1.0
        total = self.polynomial[0] * power
        for coefficient in self.polynomial[1:]:
            token_terms = mixing[:, None] * ansatz_14(power[texts], angles)
            power = torch.zeros_like(power).index_add(0, texts, token_terms)
            total = total + coefficient * power
        unnormalised: Tensor = ansatz_14(total, self.window)
        norms: Tensor = torch.linalg.vector_norm(unnormalised, dim=1, keepdim=True)
        return unnormalised / norms

    @torch.no_grad()
    def states(self, x: Tensor) -> list[States]:
        """Return the states (N, 2^Q)."""
        return [self.vectors(x).numpy()]

    def values(self, x: Tensor, states: list[States]) -> list[Tensor]:
        """Return the expectation values (N, 3Q)."""
        del x
        return [expectation_values(self.observables, torch.from_numpy(states[0]))]

    def scores(self, x: Tensor, values: list[Tensor]) -> Tensor:
        """Return the scores (N, 2)."""
        del x
        label_scores: Tensor = self.readout(values[0])
        return label_scores

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores (N, 2) of texts."""
        return self.scores(x, [expectation_values(self.observables, self.vectors(x))])


def ansatz_14(states: Tensor, angles: Tensor) -> Tensor:
    """Return states (n, 2^Q) behind circuit 14 of Sim et al. (arXiv 1905.10876) with angles (n, 4Q) or (1, 4Q).

    It is R_Y on all qubits and a ring of controlled R_X, then the same with a ring in the other direction.
    """
    qubits = angles.shape[1] // 4
    slots = iter(angles.unbind(1))
    amplitudes = states.view(-1, *[2] * qubits)
    forward = [(i, (i + 1) % qubits) for i in reversed(range(qubits))]
    back = [(i, (i - 1) % qubits) for i in (qubits - 1, *range(qubits - 1))]
    for ring in (forward, back):
        for qubit in range(qubits):
            amplitudes = _rotate(amplitudes, next(slots), 1.0, -1 - qubit)
        for control, target in ring:
            off, on = amplitudes.unbind(-1 - control)
            on = _rotate(on, next(slots), 1j, -1 - target + (target > control))
            amplitudes = torch.stack([off, on], -1 - control)
    return amplitudes.reshape(len(states), -1)


def _rotate(states: Tensor, angles: Tensor, phase: complex, axis: int) -> Tensor:
    """Return states (n, 2, ..., 2) behind R_Y (``phase`` 1) or R_X (1j) of angles (n,) or (1,) on an axis."""
    half = angles.view(-1, *[1] * (states.dim() - 2)) / 2
    low, high = states.unbind(axis)
    cos = torch.cos(half)
    up = phase * torch.sin(half)
    down = up if phase == 1.0 else -up
    # R_Y has -sin and sin beside its diagonal, R_X -i sin twice
    return torch.stack([cos * low - up * high, down * low + cos * high], axis)
