"""The reference for circuits of any gates: an adjoint sweep with small matrices in complex128.

States are (B, 2^Q), little-endian. A matrix on two qubits counts the first one as the low bit, as Qiskit does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from workloads import CX, RY, Gate

Complex = NDArray[np.complex128]
Floats = NDArray[np.float64]

I2 = np.eye(2, dtype=complex)
ONE = np.diag([0j, 1])
X = np.array([[0, 1], [1, 0]], complex)
Y = np.array([[0, -1j], [1j, 0]])
Z = np.diag([1 + 0j, -1])
H = (X + Z) / np.sqrt(2)
SX = np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2
FIXED = {
    "h": H,
    "s": np.diag([1, 1j]),
    "t": np.diag([1, np.exp(0.25j * np.pi)]),
    "sx": SX,
    "cx": np.kron(I2, I2 - ONE) + np.kron(X, ONE),
    "cz": np.diag([1, 1, 1, -1 + 0j]),
    "swap": np.eye(4, dtype=complex)[[0, 2, 1, 3]],
}
# Gates with an angle t are exp(-i t G).
GENERATORS = {"rx": X / 2, "ry": Y / 2, "rz": Z / 2, "p": -ONE, "cp": -np.kron(ONE, ONE)}
GENERATORS |= {
    f"cr{axis}": np.kron(pauli, ONE) / 2 for axis, pauli in zip("xyz", (X, Y, Z), strict=True)
}
GENERATORS |= {
    f"r{axis}{axis}": np.kron(pauli, pauli) / 2
    for axis, pauli in zip("xyz", (X, Y, Z), strict=True)
}
# name, qubits, index of its angle, whether that is data
Factor = tuple[str, tuple[int, ...], int | None, bool]


def factors(gates: Sequence[Gate]) -> Iterator[Factor]:
    """Yield gates of one angle at most. U(t, p, l) is P(p) R_Y(t) P(l), the last one first."""
    for gate in gates:
        if isinstance(gate, CX):
            yield "cx", (gate.control, gate.target), None, False
        elif isinstance(gate, RY):
            yield "ry", (gate.qubit,), gate.index, gate.from_data
        elif gate.name == "u":
            theta, phi, lam = gate.indices
            for name, index in (("p", lam), ("ry", theta), ("p", phi)):
                yield name, gate.qubits, index, False
        else:
            yield gate.name, gate.qubits, gate.indices[0] if gate.indices else None, False


def apply(state: Complex, matrix: Complex, qubits: tuple[int, ...]) -> Complex:
    """Apply a matrix (d, d), or one per sample (B, d, d), to ``qubits``."""
    batch, size = state.shape
    n_qubits = size.bit_length() - 1
    axes = [n_qubits - q for q in reversed(qubits)]
    front = np.moveaxis(state.reshape(batch, *[2] * n_qubits), axes, range(1, len(axes) + 1))
    moved = (matrix @ front.reshape(batch, 2 ** len(axes), -1)).reshape(front.shape)
    return np.moveaxis(moved, range(1, len(axes) + 1), axes).reshape(batch, size)


def expectation_and_gradients(
    gates: Sequence[Gate], weights: Floats, data: Floats, cotangent: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return <Z> (B, Q) from |0…0>, and the gradients of sum(cotangent * <Z>) by weights (P,) and data (B, D)."""
    batch, n_qubits = cotangent.shape
    index = np.arange(2**n_qubits)
    signs = 1.0 - 2.0 * ((index >> np.arange(n_qubits)[:, None]) & 1)
    state = np.zeros((batch, 2**n_qubits), complex)
    state[:, 0] = 1

    def matrix(factor: Factor) -> Complex:
        name, _, position, from_data = factor
        if position is None:
            return FIXED[name]
        energies, basis = np.linalg.eigh(GENERATORS[name])
        angle = data[:, position, None] if from_data else weights[position]
        return (basis * np.exp(-1j * angle * energies)[..., None, :]) @ basis.conj().T

    steps = list(factors(gates))
    for step in steps:
        state = apply(state, matrix(step), step[1])
    values = np.abs(state) ** 2 @ signs.T
    costate = state * (cotangent @ signs)
    by_weights = np.zeros_like(weights)
    by_data = np.zeros_like(data)
    for step in reversed(steps):
        name, qubits, position, from_data = step
        if position is not None:
            slope = (
                2
                * np.einsum("bi,bi->b", costate.conj(), apply(state, GENERATORS[name], qubits)).imag
            )
            if from_data:
                by_data[:, position] += slope
            else:
                by_weights[position] += slope.sum()
        inverse = matrix(step).conj().swapaxes(-1, -2)
        state = apply(state, inverse, qubits)
        costate = apply(costate, inverse, qubits)
    return values, by_weights, by_data
