"""Circuit of an adapter: the first columns of its matrix are a factor of a change of weights."""

from __future__ import annotations

from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector


def adapter_circuit(n_qubits: int, n_layers: int) -> QuantumCircuit:
    """Return R_Y on every qubit, then layers of CZ and R_Y on the pairs (0, 1), (2, 3), ..., then (1, 2), ....

    Its matrix is real and orthogonal, and its parameters are one vector ``theta`` in the order of application.

    Args:
        n_qubits: Q; the matrix has 2^Q rows.
        n_layers: L. There are Q + 2·L·(Q-1) angles, so their number grows with the logarithm of the rows.

    Raises:
        ValueError: if there is no qubit, or if ``n_layers`` is negative.

    >>> adapter_circuit(9, 3).num_parameters
    57
    """
    if n_qubits < 1 or n_layers < 0:
        raise ValueError(
            f"got {n_qubits} qubits and {n_layers} layers, expected 1 or more qubits, and 0 or more layers"
        )
    theta = iter(ParameterVector("theta", n_qubits + 2 * n_layers * (n_qubits - 1)))
    circuit = QuantumCircuit(n_qubits, name=f"adapter_{n_qubits}q")
    for qubit in range(n_qubits):
        circuit.ry(next(theta), qubit)
    for _ in range(n_layers):
        for first in (*range(0, n_qubits - 1, 2), *range(1, n_qubits - 1, 2)):
            circuit.cz(first, first + 1)
            circuit.ry(next(theta), first)
            circuit.ry(next(theta), first + 1)
    return circuit
