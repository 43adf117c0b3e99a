"""Circuits of files that somebody else wrote, read in a process with bounds of its own.

The process parses the content, compares its size with the bounds, builds the circuit and answers with QPY that it wrote
itself. Time is bounded on every system. Memory is bounded by the kernel on Linux; elsewhere only the bounds of
`qllmft_circuits.bounds`, which are compared before the circuit is built, hold.
"""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from qiskit import QuantumCircuit, qpy

from qllmft_base.bounded_process import is_out_of_memory, is_out_of_time, run_python
from qllmft_circuits.bounds import (
    MAX_MEMORY_BYTES,
    MAX_QPY_BYTES,
    MAX_SECONDS,
    MAX_TEXT_BYTES,
    MAX_WAIT_S,
    CircuitTooLargeError,
    check_qpy,
    check_text,
)
from qllmft_circuits.names import check_names

Form = Literal["qasm2", "qasm3", "qpy"]

_READER_CODE = "from qllmft_circuits.files.reader import main; main()"


@dataclass(frozen=True)
class SizedCircuit:
    """Circuit of a file.

    Attributes:
        circuit: the circuit.
        n_gates: number of gates, with those inside definitions and repetitions.
    """

    circuit: QuantumCircuit
    n_gates: int


def read_qasm3(text: str, names: Mapping[str, str] | None) -> SizedCircuit:
    """Return the circuit of a text in OpenQASM 3; see `qllmft_circuits.from_qasm3`."""
    if names is not None:
        check_names(names)
    return _read_in_process("qasm3", _encode_text(text), names)


def read_qasm2(text: str) -> SizedCircuit:
    """Return the circuit of a text in OpenQASM 2; see `qllmft_circuits.from_qasm2`."""
    return _read_in_process("qasm2", _encode_text(text))


def read_qpy(content: bytes) -> SizedCircuit:
    """Return the circuit of QPY; see `qllmft_circuits.from_qpy`."""
    check_qpy(_check_length(content, MAX_QPY_BYTES), qpy.QPY_VERSION)
    return _read_in_process("qpy", content)


def _encode_text(text: str) -> bytes:
    content = _check_length(text.encode(), MAX_TEXT_BYTES)
    check_text(text)
    return content


def _check_length(content: bytes, max_bytes: int) -> bytes:
    if len(content) > max_bytes:
        raise ValueError(f"it has {len(content):,} bytes, expected at most {max_bytes:,}")
    return content


def _read_in_process(
    form: Form, content: bytes, names: Mapping[str, str] | None = None
) -> SizedCircuit:
    settings = json.dumps(
        {
            "form": form,
            "names": None if names is None else dict(names),
            "seconds": MAX_SECONDS,
            "memory": MAX_MEMORY_BYTES,
        }
    )
    process_result = _run_reader(settings.encode() + b"\n" + content)
    if process_result.returncode:
        raise ValueError(_failure_reason(form, process_result.returncode, process_result.stderr))
    header, _, circuit_bytes = process_result.stdout.partition(b"\n")
    facts = json.loads(header)
    if size := facts.get("too_large"):
        raise CircuitTooLargeError(*size)
    if fault := facts.get("fault"):
        raise ValueError(fault)
    (circuit,) = qpy.load(io.BytesIO(circuit_bytes))
    return SizedCircuit(circuit, facts["n_gates"])


def _run_reader(request: bytes) -> subprocess.CompletedProcess[bytes]:
    """Return what a new process answers to the settings and the content in a request."""
    try:
        return run_python(
            _READER_CODE,
            packages=["qllmft_circuits"],
            timeout_s=MAX_WAIT_S,
            input=request,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"it is not read within {MAX_WAIT_S} s") from None


def _failure_reason(form: Form, returncode: int, stderr: bytes) -> str:
    """Return why the process ended without an answer."""
    remedy = "" if form == "qpy" else ". QPY of Qiskit is read faster"
    if is_out_of_time(returncode):
        return f"reading it takes more than {MAX_SECONDS} s{remedy}"
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    if is_out_of_memory(returncode, lines):
        return f"reading it takes more than {MAX_MEMORY_BYTES:,} bytes of memory{remedy}"
    return f"the process that reads it ended with exit code {returncode}: {''.join(lines[-1:])}"
