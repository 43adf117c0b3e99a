"""Z strings on a batch of real states: their expectation values, and the co-state that begins the way back.

Registers are taken in blocks of 32. One Walsh-Hadamard transform of a block gives the sums with every pattern of signs
over its five qubits; a string then adds one of them per block. That is about six additions per amplitude for all
strings together.
"""

from __future__ import annotations

import numpy as np

from qllmft_backends.adjoint.compiled.normals import fill_normal
from qllmft_backends.adjoint.compiled.parts import part
from qllmft_backends.adjoint.compiled.rotations import spread
from qllmft_backends.adjoint.compiled.simd import (
    add,
    count_lanes,
    load,
    mul,
    select_positive,
    store,
    sub,
)

BLOCK_BITS = 5


@part
def has_odd_parity(bits):
    """Return whether ``bits`` has an odd number of ones."""
    for shift in (32, 16, 8, 4, 2, 1):
        bits ^= bits >> shift
    return bits & 1 == 1


@part
def transform(block, count, width):
    """Transform ``count`` registers in place (Walsh-Hadamard)."""
    step = width
    while step < count * width:
        for start in range(0, count * width, 2 * step):
            for k in range(start, start + step, width):
                a = load(block, k)
                b = load(block, k + step)
                store(block, k, add(a, b))
                store(block, k + step, sub(a, b))
        step *= 2


@part
def measure_strings(s, row_masks, out):
    """Compute Σ ±ψ² by lane into ``out`` (T·width), with the sign of each Z string over the registers.

    ``s`` are the amplitudes (2^Q · L), ``row_masks`` (T,) the Z strings, shifted past the qubits inside registers.
    """
    width = count_lanes(s)
    rows = s.size // width
    count = min(rows, 1 << BLOCK_BITS)
    block = np.empty(count * width, s.dtype)
    out[:] = 0
    for first in range(0, rows, count):
        for i in range(count):
            x = load(s, (first + i) * width)
            store(block, i * width, mul(x, x))
        add_strings(block, count, width, first, row_masks, out)


@part
def add_strings(block, count, width, first, row_masks, out):
    """Add a block, which begins at register ``first``, to every string.

    Args:
        block: (``count`` · width,), overwritten with its Walsh-Hadamard transform.
        count: number of registers of the block, a power of two up to 2^`BLOCK_BITS`.
        width: lanes of a register.
        first: number of a register of the chunk, a multiple of ``count``; its bits are those of the
            masks.
        row_masks: (T,) int64 Z strings, shifted past the qubits inside registers.
        out: (T·width,), to which the signed sums are added by lane.
    """
    transform(block, count, width)
    for t in range(row_masks.size):
        part = load(block, (row_masks[t] & (count - 1)) * width)
        total = load(out, t * width)
        store(
            out,
            t * width,
            sub(total, part) if has_odd_parity(first & row_masks[t]) else add(total, part),
        )


@part
def sign_block(block, count, width, first, row_masks, weights):
    """Compute Σ_t ±w_t of every register of a block, which begins at register ``first``: the transform of few sums.

    Args:
        block: (``count`` · width,), overwritten.
        count: see `add_strings`; so are the next three.
        width: lanes of a register.
        first: number of a register of the chunk.
        row_masks: (T,) int64 Z strings.
        weights: (T·width,) w_t by lane.
    """
    block[:] = 0
    for t in range(row_masks.size):
        place = (row_masks[t] & (count - 1)) * width
        w = load(weights, t * width)
        total = load(block, place)
        store(
            block, place, sub(total, w) if has_odd_parity(first & row_masks[t]) else add(total, w)
        )
    transform(block, count, width)


