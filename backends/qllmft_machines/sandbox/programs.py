"""Programs in OpenQASM as gates of IonQ's API, and the API's gates as native ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from qiskit import QuantumCircuit, qasm3, transpile
from qiskit.circuit import ControlledGate, Operation
from qiskit.circuit import Gate as QiskitGate
from qiskit.circuit.library import UGate
from qiskit.exceptions import MissingOptionalLibraryError
from qiskit.synthesis import OneQubitEulerDecomposer

from qllmft_machines.bounds import MAX_PROGRAM_GATES
from qllmft_machines.sandbox.circuits import (
    QISKIT_NAMES,
    STANDARD_GATES,
    Gate,
    qubit_indices,
    to_qiskit_circuit,
)
from qllmft_machines.sandbox.request import RefusedError

_API_NAMES = {name: api_name for api_name, name in QISKIT_NAMES.items()} | {"p": "z"}
# a register of a billion qubits is a line of 20 characters
_LARGE_PATTERN = re.compile(r"\d[\d_]{3,}\s*\]|\*\*|\bpow\b|\bfor\b|\bwhile\b")


@lru_cache(maxsize=64)
def parse_program(program: str) -> tuple[int, list[dict[str, Any]]]:
    """Return the width and the API's gates of an OpenQASM 3 program whose measurements are its end.

    A gate that the API lacks is the gates of its definition.

    Raises:
        RefusedError: if it cannot be read, has other operations, has gates after a measurement, or may be large.
    """
    if large_match := _LARGE_PATTERN.search(program):
        raise RefusedError(
            f"the mock server takes no loops, powers or registers like {large_match[0]!r}"
        )
    try:
        circuit = qasm3.loads(program)
    except MissingOptionalLibraryError:
        raise RefusedError(
            "OpenQASM 3 needs the package qiskit-qasm3-import in the mock server"
        ) from None
    except Exception as error:  # the parser raises errors of many kinds
        raise RefusedError(f"the program cannot be read: {str(error)[:200]}") from None
    gates: list[dict[str, Any]] = []
    measured_qubits: set[int] = set()
    pending = _operations_in_reverse(circuit, range(circuit.num_qubits))
    for _ in range(MAX_PROGRAM_GATES):
        if not pending:
            return circuit.num_qubits, gates
        operation, qubits = pending.pop()
        if operation.name in ("measure", "barrier", "id", "global_phase"):
            measured_qubits |= set(qubits) if operation.name == "measure" else set()
        elif measured_qubits & set(qubits):
            raise RefusedError(
                f"the mock server does not have {operation.name!r} at this place of the program, after a measurement"
            )
        elif (gate := _api_gate(operation, qubits)) is not None:
            gates.append(gate)
        elif (definition := _definition(operation)) is not None:
            pending += _operations_in_reverse(definition, qubits)
        else:
            raise RefusedError(f"the mock server does not have {operation.name!r} of the program")
    raise RefusedError(
        f"the program has more than {MAX_PROGRAM_GATES:,} gates, and the mock server takes fewer"
    )


def _operations_in_reverse(
    circuit: QuantumCircuit, qubits: Sequence[int]
) -> list[tuple[Operation, list[int]]]:
    """Return the operations of a circuit on these qubits, the last one first."""
    return [
        (instruction.operation, [qubits[place] for place in qubit_indices(circuit, instruction)])
        for instruction in reversed(circuit.data)
    ]


def _definition(operation: Operation) -> QuantumCircuit | None:
    """Return the gates of a gate, or None if it has none."""
    if not isinstance(operation, QiskitGate):
        return None
    if operation.base_class is UGate:  # all other gates end in it, and it has no definition
        return OneQubitEulerDecomposer("ZYZ")(operation)
    return operation.definition


def _api_gate(operation: Operation, qubits: list[int]) -> dict[str, Any] | None:
    """Return an operation as a gate of the API, or None if it has no such gate."""
    n_controls = 0
    base = operation
    if isinstance(operation, ControlledGate):
        n_controls = operation.num_ctrl_qubits
        base = operation.base_gate
        if operation.ctrl_state != 2**n_controls - 1:
            return None
    standard = STANDARD_GATES.get(base.name)
    if base.name not in _API_NAMES or base.base_class is not standard.base_class:
        return None  # a program can define a gate of this name
    gate: dict[str, Any] = {"gate": _API_NAMES[base.name], "targets": qubits[n_controls:]}
    if n_controls:
        gate["controls"] = qubits[:n_controls]
    if base.params:
        gate["rotation"] = float(base.params[0])
    return gate


def compile_to_native(circuit: Sequence[Gate], n_qubits: int, gateset: str) -> dict[str, Any]:
    """Return a circuit in the form ``ionq.native.v1``, as a dry run returns it: GPI2 and ZZ, gate by gate.

    Rotations about Z are frames: they change the phases of later pulses, and measurements do not see the last ones.
    """
    if gateset == "native":
        return {"qubits": n_qubits, "circuit": [dict(gate) for gate in circuit]}
    basis = transpile(
        to_qiskit_circuit(circuit, n_qubits), basis_gates=["rz", "sx", "rzz"], optimization_level=0
    )
    frame_turns = np.zeros(n_qubits)  # in turns
    native_gates = list[dict[str, Any]]()
    for instruction in basis.data:
        qubits = qubit_indices(basis, instruction)
        turns = [float(angle) / (2 * np.pi) for angle in instruction.operation.params]
        match instruction.operation.name:
            case "rz":
                frame_turns[qubits[0]] += turns[0]
            case "sx":
                phase = -float(frame_turns[qubits[0]]) % 1.0
                native_gates.append({"gate": "gpi2", "target": qubits[0], "phase": phase})
            case _:
                native_gates.append({"gate": "zz", "targets": qubits, "angle": turns[0] % 1.0})
    return {"qubits": n_qubits, "circuit": native_gates}
