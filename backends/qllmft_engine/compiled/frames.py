"""Pauli frames pushed through circuits, whose rules `qllmft_engine.frames` derives, and outcomes of shots."""

from __future__ import annotations

import numpy as np

from qllmft_engine.compiled.normals import threefry, u32
from qllmft_engine.compiled.observables import has_odd_parity
from qllmft_engine.kernel_cache import cached_njit

# PAULI: X, Z and the identity, which leave every frame as it is
RY = 0
H = 1
CX = 2
CZ = 3
SWAP = 4
PAULI = 5

ERROR_STREAM = u32(0xFFFFFFFF)  # of a seed's random words; shots have those from 0 up

_jit = cached_njit(nogil=True, error_model="numpy")


@_jit
def draw_errors(gates, thresholds, count, key_0, key_1):
    """Draw the errors of ``count`` runs of ``gates``, in the order of runs and gates.

    Args:
        gates: (N, 4) int32, see `push_frames`.
        thresholds: (N,) int64, 2^32 times the probability of an error after each gate.
        count: number of runs; ``count`` · N must be below 2^32, or draws repeat.
        key_0: uint32, the lower word of the seed.
        key_1: uint32, the upper word.

    Returns:
        (E,) int64 each: run, gate, and Pauli (1 to 3, after a gate on two qubits 1 to 15, equally
        likely).
    """
    n_gates = len(gates)
    x = np.empty(count * n_gates, np.uint32)
    y = np.empty(count * n_gates, np.uint32)
    for i in range(x.size):
        x[i], y[i] = threefry(key_0, key_1, u32(i), ERROR_STREAM)
    hits = 0
    for run in range(count):
        for g in range(n_gates):
            hits += np.int64(x[run * n_gates + g]) < thresholds[g]
    rows, places, paulis = np.empty((3, hits), np.int64)
    n_errors = 0
    for run in range(count):
        for g in range(n_gates):
            i = run * n_gates + g
            if np.int64(x[i]) < thresholds[g]:
                rows[n_errors] = run
                places[n_errors] = g
                paulis[n_errors] = 1 + np.int64(y[i]) % (15 if gates[g, 2] >= 0 else 3)
                n_errors += 1
    return rows, places, paulis


@_jit
def push_errors(gates, n_angles, rows, places, paulis):
    """Push errors, in the order of runs and gates, to the end of the circuit.

    Args:
        gates: (N, 4) int32, see `push_frames`.
        n_angles: G, number of rotation slots.
        rows: (E,) int64 run of each error, ascending.
        places: (E,) int64 gate before each error, ascending within a run.
        paulis: (E,) int64, see `push_frames`.

    Returns:
        (K,) int64 runs with an error, (K, G) int8 signs and (K,) int64 flips as in `push_frames`.
    """
    starts = np.empty(len(rows) + 1, np.int64)
    runs_with_error = np.empty(len(rows), np.int64)
    n_runs = 0
    for e in range(len(rows)):
        if e == 0 or rows[e] != rows[e - 1]:
            starts[n_runs] = e
            runs_with_error[n_runs] = rows[e]
            n_runs += 1
    starts[n_runs] = len(rows)
    signs = np.ones((n_runs, n_angles), np.int8)
    flips = np.zeros(n_runs, np.int64)
    push_frames(gates, starts[: n_runs + 1], places, paulis, signs, flips)
    return runs_with_error[:n_runs].copy(), signs, flips


@_jit
def sign_angles(angles, rows, signs):
    """Multiply the rows ``rows`` of (B, G) with their signs (K, G), in place."""
    for k in range(len(rows)):
        for g in range(angles.shape[1]):
            angles[rows[k], g] *= signs[k, g]


@_jit
def sign_strings(values, rows, flips, masks):
    """Negate the Z strings ``masks`` (T,) that a frame flips, in the rows ``rows`` of (B, T), in place.

    Args:
        values: (B, T) of a floating dtype, one row per run.
        rows: (K,) int64 runs with an error.
        flips: (K,) int64 qubits that their frames flip, of `push_errors`; bit q is qubit q.
        masks: (T,) int64; bit q of a mask is Z on qubit q.
    """
    for k in range(len(rows)):
        for t in range(len(masks)):
            if has_odd_parity(flips[k] & masks[t]):
                values[rows[k], t] = -values[rows[k], t]


@_jit
def push_frames(gates, starts, places, paulis, signs, flips):
    """Push the errors of K trajectories to the end of the circuit.

    Args:
        gates: (N, 4) int32: kind, qubit, second qubit (-1: none), rotation slot (-1: none).
        starts: (K + 1) int64: errors starts[k]..starts[k + 1] - 1 are those of trajectory k, in the order of gates.
        places: (E,) int64: the gate before each error.
        paulis: (E,) int64: bits 0 and 1 are x and z on the gate's qubit, bits 2 and 3 those on its second qubit.
        signs: (K, G) int8, all 1: set to -1 if the angle of a rotation changes its sign.
        flips: (K,) int64, overwritten with the qubits that the frame flips at the end; bit q is qubit q.
    """
    for k in range(starts.size - 1):
        x = 0
        z = 0
        event = starts[k]
        for g in range(places[event] if event < starts[k + 1] else gates.shape[0], gates.shape[0]):
            kind = gates[g, 0]
            a = gates[g, 1]
            b = gates[g, 2]
            if kind == RY:
                if (x ^ z) >> a & 1:
                    signs[k, gates[g, 3]] = -1
            elif kind == H:
                differ = (x ^ z) & (1 << a)
                x ^= differ
                z ^= differ
            elif kind == CX:
                x ^= (x >> a & 1) << b
                z ^= (z >> b & 1) << a
            elif kind == CZ:
                z ^= (x >> a & 1) << b ^ (x >> b & 1) << a
            elif kind == SWAP:
                differ = (x >> a ^ x >> b) & 1
                x ^= differ << a | differ << b
                differ = (z >> a ^ z >> b) & 1
                z ^= differ << a | differ << b
            if event < starts[k + 1] and places[event] == g:
                pauli = paulis[event]
                x ^= (pauli & 1) << a
                z ^= (pauli >> 1 & 1) << a
                if b >= 0:
                    x ^= (pauli >> 2 & 1) << b
                    z ^= (pauli >> 3 & 1) << b
                event += 1
        flips[k] = x


@_jit
def find_outcomes(probabilities, shots, places):
    """Return (S,) int64 the outcomes whose cumulated probabilities hold ``places`` (S,) in [0, 1), row after row.

    Row r of ``probabilities`` (N, D) has ``shots[r]`` of them. Its sum need not be 1.
    """
    n_rows, size = probabilities.shape
    out = np.empty(places.size, np.int64)
    steps = np.empty(size, np.float64)
    shot = 0
    for row in range(n_rows):
        if shots[row] == 0:
            continue
        total = 0.0
        for i in range(size):
            total += np.float64(probabilities[row, i])
            steps[i] = total
        for _ in range(shots[row]):
            place = places[shot] * total  # rounding may put it above the last step
            low = 0
            high = size - 1
            while low < high:
                middle = (low + high) // 2
                if steps[middle] > place:
                    high = middle
                else:
                    low = middle + 1
            out[shot] = low
            shot += 1
    return out
