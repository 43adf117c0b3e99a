"""Whole complex programs on one chunk: forward with all expectation values, and backward with the adjoint method.

Steps run block by block: the rows of a block are gathered into contiguous memory, computed on, and written back.
"""

from __future__ import annotations

import numpy as np

from qllmft_backends.adjoint.compiled.complex_gates import backward_steps, forward_steps
from qllmft_backends.adjoint.compiled.complex_matrices import (
    add_derivatives,
    make_matrices,
    spread_matrices,
)
from qllmft_backends.adjoint.compiled.complex_observables import (
    measure_paulis,
    start_complex_costate,
)
from qllmft_backends.adjoint.compiled.parts import inlined_part, part
from qllmft_backends.adjoint.compiled.simd import aligned_empty, lanes, load, store


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


@inlined_part
def _copy_row(source, k, target, target_start):
    width = lanes(source.itemsize)
    store(target, target_start, load(source, k))
    store(target, target_start + width, load(source, k + width))


@part
def _gather(s, begin, places, count, part):
    for i in range(count):
        _copy_row(s, begin + places[i], part, 2 * lanes(s.itemsize) * i)


@part
def _scatter(s, begin, places, count, part):
    for i in range(count):
        _copy_row(part, 2 * lanes(s.itemsize) * i, s, begin + places[i])


@part
def run_forward(s, plan, coefficients):
    """Run all steps on a chunk ``s``."""
    row = 2 * lanes(s.itemsize)
    largest = 1 << plan.strides.shape[1]
    part = aligned_empty(s, largest * row)
    places = np.empty(largest, np.int64)
    for n in range(plan.blocks.shape[0]):
        first, stop, bits = plan.blocks[n]
        steps = plan.steps[first:stop]
        strides = plan.strides[n]
        if bits == 0:
            forward_steps(s, steps, coefficients)
            continue
        count = 1 << bits
        _compute_row_offsets(strides, bits, row, places)
        for number in range(s.size // (count * row)):
            begin = _block_offset(number, strides, bits, row)
            _gather(s, begin, places, count, part)
            forward_steps(part, steps, coefficients)
            _scatter(s, begin, places, count, part)


@part
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
    part = aligned_empty(s, largest * row)
    costate_part = aligned_empty(s, largest * row)
    places = np.empty(largest, np.int64)
    for n in range(plan.blocks.shape[0] - 1, -1, -1):
        first, stop, bits = plan.blocks[n]
        steps = plan.steps[first:stop]
        strides = plan.strides[n]
        if bits == 0:
            backward_steps(s, c, steps, plan.gates, coefficients, by_lane)
            continue
        count = 1 << bits
        _compute_row_offsets(strides, bits, row, places)
        for number in range(s.size // (count * row)):
            begin = _block_offset(number, strides, bits, row)
            _gather(s, begin, places, count, part)
            _gather(c, begin, places, count, costate_part)
            backward_steps(part, costate_part, steps, plan.gates, coefficients, by_lane)
            _scatter(s, begin, places, count, part)
            _scatter(c, begin, places, count, costate_part)


@part
def _load_initial(s, batch, initial, count):
    """Load the initial amplitudes into a chunk. Samples past ``count`` stay zero."""
    width = lanes(s.itemsize)
    s[:] = 0
    for i in range(max(1, initial.shape[1])):
        for sample in range(count):
            place = i * batch + sample
            real_index = place // width * 2 * width + place % width
            s[real_index] = initial[0, i] if initial.shape[1] else 1
            s[real_index + width] = initial[1, i] if initial.shape[1] else 0


@part
def _make_coefficients(plan, arrays, start, inverse):
    n_gates = plan.gates.shape[0]
    batch = plan.sizes[0]
    matrices = np.empty((8 * n_gates, min(batch, arrays.sin.shape[1] - start)))
    make_matrices(plan.gates, plan.factors, arrays.sin, arrays.cos, start, matrices)
    out = aligned_empty(arrays.states, 8 * n_gates * lanes(arrays.states.itemsize))
    spread_matrices(plan.gates, matrices, batch, inverse, out)
    return out


@part
def forward(plan, arrays, chunk):
    """Run a program on one chunk and measure (see `ComplexPlanArrays` and `ComplexForward`)."""
    batch = plan.sizes[0]
    size = plan.sizes[1]
    n_diagonal = plan.sizes[2]
    start = chunk * batch
    out = arrays.out
    s = arrays.states[chunk, :size]
    width = lanes(s.itemsize)
    count = min(batch, out.shape[0] - start)
    _load_initial(s, batch, arrays.initial, count)
    run_forward(s, plan, _make_coefficients(plan, arrays, start, False))
    by_lane = np.empty(out.shape[1] * width, s.dtype)
    measure_paulis(s, plan.strings, n_diagonal, by_lane)
    for sample in range(count):
        for t in range(out.shape[1]):
            total = 0.0
            for lane in range(sample, width, batch):
                total += by_lane[t * width + lane] * plan.lane_signs[t * width + lane]
            out[start + sample, t] = total


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
    width = lanes(s.itemsize)
    by_lane = np.zeros(strings.shape[0] * width, s.dtype)
    for t in range(strings.shape[0]):
        for lane in range(width):
            sample = start + lane % batch
            if sample < arrays.weights.shape[0]:
                sign = plan.lane_signs[t * width + (lane ^ strings[t, 1])]
                by_lane[t * width + lane] = sign * arrays.weights[sample, t]
    start_complex_costate(s, c, strings, n_diagonal, by_lane)
    sums = aligned_empty(s, 3 * plan.gates.shape[0] * width)
    sums[:] = 0
    run_backward(s, c, plan, _make_coefficients(plan, arrays, start, True), sums)
    add_derivatives(
        plan.gates, plan.factors, arrays.sin, arrays.cos, start, batch, sums, arrays.gradient
    )
