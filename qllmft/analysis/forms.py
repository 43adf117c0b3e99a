"""Encoders as quadratic forms: ⟨Z_q⟩ = sᵀ A_q s of the loaded amplitudes s, and half the odd part of it if odd."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from qllmft.heads import ParallelEncoders, QuantumEncoder
from qllmft.heads.encoder import Pad, amplitudes, loaded_vector

Floats = NDArray[np.float64]

ROWS = 64  # basis vectors per pass: 8 MB of states at 14 qubits
WEIGHT = 0.99  # share of Σ λ² in `rank_of_weight`


@dataclass(frozen=True)
class Forms:
    """Quadratic forms of all encoders of a model, in the order of its latent vector."""

    matrices: Floats  # (Q, m, m) symmetric, of ⟨Z_q⟩ in the m loaded amplitudes
    scales: Floats  # (Q,) trained factors of ⟨Z_q⟩
    pad: Pad  # filling of the amplitudes past the embedding
    odd: bool  # a value is half the change of ⟨Z_q⟩ when the constant changes its sign

    @property
    def linear(self) -> Floats | None:
        """Return the rows (Q, D) of the linear map that an odd encoder applies to the loaded vector, else None."""
        return self.scales[:, None] * self.matrices[:, -1, :-1] if self.odd else None

    def latent(self, mapped: Floats) -> Floats:
        """Return the latent vectors (N, Q) of mapped embeddings (N, D)."""
        x = torch.from_numpy(mapped)
        if self.linear is not None:
            return cast("Floats", loaded_vector(x, self.pad).numpy() @ self.linear.T)
        loaded = amplitudes(x, self.pad).numpy()
        values: list[Floats] = [
            np.einsum("ni,ij,nj->n", loaded, matrix, loaded, optimize=True)
            for matrix in self.matrices
        ]
        return np.asarray(self.scales * np.stack(values, axis=1))

    @property
    def spectra(self) -> Floats:
        """Return the eigenvalues (Q, m), ascending, all in [-1, 1]."""
        return np.asarray(np.linalg.eigvalsh(self.matrices), dtype=np.float64)


def forms_of(encoders: ParallelEncoders) -> Forms:
    """Return the forms of trained encoders in float64, from the gradients of ⟨Z_q⟩ at all basis vectors."""
    parts = cast("list[QuantumEncoder]", list(encoders.encoders))
    matrices = np.concatenate([_matrices(part) for part in parts])
    scales = np.concatenate([np.full(len(part.engine.masks), part.scale.item()) for part in parts])
    return Forms(matrices, scales, parts[0].pad, parts[0].odd)


def _matrices(encoder: QuantumEncoder) -> Floats:
    """Return A_q (T, m, m) of one encoder: the gradient of sᵀ A s by s is 2 A s, its i-th row at the i-th vector."""
    engine, program = encoder.engine.double, encoder.engine.program
    angles = program.angle_matrix @ encoder.theta.detach().double().numpy() + program.angle_offset
    outputs, size = len(encoder.engine.masks), encoder.dimension + (encoder.pad != "zeros")
    found = np.empty((outputs, size, size))
    for start in range(0, size, ROWS):
        basis = np.eye(size)[start : start + ROWS]
        _, tape = engine.forward(angles, basis)
        for q in range(outputs):
            cotangent = np.zeros((len(basis), outputs))
            cotangent[:, q] = 0.5
            found[q, start : start + ROWS] = engine.vjp(tape, cotangent, amplitudes=True)[1]
    return (found + found.transpose(0, 2, 1)) / 2


def effective_rank(eigenvalues: Floats) -> float:
    """Return exp of the entropy of |λ| / Σ|λ| (Roy and Vetterli 2007): m for m equal ones, 1 for a single one.

    >>> round(effective_rank(np.array([0.5, -0.5, 0.5, 0.0])), 6)
    3.0
    """
    shares = np.abs(eigenvalues) / np.abs(eigenvalues).sum()
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def rank_of_weight(eigenvalues: Floats, weight: float = WEIGHT) -> int:
    """Return the least number of eigenvalues with the share ``weight`` of Σ λ².

    >>> rank_of_weight(np.array([0.1, -1.0, 1.0]))
    2
    """
    squares = np.sort(eigenvalues**2)[::-1]
    return int(np.searchsorted(np.cumsum(squares), weight * squares.sum()) + 1)
