"""DeepQuantum: its circuit under ``torch.vmap`` over the samples, torch autograd, complex64.

All angles are inputs of the circuit, because it takes each angle of a gate once. <Z> of all qubits is read from the
states: cheaper than its ``expectation``, which applies each observable to the state.
"""

from __future__ import annotations

import deepquantum as dq
import torch

from pauli_rotations import positions
from protocol import serve
from torch_task import TorchTask
from workloads import CX, RY, Arrays, Gate, circuit_gates

NAMES = {"u": "u3"}  # the others have Qiskit's


class DeepQuantumTask(TorchTask):
    """ENC, HEAD or MIXED. Its wire 0 is the most significant bit, so qubit q becomes Q-1-q."""

    def __init__(self, inputs: Arrays, _variant: str) -> None:
        super().__init__(inputs)
        self.places: list[int] = []
        self.circuit = dq.QubitCircuit(self.n_qubits)
        for gate in circuit_gates(self.workload, self.n_qubits):
            self.append(gate)
        bits = torch.arange(2**self.n_qubits)[:, None] >> torch.arange(self.n_qubits) & 1
        self.signs = (1 - 2 * bits).to(torch.float32)

    def append(self, gate: Gate) -> None:
        """Append a gate whose angles are inputs."""
        top = self.n_qubits - 1
        if isinstance(gate, CX):
            self.circuit.cnot(top - gate.control, top - gate.target)
            return
        places = positions(gate, len(self.weights))
        if isinstance(gate, RY):
            self.circuit.ry(top - gate.qubit, encode=True)
        elif gate.name == "sx":
            half_turn = torch.tensor(torch.pi / 2)
            self.circuit.rx(top - gate.qubits[0], inputs=half_turn)
        else:
            wires = [top - qubit for qubit in gate.qubits]
            operation = getattr(self.circuit, NAMES.get(gate.name, gate.name))
            if gate.name in ("swap", "rxx", "ryy", "rzz"):
                wires = [wires]
            operation(*wires, **({"encode": True} if places else {}))
        self.places += places

    def start_states(self) -> torch.Tensor:
        """Return the amplitudes, (16, 2^Q, 1)."""
        n_samples = len(self.data)
        amplitudes = torch.zeros(n_samples, 2**self.n_qubits, 1, dtype=torch.complex64)
        if self.workload == "enc":
            vectors = torch.nn.functional.normalize(self.data)
            amplitudes[:, : vectors.shape[1], 0] = vectors.to(torch.complex64)
        else:
            amplitudes[:, 0] = 1
        return amplitudes

    def expectations(self) -> torch.Tensor:
        """Return <Z> (16, Q)."""
        angles = self.weights.expand(len(self.data), -1)
        if self.workload != "enc":
            angles = torch.cat([angles, self.data], dim=1)
        states = self.circuit(data=angles[:, self.places], state=self.start_states())
        return states.squeeze(-1).abs().square() @ self.signs


if __name__ == "__main__":
    serve(DeepQuantumTask, "deepquantum")
