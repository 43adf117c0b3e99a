"""Whole programs on one chunk: forward with all exact expectation values, and backward with the adjoint method.

A chunk holds the states of L samples; amplitude i of sample l is ``s[i * L + l]``, so the batch is innermost and every
gate works on whole registers. Each chunk runs the whole program on one thread, without synchronisation, so that results
do not depend on the number of threads.
"""

from __future__ import annotations

from qllmft_engine.compiled.observables import (
    measure_strings,
    multiply_costate,
    start_costate,
    sum_lanes,
    write_weights,
)
from qllmft_engine.compiled.parts import part
from qllmft_engine.compiled.rotations import compute_coefficients
from qllmft_engine.compiled.simd import aligned_empty, count_lanes
from qllmft_engine.compiled.steps import run


@part
def _load_amplitudes(s, batch, amplitudes, start):
    """Load amplitudes (B, D) of samples from ``start`` on, |0...0⟩ if D is 0. Samples past the end stay zero."""
    samples, dimension = amplitudes.shape
    count = min(batch, samples - start)
    if dimension == 0:  # of the qubits inside registers; the others join later
        s[: count_lanes(s)] = 0
        for lane in range(count):
            s[lane] = 1
        return
    s[dimension * batch :] = 0
    for i in range(dimension):
        for lane in range(batch):
            s[i * batch + lane] = amplitudes[start + lane, i] if lane < count else 0


@part
def forward(plan, arrays, chunk):
    """Run a program on one chunk and measure (see `PlanArrays` and `ForwardArrays`)."""
    batch = plan.sizes[0]
    size = plan.sizes[1]
    start = chunk * batch
    s = arrays.states[chunk, :size]
    is_full = arrays.is_full[chunk]
    product = arrays.product[chunk]
    width = count_lanes(s)
    coefficients = aligned_empty(s, 2 * width * (is_full.size + 2))
    compute_coefficients(arrays.angles, plan.slots, start, coefficients, is_full, product, None)
    _load_amplitudes(s, batch, arrays.amplitudes, start)
    run(s, None, batch, plan, coefficients, is_full, None)
    row_masks = plan.row_masks
    signs = plan.lane_signs
    out = arrays.out
    by_lane = aligned_empty(s, row_masks.size * width)
    measure_strings(s, row_masks, by_lane)
    for sample in range(min(batch, out.shape[0] - start)):
        square = product[sample] * product[sample]
        for t in range(row_masks.size):
            out[start + sample, t] = sum_lanes(by_lane, signs, t, sample, batch) * square


@part
def backward(plan, arrays, chunk):
    """Undo a program on one chunk and collect the gradient (see `PlanArrays` and `BackwardArrays`)."""
    batch = plan.sizes[0]
    size = plan.sizes[1]
    start = chunk * batch
    s = arrays.states[chunk, :size]
    c = arrays.costates[chunk, :size]
    costate_factors = arrays.costate_factors[chunk, :size]
    is_full = arrays.is_full[chunk]
    product = arrays.product[chunk]
    gradient = arrays.gradient
    by_amplitude = arrays.by_amplitude
    width = count_lanes(s)
    samples, count = gradient.shape
    if arrays.weights.shape[0]:
        doubled_weights = aligned_empty(s, plan.lane_signs.size)
        write_weights(arrays.weights, start, batch, plan.lane_signs, doubled_weights)
        start_costate(s, c, product, plan.row_masks, doubled_weights)
        if costate_factors.size:
            multiply_costate(c, costate_factors)
    coefficients = aligned_empty(s, 2 * width * (count + 2))
    squares = aligned_empty(s, width * count)
    compute_coefficients(arrays.angles, plan.slots, start, coefficients, is_full, product, squares)
    by_lane = aligned_empty(s, width * (count + 1))
    by_lane[:] = 0
    run(s, c, batch, plan, coefficients, is_full, by_lane)
    for sample in range(min(batch, samples - start)):
        for g in range(count):
            total = 0.0
            for lane in range(sample, width, batch):
                total += by_lane[g * width + lane] * squares[g * width + lane]
            gradient[start + sample, plan.slots[g]] = 0.5 * total
        for i in range(by_amplitude.shape[1]):
            by_amplitude[start + sample, i] = c[i * batch + sample] * product[sample]
