"""Pauli strings on a batch of complex states: their expectation values, and the co-state that begins the way back.

A string of X on the qubits x and Z on the qubits z, Y on those of both, is P|j⟩ = i^y (−1)^|z∧j| |j⊕x⟩ with y the
number of Ys. Strings of I and Z are summed together, as in `observables`; each other one takes a pass over the state.
"""

from __future__ import annotations

from qllmft_engine.compiled.gates import exchange
from qllmft_engine.compiled.observables import (
    BLOCK_BITS,
    add_strings,
    has_odd_parity,
    sign_block,
    spread,
)
from qllmft_engine.compiled.parts import part
from qllmft_engine.compiled.simd import (
    add,
    aligned_empty,
    count_lanes,
    load,
    mul,
    store,
    sub,
)


@part
def _partner(x, mask):
    """Return the register whose lane i is lane i XOR ``mask`` of ``x``."""
    for distance in (1, 2, 4, 8):
        if mask & distance:
            x = exchange(x, distance)
    return x


@part
def measure_paulis(s, strings, n_diagonal, by_lane):
    """Compute ⟨P⟩ by lane into ``by_lane`` (T·width), up to the signs of the qubits inside registers.

    Args:
        s: (2^(Q+1) · L,) states of a chunk, rows of two registers.
        strings: (T, 4) int64: masks of x by row bits, of x by lanes and of z by row bits, and the
            number of Ys modulo 4. A qubit with Y is in x and in z.
        n_diagonal: number of strings of I and Z, which come first.
        by_lane: (T·width,) in the dtype of ``s``, overwritten.
    """
    width = count_lanes(s)
    rows = s.size // (2 * width)
    count = min(rows, 1 << BLOCK_BITS)
    block = aligned_empty(s, count * width)
    by_lane[:] = 0
    masks = strings[:n_diagonal, 2].copy()
    for first in range(0, rows if n_diagonal else 0, count):
        for i in range(count):
            k = 2 * width * (first + i)
            a = load(s, k)
            b = load(s, k + width)
            store(block, i * width, add(mul(a, a), mul(b, b)))
        add_strings(block, count, width, first, masks, by_lane)
    for t in range(n_diagonal, strings.shape[0]):
        x_row = strings[t, 0]
        x_lane = strings[t, 1]
        z_row = strings[t, 2]
        turns = strings[t, 3]
        total = load(by_lane, t * width)
        zero = total
        for row in range(rows):
            j = 2 * width * row
            k = 2 * width * (row ^ x_row)
            a = _partner(load(s, k), x_lane)
            b = _partner(load(s, k + width), x_lane)
            c = load(s, j)
            d = load(s, j + width)
            # Re i q, or Re q, of q = (a + ib)* (c + id)
            part = sub(mul(b, c), mul(a, d)) if turns & 1 else add(mul(a, c), mul(b, d))
            total = sub(total, part) if has_odd_parity(z_row & row) else add(total, part)
        store(by_lane, t * width, sub(zero, total) if turns & 2 else total)


@part
def start_complex_costate(s, c, product, strings, n_diagonal, weights):
    """Compute λ = Σ_t w_t P_t ψ into ``c`` (see `measure_paulis`), and multiply ``s`` with its factors.

    Args:
        s: (2^(Q+1) · L,) final states of a chunk, ψ divided by ``product``, rows of two registers; ψ afterwards.
        c: of the same shape, overwritten.
        product: (L,) factors of the stored states.
        strings: (T, 4) int64, those of I and Z first.
        n_diagonal: number of strings of I and Z.
        weights: (T·width,) w_t by lane of λ, with the signs of the qubits inside registers.
    """
    width = count_lanes(s)
    rows = s.size // (2 * width)
    count = min(rows, 1 << BLOCK_BITS)
    block = aligned_empty(s, count * width)
    factors = aligned_empty(s, width)
    spread(factors, 0, product, width)
    factor = load(factors, 0)
    masks = strings[:n_diagonal, 2].copy()
    for first in range(0, rows, count):
        sign_block(block, count, width, first, masks, weights)
        for i in range(count):
            k = 2 * width * (first + i)
            w = load(block, i * width)
            real = mul(load(s, k), factor)
            imaginary = mul(load(s, k + width), factor)
            store(s, k, real)
            store(s, k + width, imaginary)
            store(c, k, mul(w, real))
            store(c, k + width, mul(w, imaginary))
    for t in range(n_diagonal, strings.shape[0]):
        x_row = strings[t, 0]
        x_lane = strings[t, 1]
        z_row = strings[t, 2]
        turns = strings[t, 3]
        w = load(weights, t * width)
        negative = sub(sub(w, w), w)
        for row in range(rows):
            j = row ^ x_row
            k = 2 * width * row
            a = _partner(load(s, 2 * width * j), x_lane)
            b = _partner(load(s, 2 * width * j + width), x_lane)
            v = negative if has_odd_parity(z_row & j) != (turns >= 2) else w
            if turns & 1:
                store(c, k, sub(load(c, k), mul(v, b)))
                store(c, k + width, add(load(c, k + width), mul(v, a)))
            else:
                store(c, k, add(load(c, k), mul(v, a)))
                store(c, k + width, add(load(c, k + width), mul(v, b)))
