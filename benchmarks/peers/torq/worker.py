"""TorQ: its layers of one-qubit gates and its CNOTs, which are matrices of 2^Q x 2^Q, under torch autograd; complex64.

Its own ansatzes put all rotations before all CNOTs and cannot express the rings of ENC and HEAD, so these are made of
its gates. Neighbouring rotations are one layer; a CNOT's matrix is made once.
"""

from __future__ import annotations

import torch
import torq
from torq.Ops import apply_single_qubit_wall_batched

from protocol import serve
from torch_task import TorchTask
from workloads import CX, RY, Arrays, circuit_gates

Wall = list[RY]


class TorQTask(TorchTask):
    """ENC or HEAD. TorQ's qubit 0 is the most significant bit, so qubit q becomes Q-1-q."""

    def __init__(self, inputs: Arrays, _variant: str) -> None:
        super().__init__(inputs)
        self.steps: list[CX | Wall] = []
        for gate in circuit_gates(self.workload, self.n_qubits):
            last = self.steps[-1] if self.steps else None
            if isinstance(gate, CX):
                self.steps.append(gate)
            elif isinstance(last, list) and gate.qubit not in [rotation.qubit for rotation in last]:
                last.append(gate)
            else:
                self.steps.append([gate])
        top = self.n_qubits - 1
        options = {"dtype": torch.complex64, "device": torch.device("cpu")}
        pairs = {(step.control, step.target) for step in self.steps if isinstance(step, CX)}
        self.cnots = {
            (c, t): torq.get_cnot_ops(self.n_qubits, top - c, top - t, **options) for c, t in pairs
        }
        self.identity = torch.eye(2, dtype=torch.complex64)

    def wall(self, rotations: Wall) -> torch.Tensor:
        """Return the matrices of R_Y, (Q, 2, 2), or (16, Q, 2, 2) if their angles are data."""
        matrices = [self.identity] * self.n_qubits
        for gate in rotations:
            angle = self.data[:, gate.index] if gate.from_data else self.weights[gate.index]
            matrices[self.n_qubits - 1 - gate.qubit] = torq.get_ry(angle).squeeze(0)
        return torch.stack(torch.broadcast_tensors(*matrices), dim=-3)

    def expectations(self) -> torch.Tensor:
        """Return <Z> (16, Q)."""
        state = torch.zeros(len(self.cotangent), 2**self.n_qubits, dtype=torch.complex64)
        if self.workload == "enc":
            state[:, : self.data.shape[1]] = self.data.to(torch.complex64)
        else:
            state[:, 0] = 1
        for step in self.steps:
            if isinstance(step, CX):
                state = torq.apply_matrix(state, self.cnots[step.control, step.target])
            else:
                state = apply_single_qubit_wall_batched(state, self.wall(step), self.n_qubits)
        return torq.measure_local_Z(state).flip(-1)


if __name__ == "__main__":
    serve(TorQTask, "TorQ-quantum")
