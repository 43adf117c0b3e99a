"""Circuits of files that somebody else wrote, read in a process with bounds of its own.

The process parses the content, compares its size with the bounds, builds the circuit and answers with QPY that it wrote
itself. Time is bounded on every system. Memory is bounded by the kernel on Linux; elsewhere only the bounds of
`qllmft_circuits.bounds`, which are compared before the circuit is built, hold.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from qiskit import QuantumCircuit, qpy

from qllmft_circuits.bounds import (
    MOST_MEMORY,
    MOST_QPY_BYTES,
    MOST_SECONDS,
    MOST_TEXT_BYTES,
    CircuitTooLargeError,
    check_qpy,
    check_text,
)
from qllmft_circuits.names import check_names

Form = Literal["qasm2", "qasm3", "qpy"]

_MOST_WAITING = 60  # s, of a process that other work slows down
_CODE = "from qllmft_circuits.reader import main; main()"
# threads reserve memory that counts as used
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1")


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
    return _read("qasm3", _encoded(text), names)


def read_qasm2(text: str) -> SizedCircuit:
    """Return the circuit of a text in OpenQASM 2; see `qllmft_circuits.from_qasm2`."""
    return _read("qasm2", _encoded(text))


def read_qpy(content: bytes) -> SizedCircuit:
    """Return the circuit of QPY; see `qllmft_circuits.from_qpy`."""
    check_qpy(_bounded(content, MOST_QPY_BYTES), qpy.QPY_VERSION)
    return _read("qpy", content)


def _encoded(text: str) -> bytes:
    content = _bounded(text.encode(), MOST_TEXT_BYTES)
    check_text(text)
    return content


def _bounded(content: bytes, most: int) -> bytes:
    if len(content) > most:
        raise ValueError(f"it has {len(content):,} bytes, expected at most {most:,}")
    return content


def _read(form: Form, content: bytes, names: Mapping[str, str] | None = None) -> SizedCircuit:
    settings = json.dumps(
        {
            "form": form,
            "names": None if names is None else dict(names),
            "seconds": MOST_SECONDS,
            "memory": MOST_MEMORY,
        }
    )
    completed = _run_reader(settings.encode() + b"\n" + content)
    if completed.returncode:
        raise ValueError(_reason(form, completed.returncode, completed.stderr))
    header, _, answer = completed.stdout.partition(b"\n")
    facts = json.loads(header)
    if size := facts.get("too_large"):
        raise CircuitTooLargeError(*size)
    if fault := facts.get("fault"):
        raise ValueError(fault)
    (circuit,) = qpy.load(io.BytesIO(answer))
    return SizedCircuit(circuit, facts["n_gates"])


def _run_reader(request: bytes) -> subprocess.CompletedProcess[bytes]:
    """Return what a new process answers to the settings and the content in a request."""
    # -P and the paths of this process: no module is imported from the folder where the files lie
    paths = [*filter(None, sys.path), str(Path(__file__).parents[1])]
    try:
        return subprocess.run(  # noqa: S603 - the content goes to its input, and is no command
            [sys.executable, "-P", "-c", _CODE],
            input=request,
            capture_output=True,
            timeout=_MOST_WAITING,
            check=False,
            env={**os.environ, **_ONE_THREAD, "PYTHONPATH": os.pathsep.join(paths)},
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"it is not read within {_MOST_WAITING} s") from None


def _reason(form: Form, returncode: int, stderr: bytes) -> str:
    """Return why the process ended without an answer."""
    remedy = "" if form == "qpy" else ". QPY of Qiskit is read faster"
    if returncode in (-getattr(signal, "SIGXCPU", 0), -getattr(signal, "SIGKILL", 0)):
        return f"reading it takes more than {MOST_SECONDS} s{remedy}"
    if returncode < 0 or b"emory" in stderr:
        return f"reading it takes more than {MOST_MEMORY:,} bytes of memory{remedy}"
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    return f"the process that reads it ended with exit code {returncode}: {''.join(lines[-1:])}"
