"""QNode of PennyLane as a circuit with free parameters: it is called once, with symbols in place of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pennylane as qml
from numpy.typing import NDArray
from pennylane.devices.preprocess import decompose
from pennylane.tape import QuantumScript
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.errors import BackendError, UnsupportedGateError
from qllmft_backends.pennylane_device.gates import GATES
from qllmft_backends.pennylane_device.symbols import (
    parts_of,
    register_functions,
    symbolic_gate,
)
from qllmft_backends.pennylane_device.tapes import (
    as_qiskit,
    differentiable,
    is_supported,
    pauli_sum,
)
from qllmft_backends.protocol import Floats

_LONGEST_REASON = 200  # characters of another library's message


@dataclass(frozen=True)
class CapturedCircuit:
    """Circuit of a QNode.

    Attributes:
        circuit: wire i of the device, or the i-th wire that the QNode uses, is qubit i.
        observables: one for each value that the QNode returns.
        data: parameters of the QNode's first argument, flat.
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
            f"got {type(qnode).__name__} with {len(example)} arguments; expected a QNode of PennyLane and an example "
            "of each argument: one sample, then the weights."
        )
    plain = (each.detach() if hasattr(each, "detach") else each for each in example)
    values = [np.asarray(each, np.float64) for each in plain]
    symbols = [
        np.array(list(ParameterVector(f"argument{i}", each.size)), dtype=object).reshape(each.shape)
        for i, each in enumerate(values)
    ]
    register_functions()
    tape = _standard(qnode, _traced(function, symbols))
    if not differentiable(tape):
        kinds = ", ".join(type(each).__name__ for each in tape.measurements) or "nothing"
        raise BackendError(
            f"the QNode returns {kinds}; expected expectation values of Pauli words and their sums (qml.expval)."
        )
    n_qubits = max(1, tape.num_wires)
    angles = [
        parameter.item() if isinstance(parameter, np.ndarray) else parameter
        for operation in tape.operations
        if operation.name in GATES
        for parameter in operation.data
    ]
    try:
        circuit = as_qiskit(tape, n_qubits, angles)
    except (TypeError, ValueError) as error:  # for a matrix of symbols
        if isinstance(error, BackendError):
            raise
        raise _refusal(error) from error
    data, *weights = ([*each.flat] for each in symbols)
    unused = [p.name for p in data if p not in circuit.parameters]
    if unused:
        raise BackendError(
            f"the circuit does not read {', '.join(unused)} of the sample. Give a sample of the values that it reads."
        )
    observables = [pauli_sum(each.obs, n_qubits) for each in tape.measurements]
    pairs = zip(chain(*weights), chain(*(each.flat for each in values[1:])), strict=True)
    used = {parameter: value for parameter, value in pairs if parameter in circuit.parameters}
    initial = np.array([*used.values()], np.float64)
    return CapturedCircuit(circuit, observables, data, list(used), initial)


def _traced(function: Any, symbols: Sequence[NDArray[Any]]) -> QuantumScript:
    """Return the tape of a call with symbols."""
    try:
        with qml.queuing.AnnotatedQueue() as queue:
            function(*symbols)
        return QuantumScript.from_queue(queue)
    except Exception as error:  # of the user's function
        raise _refusal(error) from error


def _refusal(error: Exception) -> BackendError:
    """Return the error about a QNode that does not run with symbols."""
    reason = (str(error).splitlines() or [""])[0][:_LONGEST_REASON].rstrip(".")
    return BackendError(
        f"the QNode cannot be captured: {type(error).__name__}: {reason}. It is called once, with symbols as "
        "arguments, so angles are sums, products and functions of them, such as qml.math.sin. Decisions by "
        "their values, matrices of them, and functions of torch, belong in front of the layer."
    )


def _standard(qnode: Any, tape: QuantumScript) -> QuantumScript:
    """Return a tape on wires 0, 1, ... of operations that the engine runs."""
    if len(qnode.compile_pipeline):
        raise BackendError(
            f"the QNode has transforms ({qnode.compile_pipeline}); give the QNode without them."
        )
    shots = getattr(qnode, "shots", None)
    if shots is not None and shots.total_shots:
        raise BackendError(
            f"the QNode has {shots.total_shots} shots, and the layer computes exact values. Leave the shots out."
        )
    own = getattr(qnode.device, "wires", None) or tape.wires
    (tape,), _ = qml.map_wires(tape, {wire: i for i, wire in enumerate(own)})
    try:
        (tape,), _ = decompose(
            tape,
            stopping_condition=_is_captured,
            skip_initial_state_prep=False,
            decomposer=parts_of,
            name="qllmft",
            error=UnsupportedGateError,
        )
    except BackendError:
        raise
    except Exception as error:  # of PennyLane's decompositions, for symbols
        raise _refusal(error) from error
    return tape


def _is_captured(operation: Any) -> bool:
    return is_supported(operation) or symbolic_gate(operation) is not None
