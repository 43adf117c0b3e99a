"""Circuit of an adapter: the first columns of its matrix are a factor of a change of weights."""

from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector


def adapter_circuit(n_qubits: int, n_layers: int) -> QuantumCircuit:
    """Return R_Y on every qubit, then layers of CZ and R_Y on the pairs (0, 1), (2, 3), ..., then (1, 2), ....

    Its matrix is real and orthogonal, and its parameters are one vector ``theta`` in the order of application. With L
    layers on Q qubits there are Q + 2·L·(Q-1) angles, so their number grows with the logarithm of the 2^Q rows.

    >>> adapter_circuit(9, 3).num_parameters
    57
    """
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


def qubit_count(dimension: int) -> int:
    """Return the least number of qubits, 1 or more, whose states have ``dimension`` amplitudes.

    >>> [qubit_count(dimension) for dimension in (1, 2, 384, 512, 768)]
    [1, 1, 9, 9, 10]
    """
    return max(1, (dimension - 1).bit_length())
