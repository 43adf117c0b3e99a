"""Engines by the structure of PennyLane's tapes, with values, states and gradients."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pennylane as qp
from numpy.typing import NDArray
from pennylane.tape import QuantumScript
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.observables import PauliObservables, ZObservables, find_flip
from qllmft_backends.protocol import Floats
from qllmft_engine.chunks import REUSED_BYTES
from qllmft_engine.complex_engine import ComplexEngine
from qllmft_engine.engine import AdjointEngine
from qllmft_engine.pennylane_device.gates import GATES, GateSequence
from qllmft_engine.pennylane_device.tapes import (
    MATRICES,
    omitted_phase,
    pauli_terms,
    to_qiskit_circuit,
    to_sparse_pauli,
)
from qllmft_engine.program import Program, lower_complex, try_lower


def build(
    circuit: QuantumScript,
    dtype: Literal["float32", "float64"],
    *,
    states: bool,
    built_tapes: dict[Any, BuiltTape],
) -> BuiltTape:
    """Return the engine for a circuit, from ``built_tapes`` if it has this structure.

    Args:
        circuit: on wires 0, 1, ..., or `gather_gates` on any.
        dtype: ``float64`` or ``float32``.
        states: final states are asked for, and no expectation values.
        built_tapes: engines by the structure of their circuits; a new one is added.
    """
    structure: Any
    if isinstance(circuit.operations[0] if circuit.operations else None, GateSequence):
        sequence = circuit.operations[0]
        structure = sequence.hyperparameters["gates"]
        wires = sequence.wires.labels
    else:
        wires = tuple(range(max(1, circuit.num_wires)))
        structure = tuple((op.name, tuple(op.wires), _constants(op)) for op in circuit.operations)
    position_by_wire = {wire: i for i, wire in enumerate(wires)}
    measured_terms = (
        () if states else tuple(pauli_terms(m.obs, position_by_wire) for m in circuit.measurements)
    )
    key = (len(wires), dtype, structure, states, measured_terms)
    if key not in built_tapes:
        gates = [gate for op in circuit.operations for gate in _map_gates(op, position_by_wire)]
        observables = [to_sparse_pauli(terms, len(wires)) for terms in measured_terms]
        built_tapes[key] = BuiltTape.from_structure(
            QuantumScript(gates), len(wires), dtype, observables
        )
    return built_tapes[key]


def _map_gates(operation: Any, position_by_wire: dict[Any, int]) -> list[Any]:
    """Return the gates of an operation on wires 0, 1, ..."""
    if not isinstance(operation, GateSequence):
        return [operation]
    return [gate.map_wires(position_by_wire) for gate in operation.decomposition()]


def _constants(operation: Any) -> bytes:
    """Return the bytes of parameters that are no angles."""
    if operation.name in (*MATRICES, "StatePrep"):
        return b"".join(
            np.asarray(qp.math.unwrap(p), np.complex128).tobytes() for p in operation.data
        )
    return b""


@dataclass(frozen=True)
class BuiltTape:
    """Engine for the structure of a circuit; its angles are the parameters of all gates, in their order."""

    engine: AdjointEngine | ComplexEngine
    sums: ZObservables
    n_qubits: int
    # the last forward pass for a gradient, by the bytes of its angles
    _tape_by_angles: dict[bytes, Any] = field(default_factory=dict, init=False)

    @classmethod
    def from_structure(
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
        angles = ParameterVector("angle", len(_gate_parameters(circuit)))
        gates = to_qiskit_circuit(circuit, n_qubits, list(angles))
        if observables and not find_flip(observables):
            program = try_lower(gates)
            if isinstance(program, Program):
                sums = ZObservables.from_operators(observables, n_qubits)
                return cls(AdjointEngine(program, sums.masks, dtype), sums, n_qubits)
        strings = PauliObservables.from_operators(
            observables or [SparsePauliOp("I" * n_qubits)], n_qubits
        )
        return cls(ComplexEngine(lower_complex(gates), strings, dtype), strings, n_qubits)

    def values(self, circuit: QuantumScript, *, before_gradient: bool) -> Floats:
        """Return expectation values (B, O). Before a gradient, states of moderate size are kept for it."""
        angles = self.engine.program.angles(_parameter_values(circuit))
        self._tape_by_angles.clear()
        if before_gradient and len(angles) << self.n_qubits <= REUSED_BYTES // 16:
            values, self._tape_by_angles[angles.tobytes()] = self.engine.forward(angles)
        else:
            values = self.engine.values(angles)
        return np.asarray(values.astype(np.float64) @ self.sums.coefficients.T)

    def state(self, circuit: QuantumScript) -> NDArray[np.complex128]:
        """Return final states (2, ..., 2), or (B, 2, ..., 2) of a batch, with wire 0 first as in PennyLane."""
        assert isinstance(self.engine, ComplexEngine)
        angles = self.engine.program.angles(_parameter_values(circuit))
        amplitudes = self.engine.amplitudes(angles).astype(np.complex128)
        amplitudes *= np.exp(1j * np.reshape(omitted_phase(circuit), (-1, 1)))
        states = amplitudes.reshape(-1, *[2] * self.n_qubits)
        ordered_states = states.transpose(0, *range(self.n_qubits, 0, -1))
        return ordered_states if circuit.batch_size is not None else ordered_states[0]

    def vjp(self, circuit: QuantumScript, weights: Floats) -> list[Any]:
        """Return the gradient of Σ weights (B, O) · values by each trainable parameter, in the parameter's shape."""
        values = _parameter_values(circuit)
        angles = self.engine.program.angles(values)
        tape: Any = (
            self._tape_by_angles.pop(angles.tobytes(), None) or self.engine.forward(angles)[1]
        )
        by_angle, _ = self.engine.vjp(tape, weights @ self.sums.coefficients)
        columns = self.engine.program.by_parameter(by_angle, values)  # (B, P)
        if stacks := _stacks(circuit):
            trainable_stacks = [stacks[index] for index in circuit.trainable_params]
            return [
                columns[:, numbers].T if stack.ndim == 2 else columns[:, numbers].sum(axis=0)
                for stack, numbers in trainable_stacks
            ]
        parameters = circuit.get_parameters(trainable_only=False)
        gradients = []
        column_by_index = {
            index: column for column, (index, _) in enumerate(_gate_parameters(circuit))
        }
        for index in circuit.trainable_params:
            is_gate_angle = index in column_by_index
            column = columns[:, column_by_index[index]] if is_gate_angle else np.zeros(len(columns))
            gradients.append(column if np.shape(parameters[index]) else column.sum())
        return gradients


