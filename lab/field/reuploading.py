"""Re-uploading head: 4 latent angles, two encodings by R_Y, each with a ring of CNOTs and R_Y, words of up to two Z."""

from __future__ import annotations

import math
from itertools import combinations

import torch
from qiskit import QuantumCircuit
from torch import Tensor, nn

from lab.field.head import ValuesHead
from lab.field.square import QUBITS, STATES, append_ring, ring_order, rotation, z_signs

UPLOADS = 2


def short_words() -> Tensor:
    """Return the eigenvalues (16, 10) of Z of each qubit and of each pair of qubits."""
    signs = z_signs()
    pairs = [signs[:, i] * signs[:, j] for i, j in combinations(range(QUBITS), 2)]
    return torch.cat([signs, torch.stack(pairs, dim=1)], dim=1)


class Reuploading(ValuesHead):
    """Scores (N,) of features (N, D).

    Args:
        features: D.
        generator: source of the initial angles.
        entangled: with the rings of CNOTs; without them, the separable twin.
    """

    ring: Tensor
    words: Tensor

    def __init__(
        self, features: int, generator: torch.Generator, *, entangled: bool = True
    ) -> None:
        super().__init__()
        self.latent = nn.Linear(features, QUBITS)
        self.angles = nn.Parameter(2 * math.pi * torch.rand(UPLOADS, QUBITS, generator=generator))
        self.register_buffer("ring", torch.tensor(ring_order() if entangled else range(STATES)))
        self.register_buffer("words", short_words())
        self.readout = nn.Linear(self.words.shape[1], 1)

    def values(self, x: Tensor) -> Tensor:
        """Return the words (N, 10)."""
        return self.values_of_states(self.states(x))

    def values_of_states(self, states: Tensor) -> Tensor:
        """Return the words (N, 10) of states (N, 16)."""
        return states.abs() ** 2 @ self.words

    def states(self, x: Tensor) -> Tensor:
        """Return the states (N, 16), whose amplitudes are real."""
        latent = self.latent(x)
        state = latent.new_zeros(STATES)
        state = torch.cat([state[:1] + 1, state[1:]]).expand(*latent.shape[:-1], STATES)
        encoding = rotation(latent)
        for angles in self.angles.unbind():
            state = (encoding @ state[..., None]).squeeze(-1)
            state = state.index_select(-1, self.ring) @ rotation(angles).mT
        return state


class TrigonometricPolynomial(ValuesHead):
    """The class of `Reuploading`: a linear layer on all products of 1, cos and sin of one and two times each latent.

    Each latent angle is loaded twice by R_Y, so that a word is a polynomial of degree 2 in it.

    Args:
        features: D.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.latent = nn.Linear(features, QUBITS)
        self.readout = nn.Linear((1 + 2 * UPLOADS) ** QUBITS, 1)

    def values(self, x: Tensor) -> Tensor:
        """Return the products (N, 625)."""
        return trigonometric_products(self.latent(x))


def trigonometric_products(latent: Tensor) -> Tensor:
    """Return the products (N, 5^Q) of 1, cos, sin, cos 2 and sin 2 of latent angles (N, Q), one factor an angle."""
    degrees = torch.arange(1, UPLOADS + 1, dtype=latent.dtype)
    multiples = latent[..., None] * degrees
    ones = torch.ones_like(latent)[..., None]
    factors = torch.cat([ones, multiples.cos(), multiples.sin()], dim=-1)
    products, *angle_factors = factors.unbind(dim=-2)
    for factor in angle_factors:
        products = (products[..., :, None] * factor[..., None, :]).flatten(-2)
    return products


def reuploading_circuit(
    latent: list[float], angles: list[list[float]], *, entangled: bool = True
) -> QuantumCircuit:
    """Return the circuit of latent angles (4,) and of the angles (2, 4)."""
    wires = [QUBITS - 1 - qubit for qubit in range(QUBITS)]
    circuit = QuantumCircuit(QUBITS)
    for layer in angles:
        for wire, angle in zip(wires, latent, strict=True):
            circuit.ry(angle, wire)
        if entangled:
            append_ring(circuit, wires)
        for wire, angle in zip(wires, layer, strict=True):
            circuit.ry(angle, wire)
    return circuit


def example_circuit(*, entangled: bool = True) -> QuantumCircuit:
    """Return the circuit of one text, to count its gates."""
    return reuploading_circuit(
        [0.1, 0.2, 0.3, 0.4], [[0.5] * QUBITS] * UPLOADS, entangled=entangled
    )
