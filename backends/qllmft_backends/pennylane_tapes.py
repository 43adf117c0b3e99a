"""Circuits of PennyLane on the engine: gates by name, angles as parameters, wire i as qubit i."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import pi
from typing import Any, Literal

import numpy as np
import pennylane as qml
from numpy.typing import NDArray
from pennylane.tape import QuantumScript
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import StatePreparation, UnitaryGate, get_standard_gate_name_mapping
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.adjoint.complex_engine import ComplexEngine
from qllmft_backends.adjoint.engine import AdjointEngine
from qllmft_backends.adjoint.program import lower, lower_complex
from qllmft_backends.adjoint.program.gates import PARTS
from qllmft_backends.errors import UnsupportedGateError
from qllmft_backends.z_observables import PauliObservables, ZObservables

Floats = NDArray[np.float64]

# Qiskit's gate of each operation without angles, and with one
_PLAIN = {
    "PauliX": "x",
    "PauliY": "y",
    "PauliZ": "z",
    "Hadamard": "h",
    "S": "s",
    "T": "t",
    "SX": "sx",
    "Adjoint(S)": "sdg",
    "Adjoint(T)": "tdg",
    "Adjoint(SX)": "sxdg",
    "Identity": "id",
    "CNOT": "cx",
    "CY": "cy",
    "CZ": "cz",
    "CH": "ch",
    "SWAP": "swap",
}
_TURNED = {
    "RX": "rx",
    "RY": "ry",
    "RZ": "rz",
    "PhaseShift": "p",
    "CRX": "crx",
    "CRY": "cry",
    "CRZ": "crz",
    "U1": "p",
    "IsingXX": "rxx",
    "IsingYY": "ryy",
    "IsingZZ": "rzz",
    "ControlledPhaseShift": "cp",
}
# and of each operation the order of its angles
GATES: dict[str, tuple[str, tuple[int, ...]]] = {
    **{name: (gate, ()) for name, gate in _PLAIN.items()},
    **{name: (gate, (0,)) for name, gate in _TURNED.items()},
    "U3": ("u", (0, 1, 2)),
    "Rot": ("u", (1, 2, 0)),  # RZ(ω) RY(θ) RZ(φ), up to a phase
}
_CLASSES = get_standard_gate_name_mapping()
_WITHOUT_EFFECT = ("GlobalPhase", "Barrier", "Snapshot", "WireCut")  # on a measurement
# of a gate, beside its parts on the engine
_PHASES = {"x": pi / 2, "y": pi / 2, "sx": pi / 4, "sxdg": -pi / 4}
_HALF_ANGLES = ("rz", "rxx", "ryy", "rzz")  # minus half their angle
_MATRICES = ("QubitUnitary", "DiagonalQubitUnitary")


def is_supported(operation: Any) -> bool:
    """Return whether the engine takes an operation as it is; others are decomposed by PennyLane."""
    if operation.name in GATES:
        return not (operation.name == "Identity" and len(operation.wires) != 1)
    if operation.name in ("GlobalPhase", "Barrier", "StatePrep", "Snapshot"):
        return True
    return operation.name in _MATRICES and not any(
        qml.math.requires_grad(p) for p in operation.data
    )


def differentiable(circuit: QuantumScript) -> bool:
    """Return whether all measurements are expectation values of real sums of Pauli words."""
    return bool(circuit.measurements) and all(
        isinstance(m, qml.measurements.ExpectationMP)
        and m.obs is not None
        and m.obs.pauli_rep is not None
        for m in circuit.measurements
    )


def build(
    circuit: QuantumScript,
    dtype: Literal["float32", "float64"],
    *,
    states: bool,
    known: dict[Any, BuiltTape],
) -> BuiltTape:
    """Return the engine for a circuit, from ``known`` if it has this structure.

    Args:
        circuit: on wires 0, 1, ...
        dtype: ``float64`` or ``float32``.
        states: final states are asked for, and no expectation values.
        known: engines by the structure of their circuits; a new one is added.
    """
    n_qubits = max(1, circuit.num_wires)
    observables = [] if states else [pauli_sum(m.obs, n_qubits) for m in circuit.measurements]
    shape = tuple((op.name, tuple(op.wires), _constants(op)) for op in circuit.operations)
    measured = tuple((tuple(o.paulis.to_labels()), o.coeffs.tobytes()) for o in observables)
    key = (n_qubits, dtype, shape, states, measured)
    if key not in known:
        known[key] = BuiltTape.of(circuit, n_qubits, dtype, observables)
    return known[key]


def _constants(operation: Any) -> bytes:
    """Return the bytes of parameters that are no angles."""
    if operation.name in (*_MATRICES, "StatePrep"):
        return b"".join(
            np.asarray(qml.math.unwrap(p), np.complex128).tobytes() for p in operation.data
        )
    return b""


def pauli_sum(observable: Any, n_qubits: int) -> SparsePauliOp:
    """Return a sum of Pauli words on wires 0, 1, ... as one of Qiskit's."""
    terms = [
        (
            "".join(word.values()),
            [int(wire) for wire in word],
            complex(qml.math.toarray(coefficient)),
        )
        for word, coefficient in observable.pauli_rep.items()
    ]
    return SparsePauliOp.from_sparse_list(terms or [("", [], 0.0)], n_qubits)


