"""The walk over a Qiskit circuit that all lowerings share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from qiskit import QuantumCircuit
from qiskit.circuit import ControlFlowOp
from qiskit.circuit.library import UnitaryGate
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Operator

from qllmft_backends.adjoint.program.gates import CLASSES, REAL_GATES
from qllmft_backends.errors import UnsupportedGateError

SUPPORTED_GATES = (*REAL_GATES, "barrier")
_REAL = {name: CLASSES[name] for name in REAL_GATES}
LOADS = ("initialize", "state_preparation")
_REAL_REMEDY = (
    f"the adjoint engine runs {', '.join(SUPPORTED_GATES)}. Rewrite it with these gates, or use a backend for any gate "
    "(aer_statevector)."
)
_REMEDY = (
    "the adjoint engine runs Qiskit's standard gates, gates that are defined by them or by a matrix, barriers, and "
    "initialize on qubits without gates before it. Leave out measurements, resets and conditions: the observables say "
    "what is measured."
)


class CircuitStep(NamedTuple):
    """Operation of a circuit."""

    # a standard gate of `PARTS`, or one of `LOADS`
    operation: Any
    qubits: list[int]  # indices of its qubits in the circuit
    # index in the circuit, of the gate that was opened to reach it if it is inside another one
    position: int


def walk(circuit: QuantumCircuit, *, real: bool) -> Iterator[CircuitStep]:
    """Yield the operations of a circuit in order, without barriers.

    Args:
        circuit: gates only.
        real: yield the gates of `SUPPORTED_GATES` and refuse others; else open all gates down to standard ones.
    """
    index = {qubit: i for i, qubit in enumerate(circuit.qubits)}
    for position, instruction in enumerate(circuit.data):
        operation = instruction.operation
        name = operation.name  # Qiskit computes it at every access
        if name == "barrier":
            continue
        step = CircuitStep(operation, [index[qubit] for qubit in instruction.qubits], position)
        if not real:
            yield from _opened(step, bool(instruction.clbits), circuit.name)
        elif operation.base_class is _REAL.get(name, object):
            yield step
        else:
            raise unsupported_gate(step, circuit.name, real=True)


def unsupported_gate(step: CircuitStep, name: str, *, real: bool = False) -> UnsupportedGateError:
    """Return the error about an operation of the circuit ``name``."""
    return UnsupportedGateError(
        f"gate {step.position} of circuit {name!r} is {step.operation.name!r} on qubits {step.qubits}; "
        f"{_REAL_REMEDY if real else _REMEDY}"
    )


def _opened(step: CircuitStep, has_clbits: bool, name: str) -> Iterator[CircuitStep]:
    """Yield the standard gates and loads that an operation is made of."""
    operation = step.operation
    if operation.base_class is CLASSES.get(operation.name, object) or operation.name in LOADS:
        yield step
        return
    if has_clbits or operation.name in ("reset", "delay") or isinstance(operation, ControlFlowOp):
        raise unsupported_gate(step, name)
    definition = getattr(operation, "definition", None)
    if definition is None:
        try:
            definition = UnitaryGate(Operator(operation)).definition
        except (QiskitError, TypeError, ValueError) as error:
            raise unsupported_gate(step, name) from error
    for inner in definition.data:
        if inner.operation.name != "barrier":
            qubits = [step.qubits[definition.find_bit(q).index] for q in inner.qubits]
            yield from _opened(
                CircuitStep(inner.operation, qubits, step.position), bool(inner.clbits), name
            )
