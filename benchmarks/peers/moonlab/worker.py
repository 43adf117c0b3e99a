"""Moonlab in float64: its adjoint gradient of a Pauli sum, one sample at a time. It starts from |0…0> only."""

from __future__ import annotations

import numpy as np
from moonlab import QuantumState
from moonlab.diff import OBS_Z, DiffCircuit, PauliTerm

from pauli_rotations import positions
from protocol import serve
from sample_task import Floats, SampleTask
from workloads import CX, Arrays


class MoonlabTask(SampleTask):
    """HEAD; little-endian, so nothing is converted. One thread calls it, because a circuit holds its angles."""

    on_threads = False

    def __init__(self, inputs: Arrays, variant: str) -> None:
        super().__init__(inputs, variant)
        self.circuit = DiffCircuit(self.n_qubits)
        places: list[int] = []
        for gate in self.gates:
            if isinstance(gate, CX):
                self.circuit.cnot(gate.control, gate.target)
            else:
                self.circuit.ry(gate.qubit, 0.0)
                places += positions(gate, self.n_weights)
        self.places = np.array(places)
        self.state = QuantumState(self.n_qubits)

    def sample(self, index: int) -> tuple[Floats, Floats]:
        """Return one sample's probabilities (2^Q,) and the gradient by its angles (P + D,)."""
        for place, angle in enumerate(self.angles[index][self.places].tolist()):
            self.circuit.set_theta(place, angle)
        self.circuit.forward(self.state)
        probabilities = np.asarray(self.state.probabilities())
        terms = [
            PauliTerm(factor, [qubit], [OBS_Z])
            for qubit, factor in enumerate(self.cotangent[index].tolist())
        ]
        by_gate = self.circuit.backward_pauli_sum(self.state, terms)
        slopes = np.bincount(self.places, by_gate, self.angles.shape[1])
        return probabilities, slopes


if __name__ == "__main__":
    serve(MoonlabTask, "moonlab")
