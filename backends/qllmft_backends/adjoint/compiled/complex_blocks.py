"""All steps of a complex program on one chunk, block by block.

The rows of a block are gathered into contiguous memory, computed on, and written back.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from qllmft_backends.adjoint.compiled.complex_gates import backward_steps, forward_steps
from qllmft_backends.adjoint.compiled.simd import aligned, lanes, load, store

_jit = njit(cache=True, nogil=True, error_model="numpy")


@_jit
def _places(strides, bits, row, out):
    """Compute the offsets of a block's rows from its first one. ``row`` is the length of a row."""
    for i in range(1 << bits):
        place = 0
        for b in range(bits):
            if i >> b & 1:
                place += strides[b]
        out[i] = place * row


@_jit
def _begin(number, strides, bits, row):
    """Return the offset of block ``number``, whose other row bits spell the number."""
    for b in range(bits):
        number += number & -strides[b]
    return number * row


@_jit
def _gather(s, begin, places, count, part):
    width = lanes(s.itemsize)
    for i in range(count):
        k = begin + places[i]
        store(part, 2 * width * i, load(s, k))
        store(part, 2 * width * i + width, load(s, k + width))


@_jit
def _scatter(s, begin, places, count, part):
    width = lanes(s.itemsize)
    for i in range(count):
        k = begin + places[i]
        store(s, k, load(part, 2 * width * i))
        store(s, k + width, load(part, 2 * width * i + width))


@_jit
def run_forward(s, plan, coefficients):
    """Run all steps on a chunk ``s``."""
    row = 2 * lanes(s.itemsize)
    largest = 1 << plan.strides.shape[1]
    part, places = aligned(s, largest * row), np.empty(largest, np.int64)
    for n in range(plan.blocks.shape[0]):
        first, stop, bits = plan.blocks[n]
        steps, strides = plan.steps[first:stop], plan.strides[n]
        if bits == 0:
            forward_steps(s, steps, coefficients)
            continue
        count = 1 << bits
        _places(strides, bits, row, places)
        for number in range(s.size // (count * row)):
            begin = _begin(number, strides, bits, row)
            _gather(s, begin, places, count, part)
            forward_steps(part, steps, coefficients)
            _scatter(s, begin, places, count, part)


@_jit
def run_backward(s, c, plan, coefficients, by_lane):
    """Undo all steps on state ``s`` and co-state ``c``.

    Args:
        s: (2^(Q+1) · L,) final state of a chunk; the initial one afterwards.
        c: its co-state, of the same shape, undone in place too.
        plan: `ComplexPlanArrays`.
        coefficients: (8·N·width,) registers of the inverses, see `spread_matrices`.
        by_lane: (3·N·width,) in the dtype of ``s``; the sums K, X and Y of every gate with a
            parameter are added, one register each.
    """
    row = 2 * lanes(s.itemsize)
    largest = 1 << plan.strides.shape[1]
    part, other = aligned(s, largest * row), aligned(s, largest * row)
    places = np.empty(largest, np.int64)
    for n in range(plan.blocks.shape[0] - 1, -1, -1):
        first, stop, bits = plan.blocks[n]
        steps, strides = plan.steps[first:stop], plan.strides[n]
        if bits == 0:
            backward_steps(s, c, steps, plan.gates, coefficients, by_lane)
            continue
        count = 1 << bits
        _places(strides, bits, row, places)
        for number in range(s.size // (count * row)):
            begin = _begin(number, strides, bits, row)
            _gather(s, begin, places, count, part)
            _gather(c, begin, places, count, other)
            backward_steps(part, other, steps, plan.gates, coefficients, by_lane)
            _scatter(s, begin, places, count, part)
            _scatter(c, begin, places, count, other)
