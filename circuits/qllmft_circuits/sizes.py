"""Size of a circuit as OpenQASM 3 text, without building it, and in QPY, read in a process with little memory and time.

A file of a few kilobytes may have definitions inside definitions, which Qiskit reads as often as they are used, and any
number of qubits.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qiskit import QuantumCircuit

if TYPE_CHECKING:
    from openqasm3.ast import Expression

_DECLARATIONS = ("Include", "IODeclaration", "ClassicalDeclaration", "ConstantDeclaration")
MOST = 2**62  # larger powers and sizes count as this one
MOST_SECONDS = 60  # of reading QPY
_READ = "import sys; from qllmft_circuits.sizes import read_here; read_here(sys.argv[1], int(sys.argv[2]))"


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
    gates = size.gates(openqasm3.parse(text).statements)
    return sum(size.qubits.values()), gates


@dataclass
class _Size:
    """Sizes of the registers and of the defined gates that were read so far."""

    qubits: dict[str, int] = field(default_factory=dict)
    defined: dict[str, int] = field(default_factory=dict)  # gates of each definition

    def gates(self, statements: Iterable[Any]) -> int:
        """Return the number of gates of statements."""
        return min(MOST, sum(self._of(statement) for statement in statements))

    def _of(self, statement: Any) -> int:
        """Return the gates of a statement, and note what it declares."""
        kind = type(statement).__name__
        if kind == "QubitDeclaration":
            given = statement.size
            self.qubits[statement.qubit.name] = 1 if given is None else _number(given)
            return 0
        if kind == "QuantumGateDefinition":
            self.defined[statement.name.name] = self.gates(statement.body)
            return 0
        if kind in _DECLARATIONS:
            return 0
        if kind in ("QuantumGate", "QuantumPhase"):
            return self._applied(statement)
        if kind == "ForInLoop":
            return min(MOST, _length(statement.set_declaration) * self.gates(statement.block))
        if kind == "BranchingStatement":
            return self.gates(statement.if_block) + self.gates(statement.else_block)
        for part in ("block", "body"):
            if isinstance(inner := getattr(statement, part, None), list):
                return self.gates(inner)
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
        sizes = [1]
        for operand in gate.qubits:
            if type(operand).__name__ == "Identifier":  # a whole register
                sizes.append(self.qubits.get(operand.name, 1))
                continue
            parts = [part if isinstance(part, list) else [part] for part in operand.indices]
            kinds = {type(each).__name__ for part in parts for each in part}
            if kinds & {"RangeDefinition", "DiscreteSet"}:
                sizes.append(sum(self.qubits.values()))
        return min(MOST, count * max(sizes))


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


def qpy_size(path: Path, memory: int) -> tuple[int, int]:
    """Return the number of qubits and of gates of the circuit in a file, with gates inside definitions.

    Args:
        path: of the file.
        memory: bytes that reading may take, on Linux and macOS.

    Raises:
        ValueError: if the file holds no circuit, or reading takes more memory or more than `MOST_SECONDS`.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the file's path is an argument, and no command
            [sys.executable, "-c", _READ, str(path), str(memory)],
            capture_output=True,
            text=True,
            timeout=MOST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"it is not read within {MOST_SECONDS} s") from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        reason = f"reading takes more than {memory:,} bytes of memory"
        raise ValueError(reason if "emory" in said or done.returncode < 0 else said)
    n_qubits, gates = map(int, done.stdout.split())
    return n_qubits, gates


def read_here(path: str, memory: int) -> None:
    """Read a file with a bound of memory, and print the size of its circuit."""
    from qllmft_circuits.qasm import from_qpy

    if sys.platform != "win32":
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
            1 if sys.platform == "darwin" else 1024
        )
        statm = Path("/proc/self/statm")
        if statm.exists():  # what is mapped counts, which is more than what is used
            used = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
    circuit = from_qpy(Path(path).read_bytes())
    print(circuit.num_qubits, gates_of(circuit))  # noqa: T201 - to the process that asked


def gates_of(circuit: QuantumCircuit) -> int:
    """Return the number of gates of a circuit, where a gate that is defined by others counts as those.

    >>> inner = QuantumCircuit(1)
    >>> _ = inner.h(0), inner.h(0)
    >>> circuit = QuantumCircuit(2)
    >>> _ = circuit.cx(0, 1), circuit.append(inner.to_gate(), [0])
    >>> gates_of(circuit)
    3
    """
    total = 0
    for instruction in circuit.data:
        operation = instruction.operation
        inner = list(getattr(operation, "blocks", ()))
        own = type(operation).__module__ in ("qiskit.circuit.gate", "qiskit.circuit.instruction")
        if own and operation.definition is not None:
            inner.append(operation.definition)
        total += sum(map(gates_of, inner)) if inner else 1
    return total
