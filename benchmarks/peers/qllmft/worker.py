"""This project: its adjoint engine in float32, on real amplitudes but for MIXED, called from NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from peers.qllmft.adapter import EngineCircuit
from protocol import serve
from workloads import Arrays, circuit_gates


class EngineTask:
    """ENC, HEAD or MIXED; little-endian, so nothing is converted."""

    def __init__(self, inputs: Arrays, _variant: str) -> None:
        workload = str(inputs["workload"])
        n_qubits = int(inputs["n_qubits"])
        self.weights, data, self.cotangent = (
            np.asarray(inputs[name], np.float32) for name in ("weights", "data", "cotangent")
        )
        self.has_data = workload != "enc"
        self.data = data if self.has_data else np.zeros((data.shape[0], 0), np.float32)
        self.amplitudes = None if self.has_data else data
        n_data = n_qubits if self.has_data else 0
        self.circuit = EngineCircuit(
            circuit_gates(workload, n_qubits), n_qubits, len(self.weights), n_data
        )
        self.results: dict[str, NDArray[np.generic]] = {}

    def run(self) -> None:
        """Run forward and backward."""
        values, tape = self.circuit.forward(self.weights, self.data, self.amplitudes)
        grad_weights, grad_data = self.circuit.backward(tape, self.cotangent)
        self.results = {"values": values, "grad_weights": grad_weights}
        if self.has_data:
            self.results["grad_data"] = grad_data

    def outputs(self) -> Arrays:
        """Return values (16, Q) and gradients, as in ``reference.expected_outputs``."""
        return self.results


if __name__ == "__main__":
    serve(EngineTask, "qllmft")
