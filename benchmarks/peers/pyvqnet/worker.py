"""VQNet: one machine with a batch of 16 states, its own autograd, complex64."""

from __future__ import annotations

import numpy as np
from pyvqnet import tensor
from pyvqnet.qnn.vqc import MeasureAll, QMachine, cnot, ry

from protocol import serve
from workloads import CX, Arrays, circuit_gates


class VQNetTask:
    """ENC or HEAD. VQNet's wire 0 is the most significant bit, so qubit q becomes Q-1-q."""

    def __init__(self, inputs: Arrays, _variant: str) -> None:
        self.n_qubits = int(inputs["n_qubits"])
        workload = str(inputs["workload"])
        self.gates = circuit_gates(workload, self.n_qubits)
        self.weights = tensor.QTensor(
            inputs["weights"].astype(np.float32)[None], requires_grad=True
        )
        self.cotangent = tensor.QTensor(inputs["cotangent"].astype(np.float32))
        data = inputs["data"].astype(np.float32)
        self.batch = len(data)
        self.machine = QMachine(self.n_qubits)
        wires = [self.n_qubits - 1 - qubit for qubit in range(self.n_qubits)]
        self.measure = MeasureAll(obs=[{f"Z{wire}": 1} for wire in wires])
        self.states = None
        self.data = None
        if workload == "enc":
            missing = 2**self.n_qubits - data.shape[1]
            amplitudes = np.pad(data, ((0, 0), (0, missing))).astype(np.complex64)
            self.states = tensor.QTensor(amplitudes.reshape([self.batch] + [2] * self.n_qubits))
        else:
            self.data = tensor.QTensor(data, requires_grad=True)
        self.results: Arrays = {}

    def run(self) -> None:
        """Run forward and backward."""
        self.machine.reset_states(self.batch)
        if self.states is not None:
            self.machine.set_states(self.states)
        self.weights.zero_grad()
        if self.data is not None:
            self.data.zero_grad()
        top = self.n_qubits - 1
        for gate in self.gates:
            if isinstance(gate, CX):
                cnot(self.machine, [top - gate.control, top - gate.target])
            else:
                angles = self.data if gate.from_data else self.weights
                ry(self.machine, top - gate.qubit, angles[:, [gate.index]])
        values = self.measure(q_machine=self.machine)
        tensor.sums(values * self.cotangent).backward()
        self.results = {
            "values": values.to_numpy(),
            "grad_weights": self.weights.grad.to_numpy()[0],
        }
        if self.data is not None:
            self.results["grad_data"] = self.data.grad.to_numpy()

    def outputs(self) -> Arrays:
        """Return values (16, Q) and gradients, as in ``reference.expected_outputs``."""
        return self.results


if __name__ == "__main__":
    serve(VQNetTask, "pyvqnet")
