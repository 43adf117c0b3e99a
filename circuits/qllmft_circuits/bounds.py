"""Bounds of a circuit in a file, compared with the text or the header before anything is built."""

from __future__ import annotations

import re
import struct

MAX_TEXT_BYTES = 1_000_000  # of a circuit as text
MAX_QPY_BYTES = 10_000_000
MAX_SECONDS = 5  # of computing, beyond the imports
MAX_WAIT_S = 60  # for the process that reads it, which other work slows down
MAX_MEMORY_BYTES = 500_000_000  # bytes, beyond the imports
MAX_BITS = 100_000  # qubits and classical bits; each takes 100 to 200 bytes
MAX_GATES = 100_000  # each takes about 1,500 bytes as an object of Qiskit
MAX_PARAMETERS = 100_000  # elements of all vectors; each takes 360 bytes
MAX_OPERANDS = 1_000  # parameters or qubits of a gate's definition; time grows with their square
MAX_CHARACTERS = 200  # of a name or a number
MAX_NESTING = 200  # of brackets
MAX_OUTCOME_QUBITS = 10  # of a head that reads all outcomes: 2^Q words of Z of each observable

OLDEST_QPY = 13  # older versions can hold pickles
_HEADER = struct.Struct(
    "!6sBBBBQc"
)  # magic, version, Qiskit's version, number of circuits, encoding of expressions
_SAFE_ENCODING = b"p"

# comments and texts in quotes end with the file if nothing closes them, so the time is linear
TOKEN_PATTERN = re.compile(
    r"""(?P<comment>//[^\n]*+|/\*(?s:.*?)(?:\*/|\Z))|"[^"\n]*+"?|'[^'\n]*+'?|[(\[{]|[)\]}]|\w++|[^\s\w]"""
)
_CONTROL_PATTERN = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")


class CircuitTooLargeError(ValueError):
    """The circuit of a file has more qubits or gates than are built.

    Attributes:
        n_qubits: number of qubits.
        n_gates: number of gates, with those inside definitions.
    """

    def __init__(self, n_qubits: int, n_gates: int) -> None:
        super().__init__(
            f"it has {n_qubits:,} qubits and {n_gates:,} gates, expected at most {MAX_BITS:,} qubits and "
            f"{MAX_GATES:,} gates"
        )
        self.n_qubits = n_qubits
        self.n_gates = n_gates


def check_text(text: str) -> None:
    """Raise ValueError if a text of OpenQASM is nested deeply, or has a long name, a control character or no statement.

    >>> check_text("qubit q; // (((")
    >>> check_text("rx" + "(" * 300)
    Traceback (most recent call last):
    ValueError: line 1 is inside of 201 brackets, expected at most 200
    """
    if control_match := _CONTROL_PATTERN.search(text):
        line = _line_number(text, control_match.start())
        raise ValueError(f"line {line} has the control character U+{ord(control_match[0]):04X}")
    depth = 0
    is_empty = True
    for token in TOKEN_PATTERN.finditer(text):
        symbol = token[0]
        if token["comment"] is not None:
            continue
        is_empty = False
        if symbol in "([{":
            depth += 1
        elif symbol in ")]}":
            depth -= 1
        if depth > MAX_NESTING:
            line = _line_number(text, token.start())
            raise ValueError(
                f"line {line} is inside of {depth} brackets, expected at most {MAX_NESTING}"
            )
        if len(symbol) > MAX_CHARACTERS:
            line = _line_number(text, token.start())
            raise ValueError(
                f"line {line} has a name, a number or a quotation of {len(symbol):,} characters ({symbol[:20]}...), "
                f"expected at most {MAX_CHARACTERS}"
            )
    if is_empty:
        raise ValueError("it has no statement")


def _line_number(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def check_qpy(content: bytes, newest: int) -> None:
    """Raise ValueError unless the first bytes are those of one circuit in a version of QPY that holds no pickle.

    Args:
        content: the whole file.
        newest: version of QPY that the installed Qiskit writes.

    >>> check_qpy(bytes.fromhex("5149534b49540c010200000000000000000165"), 18)
    Traceback (most recent call last):
    ValueError: it is QPY of version 12, which can hold code, expected version 13 or newer. Read it with the Qiskit that
    wrote it, and write it again with qiskit.qpy.dump of Qiskit 2
    """
    if not content.startswith(b"QISKIT"):
        raise ValueError("it does not begin with QISKIT, as QPY does")
    if len(content) < _HEADER.size:
        raise ValueError(f"it has {len(content)} bytes, and the header of QPY has {_HEADER.size}")
    _, version, _, _, _, n_circuits, encoding = _HEADER.unpack_from(content)
    rewrite_hint = (
        "Read it with the Qiskit that wrote it, and write it again with qiskit.qpy.dump of Qiskit 2"
    )
    if version < OLDEST_QPY:
        raise ValueError(
            f"it is QPY of version {version}, which can hold code, expected version {OLDEST_QPY} or newer. "
            f"{rewrite_hint}"
        )
    if version > newest:
        raise ValueError(
            f"it is QPY of version {version}, and the installed Qiskit reads up to {newest}. Install a newer Qiskit"
        )
    if encoding != _SAFE_ENCODING:
        raise ValueError(
            f"its symbolic encoding is {encoding!r}, which can hold code, expected {_SAFE_ENCODING!r}. {rewrite_hint}"
        )
    if n_circuits != 1:
        raise ValueError(f"it holds {n_circuits:,} circuits, expected one")
