"""Content of a circuit that Qiskit's equality of circuits does not compare, or only up to a tolerance."""

from __future__ import annotations

from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Operation, ParameterExpression
from qiskit.circuit.library import HamiltonianGate, Initialize, StatePreparation, UnitaryGate
from qiskit.exceptions import QiskitError

_DEFINED_BY_NUMBERS = (HamiltonianGate, Initialize, StatePreparation, UnitaryGate)


def exact_content(circuit: QuantumCircuit) -> list[Any] | None:
    """Return the numbers of a circuit's gates, and what is inside of those with a definition.

    Circuits that are equal to Qiskit are the same if their contents are equal, too. Matrices are equal to Qiskit if
    they differ by 1e-5, angles by 1e-10, and gates that have a matrix alone if their names are equal.

    Returns:
        The content, or None for a circuit with a gate that shows nothing but its matrix.
    """
    content: list[Any] = []
    for instruction in circuit.data:
        if instruction.is_standard_gate():
            content += (
                parameter
                for parameter in instruction.params
                if not isinstance(parameter, ParameterExpression)
            )
        else:
            inner = _operation_content(instruction.operation)
            if inner is None:
                return None
            content.append(inner)
    return content


def _operation_content(operation: Operation) -> list[Any] | None:
    """Return the name of an operation and its numbers or its definition, or None if it has neither."""
    if operation.name == "barrier":
        return [operation.name]
    numbers = [
        np.asarray(parameter).tobytes()
        for parameter in getattr(operation, "params", ())
        if not isinstance(parameter, ParameterExpression)
    ]
    if isinstance(operation, _DEFINED_BY_NUMBERS):
        return [operation.name, *numbers]
    try:
        definition = getattr(operation, "definition", None)
    except (QiskitError, TypeError):  # it is defined for numbers only, and has parameters
        return [operation.name, *numbers]
    if not isinstance(definition, QuantumCircuit):
        return None
    inner = exact_content(definition)
    return None if inner is None else [operation.name, *numbers, inner]
