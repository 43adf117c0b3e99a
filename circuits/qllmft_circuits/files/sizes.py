"""Size of a circuit as OpenQASM 3 text, without building it, and of one that is built.

A file of a few kilobytes may have definitions inside definitions, which Qiskit reads as often as they are used, and any
number of qubits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qiskit import QuantumCircuit

from qllmft_circuits.bounds import MAX_OPERANDS

if TYPE_CHECKING:
    from openqasm3.ast import Expression

_DECLARATIONS = ("Include", "ConstantDeclaration")
MAX_SIZE = 2**62  # larger powers and sizes count as this one


def size_of_statements(statements: Iterable[Any]) -> tuple[int, int, int]:
    """Return the number of qubits, of classical bits and of gates of a parsed text.

    Gates inside definitions, broadcasts over registers, loops over ranges and powers are counted as often as they
    would be built. A definition is also built once where it is defined. A gate with n controls counts 2^n times.

    Raises:
        ValueError: if the size of a register, a power or a range is no number, or a definition has too many operands.

    >>> import openqasm3
    >>> text = "gate twice a { h a; h a; } bit[3] c; qubit[10] q; twice q; pow(3) @ x q[0];"
    >>> size_of_statements(openqasm3.parse(text).statements)
    (10, 3, 26)
    """
    size = _Size()
    gates = size.count_gates(statements) + sum(size.definitions.values())
    return (
        min(MAX_SIZE, sum(size.qubits.values())),
        min(MAX_SIZE, size.n_clbits),
        min(MAX_SIZE, gates),
    )


@dataclass
class _Size:
    """Sizes of the registers and of the defined gates that were read so far."""

    qubits: dict[str, int] = field(default_factory=dict)
    definitions: dict[str, int] = field(default_factory=dict)  # gates of each
    n_clbits: int = 0

    def count_gates(self, statements: Iterable[Any]) -> int:
        """Return the number of gates of statements."""
        return min(
            MAX_SIZE, sum(self._count_statement_gates(statement) for statement in statements)
        )

    def _count_statement_gates(self, statement: Any) -> int:
        """Return the gates of a statement, and note what it declares."""
        kind = type(statement).__name__
        if kind == "QubitDeclaration":
            register_size = statement.size
            self.qubits[statement.qubit.name] = (
                1 if register_size is None else _bound_number(register_size)
            )
            return 0
        if kind == "QuantumGateDefinition":
            name = statement.name.name
            _check_operands(name, len(statement.arguments), len(statement.qubits))
            self.definitions[name] = self.count_gates(statement.body)
            return 0
        if kind in ("ClassicalDeclaration", "IODeclaration"):
            self.n_clbits += _count_bits(statement.type)
            return 0
        if kind in _DECLARATIONS:
            return 0
        if kind in ("QuantumGate", "QuantumPhase"):
            return self._count_applied_gates(statement)
        if kind == "ForInLoop":
            return min(
                MAX_SIZE,
                _loop_length(statement.set_declaration) * self.count_gates(statement.block),
            )
        if kind == "BranchingStatement":
            return self.count_gates(statement.if_block) + self.count_gates(statement.else_block)
        if kind == "SwitchStatement":
            blocks = [block for _, block in statement.cases] + [statement.default]
            return sum(self.count_gates(block.statements) for block in blocks if block is not None)
        for block_name in ("block", "body"):
            if isinstance(inner_statements := getattr(statement, block_name, None), list):
                return self.count_gates(inner_statements)
        return 1

    def _count_applied_gates(self, gate: Any) -> int:
        name = getattr(getattr(gate, "name", None), "name", "")
        count = self.definitions.get(name, 1)
        for modifier in gate.modifiers:
            argument = 1 if modifier.argument is None else abs(_bound_number(modifier.argument))
            if modifier.modifier.name == "pow":
                count *= argument + 1
            elif modifier.modifier.name in ("ctrl", "negctrl"):
                count *= 2 ** min(argument, 62)
        sizes = [1]
        for operand in gate.qubits:
            if type(operand).__name__ == "Identifier":  # a whole register
                sizes.append(self.qubits.get(operand.name, 1))
                continue
            index_groups = [part if isinstance(part, list) else [part] for part in operand.indices]
            index_kinds = {type(index).__name__ for part in index_groups for index in part}
            if index_kinds & {"RangeDefinition", "DiscreteSet"}:
                sizes.append(sum(self.qubits.values()))
        return min(MAX_SIZE, count * max(sizes))


def _check_operands(name: str, *counts: int) -> None:
    if max(counts) > MAX_OPERANDS:
        raise ValueError(
            f"the gate {name} has {max(counts):,} parameters or qubits, expected at most {MAX_OPERANDS:,}"
        )


def _count_bits(declared: Any) -> int:
    """Return the number of classical bits of a declared type."""
    if type(declared).__name__ != "BitType":
        return 0
    return 1 if declared.size is None else _bound_number(declared.size)


def _bound_number(expression: Expression) -> int:
    """Return a bound of the value of numbers and their sums and products, at most `MAX_SIZE`, or raise ValueError."""
    kind = type(expression).__name__
    value = getattr(expression, "value", None)
    if kind in ("IntegerLiteral", "FloatLiteral") and isinstance(value, int | float):
        return min(int(value), MAX_SIZE)
    if kind == "UnaryExpression":
        return _bound_number(expression.expression)  # type: ignore[attr-defined]
    if kind == "BinaryExpression" and expression.op.name in "+-*/":  # type: ignore[attr-defined]
        # more than any of them of both
        left_bound = _bound_number(expression.lhs)  # type: ignore[attr-defined]
        right_bound = _bound_number(expression.rhs)  # type: ignore[attr-defined]
        return min(MAX_SIZE, (left_bound + 1) * (right_bound + 1))
    raise ValueError(f"a size or a power is of the kind {kind}, expected a number")


def _loop_length(values: Any) -> int:
    """Return the length of the range or the set of a loop."""
    if type(values).__name__ == "DiscreteSet":
        return len(values.values)
    if type(values).__name__ != "RangeDefinition" or values.start is None or values.end is None:
        raise ValueError("a loop is over no range of numbers")
    return 1 + abs(_bound_number(values.start)) + abs(_bound_number(values.end))


def count_gates(circuit: QuantumCircuit, max_gates: int) -> int:
    """Return the number of gates of a circuit, where a gate that is defined by others counts as those.

    Counting ends at the first number above ``max_gates``.

    >>> inner = QuantumCircuit(1)
    >>> _ = inner.h(0), inner.h(0)
    >>> circuit = QuantumCircuit(2)
    >>> _ = circuit.cx(0, 1), circuit.append(inner.to_gate(), [0])
    >>> count_gates(circuit, max_gates=100)
    3
    """
    total = 0
    circuits = [circuit]
    while circuits and total <= max_gates:
        for instruction in circuits.pop().data:
            operation = instruction.operation
            inner = list(getattr(operation, "blocks", ()))
            module = type(operation).__module__
            is_custom = module in ("qiskit.circuit.gate", "qiskit.circuit.instruction")
            if is_custom and operation.definition is not None:
                inner.append(operation.definition)
            circuits += inner
            total += not inner
    return total
