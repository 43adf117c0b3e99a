"""FlagQuantum, complex64: torch autograd on the batch, or its adjoint method, which takes one sample at a time.

The adjoint method answers with one sum of <Z>, so the values come from a forward pass of the batch before it, as a
training needs them. It starts from |0…0> whatever the circuit's ``inputs`` are: the check refuses ENC.
"""

from __future__ import annotations

import flagquantum as fq
import numpy as np
import torch
from flagquantum import algorithms

from protocol import serve
from workloads import CX, RY, Arrays, gates_of

NAMES = {"p": "phase", "u": "u3", "cp": "cphase"}  # the others have Qiskit's


class FlagQuantumTask:
    """ENC, HEAD or MIXED. Its qubit 0 is the most significant bit, so qubit q becomes Q-1-q."""

    def __init__(self, inputs: Arrays, variant: str) -> None:
        self.workload, self.n_qubits, self.variant = str(inputs["workload"]), int(inputs["n_qubits"]), variant
        self.gates = gates_of(self.workload, self.n_qubits)
        self.weights = torch.tensor(inputs["weights"], dtype=torch.float32, requires_grad=True)
        self.data = torch.tensor(inputs["data"], dtype=torch.float32, requires_grad=self.workload != "enc")
        self.cotangent = torch.tensor(inputs["cotangent"], dtype=torch.float32)
        self.wires = list(range(self.n_qubits))[::-1]
        self.values = torch.empty(0)

    def circuit(self, data: torch.Tensor) -> fq.Circuit:
        """The circuit on the samples of ``data`` (B, D)."""
        start, batch = None, data.shape[0]
        if self.workload == "enc":
            start = torch.nn.functional.pad(data, (0, 2**self.n_qubits - data.shape[1])).to(torch.complex64)
        circuit = fq.Circuit(self.n_qubits, bsz=batch, dtype=torch.complex64, inputs=start)
        for gate in self.gates:
            if isinstance(gate, CX):
                circuit.cx(self.wires[gate.control], self.wires[gate.target])
            elif isinstance(gate, RY):
                angles = data.squeeze(0) if gate.from_data else self.weights
                circuit.ry(self.wires[gate.qubit], angles[..., gate.index])
            else:
                angles = [self.weights[i] for i in gate.indices]
                getattr(circuit, NAMES.get(gate.name, gate.name))(*[self.wires[q] for q in gate.qubits], *angles)
        return circuit

    def run(self) -> None:
        """Forward and backward."""
        self.weights.grad = self.data.grad = None
        with torch.set_grad_enabled(self.variant == "autograd"):
            values = self.circuit(self.data).expectation_z(self.wires)
        self.values = values.detach()
        if self.variant == "autograd":
            (values * self.cotangent).sum().backward()
            return
        for b, row in enumerate(self.cotangent.tolist()):
            terms = [algorithms.pauli_term(factor, "Z", (wire,)) for factor, wire in zip(row, self.wires, strict=True)]
            circuit = self.circuit(self.data[b : b + 1])
            algorithms.Hamiltonian(tuple(terms)).expectation(circuit, differentiation="adjoint").backward()

    def outputs(self) -> Arrays:
        """Values (16, Q) and gradients, as in ``reference.expected_outputs``."""
        tensors = {"values": self.values, "grad_weights": self.weights.grad, "grad_data": self.data.grad}
        return {name: np.asarray(tensor) for name, tensor in tensors.items() if tensor is not None}


if __name__ == "__main__":
    serve(FlagQuantumTask, "flagquantum")
