"""Encoders as quadratic forms: ⟨Z_q⟩ = sᵀ A_q s of the loaded amplitudes s, and half the odd part of it if odd."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import entropy
from torch import Tensor

from qllmft.heads import ParallelEncoders
from qllmft.heads.loading import amplitudes, loaded_vector
from qllmft.templates import Pad

Floats = NDArray[np.float64]

BASIS_VECTORS_PER_PASS = 64  # basis vectors per pass: 8 MB of states at 14 qubits
WEIGHT_SHARE = 0.99  # share of Σ λ²


@dataclass(frozen=True)
class Forms:
    """Quadratic forms of all encoders of a model, in the order of its latent vector."""

    matrices: Floats  # (Q, m, m) symmetric, of ⟨Z_q⟩ in the m loaded amplitudes
    scales: Floats  # (Q,) trained factors of ⟨Z_q⟩
    pad: Pad  # filling of the amplitudes past the embedding
    odd: bool  # a value is half the change of ⟨Z_q⟩ when the constant changes its sign

    @property
    def linear(self) -> Floats:
        """Return the rows (Q, D) of the linear map that odd encoders apply to the loaded vector."""
        return self.scales[:, None] * self.matrices[:, -1, :-1]

    def latent(self, mapped: Floats) -> Floats:
        """Return the latent vectors (N, Q) of mapped embeddings (N, D)."""
        x = torch.from_numpy(mapped)
        if self.odd:
            return cast("Floats", loaded_vector(x, self.pad).numpy() @ self.linear.T)
        loaded = amplitudes(x, self.pad).numpy()
        values: list[Floats] = [
            np.einsum("ni,ij,nj->n", loaded, matrix, loaded, optimize=True)
            for matrix in self.matrices
        ]
        return np.asarray(self.scales * np.stack(values, axis=1))

    def largest_terms(self, rank: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return λ (Q, r) times the scale, v (Q, r, m), and the bound (Q,) on a latent value by what is left out."""
        values, vectors = np.linalg.eigh(self.matrices)
        order = np.argsort(-np.abs(values), axis=1)
        values = np.take_along_axis(values, order, axis=1) * self.scales[:, None]
        vectors = np.take_along_axis(vectors.transpose(0, 2, 1), order[:, :, None], axis=1)
        left_out = np.abs(values[:, rank]) if rank < values.shape[1] else np.zeros(len(values))
        kept_tensors = torch.from_numpy(values[:, :rank]), torch.from_numpy(vectors[:, :rank])
        return *kept_tensors, torch.from_numpy(left_out)


def compute_forms(encoders: ParallelEncoders) -> Forms:
    """Return the forms of trained encoders in float64, from the gradients of ⟨Z_q⟩ at all basis vectors."""
    layers = encoders.encoders
    matrices = []
    scales = []
    for encoder in layers:
        engine = encoder.engine.double
        program = encoder.engine.program
        angles = (
            program.angle_matrix @ encoder.theta.detach().double().numpy() + program.angle_offset
        )
        outputs = len(encoder.engine.masks)
        size = encoder.dimension + (encoder.pad != "zeros")
        form_matrices = np.empty((outputs, size, size))
        # the gradient of sᵀ A s by s is 2 A s, its i-th row at the i-th vector
        for start in range(0, size, BASIS_VECTORS_PER_PASS):
            basis = np.eye(size)[start : start + BASIS_VECTORS_PER_PASS]
            _, tape = engine.forward(angles, basis)
            for q in range(outputs):
                cotangent = np.zeros((len(basis), outputs))
                cotangent[:, q] = 0.5
                form_matrices[q, start : start + BASIS_VECTORS_PER_PASS] = engine.vjp(
                    tape, cotangent, amplitudes=True
                )[1]
        matrices.append((form_matrices + form_matrices.transpose(0, 2, 1)) / 2)
        scales.append(np.full(outputs, encoder.scale.item()))
    return Forms(np.concatenate(matrices), np.concatenate(scales), layers[0].pad, layers[0].odd)


@dataclass(frozen=True)
class FormsResult:
    """Quadratic forms of the encoders."""

    dimension: int  # m, length of the loaded amplitudes
    linear: bool  # the encoders are odd, so that their values are linear in the unit embedding
    spectra: tuple[tuple[float, ...], ...]  # (Q, m) eigenvalues, ascending, all in [-1, 1]
    # (Q,) exp of the entropy of |λ| / Σ|λ| (Roy and Vetterli 2007): m for m equal ones, 1 for a single one
    effective_ranks: tuple[float, ...]
    ranks_of_weight: tuple[int, ...]  # (Q,) least number of eigenvalues with 99 % of Σ λ²
    largest_error: float  # of the latent values by the forms against the circuits, in units of ⟨Z⟩
    texts: int  # number of test texts of that comparison

    @classmethod
    @torch.no_grad()
    def compute(cls, encoders: ParallelEncoders, x: Tensor) -> FormsResult:
        """Return the forms of trained encoders, compared with their circuits on embeddings (N, D) in float64."""
        forms = compute_forms(encoders)
        difference = forms.latent(encoders.map_embeddings(x).numpy()) - encoders(x).numpy()
        spectra = np.linalg.eigvalsh(forms.matrices)
        squares = np.sort(spectra**2)[:, ::-1]
        below = np.cumsum(squares, axis=1) < WEIGHT_SHARE * squares.sum(axis=1, keepdims=True)
        return cls(
            dimension=spectra.shape[1],
            linear=forms.odd,
            spectra=tuple(map(tuple, spectra.tolist())),
            effective_ranks=tuple(np.exp(entropy(np.abs(spectra), axis=1)).tolist()),
            ranks_of_weight=tuple((below.sum(axis=1) + 1).tolist()),
            largest_error=float((np.abs(difference) / np.abs(forms.scales)).max()),
            texts=len(x),
        )