@dataclass(frozen=True)
class BuiltTape:
    """Engine for the structure of a circuit; its angles are the parameters of all gates, in their order."""

    engine: AdjointEngine | ComplexEngine
    sums: ZObservables
    n_qubits: int

    @classmethod
    def of(
        cls,
        circuit: QuantumScript,
        n_qubits: int,
        dtype: Literal["float32", "float64"],
        observables: list[SparsePauliOp],
    ) -> BuiltTape:
        """Build the engine for the structure of a circuit.

        Args:
            circuit: on wires 0, 1, ...
            n_qubits: number of wires.
            dtype: ``float64`` or ``float32``.
            observables: O sums of Pauli words; none: the engine gives final states.
        """
        angles = ParameterVector("angle", len(_angles(circuit)))
        gates = as_qiskit(circuit, n_qubits, list(angles))
        if observables:
            try:
                real = ZObservables.from_operators(observables, n_qubits)
                return cls(AdjointEngine(lower(gates), real.masks, dtype), real, n_qubits)
            except UnsupportedGateError:
                pass  # the other engine runs any gates and strings
        strings = PauliObservables.from_operators(
            observables or [SparsePauliOp("I" * n_qubits)], n_qubits
        )
        return cls(ComplexEngine(lower_complex(gates), strings, dtype), strings, n_qubits)

    def values(self, circuit: QuantumScript) -> Floats:
        """Return expectation values (B, O)."""
        angles = self.engine.program.angles(_parameters(circuit))
        return np.asarray(self.engine.values(angles).astype(np.float64) @ self.sums.coefficients.T)

    def state(self, circuit: QuantumScript) -> NDArray[np.complex128]:
        """Return final states (2, ..., 2), or (B, 2, ..., 2) of a batch, with wire 0 first as in PennyLane."""
        assert isinstance(self.engine, ComplexEngine)
        flat = self.engine.amplitudes(self.engine.program.angles(_parameters(circuit))).astype(
            np.complex128
        )
        flat *= np.exp(1j * np.reshape(_phase(circuit), (-1, 1)))
        states = flat.reshape(-1, *[2] * self.n_qubits)
        ordered = states.transpose(0, *range(self.n_qubits, 0, -1))
        return ordered if circuit.batch_size is not None else ordered[0]

    def vjp(self, circuit: QuantumScript, weights: Floats) -> list[Any]:
        """Return the gradient of Σ weights (B, O) · values by each trainable parameter, in the parameter's shape."""
        values = _parameters(circuit)
        tape: Any = self.engine.forward(self.engine.program.angles(values))[1]
        by_angle, _ = self.engine.vjp(tape, weights @ self.sums.coefficients)
        columns = self.engine.program.by_parameter(by_angle, values)  # (B, P)
        position, out = _positions(circuit), []
        for index in circuit.trainable_params:
            column = columns[:, position[index]] if position[index] >= 0 else np.zeros(len(columns))
            shape = np.shape(circuit.get_parameters(trainable_only=False)[index])
            out.append(column if shape else column.sum())
        return out


