"""Definitions that Qiskit gives with help only: of annotated gates, and of gates whose matrix needs numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import (
    AnnotatedOperation,
    Gate,
    Instruction,
    Operation,
    Parameter,
    ParameterExpression,
    PowerModifier,
)
from qiskit.circuit.library import (
    HamiltonianGate,
    PauliEvolutionGate,
    UnitaryGate,
    get_standard_gate_name_mapping,
)
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Operator, SparsePauliOp
from qiskit.transpiler.passes import HighLevelSynthesis

from qllmft_backends.errors import UnsupportedGateError
from qllmft_backends.protocol import Floats

_STANDARD_CLASSES = {
    name: gate.base_class for name, gate in get_standard_gate_name_mapping().items()
}
_AMPLITUDES_GATE_NAME = "ParameterizedInitialize"  # of qiskit-machine-learning's raw_feature_vector
_NO_MATRIX_ERRORS = (AttributeError, QiskitError, TypeError, ValueError)  # as Qiskit says it


def is_idle(name: str, qubits: Sequence[int], touched: set[int]) -> bool:
    """Return whether an operation changes no state: a barrier, a delay, or a reset of qubits still in |0⟩.

    Args:
        name: of the operation.
        qubits: on which it acts.
        touched: qubits that a gate has acted on before.
    """
    return name in ("barrier", "delay") or (name == "reset" and touched.isdisjoint(qubits))


def free_parameters(operation: Operation) -> set[Parameter]:
    """Return the parameters of an operation that have no value yet."""
    angles = (angle for angle in operation.params if isinstance(angle, ParameterExpression))
    return {parameter for angle in angles for parameter in angle.parameters}


def has_other_definition(operation: Operation) -> bool:
    """Return whether `gate_definition` an operation is another than Qiskit's, or Qiskit has none."""
    is_evolution = isinstance(operation, HamiltonianGate) and free_parameters(operation)
    return (
        not isinstance(operation, Instruction)
        or bool(is_evolution)
        or operation.name == _AMPLITUDES_GATE_NAME
    )


def gate_definition(operation: Operation) -> QuantumCircuit:
    """Return the circuit that an operation is made of.

    Raises:
        UnsupportedGateError: if it has none, as a measurement, or needs numbers for its parameters; the message follows
            the operation's name.
    """
    try:
        definition: QuantumCircuit | None = None
        if not has_other_definition(operation):
            definition = operation.definition
        elif isinstance(operation, HamiltonianGate):
            definition = _evolution_circuit(*operation.params)
        elif operation.name == _AMPLITUDES_GATE_NAME:
            definition = _loading_circuit(operation.params)
        if definition is None:
            definition = _synthesize(operation)
    except _NO_MATRIX_ERRORS as error:
        if free_names := sorted(
            parameter.name for parameter in operation_numeric_parameters(operation)
        ):
            listed_names = ", ".join([*free_names[:4], "…"] if len(free_names) > 4 else free_names)
            raise UnsupportedGateError(
                f"which Qiskit defines for numbers only, and {listed_names} have none. Bind them "
                "(circuit.assign_parameters) or write the gate by rx, ry, rz and cx. The primitives of a backend, "
                "estimator() and sampler(), bind them for each sample, and qllmft.QuantumEncoder loads a sample as "
                "amplitudes."
            ) from None
        reason = str(error).strip("'\"").rstrip(".")
        raise UnsupportedGateError(
            f"which has no definition ({reason}). Write it by standard gates."
        ) from None
    return definition


def _evolution_circuit(hamiltonian: NDArray[Any], time: ParameterExpression) -> QuantumCircuit:
    """Return exp(-i·time·H) as H's eigenvectors around rotations of Z strings, which are exact for any time."""
    energies, vectors = np.linalg.eigh(hamiltonian)
    circuit = QuantumCircuit(len(energies).bit_length() - 1)
    # strings below the rounding of the energies are none of H
    rounding = np.finfo(np.float64).eps * len(energies) * np.abs(energies).max()
    strings = SparsePauliOp.from_operator(Operator(np.diag(energies)), atol=rounding, rtol=0.0)
    circuit.append(UnitaryGate(vectors.conj().T), circuit.qubits)
    circuit.append(PauliEvolutionGate(strings, time), circuit.qubits)
    circuit.append(UnitaryGate(vectors), circuit.qubits)
    return circuit


def _loading_circuit(amplitudes: Sequence[Any]) -> QuantumCircuit:
    """Return the loading of amplitudes, brought to norm 1 in double precision, as single precision is not enough."""
    numbers = np.array([complex(amplitude) for amplitude in amplitudes])
    norm = np.linalg.norm(numbers)
    if norm == 0:
        raise ValueError("its amplitudes are all zero")
    circuit = QuantumCircuit(len(numbers).bit_length() - 1)
    circuit.initialize(numbers / norm, circuit.qubits)
    return circuit


