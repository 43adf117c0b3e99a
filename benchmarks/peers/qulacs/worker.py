"""qulacs in float64: the gradient by its ``backprop``, one sample at a time.

It starts from |0…0> only. Its rotations are exp(+i · angle · P / 2), so angles change their sign. Gates that it lacks
are Pauli rotations up to a global phase.
"""

from __future__ import annotations

import numpy as np
import qulacs

from pauli_rotations import positions, rotations
from protocol import serve
from sample_task import Floats, SampleTask
from workloads import CX, RY, Arrays

FIXED = {"h": "H", "s": "S", "t": "T", "sx": "sqrtX", "cx": "CNOT", "cz": "CZ", "swap": "SWAP"}
PAULI_IDS = {"X": 1, "Y": 2, "Z": 3}


class QulacsTask(SampleTask):
    """HEAD or MIXED; little-endian, so nothing is converted. It keeps Python's lock, so one thread calls it."""

    on_threads = False

    def __init__(self, inputs: Arrays, variant: str) -> None:
        super().__init__(inputs, variant)
        self.circuit = qulacs.ParametricQuantumCircuit(self.n_qubits)
        factors: list[float] = []
        places: list[int] = []
        for gate in self.gates:
            if isinstance(gate, CX):
                self.circuit.add_CNOT_gate(gate.control, gate.target)
            elif not isinstance(gate, RY) and gate.name in FIXED:
                getattr(self.circuit, f"add_{FIXED[gate.name]}_gate")(*gate.qubits)
            else:
                for (letters, qubits, factor), place in rotations(gate):
                    if len(qubits) == 1:
                        add = getattr(self.circuit, f"add_parametric_R{letters}_gate")
                        add(*qubits, 0.0)
                    else:
                        ids = [PAULI_IDS[letter] for letter in letters]
                        self.circuit.add_parametric_multi_Pauli_rotation_gate([*qubits], ids, 0.0)
                    factors.append(-factor)
                    places.append(positions(gate, self.n_weights)[place])
        self.factors = np.array(factors)
        self.places = np.array(places)
        self.state = qulacs.QuantumState(self.n_qubits)

    def sample(self, index: int) -> tuple[Floats, Floats]:
        """Return one sample's probabilities (2^Q,) and the gradient by its angles (P + D,)."""
        for k, angle in enumerate((self.factors * self.angles[index][self.places]).tolist()):
            self.circuit.set_parameter(k, angle)
        observable = qulacs.Observable(self.n_qubits)
        for q, factor in enumerate(self.cotangent[index].tolist()):
            observable.add_operator(factor, f"Z {q}")
        by_gate = self.factors * self.circuit.backprop(observable)
        slopes = np.bincount(self.places, by_gate, self.angles.shape[1])
        self.state.set_zero_state()
        self.circuit.update_quantum_state(self.state)
        return np.abs(self.state.get_vector()) ** 2, slopes


if __name__ == "__main__":
    serve(QulacsTask, "qulacs")
