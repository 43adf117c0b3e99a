"""Gates that OpenQASM text cannot name with their parameters, written by their definitions."""

from __future__ import annotations

from numbers import Real
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import ControlFlowOp, Gate, Instruction, Parameter, ParameterExpression
from qiskit.circuit.library import PermutationGate, UnitaryGate, get_standard_gate_name_mapping
from qiskit.synthesis import synth_permutation_basic

_STANDARD_CLASSES = frozenset(gate.base_class for gate in get_standard_gate_name_mapping().values())
# of OpenQASM 2; a user's gate may have them as its name
_KEYWORDS = frozenset(
    [
        "barrier",
        "cos",
        "creg",
        "exp",
        "gate",
        "if",
        "include",
        "ln",
        "measure",
        "opaque",
        "pi",
        "qreg",
        "reset",
        "sin",
        "sqrt",
        "tan",
    ]
)


def open_gates(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return a circuit with definitions in place of gates that text cannot name, or the circuit if it has none.

    Qiskit's exporters give such a gate a definition of its own. With an angle of 2·x they apply the factor in the call
    and in the definition, and a matrix or a complex number among the parameters is no text that a program reads.
    """
    if not _has_opened(circuit):
        return circuit
    opened_circuit = circuit.copy_empty_like()
    for instruction in circuit.data:
        operation = instruction.operation
        if isinstance(operation, ControlFlowOp):
            blocks = [open_gates(block) for block in operation.blocks]
            opened_circuit.append(instruction.replace(operation=operation.replace_blocks(blocks)))
        elif _is_opened(operation):
            opened_circuit.compose(
                open_gates(_definition(operation)),
                instruction.qubits,
                instruction.clbits,
                inplace=True,
            )
        else:
            opened_circuit.append(instruction)
    return opened_circuit


def _is_opened(operation: Any) -> bool:
    """Return whether an operation, or one inside of it, cannot be named in text."""
    if isinstance(operation, ControlFlowOp):
        return any(_has_opened(block) for block in operation.blocks)
    if not isinstance(operation, Instruction) or operation.base_class in _STANDARD_CLASSES:
        return False
    definition = _definition(operation)
    if isinstance(operation, UnitaryGate) or definition is None:
        return False
    is_named = (
        isinstance(operation, Gate)
        and operation.name not in _KEYWORDS
        and all(map(_is_written, operation.params))
    )
    return not is_named or _has_opened(definition)


def _definition(operation: Instruction) -> QuantumCircuit | None:
    """Return what an operation does as a circuit, or None if it does not say so."""
    if isinstance(operation, PermutationGate):
        return synth_permutation_basic(operation.pattern)
    definition = operation.definition
    return definition if isinstance(definition, QuantumCircuit) else None


def _has_opened(circuit: QuantumCircuit) -> bool:
    return any(_is_opened(instruction.operation) for instruction in circuit.data)


def _is_written(parameter: Any) -> bool:
    """Return whether a parameter of a gate is a number or a parameter of the circuit itself."""
    if isinstance(parameter, ParameterExpression):
        return isinstance(parameter, Parameter) or not parameter.parameters
    return isinstance(parameter, Real)
