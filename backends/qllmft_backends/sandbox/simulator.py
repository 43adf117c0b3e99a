"""Simulator of the mock server: Qiskit's state vectors, and shot-by-shot trajectories for noise.

Qubit q is bit q of a basis state's index, as in the API's results and in Qiskit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import Pauli, Statevector

from qllmft_backends.noise import GateNoise, pauli_error_probability
from qllmft_backends.remote.ionq.options import CLOUD_NOISE
from qllmft_backends.sandbox.circuits import CircuitError, Gate, circuit_of, qubits_of

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
_BATCH_BITS = 8  # 2**8 trajectories at a time


def check(circuit: Sequence[Gate], n_qubits: int, noise: str) -> None:
    """Raise `CircuitError` unless `probabilities` and `counts` can run a circuit."""
    if noise not in NOISE:
        raise CircuitError(f"there is no noise model {noise!r}; expected one of {', '.join(NOISE)}")
    limit = MAX_QUBITS_IDEAL if noise == "ideal" else MAX_QUBITS_NOISY
    if not 1 <= n_qubits <= limit:
        raise CircuitError(
            f"{n_qubits} qubits; the mock server simulates up to {limit} with noise {noise!r}"
        )
    circuit_of(circuit, n_qubits)
    widths = [sum(map(len, qubits_of(gate))) for gate in circuit]
    if noise != "ideal" and max(widths, default=0) > 2:
        position = next(p for p, width in enumerate(widths) if width > 2)
        raise CircuitError(
            f"gate {position} acts on {widths[position]} qubits; with noise the mock server takes up to 2"
        )


def probabilities(circuit: Sequence[Gate], n_qubits: int) -> NDArray[np.float64]:
    """Return exact probabilities (2**n,) without noise."""
    return np.asarray(Statevector(circuit_of(circuit, n_qubits)).probabilities())


def counts(
    circuit: Sequence[Gate], n_qubits: int, shots: int, noise: str, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the counts (2**n,) of shots, each with its own Pauli errors after the gates.

    Args:
        circuit: checked.
        n_qubits: n.
        shots: number of shots.
        noise: one of `NOISE`.
        rng: random numbers of errors and shots.
    """
    widths = [sum(map(len, qubits_of(gate))) for gate in circuit]
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


def _outcomes(
    circuit: Sequence[Gate], n_qubits: int, hit: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return one outcome of each trajectory; ``hit`` (T, gates): it has an error after a gate."""
    bits = max(1, len(hit) - 1).bit_length()  # the trajectories are the values of further qubits
    states = np.zeros((2**bits, 2**n_qubits), np.complex128)
    states[:, 0] = 1
    for instruction, hit_here in zip(circuit_of(circuit, n_qubits).data, hit.T, strict=True):
        qubits = [qubit._index for qubit in instruction.qubits]
        evolved = Statevector(states.ravel()).evolve(instruction.operation, qubits)
        states = evolved.data.reshape(2**bits, -1)
        for row in np.flatnonzero(hit_here):
            error = _error(len(qubits), rng)
            states[row] = Statevector(states[row]).evolve(error, qubits).data
    p = np.abs(states[: len(hit)]) ** 2
    draws = rng.random((len(hit), 1)) * p.sum(axis=1, keepdims=True)
    return np.asarray(np.minimum((np.cumsum(p, axis=1) < draws).sum(axis=1), 2**n_qubits - 1))


def _error(n_qubits: int, rng: np.random.Generator) -> Pauli:
    """Return one of the 4**n - 1 Pauli errors, drawn uniformly."""
    bits = int(rng.integers(1, 4**n_qubits))
    parts = [bits >> i & 1 == 1 for i in range(2 * n_qubits)]
    return Pauli((parts[:n_qubits], parts[n_qubits:]))
