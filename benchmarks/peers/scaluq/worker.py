"""scaluq in float32: forward on the batch of 16 states, then its gradient by back-propagation, one state at a time.

It has no parametric U, P and CP: they are R_Zs and R_Ys up to a global phase. The gradient of a controlled rotation is
wrong in 0.2.0, so these are two Pauli rotations each, which is the same gate. Amplitudes are loaded once and copied in
every step, because they can only come as Python lists.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scaluq
from numpy.typing import NDArray
from scaluq import gate as scaluq_gates

from protocol import serve
from workloads import CX, RY, Arrays, Gate, gates_of

FIXED = {"h": "H", "s": "S", "t": "T", "sx": "SqrtX", "cx": "CX", "cz": "CZ", "swap": "Swap"}
PRECISION = {"precision": "f32"}
Rotation = tuple[str, float, str]  # Pauli string, factor of the angle, name of the angle


def rotations(gate: Gate) -> Iterator[Rotation]:
    """Return a gate with angles as rotations about Pauli strings, in their order."""
    if isinstance(gate, RY):
        yield f"Y {gate.qubit}", 1.0, f"{'x' if gate.from_data else 'w'}{gate.index}"
        return
    assert not isinstance(gate, CX)
    keys = [f"w{i}" for i in gate.indices]
    first = gate.qubits[0]
    last = gate.qubits[-1]
    if gate.name == "u":
        theta, phi, lam = keys
        yield from ((f"Z {first}", 1.0, lam), (f"Y {first}", 1.0, theta), (f"Z {first}", 1.0, phi))
    elif gate.name in ("p", "rx", "ry", "rz"):
        yield f"{gate.name[1:].upper() or 'Z'} {first}", 1.0, keys[0]
    elif gate.name.startswith("c"):
        axis = {"cp": "Z"}.get(gate.name, gate.name[-1].upper())
        yield from ((f"{axis} {last}", 0.5, keys[0]), (f"Z {first} {axis} {last}", -0.5, keys[0]))
        if gate.name == "cp":
            yield f"Z {first}", 0.5, keys[0]
    else:
        yield f"{gate.name[-1].upper()} {first} {gate.name[-1].upper()} {last}", 1.0, keys[0]


def build(gates: list[Gate]) -> scaluq.Circuit:
    """Build the circuit. A rotation of one qubit has a gate of its own."""
    circuit = scaluq.Circuit(**PRECISION)
    for gate in gates:
        if isinstance(gate, CX):
            circuit.add_gate(scaluq_gates.CX(gate.control, gate.target, **PRECISION))
        elif not isinstance(gate, RY) and gate.name in FIXED:
            circuit.add_gate(getattr(scaluq_gates, FIXED[gate.name])(*gate.qubits, **PRECISION))
        else:
            for string, factor, key in rotations(gate):
                axis, qubit, *more = string.split()
                if more:
                    pauli = scaluq.PauliOperator(string, 1.0, **PRECISION)
                    circuit.add_param_gate(
                        scaluq_gates.ParamPauliRotation(pauli, factor, **PRECISION), key
                    )
                else:
                    made = getattr(scaluq_gates, f"ParamR{axis}")(int(qubit), factor, **PRECISION)
                    circuit.add_param_gate(made, key)
    return circuit


class ScaluqTask:
    """ENC, HEAD or MIXED; little-endian, so nothing is converted."""

    def __init__(self, inputs: Arrays, _variant: str) -> None:
        self.with_data = str(inputs["workload"]) != "enc"
        self.n_qubits = int(inputs["n_qubits"])
        self.circuit = build(gates_of(str(inputs["workload"]), self.n_qubits))
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
            own = {key: column[b] for key, column in angles.items()}
            slopes = self.circuit.compute_expectation_gradient_backprop(state, costate, own)
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