def _angles(circuit: QuantumScript) -> list[tuple[int, Any]]:
    """Return each parameter of the gates with its index among all parameters of the circuit."""
    out, index = [], 0
    for operation in circuit.operations:
        if operation.name in GATES:
            out += [(index + i, parameter) for i, parameter in enumerate(operation.data)]
        index += len(operation.data)
    return out


def _positions(circuit: QuantumScript) -> list[int]:
    """Return the column of each parameter of the circuit in `_parameters`; -1: it has none."""
    position = [-1] * len(circuit.get_parameters(trainable_only=False))
    for column, (index, _) in enumerate(_angles(circuit)):
        position[index] = column
    return position


def _parameters(circuit: QuantumScript) -> Floats:
    """Return the parameters of the gates (B, P)."""
    columns = [
        np.asarray(qml.math.toarray(parameter), np.float64) for _, parameter in _angles(circuit)
    ]
    out = np.empty((circuit.batch_size or 1, len(columns)))
    for k, column in enumerate(columns):
        out[:, k] = column
    return out


def as_qiskit(circuit: QuantumScript, n_qubits: int, angles: Iterable[Any]) -> QuantumCircuit:
    """Return a circuit on wires 0, 1, ... with Qiskit's gates, up to a phase.

    Args:
        circuit: of operations that `is_supported` takes.
        n_qubits: number of wires.
        angles: of all gates with angles, in the order of their parameters in PennyLane.

    Raises:
        UnsupportedGateError: for an operation that the engine does not run.
    """
    out, left = QuantumCircuit(n_qubits), iter(angles)
    for operation in circuit.operations:
        name, wires = operation.name, [int(wire) for wire in operation.wires]
        if name in GATES:
            gate, order = GATES[name]
            given = [next(left) for _ in order]
            out.append(_CLASSES[gate].base_class(*(given[i] for i in order)), wires)
        elif name in _MATRICES:
            matrix = np.asarray(qml.math.toarray(qml.matrix(operation, wire_order=operation.wires)))
            # PennyLane's first wire is the most significant
            out.append(UnitaryGate(matrix), wires[::-1])
        elif name == "StatePrep":
            amplitudes = np.asarray(operation.state_vector(wire_order=operation.wires)).reshape(-1)
            out.append(StatePreparation(amplitudes), wires[::-1])
        elif name not in _WITHOUT_EFFECT:
            raise UnsupportedGateError(
                f"operation {name} on wires {wires} is none that the engine runs."
            )
    return out


def _phase(circuit: QuantumScript) -> Any:
    """Return the phase that the engine leaves out, () or (B,): its gates are those of PennyLane up to a phase."""
    total: Any = 0.0
    for operation in circuit.operations:
        data = [np.asarray(qml.math.toarray(parameter)) for parameter in operation.data]
        if operation.name == "GlobalPhase":
            total = total - data[0]
        elif operation.name == "Rot":
            total = total - (data[0] + data[2]) / 2
        elif operation.name in GATES:
            gate = GATES[operation.name][0]
            total = (
                total + _PHASES.get(gate, 0.0) + (data[0] * -0.5 if gate in _HALF_ANGLES else 0.0)
            )
        elif operation.name in _MATRICES:
            total = total + _phase_of(UnitaryGate(qml.math.toarray(qml.matrix(operation))))
    return total


def _phase_of(operation: Any) -> float:
    """Return the same of one of Qiskit's gates with numbers as angles."""
    if operation.name in PARTS:
        half = -0.5 * float(operation.params[0]) if operation.name in _HALF_ANGLES else 0.0
        return _PHASES.get(operation.name, 0.0) + half
    definition = operation.definition
    return float(definition.global_phase) + sum(
        _phase_of(inner.operation) for inner in definition.data
    )
