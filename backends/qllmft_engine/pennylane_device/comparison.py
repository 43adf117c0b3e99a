"""Comparison of a captured QNode with its calls by numbers: Qiskit simplifies some expressions to wrong ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pennylane as qp
from numpy.typing import NDArray
from pennylane.tape import QuantumScript
from qiskit.circuit import Parameter, ParameterExpression

from qllmft_backends.errors import BackendError
from qllmft_backends.protocol import Floats
from qllmft_engine.pennylane_device.symbol import unwrap_symbol

_TOLERANCE = 1e-9  # of an angle, relative and in radians
_STEP = 0.37  # from the example to the second point of comparison, at which other terms cancel


def trace_call(function: Any, arguments: Sequence[NDArray[Any]]) -> QuantumScript:
    """Return the operations and measurements of a call."""
    with qp.queuing.AnnotatedQueue() as queue:
        function(*arguments)
    return QuantumScript.from_queue(queue)


def compare_with_numbers(
    function: Any,
    tape: QuantumScript,
    parameters_by_argument: Sequence[Sequence[Parameter]],
    example: Sequence[Floats],
) -> None:
    """Raise `BackendError` if a QNode has other operations or angles for numbers than for symbols.

    Args:
        function: of the QNode.
        tape: of its call with symbols.
        parameters_by_argument: parameters of each argument, flat.
        example: values of each argument, at and near which angles are compared.
    """
    for step in (0.0, _STEP):
        arguments = [values + step for values in example]
        try:
            numeric_tape = trace_call(function, arguments)
        except Exception:  # noqa: S112, of the user's function, which these numbers may be no input of
            continue
        if list(map(_describe, tape.operations)) != list(map(_describe, numeric_tape.operations)):
            raise BackendError(
                "the QNode applies other operations to numbers than to symbols. Decisions by values belong in front of "
                "the layer."
            )
        values = {
            parameter: float(value)
            for parameters, argument in zip(parameters_by_argument, arguments, strict=True)
            for parameter, value in zip(parameters, argument.flat, strict=True)
        }
        for name, angle, number in _angle_pairs(tape, numeric_tape):
            if not _is_equal(angle, values, number):
                raise BackendError(
                    f"an angle of {name} is {angle} with symbols, and {number:.6g} with numbers. Qiskit simplifies the "
                    "expression wrongly. Write it in another form, or compute it in front of the layer."
                )


def _describe(operation: Any) -> tuple[Any, ...]:
    return operation.name, tuple(operation.wires), len(operation.data)


def _angle_pairs(
    tape: QuantumScript, numeric_tape: QuantumScript
) -> Iterator[tuple[str, Any, float]]:
    """Yield the name of each operation with an angle of symbols, and the number that is expected of it."""
    for operation, numeric_operation in zip(tape.operations, numeric_tape.operations, strict=True):
        for angle, number in zip(operation.data, numeric_operation.data, strict=True):
            expression = unwrap_symbol(angle)
            if np.ndim(number) == 0 and np.ndim(expression) == 0:
                yield operation.name, expression, float(np.real(number))


def _is_equal(angle: Any, values: dict[Parameter, float], number: float) -> bool:
    """Return whether an angle has a value at these parameters; one that is no number is not compared."""
    if isinstance(angle, ParameterExpression):
        angle = angle.bind({p: values[p] for p in angle.parameters}).numeric()
    value = np.real(angle)
    if not (np.isfinite(value) and np.isfinite(number)):
        return True
    return bool(np.isclose(value, number, rtol=_TOLERANCE, atol=_TOLERANCE))