def _gate_parameters(circuit: QuantumScript) -> list[tuple[int, Any]]:
    """Return each parameter of the gates with its index among all parameters of the circuit."""
    out = []
    index = 0
    for operation in circuit.operations:
        if operation.name in GATES or operation.name == "GateSequence":
            out += [(index + i, parameter) for i, parameter in enumerate(operation.data)]
        index += len(operation.data)
    return out


def _stacks(circuit: QuantumScript) -> list[tuple[Floats, list[int]]]:
    """Return the stacks of angles of gathered gates with the numbers of their angles; none if there are none."""
    for sequence in circuit.operations[:1]:
        columns = sequence.hyperparameters.get("columns")
        if isinstance(sequence, GateSequence) and columns is not None:
            return [
                (np.asarray(qp.math.toarray(stack)), list(numbers))
                for stack, numbers in zip(sequence.data, columns, strict=True)
            ]
    return []


def _parameter_values(circuit: QuantumScript) -> Floats:
    """Return the parameters of the gates (B, P)."""
    if stacks := _stacks(circuit):
        out = np.empty((circuit.batch_size or 1, sum(len(numbers) for _, numbers in stacks)))
        for stack, numbers in stacks:
            out[:, numbers] = stack.T
        return out
    angles = _gate_parameters(circuit)
    out = np.empty((circuit.batch_size or 1, len(angles)))
    for k, (_, angle) in enumerate(angles):
        out[:, k] = angle if type(angle) is np.ndarray else qp.math.toarray(angle)
    return out
