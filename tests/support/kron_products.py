"""Gates as dense matrices by Kronecker products alone, an independent route to what Qiskit makes of a circuit.

Qubit 0 is the least significant bit of an index, so it is the rightmost factor of every product.
"""

from collections.abc import Sequence
from functools import reduce

import numpy as np

X = np.array([[0.0, 1.0], [1.0, 0.0]])
ZERO = np.diag([1.0, 0.0])
ONE = np.diag([0.0, 1.0])


def on_qubits(matrices: dict[int, np.ndarray], n_qubits: int) -> np.ndarray:
    """The product of the given (2, 2) matrices by qubit, with the identity on the other qubits."""
    return reduce(np.kron, [matrices.get(q, np.eye(2)) for q in reversed(range(n_qubits))])


def ry(angle: float, qubit: int, n_qubits: int) -> np.ndarray:
    cos = np.cos(angle / 2)
    sin = np.sin(angle / 2)
    return on_qubits({qubit: np.array([[cos, -sin], [sin, cos]])}, n_qubits)


def cnot(control: int, target: int, n_qubits: int) -> np.ndarray:
    return on_qubits({control: ZERO}, n_qubits) + on_qubits({control: ONE, target: X}, n_qubits)


def product(steps: Sequence[np.ndarray]) -> np.ndarray:
    """The matrix of ``steps`` applied one after the other, the first of them first."""
    return reduce(lambda done, step: step @ done, steps)


def layer(
    angles: Sequence[float], pairs: Sequence[tuple[int, int]], n_qubits: int, block: str
) -> np.ndarray:
    """One ansatz layer: a CNOT and an R_Y on its target for every (control, target) pair."""
    steps = []
    for angle, (control, target) in zip(angles, pairs, strict=True):
        gates = [cnot(control, target, n_qubits), ry(angle, target, n_qubits)]
        steps += gates if block == "cx_ry" else gates[::-1]
    return product(steps)
