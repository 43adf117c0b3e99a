"""Maestro (qoro-maestro): the batched vector-Jacobian product of its ``AdjointProgram``, which pennylane-maestro calls.

Each sample has its own angles and its own factors of the values. It starts from |0…0> only.
"""

from __future__ import annotations

import maestro
import numpy as np
from maestro.circuits import QuantumCircuit

from pauli_rotations import positions, rotations
from protocol import serve
from sample_task import SampleTask
from workloads import CX, RY, Arrays, Gate

# its circuits lack these
AS_ROTATIONS = ("rxx", "ryy", "rzz")


class MaestroTask(SampleTask):
    """HEAD or MIXED; little-endian, so nothing is converted."""

    def __init__(self, inputs: Arrays, variant: str) -> None:
        super().__init__(inputs, variant)
        self.places: list[int] = []
        self.circuit = QuantumCircuit()
        for qubit in range(self.n_qubits):  # names all qubits
            self.circuit.z(qubit)
            self.circuit.z(qubit)
        for gate in self.gates:
            self.append(gate)
        self.program = maestro.AdjointProgram(self.circuit)
        self.readouts = [
            [(1.0, "I" * q + "Z" + "I" * (self.n_qubits - 1 - q))] for q in range(self.n_qubits)
        ]
        self.config = maestro.SimulatorConfig()
        if variant != "-":
            self.config.precision = variant
        self.answer: dict[str, np.ndarray] = {}

    def append(self, gate: Gate) -> None:
        """Append a gate. Its angles are given at each call, in the order of the gates."""
        if isinstance(gate, CX):
            self.circuit.cx(gate.control, gate.target)
            return
        places = positions(gate, self.n_weights)
        if isinstance(gate, RY):
            self.circuit.ry(gate.qubit, 0.0)
        elif gate.name in AS_ROTATIONS:
            self.append_rotation(gate)
        else:
            getattr(self.circuit, gate.name)(*gate.qubits, *[0.0] * len(places))
        self.places += places

    def append_rotation(self, gate: Gate) -> None:
        """Append a rotation about XX, YY or ZZ as two CNOTs around R_Z, in a rotated basis."""
        (letters, (first, last), _), _ = next(rotations(gate))
        for qubit in (first, last):
            self.change_basis(letters[0], qubit)
        self.circuit.cx(first, last)
        self.circuit.rz(last, 0.0)
        self.circuit.cx(first, last)
        for qubit in (first, last):
            self.change_basis(letters[0], qubit, back=True)

    def change_basis(self, letter: str, qubit: int, *, back: bool = False) -> None:
        """Rotate a qubit so that Z becomes X or Y, or back."""
        if letter == "Y" and not back:
            self.circuit.sdg(qubit)
        if letter != "Z":
            self.circuit.h(qubit)
        if letter == "Y" and back:
            self.circuit.s(qubit)

    def run(self) -> None:
        """Run forward and backward."""
        angles = self.angles[:, self.places]
        self.answer = self.program.vjp(self.readouts, self.cotangent, angles, self.config)

    def outputs(self) -> Arrays:
        """Return values (16, Q) and gradients, as in ``reference.expected_outputs``."""
        slopes = np.zeros_like(self.angles)
        for column, place in enumerate(self.places):
            slopes[:, place] += self.answer["vjp"][:, column]
        by_weights, by_data = np.split(slopes, [self.n_weights], axis=1)
        return {
            "values": np.asarray(self.answer["expectation_values"]),
            "grad_weights": by_weights.sum(axis=0),
            "grad_data": by_data,
        }


if __name__ == "__main__":
    serve(MaestroTask, "qoro-maestro")
