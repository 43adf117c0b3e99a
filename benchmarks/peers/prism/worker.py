"""PRISM-Q in float64: the gradient by its adjoint method, one sample at a time on a pool of threads.

It starts from |0…0> only. Gates with angles are Pauli rotations up to a global phase, because a parameter is one angle
of one instruction.
"""

from __future__ import annotations

import numpy as np
import prism_q

from pauli_rotations import positions, rotations
from protocol import serve
from sample_task import Floats, SampleTask
from workloads import CX, RY, Arrays

FIXED = ("h", "s", "t", "sx", "cx", "cz", "swap")


class PrismTask(SampleTask):
    """HEAD or MIXED; its states are little-endian, so nothing is converted."""

    def __init__(self, inputs: Arrays, variant: str) -> None:
        super().__init__(inputs, variant)
        builder = prism_q.CircuitBuilder(self.n_qubits)
        factors: list[float] = []
        places: list[int] = []
        for gate in self.gates:
            if isinstance(gate, CX):
                builder.cx(gate.control, gate.target)
            elif not isinstance(gate, RY) and gate.name in FIXED:
                getattr(builder, gate.name)(*gate.qubits)
            else:
                for (letters, qubits, factor), place in rotations(gate):
                    if len(qubits) == 1:
                        getattr(builder, f"r{letters.lower()}")(0.0, *qubits)
                    else:
                        builder.pauli_rotation(0.0, list(zip(qubits, letters, strict=True)))
                    builder.param(len(factors))
                    factors.append(factor)
                    places.append(positions(gate, self.n_weights)[place])
        self.factors = np.array(factors)
        self.places = np.array(places)
        self.parameters = builder.parameters()
        self.links = self.parameters.links()
        self.template = builder.build()
        self.statevector = prism_q.BackendKind.statevector()

    def sample(self, index: int) -> tuple[Floats, Floats]:
        """Return one sample's probabilities (2^Q,) and the gradient by its angles (P + D,)."""
        angles = self.factors * self.angles[index][self.places]
        circuit = self.parameters.bind(self.template, angles.tolist())
        terms = [(factor, [(q, "Z")]) for q, factor in enumerate(self.cotangent[index].tolist())]
        simulation = prism_q.simulate(circuit).backend(self.statevector)
        _, by_gate = simulation.expectation_gradient(prism_q.PauliObservable(terms), self.links)
        slopes = np.bincount(self.places, self.factors * by_gate, self.angles.shape[1])
        return np.abs(simulation.state_vector()) ** 2, slopes


if __name__ == "__main__":
    serve(PrismTask, "prism-q")
