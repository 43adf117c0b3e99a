"""metatron-qso in float64: the gradient by its adjoint method, one sample at a time on a pool of threads.

Its batched gradient takes one observable and one start state for all samples. Here each sample has its own of both.
"""

from __future__ import annotations

import metatron_qso

from pauli_rotations import positions
from protocol import serve
from sample_task import Floats, SampleTask
from workloads import CX, RY, Arrays


class MetatronTask(SampleTask):
    """ENC, HEAD or MIXED; little-endian, so nothing is converted."""

    def __init__(self, inputs: Arrays, variant: str) -> None:
        super().__init__(inputs, variant)
        self.circuit = metatron_qso.Circuit(self.n_qubits)
        parameters = self.circuit.new_parameters(self.angles.shape[1])
        for gate in self.gates:
            angles = [parameters[i] for i in positions(gate, self.n_weights)]
            if isinstance(gate, CX):
                self.circuit.cx(gate.control, gate.target)
            elif isinstance(gate, RY):
                self.circuit.ry(gate.qubit, *angles)
            else:
                getattr(self.circuit, gate.name)(*gate.qubits, *angles)
        if self.amplitudes is None:
            self.starts = [metatron_qso.StateVector.zero(self.n_qubits)] * len(self.angles)
        else:
            self.starts = [metatron_qso.StateVector.from_amplitudes(row) for row in self.amplitudes]

    def sample(self, index: int) -> tuple[Floats, Floats]:
        """Return one sample's probabilities (2^Q,) and the gradient by its angles (P + D,)."""
        angles = self.angles[index]
        terms = [(factor, f"Z{q}") for q, factor in enumerate(self.cotangent[index].tolist())]
        _, slopes = metatron_qso.expectation_and_gradient(
            self.circuit,
            metatron_qso.PauliSum.from_terms(terms),
            angles,
            initial_state=self.starts[index],
        )
        state = self.starts[index].copy()  # a state changes in place
        return state.apply(self.circuit, angles).probabilities(), slopes


if __name__ == "__main__":
    serve(MetatronTask, "metatron-qso")
