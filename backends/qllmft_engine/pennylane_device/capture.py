"""QNode of PennyLane as a circuit with free parameters: it is called with symbols in place of numbers."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pennylane as qp
from numpy.typing import NDArray
from pennylane.devices.preprocess import decompose
from pennylane.tape import QuantumScript
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.errors import BackendError, UnsupportedGateError
from qllmft_backends.protocol import Floats
from qllmft_engine.pennylane_device.comparison import compare_with_numbers, trace_call
from qllmft_engine.pennylane_device.gates import GATES
from qllmft_engine.pennylane_device.symbol import Symbol, register_symbols, unwrap_symbol
from qllmft_engine.pennylane_device.symbols import (
    decompose_operation,
    gate_outside_tables,
)
from qllmft_engine.pennylane_device.tapes import (
    is_differentiable,
    is_supported,
    pauli_sum,
    to_qiskit_circuit,
)

_MAX_REASON_CHARACTERS = 200  # characters of another library's message


@dataclass(frozen=True)
class CapturedCircuit:
    """Circuit of a QNode.

    Attributes:
        circuit: wire i of the device, or the i-th wire that the QNode uses, is qubit i.
        observables: one for each value that the QNode returns.
        data: parameters of the QNode's first argument, flat, with its name.
        weights: parameters of its other arguments, flat, one argument after the other.
        initial: (P,) values of ``weights`` in the example.
    """

    circuit: QuantumCircuit
    observables: list[SparsePauliOp]
    data: list[Parameter]
    weights: list[Parameter]
    initial: Floats


def capture(qnode: Any, *example: Any) -> CapturedCircuit:
    """Return the circuit of a QNode.

    Args:
        qnode: function of one sample and of weights that returns expectation values.
        example: its arguments: one sample, then the initial weights.

    Raises:
        BackendError: if it is no QNode, has shots or transforms, returns another thing than expectation values, or
            decides by the value of an argument.
        UnsupportedGateError: for an operation that the engine does not run.
    """
    function = getattr(qnode, "func", None)
    if function is None or not example:
        raise BackendError(
            f"got {type(qnode).__name__} with {len(example)} arguments, expected a QNode of PennyLane and an example "
            "of each argument: one sample, then the weights."
        )
    detached = (
        argument.detach() if hasattr(argument, "detach") else argument for argument in example
    )
    values = [np.asarray(argument, np.float64) for argument in detached]
    parameters_by_argument = [
        _make_parameters(name, array)
        for name, array in zip(_argument_names(function, len(values)), values, strict=True)
    ]
    symbols = [
        np.array(list(map(Symbol, parameters)), dtype=object).reshape(array.shape)
        for array, parameters in zip(values, parameters_by_argument, strict=True)
    ]
    register_symbols()
    traced_tape = _trace_call(function, symbols)
    compare_with_numbers(function, traced_tape, parameters_by_argument, values)
    tape = _decompose_tape(qnode, traced_tape)
    if not is_differentiable(tape):
        kinds = (
            ", ".join(type(measurement).__name__ for measurement in tape.measurements) or "nothing"
        )
        raise BackendError(
            f"the QNode returns {kinds}, expected expectation values of Pauli words and their sums (qp.expval)."
        )
    n_qubits = max(tape.wires, default=0) + 1
    angles = [
        unwrap_symbol(parameter)
        for operation in tape.operations
        if operation.name in GATES
        for parameter in operation.data
    ]
    try:
        circuit = to_qiskit_circuit(tape, n_qubits, angles)
    except (TypeError, ValueError) as error:  # for a matrix of symbols
        if isinstance(error, BackendError):
            raise
        raise _capture_error(error) from error
    data, *weights = parameters_by_argument
    unused_names = [p.name for p in data if p not in circuit.parameters]
    if unused_names:
        raise BackendError(
            f"the circuit does not read {', '.join(unused_names)} of the sample. Give a sample of the values that "
            "it reads."
        )
    observables = [pauli_sum(measurement.obs, n_qubits) for measurement in tape.measurements]
    pairs = zip(chain(*weights), chain(*(array.flat for array in values[1:])), strict=True)
    used_weights = {
        parameter: value for parameter, value in pairs if parameter in circuit.parameters
    }
    initial = np.array([*used_weights.values()], np.float64)
    return CapturedCircuit(circuit, observables, data, list(used_weights), initial)


def _argument_names(function: Any, count: int) -> list[str]:
    """Return the names of a function's first arguments; one without a name of its own is ``argument1`` or the like."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # of a callable without a signature
        parameters = []
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [parameter.name for parameter in parameters if parameter.kind in positional][:count]
    return names + [f"argument{index}" for index in range(len(names), count)]


