"""Z strings on a batch of real states: their expectation values, and the co-state that begins the way back.

Registers are taken in blocks of 32. One Walsh-Hadamard transform of a block gives the sums with every pattern of signs
over its five qubits; a string then adds one of them per block. That is about six additions per amplitude for all
strings together.
"""

from __future__ import annotations

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
    block = aligned_empty(s, count * width)
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
def write_weights(weights, start, batch, lane_signs, out):
    """Write 2·w_t by lane, with the signs of the qubits inside registers.

    Args:
        weights: (B, T) of all samples.
        start: first sample of the chunk.
        batch: L.
        lane_signs: (T·width,) of `PlanArrays`.
        out: (T·width,), overwritten; 0 for samples past the end.
    """
    samples, n_strings = weights.shape
    width = count_lanes(out)
    for t in range(n_strings):
        for lane in range(width):
            sample = start + lane % batch
            i = t * width + lane
            out[i] = 2 * weights[sample, t] * lane_signs[i] if sample < samples else 0


@part
def sum_lanes(by_lane, lane_signs, t, sample, batch):
    """Return the sum of a string's lanes that belong to a sample, with the signs of the qubits inside registers.

    Args:
        by_lane: (T·width,) sums of the strings by lane.
        lane_signs: (T·width,) of `PlanArrays`.
        t: number of the string.
        sample: number of the sample in its chunk, below L.
        batch: L.
    """
    width = count_lanes(by_lane)
    total = 0.0
    for lane in range(t * width + sample, (t + 1) * width, batch):
        total += by_lane[lane] * lane_signs[lane]
    return total


@part
def multiply_costate(c, factors):
    """Multiply a co-state with factors of the same shape."""
    width = count_lanes(c)
    for k in range(0, c.size, width):
        store(c, k, mul(load(c, k), load(factors, k)))


@part
def spread(row, offset, by_sample, width):
    """Spread one number per sample over a register: lane i belongs to sample i mod L.

    Args:
        row: of one dimension; ``row[offset : offset + width]`` is overwritten.
        offset: index of the register's first number.
        by_sample: (L,), with L a power of two, at most ``width``.
        width: lanes of a register.
    """
    last = by_sample.size - 1
    for lane in range(width):
        row[offset + lane] = by_sample[lane & last]


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
    block = aligned_empty(s, count * width)
    factors = aligned_empty(s, width)
    spread(factors, 0, product, width)
    factor = load(factors, 0)
    for first in range(0, rows, count):
        sign_block(block, count, width, first, row_masks, weights)
        for i in range(count):
            k = (first + i) * width
            psi = mul(load(s, k), factor)
            store(s, k, psi)
            store(c, k, mul(psi, load(block, i * width)))
