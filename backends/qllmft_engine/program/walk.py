"""The walk over a Qiskit circuit that all lowerings share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, ControlFlowOp, Operation
from qiskit.circuit.library import Initialize

from qllmft_backends.definitions import gate_definition, is_idle
from qllmft_backends.errors import UnsupportedGateError
from qllmft_engine.program.gates import GATES, StandardGate

SUPPORTED_GATES = (*(name for name, gate in GATES.items() if gate.is_real), "barrier")
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

    # a gate of `GATES`, or one of `LOAD_GATES`
    operation: Any
    qubits: list[int]  # indices of its qubits in the circuit
    # index in the circuit, of the gate that was opened to reach it if it is inside another one
    position: int


class Obstacle(NamedTuple):
    """What keeps a circuit from the real kernels, in sentences."""

    fault: str
    remedy: str = ""

    @property
    def error(self) -> UnsupportedGateError:
        """Return the error of who runs real gates only."""
        return UnsupportedGateError(f"{self.fault} {self.remedy}".rstrip())


def read_real_gates(circuit: QuantumCircuit) -> list[CircuitStep] | Obstacle:
    """Return the gates of `SUPPORTED_GATES` in their order, as `walk_circuit` does, or the first other operation."""
    touched: set[int] = set()
    steps = []
    for instruction, step in _list_operations(circuit, touched):
        del instruction
        gate = find_gate(step.operation)
        if gate is None or not gate.is_real:
            return Obstacle(_describe_step(step, circuit.name), _REAL_REMEDY)
        touched.update(step.qubits)
        steps.append(step)
    return steps


def find_gate(operation: Operation) -> StandardGate | None:
    """Return an operation's row of the table, None for others, which may have the name of a gate there."""
    gate = GATES.get(operation.name)
    if gate is None or getattr(operation, "base_class", None) is not gate.gate_class:
        return None
    return gate


def walk_circuit(circuit: QuantumCircuit) -> Iterator[CircuitStep]:
    """Yield the operations of a circuit in order, without barriers, delays and resets of qubits in |0>.

    All gates are opened down to standard ones.
    """
    touched: set[int] = set()
    for instruction, step in _list_operations(circuit, touched):
        yield from _decompose_step(step, bool(instruction.clbits), circuit.name, touched)


def _list_operations(
    circuit: QuantumCircuit, touched: set[int]
) -> Iterator[tuple[CircuitInstruction, CircuitStep]]:
    """Yield instructions and their steps, but for idle ones. ``touched``: the qubits that a gate has acted on."""
    index = {qubit: i for i, qubit in enumerate(circuit.qubits)}
    for position, instruction in enumerate(circuit.data):
        operation = instruction.operation
        qubits = [index[qubit] for qubit in instruction.qubits]
        if not is_idle(operation.name, qubits, touched):  # Qiskit computes the name at every access
            yield instruction, CircuitStep(operation, qubits, position)


def _describe_step(step: CircuitStep, name: str) -> str:
    """Return a sentence about an operation of the circuit ``name`` that does not run."""
    return f"gate {step.position} of circuit {name!r} is {step.operation.name!r} on qubits {step.qubits}."


def _decompose_step(
    step: CircuitStep, has_clbits: bool, name: str, touched: set[int]
) -> Iterator[CircuitStep]:
    """Yield the standard gates and loads that an operation is made of, and note the qubits that they touch."""
    operation = step.operation
    is_load = operation.name in LOAD_GATES and touched.isdisjoint(step.qubits)
    if is_load or find_gate(operation) is not None:
        touched.update(step.qubits)
        yield step
        return
    is_reset = operation.name == "reset" or isinstance(operation, Initialize)
    if has_clbits or is_reset or isinstance(operation, ControlFlowOp):
        raise UnsupportedGateError(f"{_describe_step(step, name)} {_REMEDY}")
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
