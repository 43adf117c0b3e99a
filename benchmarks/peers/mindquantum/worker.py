"""MindQuantum's mqvector in complex64: the gradient by its adjoint method, one sample at a time.

Its batch takes the same observables for all samples. Here each sample has its own, so a batch would need the gradient
of each qubit's <Z>.
"""

from __future__ import annotations

import mindquantum as mq
import numpy as np
from mindquantum.core import gates as mq_gates
from mindquantum.core.circuit import Circuit
from mindquantum.core.operators import Hamiltonian, QubitOperator
from mindquantum.simulator import Simulator

from pauli_rotations import positions
from protocol import serve
from sample_task import Floats, SampleTask
from workloads import CX, RY, Arrays

FIXED = {"h": mq_gates.H, "s": mq_gates.S, "t": mq_gates.T, "sx": mq_gates.SX}
ON_TWO = {"rxx": mq_gates.Rxx, "ryy": mq_gates.Ryy, "rzz": mq_gates.Rzz}
ROTATIONS = {"rx": mq_gates.RX, "ry": mq_gates.RY, "rz": mq_gates.RZ, "p": mq_gates.PhaseShift}


class MindQuantumTask(SampleTask):
    """ENC, HEAD or MIXED; little-endian, so nothing is converted."""

    on_threads = False

    def __init__(self, inputs: Arrays, variant: str) -> None:
        super().__init__(inputs, variant)
        self.circuit = Circuit()
        names = [f"a{i:06d}" for i in range(self.angles.shape[1])]
        for gate in self.gates:
            angles = [names[i] for i in positions(gate, self.n_weights)]
            if isinstance(gate, CX):
                self.circuit += mq_gates.X.on(gate.target, gate.control)
            elif isinstance(gate, RY):
                self.circuit += mq_gates.RY(*angles).on(gate.qubit)
            elif gate.name in FIXED:
                self.circuit += FIXED[gate.name].on(gate.qubits[0])
            elif gate.name in ROTATIONS:
                self.circuit += ROTATIONS[gate.name](*angles).on(gate.qubits[0])
            elif gate.name == "u":
                self.circuit += mq_gates.U3(*angles).on(gate.qubits[0])
            elif gate.name == "swap":
                self.circuit += mq_gates.SWAP.on([*gate.qubits])
            elif gate.name in ON_TWO:
                self.circuit += ON_TWO[gate.name](*angles).on([*gate.qubits])
            elif gate.name in ("cx", "cz"):
                flip = mq_gates.X if gate.name == "cx" else mq_gates.Z
                self.circuit += flip.on(gate.qubits[1], gate.qubits[0])
            else:
                rotation = ROTATIONS[gate.name[1:]]
                self.circuit += rotation(*angles).on(gate.qubits[1], gate.qubits[0])
        self.names = names
        self.order = np.array([names.index(name) for name in self.circuit.params_name])
        self.gradients = [self.make_gradient(b) for b in range(len(self.angles))]
        self.forward = Simulator("mqvector", self.n_qubits, dtype=mq.complex64)

    def make_gradient(self, index: int) -> object:
        """Return the function of one sample's value and gradient."""
        simulator = Simulator("mqvector", self.n_qubits, dtype=mq.complex64)
        if self.amplitudes is not None:
            simulator.set_qs(self.amplitudes[index])
        operator = QubitOperator()
        for q, factor in enumerate(self.cotangent[index].tolist()):
            operator += QubitOperator(f"Z{q}", factor)
        hamiltonian = Hamiltonian(operator, dtype=mq.complex64)
        return simulator.get_expectation_with_grad(hamiltonian, self.circuit)

    def sample(self, index: int) -> tuple[Floats, Floats]:
        """Return one sample's probabilities (2^Q,) and the gradient by its angles (P + D,)."""
        angles = self.angles[index]
        _, gradient = self.gradients[index](angles[self.order])
        slopes = np.zeros_like(angles)
        slopes[self.order] = gradient[0, 0].real
        self.forward.reset()
        if self.amplitudes is not None:
            self.forward.set_qs(self.amplitudes[index])
        self.forward.apply_circuit(self.circuit, angles[self.order])
        return np.abs(self.forward.get_qs()) ** 2, slopes


if __name__ == "__main__":
    serve(MindQuantumTask, "mindquantum")