def _synthesize(operation: Operation) -> QuantumCircuit:
    """Return the circuit of an operation without a definition: by its matrix, or by Qiskit's high-level synthesis."""
    if isinstance(operation, AnnotatedOperation):
        operation = _flatten_annotations(operation)
    if isinstance(operation, Gate):
        return UnitaryGate(Operator(operation)).definition
    operation_circuit = QuantumCircuit(operation.num_qubits, operation.num_clbits)
    operation_circuit.append(operation, operation_circuit.qubits, operation_circuit.clbits)
    circuit = HighLevelSynthesis()(operation_circuit)
    if circuit == operation_circuit:
        raise TypeError("it is no gate")
    return circuit


def _flatten_annotations(operation: AnnotatedOperation) -> AnnotatedOperation:
    """Return an annotated operation as Qiskit synthesizes it.

    Its base is no other annotated operation, and whole powers are integers, which QPY makes floating-point numbers.
    """
    while isinstance(operation.base_op, AnnotatedOperation):
        inner = operation.base_op
        operation = AnnotatedOperation(inner.base_op, [*inner.modifiers, *operation.modifiers])
    modifiers = [
        PowerModifier(int(modifier.power))
        if isinstance(modifier, PowerModifier) and float(modifier.power).is_integer()
        else modifier
        for modifier in operation.modifiers
    ]
    return AnnotatedOperation(operation.base_op, modifiers)


def with_definitions(circuit: QuantumCircuit, names: Collection[str]) -> QuantumCircuit:
    """Return a circuit with `gate_definition` in place of operations of some names that Qiskit does not open.

    Raises:
        UnsupportedGateError: see `gate_definition`; names the operation and the circuit.
    """
    out = circuit.copy_empty_like()
    for position, instruction in enumerate(circuit.data):
        operation = instruction.operation
        if operation.name not in names or not has_other_definition(operation):
            out.append(instruction)
            continue
        try:
            out.compose(gate_definition(operation), instruction.qubits, inplace=True)
        except UnsupportedGateError as error:
            raise UnsupportedGateError(
                f"gate {position} of circuit {circuit.name!r} is {operation.name!r}, {error}"
            ) from None
    return out


def numeric_parameters(circuit: QuantumCircuit) -> set[Parameter]:
    """Return the free parameters of gates that Qiskit defines for numbers only, inside other gates too."""
    numeric_only: set[Parameter] = set()
    for instruction in circuit.data:
        if not instruction.is_parameterized():
            continue
        operation = instruction.operation
        for block in getattr(operation, "blocks", ()):
            numeric_only |= numeric_parameters(block)
        unbound_parameters = free_parameters(operation)
        is_standard = getattr(operation, "base_class", None) is _STANDARD_CLASSES.get(
            operation.name, object
        )
        if not unbound_parameters or is_standard:
            continue
        try:
            numeric_only |= numeric_parameters(gate_definition(operation))
        except UnsupportedGateError:
            numeric_only |= operation_numeric_parameters(operation)
    return numeric_only


def operation_numeric_parameters(operation: Operation) -> set[Parameter]:
    """Return the free parameters of an operation without a definition, none if numbers would give it none either."""
    unbound_parameters = free_parameters(operation)
    if not unbound_parameters:
        return unbound_parameters
    operation_circuit = QuantumCircuit(operation.num_qubits, operation.num_clbits)
    operation_circuit.append(operation, operation_circuit.qubits, operation_circuit.clbits)
    try:
        gate_definition(
            operation_circuit.assign_parameters(dict.fromkeys(unbound_parameters, 0.5))
            .data[0]
            .operation
        )
    except _NO_MATRIX_ERRORS:
        return set()
    return unbound_parameters


def bind_numbers(circuit: QuantumCircuit, numbers: Mapping[Parameter, float]) -> QuantumCircuit:
    """Return a circuit with numbers in place of some parameters, and loaded amplitudes of norm 1."""
    try:
        bound_circuit = circuit.assign_parameters(numbers)
    except _NO_MATRIX_ERRORS as error:
        raise UnsupportedGateError(
            f"Qiskit does not bind the parameters of circuit {circuit.name!r} ({error}). Write its annotated gates by "
            "standard gates."
        ) from None
    return with_definitions(bound_circuit, {_AMPLITUDES_GATE_NAME})


def bind_numeric_rows(
    circuit: QuantumCircuit, values: Floats
) -> Iterator[tuple[NDArray[np.int64], QuantumCircuit, Floats]]:
    """Yield groups of rows, each with numbers in place of the `numeric_parameters`.

    Args:
        circuit: P parameters.
        values: (B, P) in the order of ``circuit.parameters``.

    Yields:
        Indices (b,) of the rows, the circuit of this group, and values (b, p) of the parameters that it still has.
    """
    numeric_only = numeric_parameters(circuit)
    if not numeric_only:
        yield np.arange(len(values)), circuit, values
        return
    is_numeric = np.array([parameter in numeric_only for parameter in circuit.parameters])
    names = [parameter for parameter in circuit.parameters if parameter in numeric_only]
    points, group_by_row = np.unique(values[:, is_numeric], axis=0, return_inverse=True)
    for group, point in enumerate(points.tolist()):
        rows = np.flatnonzero(group_by_row == group)
        bound_circuit = bind_numbers(circuit, dict(zip(names, point, strict=True)))
        yield rows, bound_circuit, values[rows][:, ~is_numeric]
