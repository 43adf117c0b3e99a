"""Small simulator of the API's circuits: state vectors, and shot-by-shot trajectories for noise.

Qubit q is bit q of a basis state's index, as in the API's results and in Qiskit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.noise import GateNoise, pauli_error_probability
from qllmft_backends.remote.ionq.noise import CLOUD_NOISE

Gate = Mapping[str, Any]
State = NDArray[np.complex64]  # (T, 2**n)

# With probability r the qubits of a gate become maximally mixed, so that each of the 4**n - 1
# errors has probability r / 4**n. Forte Enterprise and Tempo have Forte-1's noise here, because
# their own is not published.
NOISE: dict[str, GateNoise] = {
    "ideal": CLOUD_NOISE["ideal"],
    "forte-1": CLOUD_NOISE["forte-1"],
    "forte-enterprise-1": CLOUD_NOISE["forte-1"],
    "tempo-1": CLOUD_NOISE["forte-1"],
    "aria-1": CLOUD_NOISE["aria-1"],
    "aria-2": CLOUD_NOISE["aria-2"],
}
MAX_QUBITS_IDEAL = 20
MAX_QUBITS_NOISY = 14
_BATCH = 256  # trajectories at a time

_X = np.array([[0, 1], [1, 0]], np.complex64)
_Y = np.array([[0, -1j], [1j, 0]], np.complex64)
_Z = np.array([[1, 0], [0, -1]], np.complex64)
_H = np.array([[1, 1], [1, -1]], np.complex64) / np.sqrt(2).astype(np.float32)
_V = np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]], np.complex64) / 2  # the square root of X
_FIXED = {
    "x": _X,
    "not": _X,
    "cnot": _X,
    "y": _Y,
    "z": _Z,
    "h": _H,
    "s": np.diag([1, 1j]),
    "si": np.diag([1, -1j]),
    "t": np.diag([1, np.exp(0.25j * np.pi)]),
    "ti": np.diag([1, np.exp(-0.25j * np.pi)]),
    "v": _V,
    "vi": _V.conj().T,
    "swap": np.eye(4)[[0, 2, 1, 3]],
}
_GENERATORS = {
    "rx": _X,
    "ry": _Y,
    "rz": _Z,
    "xx": np.kron(_X, _X),
    "yy": np.kron(_Y, _Y),
    "zz": np.kron(_Z, _Z),
}
_PAULIS = (np.eye(2, dtype=np.complex64), _X, _Y, _Z)


class CircuitError(ValueError):
    """Circuit that the mock server cannot run."""


def qubits_of(gate: Gate) -> tuple[list[int], list[int]]:
    """Return the controls and the targets of a gate."""
    controls = gate.get("controls", [gate["control"]] if "control" in gate else [])
    targets = gate.get("targets", [gate["target"]] if "target" in gate else [])
    return [int(q) for q in controls], [int(q) for q in targets]


def _used(gate: Gate) -> list[int]:
    controls, targets = qubits_of(gate)
    return controls + targets


def check(circuit: Sequence[Gate], n_qubits: int, noise: str) -> None:
    """Raise `CircuitError` unless `probabilities` and `counts` can run a circuit."""
    if noise not in NOISE:
        raise CircuitError(f"there is no noise model {noise!r}; expected one of {', '.join(NOISE)}")
    limit = MAX_QUBITS_IDEAL if noise == "ideal" else MAX_QUBITS_NOISY
    if not 1 <= n_qubits <= limit:
        raise CircuitError(
            f"{n_qubits} qubits; the mock server simulates up to {limit} with noise {noise!r}"
        )
    for position, gate in enumerate(circuit):
        _, targets = qubits_of(gate)
        used = _used(gate)
        if matrix_of(gate) is None:
            raise CircuitError(
                f"gate {position} is {gate.get('gate')!r}, which the mock server does not have"
            )
        if not targets or len(set(used)) != len(used) or not all(0 <= q < n_qubits for q in used):
            raise CircuitError(
                f"gate {position} ({gate.get('gate')!r}) acts on {used}, expected qubits below {n_qubits}"
            )
        if noise != "ideal" and len(used) > 2:
            raise CircuitError(
                f"gate {position} acts on {len(used)} qubits; with noise the mock server takes up to 2"
            )


def probabilities(circuit: Sequence[Gate], n_qubits: int) -> NDArray[np.float64]:
    """Return exact probabilities (2**n,) without noise."""
    state = np.eye(1, 2**n_qubits, dtype=np.complex64)
    for gate in circuit:
        state = _run(state, gate, n_qubits)
    return np.asarray(_normalized(state)[0])


def counts(
    circuit: Sequence[Gate], n_qubits: int, shots: int, noise: str, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return counts (2**n,) of ``shots`` runs with independent errors, distributed exactly as by the density matrix.

    The errors of every run are drawn first. Runs without errors share one state; each of the others branches off it
    at its first error, so that the common beginning is computed once.
    """
    model, widths = NOISE[noise], [len(_used(gate)) for gate in circuit]
    error_rates = np.array(
        [pauli_error_probability(model.rate(w), w) if noise != "ideal" else 0.0 for w in widths]
    )
    hit = rng.random((shots, len(circuit))) < error_rates  # (shots, gates)
    first = np.where(hit.any(axis=1), hit.argmax(axis=1), len(circuit))
    branching = np.argsort(first, kind="stable")
    branching = branching[first[branching] < len(circuit)]
    result = np.zeros(2**n_qubits, np.int64)
    for start in range(0, max(1, len(branching)), _BATCH):
        members = branching[start : start + _BATCH]  # runs, by their first error
        # |0...0⟩. Row 0: no error so far; row j: member j - 1
        states = np.eye(1, 2**n_qubits, dtype=np.complex64)
        joined = 0
        for g, gate in enumerate(circuit):
            states = _run(states, gate, n_qubits)
            new = int((first[members] == g).sum())
            states = np.concatenate([states, np.repeat(states[:1], new, axis=0)])
            joined += new
            for j in np.flatnonzero(hit[members[:joined], g]):
                states[j + 1] = _error(states[j + 1 : j + 2], gate, n_qubits, rng)[0]
        p = _normalized(states)
        if start == 0:
            result += rng.multinomial(shots - len(branching), p[0])
        draws = rng.random((len(p) - 1, 1))
        outcomes = np.minimum((np.cumsum(p[1:], axis=1) < draws).sum(axis=1), 2**n_qubits - 1)
        np.add.at(result, outcomes, 1)
    return result


