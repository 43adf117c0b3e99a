"""OpenQASM 3 programs as lists of the API's gates, read by qiskit."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from qiskit import qasm3
from qiskit.exceptions import MissingOptionalLibraryError

from qllmft_backends.sandbox.refused import RefusedError

# by qiskit's name: the API's name and the number of controls
_GATES = {
    **{name: (name, 0) for name in ("x", "y", "z", "h", "s", "t", "rx", "ry", "rz", "swap")},
    **{f"c{name}": (name, 1) for name in ("x", "y", "z", "h", "rx", "ry", "rz")},
    "sdg": ("si", 0),
    "tdg": ("ti", 0),
    "sx": ("v", 0),
    "sxdg": ("vi", 0),
    "ccx": ("x", 2),
    "rxx": ("xx", 0),
    "ryy": ("yy", 0),
    "rzz": ("zz", 0),
}

# a register of a billion qubits is a line of 20 characters
_LARGE = re.compile(r"\d[\d_]{3,}\s*\]|\*\*|\bpow\b|\bfor\b|\bwhile\b")


@lru_cache(maxsize=64)
def gates(program: str) -> tuple[int, list[dict[str, Any]]]:
    """Return the width and the gates of a program whose measurements are its end.

    Raises:
        RefusedError: if it cannot be read, has other gates, has gates after a measurement, or may be large.
    """
    if found_large := _LARGE.search(program):
        raise RefusedError(
            400, f"the mock server takes no loops, powers or registers like {found_large[0]!r}"
        )
    try:
        circuit = qasm3.loads(program)
    except MissingOptionalLibraryError:
        raise RefusedError(
            400, "OpenQASM 3 needs the package qiskit-qasm3-import in the mock server"
        ) from None
    except Exception as error:  # the parser raises errors of many kinds
        raise RefusedError(400, f"the program cannot be read: {str(error)[:200]}") from None
    found: list[dict[str, Any]] = []
    measured = set()
    for instruction in circuit.data:
        qubits, name = (
            [circuit.find_bit(q).index for q in instruction.qubits],
            instruction.operation.name,
        )
        if name in ("measure", "barrier"):
            measured |= set(qubits) if name == "measure" else set()
            continue
        if name not in _GATES or measured & set(qubits):
            raise RefusedError(
                400, f"the mock server does not have {name!r} at this place of the program"
            )
        gate, controls = _GATES[name]
        angles = [float(angle) for angle in instruction.operation.params]
        found.append(
            {"gate": gate, "targets": qubits[controls:]}
            | ({"controls": qubits[:controls]} if controls else {})
            | ({"rotation": angles[0]} if angles else {})
        )
    return circuit.num_qubits, found
