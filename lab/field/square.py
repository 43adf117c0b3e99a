"""SQUARE's circuit (arXiv 2609.37134): amplitudes of 16 features, R_Y, R_Z, a ring of CNOTs, R_Y, 16 probabilities.

Qubit 1 of the paper is the first factor of a basis state, so its bit is the largest of the state's index.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit import QuantumCircuit, transpile
from qiskit.circuit.library import StatePreparation
from torch import Tensor, nn

from lab.field.head import ValuesHead

QUBITS = 4
STATES = 2**QUBITS
HIDDEN = 8
NATIVE_GATES = ["u", "cx"]


def ring_order() -> list[int]:
    """Return the basis state that the ring of CNOTs maps to each basis state."""
    order = []
    for state in range(STATES):
        bits = [state >> (QUBITS - 1 - qubit) & 1 for qubit in range(QUBITS)]
        for control in range(QUBITS):
            bits[(control + 1) % QUBITS] ^= bits[control]
        order.append(sum(bit << (QUBITS - 1 - qubit) for qubit, bit in enumerate(bits)))
    # amplitude j of the new state is that of the state which is mapped to j
    return sorted(range(STATES), key=order.__getitem__)


def rotation(angles: Tensor) -> Tensor:
    """Return the matrices (..., 16, 16) of R_Y with angles (..., 4) on the four qubits."""
    cosines = torch.cos(angles / 2)
    sines = torch.sin(angles / 2)
    matrices = torch.stack([cosines, -sines, sines, cosines], dim=-1).unflatten(-1, (2, 2))  # type: ignore[no-untyped-call]
    first = kronecker(matrices.select(-3, 0), matrices.select(-3, 1))
    return kronecker(first, kronecker(matrices.select(-3, 2), matrices.select(-3, 3)))


def kronecker(first: Tensor, second: Tensor) -> Tensor:
    """Return the Kronecker products (..., mn, mn) of matrices (..., m, m) and (..., n, n)."""
    products = first[..., :, None, :, None] * second[..., None, :, None, :]
    return products.flatten(-4, -3).flatten(-2, -1)


def z_signs() -> Tensor:
    """Return the eigenvalue of Z of each qubit in each basis state, (16, 4)."""
    shifts = torch.arange(QUBITS - 1, -1, -1)
    return 1.0 - 2.0 * (torch.arange(STATES)[:, None] >> shifts & 1)


def tanh_head(features: int) -> nn.Sequential:
    """Return the paper's head: two linear layers with tanh between them."""
    return nn.Sequential(nn.Linear(features, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 1))


class Square(ValuesHead):
    """SQUARE: scores (N,) of features (N, 16), with 12 angles and a head of 145 numbers.

    Args:
        generator: source of the initial angles, uniform over a turn.
        entangled: with the ring of CNOTs; without it, the separable twin.
        trained: the angles learn; otherwise the circuit stays as it began.
    """

    ring: Tensor
    signs: Tensor
    noise = 1 / STATES

    def __init__(
        self, generator: torch.Generator, *, entangled: bool = True, trained: bool = True
    ) -> None:
        super().__init__()
        angles = 2 * math.pi * torch.rand(3, QUBITS, generator=generator)
        if trained:
            self.angles = nn.Parameter(angles)
        else:
            self.register_buffer("angles", angles)
            self.fixed_numbers = angles.numel()
        self.register_buffer("ring", torch.tensor(ring_order() if entangled else range(STATES)))
        self.register_buffer("signs", z_signs())
        self.readout = tanh_head(STATES)

    def values(self, x: Tensor) -> Tensor:
        """Return the probabilities (N, 16)."""
        real, imaginary = self._amplitudes(x)
        return real**2 + imaginary**2

    def states(self, x: Tensor) -> Tensor:
        """Return the states (N, 16) before the measurement."""
        return torch.complex(*self._amplitudes(x))

    def values_of_states(self, states: Tensor) -> Tensor:
        """Return the probabilities (N, 16) of states (N, 16)."""
        return states.abs() ** 2

    def _amplitudes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y_first, z, y_last = self.angles.unbind()
        amplitudes = nn.functional.normalize(x, dim=-1) @ rotation(y_first).mT
        phases = self.signs @ z / 2
        last = rotation(y_last).mT
        real = (amplitudes * phases.cos()).index_select(-1, self.ring) @ last
        imaginary = (amplitudes * phases.sin()).index_select(-1, self.ring) @ last
        return real, imaginary


def append_ring(circuit: QuantumCircuit, wires: Sequence[int]) -> None:
    """Append the ring of CNOTs from each wire to the next."""
    for place, wire in enumerate(wires):
        circuit.cx(wire, wires[(place + 1) % len(wires)])


def square_circuit(
    z: NDArray[np.float64], angles: NDArray[np.float64], *, entangled: bool = True
) -> QuantumCircuit:
    """Return the circuit of one text's features (16,) and of the angles (3, 4), in gates on one qubit and CNOTs."""
    wires = [QUBITS - 1 - qubit for qubit in range(QUBITS)]
    circuit = QuantumCircuit(QUBITS)
    circuit.append(StatePreparation(z / np.linalg.norm(z)), range(QUBITS))
    for qubit, wire in enumerate(wires):
        circuit.ry(angles[0][qubit], wire)
        circuit.rz(angles[1][qubit], wire)
    if entangled:
        append_ring(circuit, wires)
    for qubit, wire in enumerate(wires):
        circuit.ry(angles[2][qubit], wire)
    return transpile(circuit, basis_gates=NATIVE_GATES, optimization_level=1)


def example_circuit(*, entangled: bool = True) -> QuantumCircuit:
    """Return the circuit of one text, to count its gates: no two of its features and angles are equal."""
    return square_circuit(
        np.arange(1.0, 17.0), np.arange(1.0, 13.0).reshape(3, 4) / 5, entangled=entangled
    )
