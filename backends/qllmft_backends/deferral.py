"""Deferred measurement: a circuit with measurements, resets and conditions as one of gates alone, on more qubits.

A measured qubit keeps its value as long as it is only a control. Before another gate acts on it, a CNOT copies the
value to a new qubit. A reset continues on a new qubit. A condition becomes controls on the qubits that hold its bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import BoxOp, CircuitError, Clbit, ControlledGate, Gate, IfElseOp, Instruction
from qiskit.circuit.classical import expr
from qiskit.circuit.library import CXGate
from qiskit.exceptions import QiskitError

from qllmft_backends.definitions import gate_definition, has_other_definition
from qllmft_backends.errors import UnsupportedGateError
from qllmft_backends.requests import has_other_meaning

_DIAGONAL_GATES = frozenset(("id", "z", "s", "sdg", "t", "tdg", "rz", "p", "u1", "rzz"))
_CX_GATE = CXGate()
_AER_REMEDY = "Qiskit Aer runs it shot by shot: create('aer_statevector').sampler(), or aer_forte with gate noise."


Required = Sequence[tuple[int, bool]]  # classical bits, and the value that is asked of each


@dataclass(frozen=True)
class DeferredCircuit:
    """Circuit of gates with the meaning of one with measurements.

    Attributes:
        circuit: gates on wires; the first ones are the qubits of the original circuit.
        wires: wire on which each qubit ends.
        measured: wires whose qubit was measured last, so that no X or Y on them has an expectation value but 0.
        clbits: wire that holds the value of each classical bit; -1: never written, so 0.
        adds_gates: gates or qubits were added.
    """

    circuit: QuantumCircuit
    wires: tuple[int, ...]
    measured: frozenset[int]
    clbits: tuple[int, ...]
    adds_gates: bool


def defer(circuit: QuantumCircuit) -> DeferredCircuit:
    """Return a circuit of gates in place of ``circuit``, or ``circuit`` itself if it has gates and qubits only.

    Raises:
        UnsupportedGateError: for loops, for conditions on expressions of several bits, and for measurements inside a
            condition.
    """
    if not circuit.num_clbits and all(
        isinstance(instruction.operation, Gate) or instruction.operation.name == "barrier"
        for instruction in circuit.data
    ):
        return DeferredCircuit(circuit, tuple(range(circuit.num_qubits)), frozenset(), (), False)
    rewriting = _Rewriting(circuit)
    rewriting.add_all(circuit, range(circuit.num_qubits), range(circuit.num_clbits))
    return rewriting.finish()


class _Rewriting:
    """Gates so far, and the wires of qubits and classical bits."""

    def __init__(self, circuit: QuantumCircuit) -> None:
        self.circuit = circuit
        self.gates: list[tuple[Any, list[int]]] = []
        self.adds_gates = False
        self.wires = list(range(circuit.num_qubits))
        self.bits = [-1] * circuit.num_clbits
        self.touched: set[int] = set()
        self.measured: set[int] = set()  # wires whose value is still to be kept
        self.n_wires: int = circuit.num_qubits

    def add_all(
        self,
        body: QuantumCircuit,
        qubits: Sequence[int],
        clbits: Sequence[int],
        required: Required = (),
    ) -> None:
        """Add the operations of a part of the circuit.

        Args:
            body: the circuit, a block of a condition, or the definition of an operation.
            qubits: of the circuit, for those of ``body``.
            clbits: of the circuit, for those of ``body``.
            required: of a block, the classical bits that its condition reads, with the value that it asks of each.
        """
        for instruction in body.data:
            self._add(
                instruction.operation,
                [qubits[body.find_bit(qubit).index] for qubit in instruction.qubits],
                [clbits[body.find_bit(clbit).index] for clbit in instruction.clbits],
                required,
            )

    def _add(
        self, operation: Any, qubits: Sequence[int], clbits: Sequence[int], required: Required
    ) -> None:
        name = operation.name
        if name == "delay":
            return
        if name == "barrier":  # keeps a machine's compiler from joining the gates beside it
            self.gates.append((operation, [self.wires[qubit] for qubit in qubits]))
        elif isinstance(operation, BoxOp):
            self.add_all(operation.body, qubits, clbits, required)
        elif isinstance(operation, IfElseOp):
            required_bits = self._find_required_bits(operation.condition)
            (block, *other_blocks) = operation.blocks
            self.add_all(block, qubits, clbits, [*required, *required_bits])
            # the other block runs if some bit differs: the bits before it agree and it does not
            for i, (bit, value) in enumerate(required_bits if other_blocks else ()):
                differing = [*required, *required_bits[:i], (bit, not value)]
                self.add_all(other_blocks[0], qubits, clbits, differing)
        elif not isinstance(
            operation, Instruction
        ):  # annotated gates and Cliffords have no definition
            self.add_all(self._definition(operation), qubits, clbits, required)
        elif isinstance(operation, Gate) and required:
            self._conditional_gate(operation, qubits, required)
        elif isinstance(operation, Gate):
            self._gate(operation, [self.wires[qubit] for qubit in qubits])
        elif required:
            raise self._refusal_error(f"{name!r} inside a condition")
        elif name == "measure":
            self.bits[clbits[0]] = self.wires[qubits[0]]
            self.measured.add(self.wires[qubits[0]])
        elif name == "reset":
            if self.wires[qubits[0]] in self.touched:
                self.wires[qubits[0]] = self._new_wire()
        else:
            self.add_all(self._definition(operation), qubits, clbits)

    def _definition(self, operation: Any) -> QuantumCircuit:
        """Return the definition of an operation that is no gate."""
        if not has_other_definition(operation) and operation.definition is None:
            raise self._refusal_error(repr(operation.name))
        try:
            return gate_definition(operation)
        except UnsupportedGateError as error:
            raise UnsupportedGateError(
                f"circuit {self.circuit.name!r} has {operation.name!r}, {error}"
            ) from None

    def finish(self) -> DeferredCircuit:
        """Return the circuit of all gates."""
        while self.gates and self.gates[-1][0].name == "barrier":  # only measurements follow
            self.gates.pop()
        circuit = QuantumCircuit(
            self.n_wires, name=self.circuit.name, metadata=self.circuit.metadata
        )
        for operation, wires in self.gates:
            circuit.append(operation, wires)
        if lost := set(self.circuit.parameters) - set(circuit.parameters):
            names = ", ".join(sorted(parameter.name for parameter in lost))
            raise UnsupportedGateError(
                f"circuit {self.circuit.name!r} has {names} only under a condition that is never true: its bits are "
                "not measured before. Measure them, or remove the gate."
            )
        measured = frozenset(self.measured)
        return DeferredCircuit(
            circuit, tuple(self.wires), measured, tuple(self.bits), self.adds_gates
        )

    def _new_wire(self) -> int:
        self.n_wires += 1
        self.adds_gates = True
        return self.n_wires - 1

    def _gate(
        self, gate: Any, wires: list[int], controls: Sequence[int] = (), state: Sequence[bool] = ()
    ) -> None:
        """Append a gate, controlled by the wires ``controls`` in the values ``state``."""
        diagonal_positions = _diagonal_positions(gate)
        for position, wire in enumerate(wires):
            if position not in diagonal_positions:
                self._keep_value(wire)
        if controls:
            try:
                control_state = sum(int(value) << i for i, value in enumerate(state))
                gate = gate.control(len(controls), ctrl_state=control_state, annotated=False)
            except (QiskitError, AttributeError, TypeError) as error:
                raise self._refusal_error(
                    f"a condition on the gate {gate.name!r}, which has no controlled form"
                ) from error
            self.adds_gates = True
        self.gates.append((gate, [*controls, *wires]))
        self.touched.update((*controls, *wires))

    def _keep_value(self, wire: int) -> None:
        """Copy the value of a measured wire to a new one, which the classical bits then name."""
        if wire not in self.measured:
            return
        value_wire = self._new_wire()
        self.gates.append((_CX_GATE, [wire, value_wire]))
        self.touched.add(value_wire)
        self.measured.remove(wire)
        self.bits = [
            value_wire if measured_wire == wire else measured_wire for measured_wire in self.bits
        ]

    def _conditional_gate(self, gate: Gate, qubits: Sequence[int], required: Required) -> None:
        wires = [self.wires[qubit] for qubit in qubits]
        for wire in wires:  # a wire cannot control itself
            self._keep_value(wire)
        state: dict[int, bool] = {}
        for bit, value in required:
            wire = self.bits[bit]
            if wire < 0 or state.get(wire, value) != value:
                if wire < 0 and not value:
                    continue  # the bit is 0
                return  # never true
            state[wire] = value
        self._gate(gate, wires, list(state), list(state.values()))

    def _find_required_bits(self, condition: Any) -> list[tuple[int, bool]]:
        """Return the classical bits that a condition reads, with the value that it asks of each."""
        if isinstance(condition, expr.Expr):
            return self._find_expression_bits(condition)
        target, value = condition
        bits = [target] if isinstance(target, Clbit) else list(target)
        return [(self._index(bit), bool(int(value) >> i & 1)) for i, bit in enumerate(bits)]

    def _index(self, bit: Clbit) -> int:
        try:
            return int(self.circuit.find_bit(bit).index)
        except CircuitError as error:
            raise self._refusal_error(
                "a condition on a classical bit of an inner circuit"
            ) from error

    def _find_expression_bits(self, condition: expr.Expr) -> list[tuple[int, bool]]:
        if isinstance(condition, expr.Var) and isinstance(condition.var, Clbit):
            return [(self._index(condition.var), True)]
        if isinstance(condition, expr.Unary) and condition.op in (
            expr.Unary.Op.LOGIC_NOT,
            expr.Unary.Op.BIT_NOT,
        ):
            inner_bits = self._find_expression_bits(condition.operand)
            if len(inner_bits) == 1:
                return [(inner_bits[0][0], not inner_bits[0][1])]
        if isinstance(condition, expr.Binary) and condition.op == expr.Binary.Op.LOGIC_AND:
            return [
                *self._find_expression_bits(condition.left),
                *self._find_expression_bits(condition.right),
            ]
        if isinstance(condition, expr.Binary) and condition.op == expr.Binary.Op.EQUAL:
            left_operand = condition.left
            right_operand = condition.right
            if isinstance(left_operand, expr.Var) and isinstance(right_operand, expr.Value):
                return self._find_required_bits((left_operand.var, right_operand.value))
        raise self._refusal_error(
            "a condition that is no comparison of bits with a number",
            is_of_aer=not isinstance(condition, expr.Index),
        )

    def _refusal_error(self, feature: str, *, is_of_aer: bool = True) -> UnsupportedGateError:
        """Return the error for a feature, with Aer as the remedy unless Aer does not have it either."""
        runs_in_aer = is_of_aer and not self.circuit.num_vars
        remedy = _AER_REMEDY if runs_in_aer else "Write it with conditions on single bits."
        return UnsupportedGateError(
            f"circuit {self.circuit.name!r} has {feature}: its measurements cannot be deferred to the end. {remedy}"
        )


def _diagonal_positions(gate: Any) -> range:
    """Return the positions of the qubits on which a gate is diagonal, so that it keeps their measured value."""
    if isinstance(gate, ControlledGate):
        is_diagonal_inside = len(_diagonal_positions(gate.base_gate)) == gate.base_gate.num_qubits
        return range(gate.num_qubits if is_diagonal_inside else gate.num_ctrl_qubits)
    is_diagonal = gate.name in _DIAGONAL_GATES and not has_other_meaning(gate)
    return range(gate.num_qubits if is_diagonal else 0)
