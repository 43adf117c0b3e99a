"""Whole complex programs on one chunk: forward with all expectation values, and backward with the adjoint method.

A small state is changed in place. Steps on a large one run block by block: the rows of a block are gathered into
contiguous memory, computed on, and written back.
"""

from __future__ import annotations

import numpy as np

from qllmft_engine.compiled.complex_derivatives import add_derivatives
from qllmft_engine.compiled.complex_matrices import (
    ENTRIES,
    make_matrices,
    spread_matrices,
)
from qllmft_engine.compiled.complex_observables import (
    measure_paulis,
    start_complex_costate,
)
from qllmft_engine.compiled.complex_rows import read_row, store_row
from qllmft_engine.compiled.complex_steps import backward_steps, forward_steps
from qllmft_engine.compiled.parts import part
from qllmft_engine.compiled.simd import SAMPLES, aligned_empty, count_lanes, load


@part
def _compute_row_offsets(strides, bits, row, out):
    """Compute the offsets of a block's rows from its first one. ``row`` is the length of a row."""
    for i in range(1 << bits):
        place = 0
        for b in range(bits):
            if i >> b & 1:
                place += strides[b]
        out[i] = place * row


@part
def _block_offset(number, strides, bits, row):
    """Return the offset of block ``number``, whose other row bits spell the number."""
    for b in range(bits):
        number += number & -strides[b]
    return number * row


@part
def _gather(s, begin, places, count, part):
    for i in range(count):
        store_row(part, 2 * count_lanes(s) * i, read_row(load, s, begin + places[i]))


@part
def _scatter(s, begin, places, count, part):
    for i in range(count):
        store_row(s, begin + places[i], read_row(load, part, 2 * count_lanes(s) * i))


