"""The walk over a Qiskit circuit that all lowerings share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from qiskit import QuantumCircuit
from qiskit.circuit import ControlFlowOp
from qiskit.circuit.library import Initialize

from qllmft_backends.definitions import gate_definition, is_idle
from qllmft_backends.errors import UnsupportedGateError
from qllmft_engine.program.gates import GATE_CLASSES, REAL_GATES

SUPPORTED_GATES = (*REAL_GATES, "barrier")
_REAL_CLASSES = {name: GATE_CLASSES[name] for name in REAL_GATES}
LOAD_GATES = ("initialize", "state_preparation")
_REAL_REMEDY = (
    f"The adjoint engine runs {', '.join(SUPPORTED_GATES)}. Rewrite it with these gates, or use a backend for any gate "
    "(aer_statevector)."
)
_REMEDY = (
    "The adjoint engine runs Qiskit's standard gates, gates that are defined by them or by a matrix, and initialize "
    "on qubits without gates before it. Leave out measurements, resets after a gate, and conditions: the observables "
    "say what is measured."
)


class CircuitStep(NamedTuple):
    """Operation of a circuit."""

    # a standard gate of `PARTS`, or one of `LOAD_GATES`
    operation: Any
    qubits: list[int]  # indices of its qubits in the circuit
    # index in the circuit, of the gate that was opened to reach it if it is inside another one
    position: int


def walk_circuit(circuit: QuantumCircuit, *, real: bool) -> Iterator[CircuitStep]:
    """Yield the operations of a circuit in order, without barriers, delays and resets of qubits in |0>.

    Args:
        circuit: gates only.
        real: yield the gates of `SUPPORTED_GATES` and refuse others; else open all gates down to standard ones.
    """
    index = {qubit: i for i, qubit in enumerate(circuit.qubits)}
    touched: set[int] = set()  # qubits that a gate has acted on
    for position, instruction in enumerate(circuit.data):
        operation = instruction.operation
        qubits = [index[qubit] for qubit in instruction.qubits]
        if is_idle(operation.name, qubits, touched):  # Qiskit computes the name at every access
            continue
        step = CircuitStep(operation, qubits, position)
        if not real:
            yield from _decompose_step(step, bool(instruction.clbits), circuit.name, touched)
        elif getattr(operation, "base_class", None) is _REAL_CLASSES.get(operation.name, object):
            touched.update(qubits)
            yield step
        else:
            raise unsupported_gate_error(step, circuit.name, real=True)


def unsupported_gate_error(
    step: CircuitStep, name: str, *, real: bool = False
) -> UnsupportedGateError:
    """Return the error about an operation of the circuit ``name``."""
    return UnsupportedGateError(
        f"gate {step.position} of circuit {name!r} is {step.operation.name!r} on qubits {step.qubits}. "
        f"{_REAL_REMEDY if real else _REMEDY}"
    )


def _decompose_step(
    step: CircuitStep, has_clbits: bool, name: str, touched: set[int]
) -> Iterator[CircuitStep]:
    """Yield the standard gates and loads that an operation is made of, and note the qubits that they touch."""
    operation = step.operation
    is_standard = getattr(operation, "base_class", None) is GATE_CLASSES.get(operation.name, object)
    is_load = operation.name in LOAD_GATES and touched.isdisjoint(step.qubits)
    if is_standard or is_load:
        touched.update(step.qubits)
        yield step
        return
    is_reset = operation.name == "reset" or isinstance(operation, Initialize)
    if has_clbits or is_reset or isinstance(operation, ControlFlowOp):
        raise unsupported_gate_error(step, name)
    try:
        definition = gate_definition(operation)
    except UnsupportedGateError as error:
        raise UnsupportedGateError(
            f"gate {step.position} of circuit {name!r} is {operation.name!r} on qubits {step.qubits}, {error}"
        ) from None
    for inner in definition.data:
        qubits = [step.qubits[definition.find_bit(q).index] for q in inner.qubits]
        if not is_idle(inner.operation.name, qubits, touched):
            inner_step = CircuitStep(inner.operation, qubits, step.position)
            yield from _decompose_step(inner_step, bool(inner.clbits), name, touched)
