"""Qiskit Machine Learning: ``EstimatorQNN`` on the exact estimator with its own default gradient (parameter shift).

The only changed defaults: exact values instead of simulated shot noise, and input gradients switched on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.neural_networks import EstimatorQNN

from protocol import serve
from workloads import CX, Arrays, circuit_gates


class QiskitTask:
    """HEAD only: EstimatorQNN has no input for a batch of amplitudes. Little-endian, so nothing is converted."""

    def __init__(self, inputs: Arrays, _variant: str) -> None:
        if str(inputs["workload"]) != "head":
            raise ValueError(f"EstimatorQNN runs the head only, got {inputs['workload']}")
        n_qubits = int(inputs["n_qubits"])
        self.data, self.weights, self.cotangent = (
            np.asarray(inputs[name], np.float64) for name in ("data", "weights", "cotangent")
        )
        x = ParameterVector("x", n_qubits)
        theta = ParameterVector("theta", len(self.weights))
        circuit = QuantumCircuit(n_qubits)
        for gate in circuit_gates("head", n_qubits):
            if isinstance(gate, CX):
                circuit.cx(gate.control, gate.target)
            else:
                circuit.ry((x if gate.from_data else theta)[gate.index], gate.qubit)
        self.qnn = EstimatorQNN(
            circuit=circuit,
            estimator=StatevectorEstimator(),
            observables=[
                SparsePauliOp.from_sparse_list([("Z", [q], 1.0)], n_qubits) for q in range(n_qubits)
            ],
            input_params=list(x),
            weight_params=list(theta),
            input_gradients=True,
            default_precision=0.0,
        )
        self.results: dict[str, NDArray[np.generic]] = {}

    def run(self) -> None:
        """Run forward and contract the Jacobian with the cotangent."""
        values = self.qnn.forward(self.data, self.weights)
        by_data, by_weights = self.qnn.backward(self.data, self.weights)
        self.results = {
            "values": np.asarray(values),
            "grad_weights": np.einsum("bq,bqp->p", self.cotangent, np.asarray(by_weights)),
            "grad_data": np.einsum("bq,bqd->bd", self.cotangent, np.asarray(by_data)),
        }

    def outputs(self) -> Arrays:
        """Return values (16, Q) and gradients, as in ``reference.expected_outputs``."""
        return self.results


if __name__ == "__main__":
    serve(QiskitTask, "qiskit-machine-learning")