def _make_parameters(name: str, array: Floats) -> list[Parameter]:
    """Return a parameter for each number of an argument, such as ``w[0]`` and ``w[1]``, and ``b`` of a scalar."""
    return list(ParameterVector(name, array.size)) if array.ndim else [Parameter(name)]


def _trace_call(function: Any, symbols: Sequence[NDArray[Any]]) -> QuantumScript:
    """Return the tape of a call with symbols."""
    try:
        return trace_call(function, symbols)
    except Exception as error:  # of the user's function
        raise _capture_error(error) from error


def _capture_error(error: Exception) -> BackendError:
    """Return the error about a QNode that does not run with symbols."""
    reason = (str(error).splitlines() or [""])[0][:_MAX_REASON_CHARACTERS].rstrip(".")
    return BackendError(
        f"the QNode cannot be captured: {type(error).__name__}: {reason}. It is called with symbols as "
        "arguments, so angles are sums, products and functions of them, such as qp.math.sin. Decisions by "
        "their values, matrices of them, and functions of torch, belong in front of the layer."
    )


def _decompose_tape(qnode: Any, tape: QuantumScript) -> QuantumScript:
    """Return a tape on wires 0, 1, ... of operations that the engine runs."""
    if len(qnode.compile_pipeline):
        raise BackendError(
            f"the QNode has transforms ({qnode.compile_pipeline}). Give the QNode without them."
        )
    shots = getattr(qnode, "shots", None)
    if shots is not None and shots.total_shots:
        raise BackendError(
            f"the QNode has {shots.total_shots} shots, and the layer computes exact values. Leave the shots out."
        )
    device_wires = getattr(qnode.device, "wires", None) or tape.wires
    (tape,), _ = qp.map_wires(tape, {wire: i for i, wire in enumerate(device_wires)})
    if any(getattr(operation, "postselect", None) is not None for operation in tape.operations):
        raise BackendError(
            "the QNode postselects an outcome of qp.measure, and the layer computes means over all outcomes. Leave "
            "postselect out."
        )
    try:
        (tape,), _ = qp.defer_measurements(tape)
        (tape,), _ = decompose(
            _measure_outcomes_as_paulis(tape),
            stopping_condition=_is_captured,
            skip_initial_state_prep=False,
            decomposer=decompose_operation,
            name="qllmft",
            error=UnsupportedGateError,
        )
    except BackendError:
        raise
    except Exception as error:  # of PennyLane's decompositions, for symbols
        raise _capture_error(error) from error
    return tape


def _measure_outcomes_as_paulis(tape: QuantumScript) -> QuantumScript:
    """Return a tape with sums of Pauli words in place of functions of the outcomes of `qp.measure`."""
    measurements = [
        qp.expval(qp.pauli_decompose(np.diag(measurement.eigvals()), wire_order=measurement.wires))
        if isinstance(measurement, qp.measurements.ExpectationMP) and measurement.obs is None
        else measurement
        for measurement in tape.measurements
    ]
    return tape.copy(measurements=measurements)


def _is_captured(operation: Any) -> bool:
    return is_supported(operation) or gate_outside_tables(operation) is not None
