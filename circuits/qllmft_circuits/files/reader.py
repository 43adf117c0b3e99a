"""The process that reads a circuit for `reading`: settings and content in, a line of JSON and QPY out.

Its time and, on Linux, its memory are bounded, and only its answer reaches the standard output.
"""

from __future__ import annotations

import gc
import io
import json
import os
import sys
from typing import Any, TypeAlias

from qiskit import QuantumCircuit, qasm2, qpy
from qiskit.exceptions import QiskitError

from qllmft_base.bounded_process import limit_resources
from qllmft_base.versions import install_command
from qllmft_circuits.bounds import (
    MAX_BITS,
    MAX_GATES,
    CircuitTooLargeError,
)
from qllmft_circuits.files.sizes import count_gates, size_of_statements
from qllmft_circuits.names import rename_inputs

Settings: TypeAlias = dict[str, Any]

_MAX_FAULT_CHARACTERS = 300  # characters


def main() -> None:
    """Read from the standard input, and answer on the standard output."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    # objects of a text live until the end; looking for garbage among them takes a third of the time,
    # and at exit a quarter, unless they are frozen
    gc.disable()
    settings = json.loads(sys.stdin.buffer.readline())
    content = sys.stdin.buffer.read()
    try:
        facts, circuit = _read_request(settings, content)
    except MemoryError:
        sys.exit("out of memory")
    with answer:
        answer.write(json.dumps(facts).encode() + b"\n" + circuit)
    gc.freeze()


def _read_request(settings: Settings, content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the facts and the circuit in QPY, or the fault or the size instead."""
    read_circuit = {"qasm2": _read_qasm2, "qasm3": _read_qasm3, "qpy": _read_qpy}[settings["form"]]
    try:
        circuit, n_gates = read_circuit(content, settings)
        stream = io.BytesIO()
        qpy.dump(circuit, stream)
    except CircuitTooLargeError as error:
        return {"too_large": [error.n_qubits, error.n_gates]}, b""
    except RecursionError:
        return {"fault": "it is nested too deeply"}, b""
    except ValueError as error:
        return {"fault": _printable(str(error))}, b""
    return {"n_gates": n_gates}, stream.getvalue()


def _read_qasm3(content: bytes, settings: Settings) -> tuple[QuantumCircuit, int]:
    try:
        import openqasm3
        from qiskit_qasm3_import import ConversionError, convert

        from qllmft_circuits.files.statements import parse_statements
    except ImportError:
        raise ValueError(f"reading OpenQASM 3 needs {install_command('export')}") from None
    _limit_resources(settings)
    text = content.decode()
    try:
        statements = parse_statements(text)
        n_qubits, n_clbits, n_gates = size_of_statements(statements)
        _check_size(n_qubits, n_clbits, n_gates)
        try:
            circuit = convert(openqasm3.ast.Program(statements))
        except ConversionError:
            circuit = convert(openqasm3.parse(text))  # the error names a line of this text
    except openqasm3.parser.QASM3ParsingError as error:
        raise ValueError(_syntax_fault(error)) from None
    except (ConversionError, QiskitError) as error:
        raise ValueError(_first_line(error)) from None
    return rename_inputs(circuit, settings["names"]), n_gates


def _syntax_fault(error: Exception) -> str:
    """Return where a text is no OpenQASM 3."""
    if message := str(error):
        return message
    cause = error.__cause__ or error.__context__
    recognition = next(iter(getattr(cause, "args", ())), cause)
    token = getattr(recognition, "offendingToken", None)
    if token is None:
        return "it is no OpenQASM 3"
    if token.type == -1:
        return "it ends inside a statement"
    return f"line {token.line}, column {token.column + 1} has an unexpected {token.text!r}"


def _read_qasm2(content: bytes, settings: Settings) -> tuple[QuantumCircuit, int]:
    _limit_resources(settings)
    text = content.decode()
    try:
        # of files only qelib1.inc, which Qiskit has itself; the gates of its own older exporter are known
        circuit = qasm2.loads(
            text, include_path=(), custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS
        )
    except QiskitError as error:
        raise ValueError(_first_line(error)) from None
    return circuit, _count_checked_gates(circuit)


def _read_qpy(content: bytes, settings: Settings) -> tuple[QuantumCircuit, int]:
    _limit_resources(settings)
    try:
        (circuit,) = qpy.load(io.BytesIO(content))
    except (MemoryError, RecursionError):
        raise
    except BaseException as error:  # of Qiskit's parser in Rust, which may panic
        if "emory" in str(error):
            raise MemoryError from error
        raise ValueError("its content is damaged, or written by a newer Qiskit") from None
    return circuit, _count_checked_gates(circuit)


def _count_checked_gates(circuit: QuantumCircuit) -> int:
    n_gates = count_gates(circuit, MAX_GATES)
    _check_size(circuit.num_qubits, circuit.num_clbits, n_gates)
    return n_gates


def _check_size(n_qubits: int, n_clbits: int, n_gates: int) -> None:
    if n_clbits > MAX_BITS:
        raise ValueError(f"it has {n_clbits:,} classical bits, expected at most {MAX_BITS:,}")
    if n_qubits > MAX_BITS or n_gates > MAX_GATES:
        raise CircuitTooLargeError(n_qubits, n_gates)


def _first_line(error: Exception) -> str:
    message = str(getattr(error, "message", error)) or type(error).__name__
    return message.strip().splitlines()[0].strip("'\"").rstrip(".")


def _printable(text: str) -> str:
    r"""Return a text with escapes for what acts on a terminal.

    >>> print(_printable("a\x1b[31m"))
    a\x1b[31m
    """
    shortened_text = text[:_MAX_FAULT_CHARACTERS] + (
        "..." if len(text) > _MAX_FAULT_CHARACTERS else ""
    )
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shortened_text)


def _limit_resources(settings: Settings) -> None:
    limit_resources(settings["seconds"], settings["memory"])
