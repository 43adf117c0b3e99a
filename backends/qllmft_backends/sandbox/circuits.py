"""Circuits of IonQ's API on Qiskit's state vectors: exact, with noise shot by shot, and compiled to native gates.

Qubit q is bit q of a basis state's index, as in the API's results and in Qiskit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.random import Generator
from qiskit import QuantumCircuit, qasm3, transpile
from qiskit.circuit import ControlledGate
from qiskit.circuit import Gate as QiskitGate
from qiskit.circuit.library import RGate, RZZGate, get_standard_gate_name_mapping
from qiskit.exceptions import MissingOptionalLibraryError
from qiskit.quantum_info import Pauli, Statevector

from qllmft_backends.noise import GateNoise, pauli_error_probability
from qllmft_backends.protocol import Bits, Floats, Ints
from qllmft_backends.remote.ionq.options import CLOUD_NOISE
from qllmft_backends.sandbox.request import RefusedError

Gate = Mapping[str, Any]

# With probability r the qubits of a gate become maximally mixed, so that each of the 4**n - 1
# errors has probability r / 4**n. Forte Enterprise and Tempo have Forte-1's noise here, because
# their own is not published.
NOISE: dict[str, GateNoise] = {
    **CLOUD_NOISE,
    **dict.fromkeys(("forte-enterprise-1", "tempo-1"), CLOUD_NOISE["forte-1"]),
}
MAX_QUBITS_IDEAL = 20
MAX_QUBITS_NOISY = 14
_BATCH_BITS = 8  # 2**8 trajectories at a time
_STANDARD = get_standard_gate_name_mapping()
# Qiskit's name by the API's
_NAMES = {name: name for name in ("x", "y", "z", "h", "s", "t", "swap", "rx", "ry", "rz")}
_NAMES |= {"si": "sdg", "ti": "tdg", "v": "sx", "vi": "sxdg", "xx": "rxx", "yy": "ryy", "zz": "rzz"}
_API_NAMES = {name: api_name for api_name, name in _NAMES.items()}
_NAMES |= {"not": "x", "cnot": "x", "nop": "id"}
# a register of a billion qubits is a line of 20 characters
_LARGE = re.compile(r"\d[\d_]{3,}\s*\]|\*\*|\bpow\b|\bfor\b|\bwhile\b")


def circuit_of(circuit: Sequence[Gate], n_qubits: int) -> QuantumCircuit:
    """Return a list of the API's gates as Qiskit's circuit, one instruction per gate, or raise `RefusedError`."""
    found = QuantumCircuit(n_qubits)
    for position, gate in enumerate(circuit):
        controls, targets = qubits_of(gate)
        used, operation = controls + targets, _operation(gate)
        if operation is None or len(targets) != operation.num_qubits:
            raise RefusedError(
                f"gate {position} is {gate.get('gate')!r}, which the mock server does not have"
            )
        if not targets or len(set(used)) != len(used) or not all(0 <= q < n_qubits for q in used):
            raise RefusedError(
                f"gate {position} ({gate.get('gate')!r}) acts on {used}, expected qubits below {n_qubits}"
            )
        found.append(operation.control(len(controls)) if controls else operation, used)
    return found


def qubits_of(gate: Gate) -> tuple[list[int], list[int]]:
    """Return the controls and the targets of a gate."""
    controls = gate.get("controls", [gate["control"]] if "control" in gate else [])
    targets = gate.get("targets", [gate["target"]] if "target" in gate else [])
    return [int(q) for q in controls], [int(q) for q in targets]


def _operation(gate: Gate) -> QiskitGate | None:
    """Return the gate on its targets, or None if it is unknown. Phases are in turns, native angles in units of 2π."""
    name, angles = str(gate.get("gate")), [gate["rotation"]] if "rotation" in gate else []
    given = [gate.get("phase", 0.0), gate.get("angle", 0.25), *gate.get("phases", [0.0, 0.0])]
    if len(given) != 4 or not all(map(math.isfinite, (*angles, *given))):
        return None
    phase, angle, *axes = (2 * np.pi * value for value in given)
    if name in ("gpi", "gpi2"):
        return RGate(np.pi if name == "gpi" else np.pi / 2, phase)
    if name == "zz" and "angle" in gate:
        return RZZGate(angle)
    if name == "ms":  # RXX with its axes turned about Z
        turned = QuantumCircuit(2, name="ms")
        for sign in (-1, 1):
            for qubit, axis in enumerate(axes):
                turned.rz(sign * axis, qubit)
            if sign < 0:
                turned.rxx(angle, 0, 1)
        return turned.to_gate()
    known = _STANDARD.get(_NAMES.get(name, ""))
    return known.base_class(*angles) if known and len(known.params) == len(angles) else None


def check(circuit: Sequence[Gate], n_qubits: int, noise: str) -> None:
    """Raise `RefusedError` unless `probabilities` and `counts` can run a circuit."""
    if noise not in NOISE:
        raise RefusedError(f"there is no noise model {noise!r}; expected one of {', '.join(NOISE)}")
    limit = MAX_QUBITS_IDEAL if noise == "ideal" else MAX_QUBITS_NOISY
    if not 1 <= n_qubits <= limit:
        raise RefusedError(
            f"{n_qubits} qubits; the mock server simulates up to {limit} with noise {noise!r}"
        )
    for position, instruction in enumerate(circuit_of(circuit, n_qubits).data):
        if noise != "ideal" and (width := len(instruction.qubits)) > 2:
            raise RefusedError(
                f"gate {position} acts on {width} qubits; with noise the mock server takes up to 2"
            )


def probabilities(circuit: Sequence[Gate], n_qubits: int) -> Floats:
    """Return exact probabilities (2**n,) without noise."""
    return np.asarray(Statevector(circuit_of(circuit, n_qubits)).probabilities())


def counts(circuit: Sequence[Gate], n_qubits: int, shots: int, noise: str, rng: Generator) -> Ints:
    """Return the counts (2**n,) of shots, each with its own Pauli errors after the gates.

    Args:
        circuit: checked.
        n_qubits: n.
        shots: number of shots.
        noise: one of `NOISE`.
        rng: random numbers of errors and shots.
    """
    widths = [len(instruction.qubits) for instruction in circuit_of(circuit, n_qubits).data]
    rates = [
        0.0 if noise == "ideal" else pauli_error_probability(NOISE[noise].rate(w), w)
        for w in widths
    ]
    hit = rng.random((shots, len(circuit))) < np.array(rates)  # (shots, gates)
    hit = hit[hit.any(axis=1)]
    ideal = probabilities(circuit, n_qubits)
    result = rng.multinomial(shots - len(hit), ideal / ideal.sum())
    for start in range(0, len(hit), 2**_BATCH_BITS):
        np.add.at(result, _outcomes(circuit, n_qubits, hit[start : start + 2**_BATCH_BITS], rng), 1)
    return np.asarray(result, np.int64)


def _outcomes(circuit: Sequence[Gate], n_qubits: int, hit: Bits, rng: Generator) -> Ints:
    """Return one outcome of each trajectory; ``hit`` (T, gates): it has an error after a gate."""
    bits = max(1, len(hit) - 1).bit_length()  # the trajectories are the values of further qubits
    states = np.zeros((2**bits, 2**n_qubits), np.complex128)
    states[:, 0] = 1
    for instruction, hit_here in zip(circuit_of(circuit, n_qubits).data, hit.T, strict=True):
        qubits = [qubit._index for qubit in instruction.qubits]
        evolved = Statevector(states.ravel()).evolve(instruction.operation, qubits)
        states = evolved.data.reshape(2**bits, -1)
        for row in np.flatnonzero(hit_here):
            drawn, n = int(rng.integers(1, 4 ** len(qubits))), len(qubits)  # an error, uniformly
            parts = [drawn >> i & 1 == 1 for i in range(2 * n)]
            error = Pauli((parts[:n], parts[n:]))
            states[row] = Statevector(states[row]).evolve(error, qubits).data
    p = np.abs(states[: len(hit)]) ** 2
    draws = rng.random((len(hit), 1)) * p.sum(axis=1, keepdims=True)
    return np.asarray(np.minimum((np.cumsum(p, axis=1) < draws).sum(axis=1), 2**n_qubits - 1))


@lru_cache(maxsize=64)
def gates_of_program(program: str) -> tuple[int, list[dict[str, Any]]]:
    """Return the width and the API's gates of an OpenQASM 3 program whose measurements are its end.

    Raises:
        RefusedError: if it cannot be read, has other gates, has gates after a measurement, or may be large.
    """
    if found_large := _LARGE.search(program):
        raise RefusedError(
            f"the mock server takes no loops, powers or registers like {found_large[0]!r}"
        )
    try:
        circuit = qasm3.loads(program)
    except MissingOptionalLibraryError:
        raise RefusedError(
            "OpenQASM 3 needs the package qiskit-qasm3-import in the mock server"
        ) from None
    except Exception as error:  # the parser raises errors of many kinds
        raise RefusedError(f"the program cannot be read: {str(error)[:200]}") from None
    found: list[dict[str, Any]] = []
    measured: set[int] = set()
    for instruction in circuit.data:
        qubits = [circuit.find_bit(q).index for q in instruction.qubits]
        name = instruction.operation.name
        if name in ("measure", "barrier"):
            measured |= set(qubits) if name == "measure" else set()
            continue
        controls, base, ones = 0, instruction.operation, True
        if isinstance(base, ControlledGate):
            controls, ones = base.num_ctrl_qubits, base.ctrl_state == 2**base.num_ctrl_qubits - 1
            base = base.base_gate
        if measured & set(qubits) or not ones or base.name not in _API_NAMES:
            raise RefusedError(
                f"the mock server does not have {name!r} at this place of the program"
            )
        found.append(
            {"gate": _API_NAMES[base.name], "targets": qubits[controls:]}
            | ({"controls": qubits[:controls]} if controls else {})
            | ({"rotation": float(base.params[0])} if base.params else {})
        )
    return circuit.num_qubits, found


def compiled(circuit: Sequence[Gate], n_qubits: int, gateset: str) -> dict[str, Any]:
    """Return a circuit in the form ``ionq.native.v1``, as a dry run returns it: GPI2 and ZZ, gate by gate.

    Rotations about Z are frames: they change the phases of later pulses, and measurements do not see the last ones.
    """
    if gateset == "native":
        return {"qubits": n_qubits, "circuit": [dict(gate) for gate in circuit]}
    basis = transpile(
        circuit_of(circuit, n_qubits), basis_gates=["rz", "sx", "rzz"], optimization_level=0
    )
    frames, found = np.zeros(n_qubits), list[dict[str, Any]]()  # in turns
    for instruction in basis.data:
        qubits = [basis.find_bit(q).index for q in instruction.qubits]
        turns = [float(angle) / (2 * np.pi) for angle in instruction.operation.params]
        match instruction.operation.name:
            case "rz":
                frames[qubits[0]] += turns[0]
            case "sx":
                phase = -float(frames[qubits[0]]) % 1.0
                found.append({"gate": "gpi2", "target": qubits[0], "phase": phase})
            case _:
                found.append({"gate": "zz", "targets": qubits, "angle": turns[0] % 1.0})
    return {"qubits": n_qubits, "circuit": found}
