"""Pauli frames pushed through circuits; the rules, and why they hold, are in `qllmft_backends.adjoint.frames`."""

from __future__ import annotations

from numba import njit

RY, H, CX, CZ, SWAP, PAULI = 0, 1, 2, 3, 4, 5  # PAULI: X, Z and the identity, which leave every frame as it is

_jit = njit(cache=True, nogil=True, error_model="numpy")


@_jit
def walk(gates, starts, places, paulis, signs, flips):
    """Push the errors of K trajectories to the end of the circuit.

    Args:
        gates: (N, 4) int32: kind, qubit, second qubit (-1: none), rotation slot (-1: none).
        starts: (K + 1) int64: errors starts[k]..starts[k + 1] - 1 are those of trajectory k, in the order of gates.
        places: (E,) int64: the gate that an error follows.
        paulis: (E,) int64: bits 0 and 1 are x and z on the gate's qubit, bits 2 and 3 those on its second qubit.
        signs: (K, G) int8, all 1: set to -1 where the angle of a rotation changes its sign.
        flips: (K,) int64, overwritten: the qubits that the frame flips at the end; bit q is qubit q.
    """
    for k in range(starts.size - 1):
        x, z = 0, 0
        event = starts[k]
        for g in range(places[event] if event < starts[k + 1] else gates.shape[0], gates.shape[0]):
            kind, a, b = gates[g, 0], gates[g, 1], gates[g, 2]
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
