"""TorchQuantum: functional gates on a ``QuantumDevice`` of 16 states, torch autograd; complex64."""

from __future__ import annotations

import warnings

from peers.torchquantum.stand_ins import install_torchvision

install_torchvision()
warnings.simplefilter("ignore")  # its old dependencies announce their own deprecations

import torch  # noqa: E402
import torchquantum as tq  # noqa: E402
import torchquantum.functional as tqf  # noqa: E402

from protocol import serve  # noqa: E402
from torch_task import TorchTask  # noqa: E402
from workloads import CX, RY, Arrays, circuit_gates  # noqa: E402

NAMES = {"p": "phaseshift", "u": "u3", "h": "hadamard", "cx": "cnot"}  # the others have Qiskit's
NAMES["cp"] = "cu3"  # its cu1 ends with a NameError


class TorchQuantumTask(TorchTask):
    """ENC, HEAD or MIXED. TorchQuantum's wire 0 is the most significant bit, so qubit q is wire Q-1-q."""

    def __init__(self, inputs: Arrays, _variant: str) -> None:
        super().__init__(inputs)
        self.gates = circuit_gates(self.workload, self.n_qubits)
        self.load = tq.AmplitudeEncoder()
        self.measure = tq.MeasureAll(tq.PauliZ)

    def wire(self, qubit: int) -> int:
        """Return TorchQuantum's name of a qubit."""
        return self.n_qubits - 1 - qubit

    def expectations(self) -> torch.Tensor:
        """Return <Z> (16, Q)."""
        device = tq.QuantumDevice(n_wires=self.n_qubits, bsz=self.data.shape[0])
        if self.workload == "enc":
            self.load(device, self.data)
        for gate in self.gates:
            if isinstance(gate, CX):
                tqf.cnot(device, wires=[self.wire(gate.control), self.wire(gate.target)])
            elif isinstance(gate, RY):
                angle = self.data[:, gate.index] if gate.from_data else self.weights[gate.index]
                tqf.ry(device, wires=self.wire(gate.qubit), params=angle)
            else:
                angles = self.weights[list(gate.indices)][None]
                if gate.name == "cp":
                    angles = torch.nn.functional.pad(angles, (2, 0))
                named = {"params": angles} if gate.indices else {}
                function = getattr(tqf, NAMES.get(gate.name, gate.name))
                function(device, wires=[self.wire(q) for q in gate.qubits], **named)
        return self.measure(device).flip(-1)


if __name__ == "__main__":
    serve(TorchQuantumTask, "torchquantum")