@part
def measure_shots(s, noise, product, scale, row_masks, out):
    """Compute Σ ±ŷ/n by lane into ``out`` (T·width) from the rectified frequencies of eq. 2.

    ŷ/n = ψ (ψ u + ε v), v = 1/sqrt(n), u = 1 - v Σ ψ ε.

    Args:
        s: (2^Q · L,) ψ divided by ``product``; unchanged.
        noise: (2^Q · L,) ε, overwritten with 1 for outcomes that count, 0 for rectified ones.
        product: (L,) factors of the states.
        scale: v, a number.
        row_masks: (T,) int64 Z strings, shifted past the qubits inside registers.
        out: (T·width,) in the dtype of ``s``, overwritten.
    """
    width = count_lanes(s)
    batch = product.size
    rows = s.size // width
    count = min(rows, 1 << BLOCK_BITS)
    block = np.zeros(count * width, s.dtype)
    table = np.zeros(4 * width, s.dtype)  # registers: Σ ψ ε, then u; v; product; 1
    zero = load(table, 0)
    overlap = zero
    for k in range(0, s.size, width):
        overlap = add(overlap, mul(load(s, k), load(noise, k)))
    store(table, 0, overlap)
    for sample in range(batch):
        total = 0.0
        for lane in range(sample, width, batch):
            total += table[lane]
        for lane in range(sample, width, batch):
            table[lane] = 1 - scale * total * product[sample]
            table[width + lane] = scale
            table[2 * width + lane] = product[sample]
            table[3 * width + lane] = 1
    u = load(table, 0)
    v = load(table, width)
    factor = load(table, 2 * width)
    unit = load(table, 3 * width)
    out[:] = 0
    for first in range(0, rows, count):
        for i in range(count):
            k = (first + i) * width
            psi = mul(load(s, k), factor)
            frequency = mul(psi, add(mul(psi, u), mul(load(noise, k), v)))
            store(block, i * width, select_positive(frequency, frequency, zero))
            store(noise, k, select_positive(frequency, unit, zero))
        add_strings(block, count, width, first, row_masks, out)


@part
def multiply_costate(c, factors):
    """Multiply a co-state with the marks of `measure_shots`."""
    width = count_lanes(c)
    for k in range(0, c.size, width):
        store(c, k, mul(load(c, k), load(factors, k)))


@part
def start_costate(s, c, product, row_masks, weights):
    """Compute λ = 2 Σ_t w_t Z_t ψ into ``c``, and multiply the state ``s`` with its factors ``product`` (L,).

    Args:
        s: (2^Q · L,) ψ divided by ``product``; ψ afterwards.
        c: (2^Q · L,), overwritten.
        product: (L,) factors of the stored states.
        row_masks: (T,) int64 Z strings, shifted past the qubits inside registers.
        weights: (T·width,) 2·w_t by lane, with the signs of the qubits inside registers.
    """
    width = count_lanes(s)
    rows = s.size // width
    count = min(rows, 1 << BLOCK_BITS)
    block = np.empty(count * width, s.dtype)
    factors = np.empty(width, s.dtype)
    spread(factors, 0, product, width)
    factor = load(factors, 0)
    for first in range(0, rows, count):
        sign_block(block, count, width, first, row_masks, weights)
        for i in range(count):
            k = (first + i) * width
            psi = mul(load(s, k), factor)
            store(s, k, psi)
            store(c, k, mul(psi, load(block, i * width)))


@part
def start_reparametrised_costate(s, c, product, row_masks, weights, key, noise, scale):
    """Compute the co-state of the rectified frequencies of eq. 2 with ε fixed into ``c`` (see `GaussianShots`).

    Args:
        s: (2^Q · L,) ψ divided by ``product``; ψ afterwards.
        c: (2^Q · L,), overwritten.
        product: (L,) factors of the stored states.
        row_masks: (T,) int64, see `start_costate`.
        weights: (T·width,), see `start_costate`.
        key: three uint32: the two words of the key and the stream of `fill_normal`.
        noise: (2^Q · L,), overwritten with ε.
        scale: 1/sqrt(n) of n shots, a number.
    """
    batch = product.size
    noise[:] = 1
    start_costate(noise, c, np.ones_like(product), row_masks, weights)  # 2 Σ_t w_t Z_t
    fill_normal(key[0], key[1], key[2], noise)
    # Σ ψ ε, and Σ w ψ² of positive outcomes
    overlap = np.zeros(batch, s.dtype)
    positive_weights = np.zeros(batch, s.dtype)
    for k in range(s.size):
        s[k] *= product[k % batch]
        overlap[k % batch] += s[k] * noise[k]
    for k in range(s.size):
        sample = k % batch
        u = 1 - scale * overlap[sample]
        psi = s[k]
        w = c[k] / 2
        if psi * (psi * u + scale * noise[k]) > 0:
            c[k] = w * (2 * psi * u + scale * noise[k])
            positive_weights[sample] += w * psi * psi
        else:
            c[k] = 0
    for k in range(s.size):
        c[k] -= positive_weights[k % batch] * scale * noise[k]
