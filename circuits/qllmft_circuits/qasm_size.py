"""Size of a circuit as OpenQASM 3 text, without building the circuit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openqasm3.ast import Expression

_DECLARATIONS = ("Include", "IODeclaration", "ClassicalDeclaration", "ConstantDeclaration")
MOST = 2**62  # larger powers and sizes count as this one


def qasm3_size(text: str) -> tuple[int, int]:
    """Return the number of qubits and of gates of a text (needs ``pip install '.[export]'``).

    Gates inside definitions, broadcasts over registers, loops over ranges and powers are counted as often as they
    would be built. A gate with n controls counts 2^n times.

    Raises:
        ValueError: if the size of a register, a power or a range is no number.
        QASM3ParsingError: if the text is no OpenQASM 3.

    >>> qasm3_size("gate twice a { h a; h a; } qubit[10] q; twice q; pow(3) @ x q[0];")
    (10, 24)
    """
    import openqasm3

    size = _Size()
    return size.registers(openqasm3.parse(text).statements)


@dataclass
class _Size:
    """Sizes of the registers and of the defined gates that were read so far."""

    qubits: dict[str, int] = field(default_factory=dict)
    defined: dict[str, int] = field(default_factory=dict)  # gates of each definition

    def registers(self, statements: Iterable[Any]) -> tuple[int, int]:
        """Return the number of qubits and of gates of a program."""
        gates = self._gates(statements)
        return sum(self.qubits.values()), gates

    def _gates(self, statements: Iterable[Any]) -> int:
        return min(MOST, sum(self._of(statement) for statement in statements))

    def _of(self, statement: Any) -> int:
        """Return the gates of a statement, and note what it declares."""
        kind = type(statement).__name__
        if kind == "QubitDeclaration":
            given = statement.size
            self.qubits[statement.qubit.name] = 1 if given is None else _number(given)
            return 0
        if kind == "QuantumGateDefinition":
            self.defined[statement.name.name] = self._gates(statement.body)
            return 0
        if kind in _DECLARATIONS:
            return 0
        if kind in ("QuantumGate", "QuantumPhase"):
            return self._applied(statement)
        if kind == "ForInLoop":
            return min(MOST, _length(statement.set_declaration) * self._gates(statement.block))
        if kind == "BranchingStatement":
            return self._gates(statement.if_block) + self._gates(statement.else_block)
        for part in ("block", "body"):
            if isinstance(inner := getattr(statement, part, None), list):
                return self._gates(inner)
        return 1

    def _applied(self, gate: Any) -> int:
        name = getattr(getattr(gate, "name", None), "name", "")
        count = self.defined.get(name, 1)
        for modifier in gate.modifiers:
            argument = 1 if modifier.argument is None else abs(_number(modifier.argument))
            if modifier.modifier.name == "pow":
                count *= argument + 1
            elif modifier.modifier.name in ("ctrl", "negctrl"):
                count *= 2 ** min(argument, 62)
        whole = [self.qubits.get(operand.name, 1) for operand in gate.qubits if _is_name(operand)]
        parts = [sum(self.qubits.values()) for operand in gate.qubits if not _is_name(operand)]
        ranges = any(not _is_name(operand) and _is_range(operand) for operand in gate.qubits)
        return min(MOST, count * max([1, *whole, *(parts if ranges else [])]))


def _is_name(operand: Any) -> bool:
    return type(operand).__name__ == "Identifier"


def _is_range(operand: Any) -> bool:
    """Return whether an operand is more than one qubit of a register."""
    found = "RangeDefinition", "DiscreteSet"
    indices = [
        each for part in operand.indices for each in (part if isinstance(part, list) else [part])
    ]
    return any(type(each).__name__ in found for each in indices)


def _number(expression: Expression) -> int:
    """Return the value of a number or a product of numbers, or raise ValueError."""
    kind, value = type(expression).__name__, getattr(expression, "value", None)
    if kind in ("IntegerLiteral", "FloatLiteral") and isinstance(value, int | float):
        return min(int(value), MOST)
    if kind == "UnaryExpression":
        return _number(expression.expression)  # type: ignore[attr-defined]
    if kind == "BinaryExpression":
        # more than any of + - * / of both
        left, right = (_number(each) for each in (expression.lhs, expression.rhs))  # type: ignore[attr-defined]
        return min(MOST, (left + 1) * (right + 1))
    raise ValueError(f"a size or a power is a {kind}, expected a number")


def _length(values: Any) -> int:
    """Return the length of the range or the set of a loop."""
    if type(values).__name__ == "DiscreteSet":
        return len(values.values)
    if type(values).__name__ != "RangeDefinition" or values.start is None or values.end is None:
        raise ValueError("a loop is over no range of numbers")
    return 1 + abs(_number(values.start)) + abs(_number(values.end))
