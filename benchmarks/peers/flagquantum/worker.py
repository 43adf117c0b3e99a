"""FlagQuantum, complex64: torch autograd on the batch, or its adjoint method, which takes one sample at a time.

The adjoint method answers with one sum of <Z>, so the values come from a forward pass of the batch before it, as a
training needs them. It starts from |0…0> whatever the circuit's ``inputs`` are: the check refuses ENC.
"""

from __future__ import annotations

import flagquantum as fq
import torch
from flagquantum import algorithms

from protocol import serve
from torch_task import TorchTask
from workloads import CX, RY, Arrays, circuit_gates

NAMES = {"p": "phase", "u": "u3", "cp": "cphase"}  # the others have Qiskit's


class FlagQuantumTask(TorchTask):
    """ENC, HEAD or MIXED. Its qubit 0 is the most significant bit, so qubit q becomes Q-1-q."""

    def __init__(self, inputs: Arrays, variant: str) -> None:
        super().__init__(inputs)
        self.variant = variant
        self.gates = circuit_gates(self.workload, self.n_qubits)
        self.wires = list(range(self.n_qubits))[::-1]

    def circuit(self, data: torch.Tensor) -> fq.Circuit:
        """Return the circuit on the samples of ``data`` (B, D)."""
        start = None
        batch = data.shape[0]
        if self.workload == "enc":
            start = torch.nn.functional.pad(data, (0, 2**self.n_qubits - data.shape[1])).to(
                torch.complex64
            )
        circuit = fq.Circuit(self.n_qubits, bsz=batch, dtype=torch.complex64, inputs=start)
        for gate in self.gates:
            if isinstance(gate, CX):
                circuit.cx(self.wires[gate.control], self.wires[gate.target])
            elif isinstance(gate, RY):
                angles = data.squeeze(0) if gate.from_data else self.weights
                circuit.ry(self.wires[gate.qubit], angles[..., gate.index])
            else:
                angles = [self.weights[i] for i in gate.indices]
                getattr(circuit, NAMES.get(gate.name, gate.name))(
                    *[self.wires[q] for q in gate.qubits], *angles
                )
        return circuit

    def expectations(self) -> torch.Tensor:
        """Return <Z> (16, Q)."""
        return self.circuit(self.data).expectation_z(self.wires)

    def run(self) -> None:
        """Run forward and backward."""
        if self.variant == "autograd":
            super().run()
            return
        self.clear()
        with torch.no_grad():
            self.values = self.expectations()
        for b, row in enumerate(self.cotangent.tolist()):
            terms = [
                algorithms.pauli_term(factor, "Z", (wire,))
                for factor, wire in zip(row, self.wires, strict=True)
            ]
            circuit = self.circuit(self.data[b : b + 1])
            algorithms.Hamiltonian(tuple(terms)).expectation(
                circuit, differentiation="adjoint"
            ).backward()


if __name__ == "__main__":
    serve(FlagQuantumTask, "flagquantum")
