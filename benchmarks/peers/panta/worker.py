"""panta-sim in float64: the gradient by its ``adjoint_gradient``, one sample at a time on a pool of threads.

It starts from |0…0> only: ``initialize`` resets qubits, which its adjoint method refuses.
"""

from __future__ import annotations

import panta_sim

from pauli_rotations import positions
from protocol import serve
from sample_task import Floats, SampleTask
from workloads import CX, RY, Arrays


class PantaTask(SampleTask):
    """HEAD or MIXED; its states are little-endian. The last letter of a Pauli string is qubit 0."""

    def __init__(self, inputs: Arrays, variant: str) -> None:
        super().__init__(inputs, variant)
        self.circuit = panta_sim.QuantumCircuit(self.n_qubits)
        # it orders parameters by their names
        parameters = [panta_sim.Parameter(f"a{i:06d}") for i in range(self.angles.shape[1])]
        for gate in self.gates:
            angles = [parameters[i] for i in positions(gate, self.n_weights)]
            if isinstance(gate, CX):
                self.circuit.cx(gate.control, gate.target)
            elif isinstance(gate, RY):
                self.circuit.ry(*angles, gate.qubit)
            else:
                getattr(self.circuit, gate.name)(*angles, *gate.qubits)
        self.strings = [
            "".join("Z" if q == position else "I" for q in reversed(range(self.n_qubits)))
            for position in range(self.n_qubits)
        ]

    def sample(self, index: int) -> tuple[Floats, Floats]:
        """Return one sample's probabilities (2^Q,) and the gradient by its angles (P + D,)."""
        angles = self.angles[index].tolist()
        observable = dict(zip(self.strings, self.cotangent[index].tolist(), strict=True))
        _, slopes = panta_sim.adjoint_gradient(self.circuit, angles, observable)
        outcome = self.circuit.assign_parameters(angles).run(shots=0)
        return outcome.probabilities(), slopes


if __name__ == "__main__":
    serve(PantaTask, "panta-sim")
