"""TorchQuantum's side of the training step: functional gates on a ``QuantumDevice``, torch autograd."""

from __future__ import annotations

import warnings

from peers.torchquantum.stand_ins import install_torchvision

install_torchvision()
warnings.simplefilter("ignore")  # its old dependencies announce their own deprecations

import torch  # noqa: E402
import torchquantum as tq  # noqa: E402
import torchquantum.functional as tqf  # noqa: E402

from protocol import serve  # noqa: E402
from torch_step import TorchStep  # noqa: E402
from workloads import ENCODER_LAYERS, MAIN_LAYERS, REUPLOADS, Arrays  # noqa: E402


def ring(device: tq.QuantumDevice, layer_weights: torch.Tensor) -> None:
    """Apply one ansatz layer with ``layer_weights`` (Q,).

    Wire 0 is the most significant bit, so qubit q is wire Q-1-q.
    """
    last = device.n_wires - 1
    for i in range(device.n_wires):
        control = last - i
        target = last - (i + 1) % device.n_wires
        tqf.cnot(device, wires=[control, target])
        tqf.ry(device, wires=target, params=layer_weights[i])


class QuantumPart:
    """A circuit and its measurement for one number of qubits."""

    def __init__(self, n_qubits: int) -> None:
        self.n_qubits = n_qubits
        self.load = tq.AmplitudeEncoder()
        self.measure = tq.MeasureAll(tq.PauliZ)

    def encoder(self, weights: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """Compute ENC: (28·Q,), (B, 768) -> <Z> (B, Q)."""
        device = tq.QuantumDevice(n_wires=self.n_qubits, bsz=vectors.shape[0])
        self.load(device, vectors)
        for layer_weights in weights.view(ENCODER_LAYERS, self.n_qubits):
            ring(device, layer_weights)
        return self.measure(device).flip(-1)

    def head(self, weights: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
        """Compute HEAD: (5·Q,), (B, Q) -> <Z> (B, Q)."""
        device = tq.QuantumDevice(n_wires=self.n_qubits, bsz=angles.shape[0])
        layers = iter(weights.view(-1, self.n_qubits))
        for encoding in range(REUPLOADS):
            for qubit in range(self.n_qubits):
                tqf.ry(device, wires=self.n_qubits - 1 - qubit, params=angles[:, qubit])
            for _ in range(MAIN_LAYERS if encoding == REUPLOADS - 1 else 1):
                ring(device, next(layers))
        return self.measure(device).flip(-1)


def prepare(inputs: Arrays, _variant: str) -> TorchStep:
    """Return the step on TorchQuantum's circuits."""
    encoder = QuantumPart(int(inputs["encoder_qubits"]))
    head = QuantumPart(int(inputs["head_qubits"]))
    return TorchStep(inputs, encoder.encoder, head.head)


if __name__ == "__main__":
    serve(prepare, "torchquantum")
