"""A head of a circuit whose angles are products and functions of data and weights."""

import torch
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import zz_feature_map
from qiskit.quantum_info import SparsePauliOp

from qllmft import QuantumHead


def zz_head(reps, **options):
    """Qiskit's map of products (π - x₀)(π - x₁) of the data, whose names come after those of the weights."""
    circuit = zz_feature_map(3, reps=reps, parameter_prefix="x")
    data = list(circuit.parameters)
    weights = ParameterVector("a", 3)
    for qubit in range(3):
        circuit.ry(weights[qubit] * data[qubit], qubit)
    circuit.rx(weights[0].sin(), 1)
    circuit.cx(0, 1)
    sums = [SparsePauliOp.from_list([("ZIZ", 0.3), ("XYI", -1.1)]), SparsePauliOp("ZZI")]
    generator = torch.Generator().manual_seed(0)
    return QuantumHead.from_circuit(
        circuit, sums, data=data, weights=weights, generator=generator, **options
    )
