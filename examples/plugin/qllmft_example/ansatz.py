"""Ansatz with a star of CNOTs around the first qubit."""

from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector


def star(n_qubits: int, n_layers: int) -> QuantumCircuit:
    """Return layers of R_Y on every qubit, then CNOTs from qubit 0 to all others, with an angle per qubit and layer."""
    angles = iter(ParameterVector("angle", n_qubits * n_layers))
    circuit = QuantumCircuit(n_qubits)
    for _ in range(n_layers):
        for qubit in range(n_qubits):
            circuit.ry(next(angles), qubit)
        for target in range(1, n_qubits):
            circuit.cx(0, target)
    return circuit
