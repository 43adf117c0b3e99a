"""Noisy circuits as dense density matrices, by NumPy and Kraus operators alone: a route that shares nothing with Aer or
the engine.

Qubit 0 is the least significant bit of an index, so it is the rightmost factor of every product.
"""

from functools import cache, reduce
from itertools import product

import numpy as np
from kron_products import X, on_qubits
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

ONE = np.eye(2)
Y = np.array([[0, -1j], [1j, 0]])
Z = np.diag([1.0, -1.0])
PAULIS = (ONE, X, Y, Z)


def unitary(name: str, angles: list[float], qubits: list[int], n_qubits: int) -> np.ndarray:
    """A gate as a (2^n, 2^n) matrix."""
    if name == "ry":
        cos = np.cos(angles[0] / 2)
        sin = np.sin(angles[0] / 2)
        return on_qubits({qubits[0]: np.array([[cos, -sin], [sin, cos]])}, n_qubits)
    return fixed_unitary(name, tuple(qubits), n_qubits)


@cache
def fixed_unitary(name: str, qubits: tuple[int, ...], n_qubits: int) -> np.ndarray:
    """A gate without an angle as a (2^n, 2^n) matrix."""
    a = qubits[0]
    if name in ("x", "z", "h", "id"):
        return on_qubits(
            {a: {"x": X, "z": Z, "h": (X + Z) / np.sqrt(2), "id": ONE}[name]}, n_qubits
        )
    b = qubits[1]
    if name in ("cx", "cz"):  # |0⟩⟨0| ⊗ 1 + |1⟩⟨1| ⊗ U
        flipped = {"cx": X, "cz": Z}[name]
        return on_qubits({a: (ONE + Z) / 2}, n_qubits) + on_qubits(
            {a: (ONE - Z) / 2, b: flipped}, n_qubits
        )
    if name == "swap":
        return sum(on_qubits({a: p, b: p}, n_qubits) for p in PAULIS) / 2
    raise AssertionError(f"no matrix for {name}")


def depolarize(rho: np.ndarray, rate: float, qubits: list[int], n_qubits: int) -> np.ndarray:
    """Kraus operators sqrt(1 - r (4^k - 1)/4^k) I and sqrt(r/4^k) P for the other Paulis on k qubits."""
    paulis = 4 ** len(qubits)
    weights = np.full(paulis, rate / paulis)
    weights[0] = 1 - rate * (paulis - 1) / paulis
    kraus = np.sqrt(weights)[:, None, None] * pauli_products(tuple(qubits), n_qubits)
    return (kraus @ rho @ kraus.conj().swapaxes(1, 2)).sum(axis=0)


@cache
def pauli_products(qubits: tuple[int, ...], n_qubits: int) -> np.ndarray:
    """(4^k, 2^n, 2^n) all products of Paulis on k qubits, the identity first."""
    return np.array(
        [
            on_qubits(dict(zip(qubits, factors, strict=True)), n_qubits)
            for factors in product(PAULIS, repeat=len(qubits))
        ]
    )


def noisy_state(
    circuit: QuantumCircuit, row: np.ndarray, rates: tuple[float, float], *, uploads: bool = True
) -> np.ndarray:
    """The density matrix after ``circuit`` at the parameter values ``row``, depolarized after every gate.

    ``uploads``: also after gates whose angle is an element of the vector ``x``.
    """
    n = circuit.num_qubits
    rho = np.zeros((2**n, 2**n), complex)
    rho[0, 0] = 1
    for written, gate in zip(circuit.data, circuit.assign_parameters(row).data, strict=True):
        if gate.operation.name == "barrier":
            continue
        qubits = [circuit.find_bit(q).index for q in gate.qubits]
        u = unitary(gate.operation.name, [float(p) for p in gate.operation.params], qubits, n)
        rho = u @ rho @ u.conj().T
        if uploads or "x[" not in str(written.operation.params):
            rho = depolarize(rho, rates[len(qubits) - 1], qubits, n)
    return rho


def noisy_expectations(
    circuit: QuantumCircuit,
    values: np.ndarray,
    observables: list[SparsePauliOp],
    rates: tuple[float, float],
    readout_error: float = 0.0,
    **options: bool,
) -> np.ndarray:
    """(B, O) exact expectation values; every bit of the outcome distribution is read flipped with ``readout_error``."""
    n = circuit.num_qubits
    e = readout_error
    confusion = reduce(np.kron, [np.array([[1 - e, e], [e, 1 - e]])] * n)
    outcomes = np.array(
        [confusion @ noisy_state(circuit, row, rates, **options).diagonal().real for row in values]
    )
    return outcomes @ np.array([o.to_matrix().diagonal().real for o in observables]).T
