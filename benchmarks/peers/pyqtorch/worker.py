"""pyqtorch: one ``QuantumCircuit`` on a batch of 16 states, torch autograd, complex64.

The circuit runs once and <Z> of all qubits is read from its state: cheaper than one ``expectation`` call a qubit.
Its adjoint mode is not measured: it gives wrong gradients for a CNOT whose control is above its target.
"""

from __future__ import annotations

import pyqtorch as pyq
import torch

from protocol import serve
from torch_task import TorchTask
from workloads import CX, Arrays, Gate, circuit_gates


def operation(gate: Gate, n_qubits: int) -> torch.nn.Module:
    """Return the gate in pyqtorch. Its qubit 0 is the most significant bit, so qubit q becomes Q-1-q."""
    if isinstance(gate, CX):
        return pyq.CNOT(n_qubits - 1 - gate.control, n_qubits - 1 - gate.target)
    return pyq.RY(n_qubits - 1 - gate.qubit, f"{'x' if gate.from_data else 'w'}{gate.index}")


class PyQTorchTask(TorchTask):
    """ENC or HEAD. pyqtorch's states are (2,) * Q + (batch,)."""

    def __init__(self, inputs: Arrays, _variant: str) -> None:
        super().__init__(inputs)
        gates = [
            operation(gate, self.n_qubits) for gate in circuit_gates(self.workload, self.n_qubits)
        ]
        self.circuit = pyq.QuantumCircuit(self.n_qubits, gates).to(dtype=torch.complex64)

    def start_state(self) -> torch.Tensor:
        """Return the amplitudes, (2,) * Q + (16,)."""
        batch = self.data.shape[0]
        if self.workload == "head":
            return pyq.zero_state(self.n_qubits, batch_size=batch, dtype=torch.complex64)
        amplitudes = torch.nn.functional.pad(self.data, (0, 2**self.n_qubits - self.data.shape[1]))
        return amplitudes.to(torch.complex64).T.reshape([2] * self.n_qubits + [batch])

    def expectations(self) -> torch.Tensor:
        """Return <Z> (16, Q)."""
        angles = {f"w{k}": weight for k, weight in enumerate(self.weights)}
        if self.workload == "head":
            angles |= {f"x{q}": self.data[:, q] for q in range(self.n_qubits)}
        state = self.circuit(state=self.start_state(), values=angles)
        probabilities = state.abs().square()
        parts = []
        for axis in range(self.n_qubits)[::-1]:
            other_axes = [a for a in range(self.n_qubits) if a != axis]
            up, down = probabilities.sum(other_axes) if other_axes else probabilities
            parts.append(up - down)
        return torch.stack(parts, dim=-1)


if __name__ == "__main__":
    serve(PyQTorchTask, "pyqtorch")
