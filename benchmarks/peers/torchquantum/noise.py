"""TorchQuantum's noise injection, ``NoiseModelTQ``, with depolarizing noise in the place of an IBM device's.

After each gate it draws one Pauli error, or none, for the whole batch, and applies it to the states. Its constructor
asks IBM for a device and drops errors of gates that IBM lacks, so it is replaced. The rest is its own code: reading an
Aer noise model, drawing errors and applying them. One fault is corrected (`place_paulis`). Without the correction every
error acts on the first wires, and the check of ``noise.py`` refuses it.
"""

from __future__ import annotations

from typing import Any

import torch
import torchquantum as tq
from loguru import logger
from qiskit_aer.noise import NoiseModel, depolarizing_error
from torchquantum.noise_model.noise_models import NoiseCounter

from peers.torchquantum.step_worker import QuantumPart
from workloads import CX, circuit_gates

logger.disable("torchquantum")  # it warns of every R_Y, which no IBM device has


class Depolarizing(tq.NoiseModelTQ):
    """``depolarizing_error(r, n)`` after every R_Y and every CNOT of the ring.

    Args:
        n_wires: Q.
        one_qubit_rate: r of ``depolarizing_error(r, 1)``.
        two_qubit_rate: r of ``depolarizing_error(r, 2)``.
    """

    def __init__(self, n_wires: int, one_qubit_rate: float, two_qubit_rate: float) -> None:
        model = NoiseModel()
        for wire in range(n_wires):
            model.add_quantum_error(depolarizing_error(one_qubit_rate, 1), ["ry"], [wire])
            pair = [wire, (wire - 1) % n_wires]  # qubit q is wire Q-1-q
            model.add_quantum_error(depolarizing_error(two_qubit_rate, 2), ["cx"], pair)
        self.parsed_dict = self.parse_noise_model_dict(model.to_dict())
        for gate_errors in self.parsed_dict.values():
            for wires, error in gate_errors.items():
                error["instructions"] = [
                    place_paulis(paulis, wires) for paulis in error["instructions"][1:]
                ]
                error["probabilities"] = error["probabilities"][
                    1:
                ]  # the first is the identity, which it leaves out too
        identity = {wire: wire for wire in range(n_wires)}
        self.p_v_reg_mapping = {"v2p": identity, "p2v": identity}
        self.noise_total_prob = self.factor = None
        self.noise_counter = NoiseCounter()
        self.mode = "train"
        self.is_add_noise = True


def place_paulis(paulis: list[dict[str, Any]], wires: tuple[int, ...]) -> list[dict[str, Any]]:
    """Return Paulis on the wires of their gate.

    Aer counts a gate's qubits from 0, and TorchQuantum reads these as wires.
    """
    return [{**pauli, "qubits": [wires[q] for q in pauli["qubits"]]} for pauli in paulis]


class NoisyPart(QuantumPart):
    """Encoder without noise, and head with gate noise and, if their number is not 0, shots.

    TorchQuantum's shots have no gradient, so equation 2 of the paper is written here in torch.
    """

    def __init__(self, n_qubits: int, noise: Depolarizing, shots: int) -> None:
        super().__init__(n_qubits)
        self.ry = tq.RY()
        self.cnot = tq.CNOT()
        self.shots = shots
        for operator in (self.ry, self.cnot):
            operator.set_noise_model_tq(noise)
        outcomes = torch.arange(2**n_qubits)[:, None]
        self.signs = 1.0 - 2.0 * (outcomes >> torch.arange(n_qubits) & 1)  # (2^Q, Q)

    def head(self, weights: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
        """Compute HEAD: (5·Q,), (B, Q) -> <Z> (B, Q)."""
        last = self.n_qubits - 1
        device = tq.QuantumDevice(n_wires=self.n_qubits, bsz=angles.shape[0])
        for gate in circuit_gates("head", self.n_qubits):
            if isinstance(gate, CX):
                self.cnot(device, wires=[last - gate.control, last - gate.target])
            else:
                angle = angles[:, gate.index] if gate.from_data else weights[gate.index]
                self.ry(device, wires=last - gate.qubit, params=angle)
        if not self.shots:
            return self.measure(device).flip(-1)
        return frequencies(device.get_states_1d().abs() ** 2, self.shots) @ self.signs


def frequencies(p: torch.Tensor, shots: int) -> torch.Tensor:
    """Return the rectified eq. 2 over the number of shots, with the noise outside of the gradient's path.

    Args:
        p: (B, 2^Q) probabilities.
        shots: n.
    """
    with torch.no_grad():
        scaled = p.sqrt() * torch.randn_like(p)
        noise = (scaled - p * scaled.sum(dim=1, keepdim=True)) * shots**-0.5
    return torch.relu(p + noise)
