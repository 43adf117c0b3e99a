"""PennyLane with its torch interface: ``default.qubit`` by backprop, the lightning devices by their adjoint method.

The variant names the device. Both take the batch by parameter broadcasting. Options are the faster ones of those tried:
``device_vjp`` makes lightning slower on this work; ``batch_obs`` and complex64 states change little.
"""

from __future__ import annotations

from collections.abc import Callable

import pennylane as qp
import torch

from protocol import serve
from torch_task import TorchTask
from workloads import CX, RY, Arrays, circuit_gates

METHODS = {"default.qubit": "backprop", "lightning.qubit": "adjoint", "lightning.kokkos": "adjoint"}
NAMES = {"cx": "CNOT", "h": "Hadamard", "p": "PhaseShift", "u": "U3", "cp": "ControlledPhaseShift"}
NAMES |= {"rxx": "IsingXX", "ryy": "IsingYY", "rzz": "IsingZZ"}  # the others are capitals


class PennyLaneTask(TorchTask):
    """ENC, HEAD or MIXED. PennyLane's wire 0 is the most significant bit, so qubit q is wire Q-1-q."""

    def __init__(self, inputs: Arrays, variant: str) -> None:
        super().__init__(inputs)
        workload = self.workload
        n_qubits = self.n_qubits
        gates = circuit_gates(workload, n_qubits)
        wires = list(range(n_qubits))[::-1]

        def circuit(data: torch.Tensor, weights: torch.Tensor) -> list[object]:
            if workload == "enc":
                qp.AmplitudeEmbedding(data, wires=range(n_qubits), pad_with=0.0, normalize=True)
            for gate in gates:
                if isinstance(gate, CX):
                    qp.CNOT(wires=[wires[gate.control], wires[gate.target]])
                elif isinstance(gate, RY):
                    qp.RY(
                        data[:, gate.index] if gate.from_data else weights[gate.index],
                        wires=wires[gate.qubit],
                    )
                else:
                    operation = getattr(qp, NAMES.get(gate.name, gate.name.upper()))
                    operation(
                        *[weights[i] for i in gate.indices], wires=[wires[q] for q in gate.qubits]
                    )
            return [qp.expval(qp.PauliZ(wire)) for wire in wires]

        device = qp.device(variant, wires=n_qubits)
        self.circuit: Callable[..., list[torch.Tensor]] = qp.QNode(
            circuit, device, interface="torch", diff_method=METHODS[variant]
        )

    def expectations(self) -> torch.Tensor:
        """Return <Z> (16, Q)."""
        return torch.stack(self.circuit(self.data, self.weights), dim=-1)


if __name__ == "__main__":
    serve(PennyLaneTask, "pennylane")