def _normalized(state: State) -> NDArray[np.float64]:
    p = np.abs(state.astype(np.complex128)) ** 2
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def matrix_of(gate: Gate) -> NDArray[Any] | None:
    """Return the matrix on the targets, index bit i for target i, or None (unknown gate)."""
    name, angle = gate.get("gate"), gate.get("rotation")
    if name in ("gpi", "gpi2", "ms", "nop") or (name == "zz" and "angle" in gate):
        return _native_matrix(gate)
    if angle is not None and not math.isfinite(angle):
        return None
    if name in _GENERATORS and angle is not None:
        generator = _GENERATORS[name]
        return np.asarray(
            np.cos(angle / 2) * np.eye(len(generator)) - 1j * np.sin(angle / 2) * generator
        )
    if name in _FIXED and angle is None:
        return np.asarray(_FIXED[name])
    return None


def _native_matrix(gate: Gate) -> NDArray[Any] | None:
    """Return the matrix of a native gate, its phases in turns and its angle in units of 2π, or None if it lacks one."""
    given = [gate.get("phase", 0.0), gate.get("angle", 0.25), *gate.get("phases", [0.0, 0.0])]
    if len(given) != 4 or not all(math.isfinite(value) for value in given):
        return None
    phase, angle = 2 * np.pi * given[0], np.pi * given[1]
    match gate.get("gate"):
        case "gpi":
            return _equatorial(phase)
        case "gpi2":
            return np.asarray((np.eye(2) - 1j * _equatorial(phase)) / np.sqrt(2))
        case "ms":
            first, second = (_equatorial(2 * np.pi * turns) for turns in given[2:])
            generator = np.kron(second, first)  # bit 0 of the index is the first target
        case "zz":
            generator = np.kron(_Z, _Z)
        case _:
            return np.eye(2)
    return np.asarray(np.cos(angle) * np.eye(4) - 1j * np.sin(angle) * generator)


def _equatorial(phase: float) -> NDArray[Any]:
    """Return the rotation by π about the axis at ``phase`` radians in the plane of X and Y."""
    return np.asarray([[0, np.exp(-1j * phase)], [np.exp(1j * phase), 0]])


def _run(state: State, gate: Gate, n_qubits: int) -> State:
    controls, targets = qubits_of(gate)
    matrix = matrix_of(gate)
    assert matrix is not None, gate  # `check` came first
    return _apply(state, matrix, targets, n_qubits, controls)


def _error(state: State, gate: Gate, n_qubits: int, rng: np.random.Generator) -> State:
    """Apply one of the 4**n - 1 Pauli errors on the gate's qubits, drawn uniformly."""
    qubits = _used(gate)
    which = int(rng.integers(1, 4 ** len(qubits)))
    for i, qubit in enumerate(qubits):
        state = _apply(state, _PAULIS[which >> (2 * i) & 3], [qubit], n_qubits)
    return state


def _apply(
    state: State,
    matrix: NDArray[Any],
    targets: list[int],
    n_qubits: int,
    controls: Sequence[int] = (),
) -> State:
    """Apply ``matrix`` to ``targets`` in each row of a copy of ``state``, if all controls are 1."""
    result = state.copy()
    # qubit q is axis n - q
    old, new = state.reshape(-1, *[2] * n_qubits), result.reshape(-1, *[2] * n_qubits)

    def part(value: int) -> tuple[Any, ...]:
        """Return the index of amplitudes with all controls 1 and bit i of ``value`` on target i."""
        index: list[Any] = [slice(None)] * (n_qubits + 1)
        for control in controls:
            index[n_qubits - control] = 1
        for i, target in enumerate(targets):
            index[n_qubits - target] = value >> i & 1
        return tuple(index)

    elements = matrix.astype(np.complex64)
    for row in range(len(elements)):
        columns = np.flatnonzero(elements[row])
        new[part(row)] = sum(
            elements[row, column] * old[part(column)] for column in columns.tolist()
        )
    return result
