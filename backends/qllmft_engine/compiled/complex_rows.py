"""Rows of complex amplitudes: where they are, how they are read and written, and products of their numbers.

A row is two registers: real parts, then imaginary parts. Kernels with many values read *pieces* of registers instead
(see `simd.count_pieces`), and do the pieces of a few rows one after the other, so that the rows stay in the first level
of cache.
"""

from __future__ import annotations

from qllmft_engine.compiled.parts import inlined_part
from qllmft_engine.compiled.simd import add, count_lanes, mul, store, sub

# pairs of rows, of state and co-state 8 KiB, whose pieces are done one after the other
PIECE_PAIRS = 16


@inlined_part
def read_places(step):
    """Return where a step of `ComplexPlan` acts: its columns from the numbers to loop over to the target's stride."""
    return step[2], step[3], step[4], step[5], step[6]


@inlined_part
def read_row(read, s, k):
    """Return real and imaginary parts of the row at k. ``read`` is `load`, `load_piece` or `load_half`."""
    return read(s, k), read(s, k + count_lanes(s))


@inlined_part
def store_row(s, k, x):
    """Write registers, or pieces of them, to the row at k."""
    width = count_lanes(s)
    store(s, k, x[0])
    store(s, k + width, x[1])


@inlined_part
def product(a, b):
    """Return a·b of complex numbers of two registers each."""
    return sub(mul(a[0], b[0]), mul(a[1], b[1])), add(mul(a[0], b[1]), mul(a[1], b[0]))


@inlined_part
def imaginary(a, b):
    """Return Im a*·b."""
    return sub(mul(a[0], b[1]), mul(a[1], b[0]))


@inlined_part
def real(a, b):
    """Return Re a*·b."""
    return add(mul(a[0], b[0]), mul(a[1], b[1]))


@inlined_part
def product_with_conjugate(a, b):
    """Return a*·b."""
    return real(a, b), imaginary(a, b)