@part
def run_forward(s, plan, coefficients, is_full):
    """Run all steps on a chunk.

    Args:
        s: (2^(Q+1) · L,) initial state of the chunk; the final one afterwards.
        plan: `ComplexPlanArrays`.
        coefficients: (8·N·width,) registers of the gates, see `spread_matrices`.
        is_full: (N,) bool, see `spread_matrices`.
    """
    row = 2 * count_lanes(s)
    largest = 1 << plan.strides.shape[1]
    part = aligned_empty(s, largest * row)
    places = np.empty(largest, np.int64)
    for n in range(plan.blocks.shape[0]):
        first, stop, bits = plan.blocks[n]
        steps = plan.steps[first:stop]
        strides = plan.strides[n]
        if bits == 0:
            forward_steps(s, steps, coefficients, is_full)
            continue
        count = 1 << bits
        _compute_row_offsets(strides, bits, row, places)
        for number in range(s.size // (count * row)):
            begin = _block_offset(number, strides, bits, row)
            _gather(s, begin, places, count, part)
            forward_steps(part, steps, coefficients, is_full)
            _scatter(s, begin, places, count, part)


@part
def run_backward(s, c, plan, coefficients, is_full, by_lane):
    """Undo all steps on state ``s`` and co-state ``c``.

    Args:
        s: (2^(Q+1) · L,) final state of a chunk; the initial one afterwards.
        c: its co-state, of the same shape, undone in place too.
        plan: `ComplexPlanArrays`.
        coefficients: (8·N·width,) registers of the inverses, see `spread_matrices`.
        is_full: (N,) bool, see `spread_matrices`.
        by_lane: (3·N·width,) in the dtype of ``s``; the sums K, X and Y of every gate with a
            parameter are added, one register each.
    """
    row = 2 * count_lanes(s)
    largest = 1 << plan.strides.shape[1]
    part = aligned_empty(s, largest * row)
    costate_part = aligned_empty(s, largest * row)
    places = np.empty(largest, np.int64)
    for n in range(plan.blocks.shape[0] - 1, -1, -1):
        first, stop, bits = plan.blocks[n]
        steps = plan.steps[first:stop]
        strides = plan.strides[n]
        if bits == 0:
            backward_steps(s, c, steps, plan.gates, coefficients, is_full, by_lane)
            continue
        count = 1 << bits
        _compute_row_offsets(strides, bits, row, places)
        for number in range(s.size // (count * row)):
            begin = _block_offset(number, strides, bits, row)
            _gather(s, begin, places, count, part)
            _gather(c, begin, places, count, costate_part)
            backward_steps(part, costate_part, steps, plan.gates, coefficients, is_full, by_lane)
            _scatter(s, begin, places, count, part)
            _scatter(c, begin, places, count, costate_part)


@part
def _load_initial(s, batch, initial, count):
    """Load the initial amplitudes into a chunk. Samples past ``count`` stay zero."""
    width = count_lanes(s)
    s[:] = 0
    for i in range(max(1, initial.shape[1])):
        for sample in range(count):
            place = i * batch + sample
            real_index = place // width * 2 * width + place % width
            s[real_index] = initial[0, i] if initial.shape[1] else 1
            s[real_index + width] = initial[1, i] if initial.shape[1] else 0


@part
def _make_coefficients(plan, arrays, start, inverse):
    """Return the coefficients and flags of the kernels, the matrices, and the factors of `spread_matrices`."""
    n_gates = plan.gates.shape[0]
    matrices = aligned_empty(arrays.sin, n_gates * ENTRIES)
    coefficients = aligned_empty(arrays.states, 8 * n_gates * count_lanes(arrays.states))
    is_full = np.empty(n_gates, np.bool_)
    product = aligned_empty(arrays.sin, SAMPLES)
    squares = aligned_empty(arrays.sin, 2 * n_gates * SAMPLES)
    make_matrices(plan, arrays.sin, arrays.cos, start, matrices)
    # a constant True or False would be a type of its own, and the function be compiled for both
    inverse = np.bool_(inverse)
    spread_matrices(plan, matrices, inverse, coefficients, is_full, product, squares)
    return coefficients, is_full, matrices, product, squares


@part
def forward(plan, arrays, chunk):
    """Run a program on one chunk and measure (see `ComplexPlanArrays` and `ComplexForward`)."""
    batch = plan.sizes[0]
    size = plan.sizes[1]
    n_diagonal = plan.sizes[2]
    start = chunk * batch
    out = arrays.out
    s = arrays.states[chunk, :size]
    width = count_lanes(s)
    count = min(batch, out.shape[0] - start)
    coefficients, is_full, _, product, _ = _make_coefficients(plan, arrays, start, False)
    _load_initial(s, batch, arrays.initial, count)
    run_forward(s, plan, coefficients, is_full)
    by_lane = aligned_empty(s, out.shape[1] * width)
    measure_paulis(s, plan.strings, n_diagonal, by_lane)
    for sample in range(batch):
        arrays.product[chunk, sample] = product[sample]
    for sample in range(count):
        square = product[sample] * product[sample]
        for t in range(out.shape[1]):
            total = 0.0
            for lane in range(sample, width, batch):
                total += by_lane[t * width + lane] * plan.lane_signs[t * width + lane]
            out[start + sample, t] = total * square


@part
def backward(plan, arrays, chunk):
    """Undo a program on one chunk and collect the derivatives (see `ComplexPlanArrays` and `ComplexBackward`)."""
    batch = plan.sizes[0]
    size = plan.sizes[1]
    n_diagonal = plan.sizes[2]
    start = chunk * batch
    strings = plan.strings
    s = arrays.states[chunk, :size]
    c = arrays.costates[chunk, :size]
    width = count_lanes(s)
    by_lane = aligned_empty(s, strings.shape[0] * width)
    for t in range(strings.shape[0]):
        for lane in range(width):
            sample = start + lane % batch
            weight = 0.0
            if sample < arrays.weights.shape[0]:
                sign = plan.lane_signs[t * width + (lane ^ strings[t, 1])]
                weight = sign * arrays.weights[sample, t]
            by_lane[t * width + lane] = weight
    start_complex_costate(s, c, arrays.product[chunk], strings, n_diagonal, by_lane)
    sums = aligned_empty(s, 3 * plan.gates.shape[0] * width)
    sums[:] = 0
    coefficients, is_full, matrices, _, squares = _make_coefficients(plan, arrays, start, True)
    run_backward(s, c, plan, coefficients, is_full, sums)
    add_derivatives(
        plan, matrices, squares, is_full, arrays.sin, arrays.cos, start, sums, arrays.gradient
    )
