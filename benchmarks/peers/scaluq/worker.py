"""scaluq in float32: forward on the batch of 16 states, then its gradient by back-propagation, one state at a time.

It has no parametric U, P and CP: they are R_Zs and R_Ys up to a global phase. The gradient of a controlled rotation is
wrong in 0.2.0, so these are two Pauli rotations each, which is the same gate. Amplitudes are loaded once and copied in
every step, because they can only come as Python lists.
"""

from __future__ import annotations

import numpy as np
import scaluq
from numpy.typing import NDArray
from scaluq import gate as scaluq_gates

from pauli_rotations import positions, rotations
from protocol import serve
from workloads import CX, RY, Arrays, Gate, circuit_gates

FIXED = {"h": "H", "s": "S", "t": "T", "sx": "SqrtX", "cx": "CX", "cz": "CZ", "swap": "Swap"}
PRECISION = {"precision": "f32"}


def build(gates: list[Gate]) -> scaluq.Circuit:
    """Build the circuit. A rotation of one qubit has a gate of its own."""
    circuit = scaluq.Circuit(**PRECISION)
    for gate in gates:
        if isinstance(gate, CX):
            circuit.add_gate(scaluq_gates.CX(gate.control, gate.target, **PRECISION))
        elif not isinstance(gate, RY) and gate.name in FIXED:
            circuit.add_gate(getattr(scaluq_gates, FIXED[gate.name])(*gate.qubits, **PRECISION))
        else:
            prefix = "x" if isinstance(gate, RY) and gate.from_data else "w"
            for (letters, qubits, factor), place in rotations(gate):
                key = f"{prefix}{positions(gate)[place]}"
                if len(qubits) > 1:
                    string = " ".join(
                        f"{letter} {q}" for letter, q in zip(letters, qubits, strict=True)
                    )
                    pauli = scaluq.PauliOperator(string, 1.0, **PRECISION)
                    circuit.add_param_gate(
                        scaluq_gates.ParamPauliRotation(pauli, factor, **PRECISION), key
                    )
                else:
                    rotation = getattr(scaluq_gates, f"ParamR{letters}")
                    circuit.add_param_gate(rotation(*qubits, factor, **PRECISION), key)
    return circuit


class ScaluqTask:
    """ENC, HEAD or MIXED; little-endian, so nothing is converted."""

    def __init__(self, inputs: Arrays, _variant: str) -> None:
        self.with_data = str(inputs["workload"]) != "enc"
        self.n_qubits = int(inputs["n_qubits"])
        self.circuit = build(circuit_gates(str(inputs["workload"]), self.n_qubits))
        self.weights, self.data, self.cotangent = (
            inputs[name] for name in ("weights", "data", "cotangent")
        )
        self.start = scaluq.StateVectorBatched(len(self.data), self.n_qubits, **PRECISION)
        if self.with_data:
            self.start.set_zero_state()
        else:
            self.start.load(
                np.pad(self.data, ((0, 0), (0, 2**self.n_qubits - self.data.shape[1]))).tolist()
            )
        self.z = [self.observable({q: 1.0}) for q in range(self.n_qubits)]
        self.results: dict[str, NDArray[np.generic]] = {}

    def observable(self, factors: dict[int, float]) -> scaluq.Operator:
        """Return the sum of factor · Z over the qubits."""
        terms = [
            scaluq.PauliOperator(f"Z {q}", factor, **PRECISION) for q, factor in factors.items()
        ]
        return scaluq.Operator(terms, **PRECISION)

    def run(self) -> None:
        """Run forward on the batch and backward on one sample at a time."""
        angles = {
            f"w{i}": [weight] * len(self.data) for i, weight in enumerate(self.weights.tolist())
        }
        if self.with_data:
            angles |= {f"x{q}": column for q, column in enumerate(self.data.T.tolist())}
        states = self.start.copy()
        self.circuit.update_quantum_state(states, params=angles)
        values = [operator.get_expectation_value(states) for operator in self.z]
        rows = []
        for b, factors in enumerate(self.cotangent.tolist()):
            state = states.get_state_vector_at(b)
            costate = state.copy()
            self.observable(dict(enumerate(factors))).apply_to_state(costate)
            sample_angles = {key: column[b] for key, column in angles.items()}
            slopes = self.circuit.compute_expectation_gradient_backprop(
                state, costate, sample_angles
            )
            rows.append([slopes[key] for key in angles])
        by_weights, by_data = np.split(np.array(rows), [len(self.weights)], axis=1)
        self.results = {"values": np.array(values).real.T, "grad_weights": by_weights.sum(axis=0)}
        if self.with_data:
            self.results["grad_data"] = by_data

    def outputs(self) -> Arrays:
        """Return values (16, Q) and gradients, as in ``reference.expected_outputs``."""
        return self.results


if __name__ == "__main__":
    serve(ScaluqTask, "scaluq")
