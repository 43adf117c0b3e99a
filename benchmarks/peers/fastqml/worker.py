"""fastQML: its real and imaginary parts on a batch of 16 states, one gate at a time, under torch autograd; float32.

Its fused layers are matrices of 2^Q x 2^Q for gates on disjoint qubits. The rings of ENC and HEAD have one gate a
layer, so its functions for single gates are the faster ones.
"""

from __future__ import annotations

import torch
from fastqml import torch_sim_real as gates

from protocol import serve
from torch_task import TorchTask
from workloads import CX, Arrays, circuit_gates


class FastQMLTask(TorchTask):
    """ENC or HEAD. fastQML's qubit 0 is the most significant bit, so qubit q becomes Q-1-q."""

    def __init__(self, inputs: Arrays, _variant: str) -> None:
        super().__init__(inputs)
        self.gates = circuit_gates(self.workload, self.n_qubits)

    def start_state(self) -> torch.Tensor:
        """Return the real parts of the amplitudes, (16, 2, …, 2)."""
        shape = [len(self.cotangent)] + [2] * self.n_qubits
        if self.workload == "enc":
            missing = 2**self.n_qubits - self.data.shape[1]
            return torch.nn.functional.pad(self.data, (0, missing)).reshape(shape)
        state = torch.zeros(len(self.cotangent), 2**self.n_qubits)
        state[:, 0] = 1
        return state.reshape(shape)

    def expectations(self) -> torch.Tensor:
        """Return <Z> (16, Q)."""
        n = self.n_qubits
        real = self.start_state()
        imaginary = torch.zeros_like(real)
        for gate in self.gates:
            if isinstance(gate, CX):
                wires = (n - 1 - gate.control, n - 1 - gate.target)
                real, imaginary = gates.apply_cnot(real, imaginary, *wires, n)
            else:
                angle = self.data[:, gate.index] if gate.from_data else self.weights[gate.index]
                real, imaginary = gates.apply_ry(real, imaginary, angle, n - 1 - gate.qubit, n)
        probabilities = real.square() + imaginary.square()
        parts = []
        for qubit in range(n):
            up, down = (
                probabilities.movedim(n - qubit, 0).reshape(2, len(self.cotangent), -1).sum(-1)
            )
            parts.append(up - down)
        return torch.stack(parts, dim=-1)


if __name__ == "__main__":
    serve(FastQMLTask, "fastqml")
