"""Whole complex programs on one chunk: forward with all expectation values, and backward with the adjoint method."""

from __future__ import annotations

import numpy as np
from numba import njit

from qllmft_backends.adjoint.compiled.complex_blocks import run_backward, run_forward
from qllmft_backends.adjoint.compiled.complex_matrices import (
    add_derivatives,
    make_matrices,
    spread_matrices,
)
from qllmft_backends.adjoint.compiled.complex_observables import (
    measure_paulis,
    start_complex_costate,
)
from qllmft_backends.adjoint.compiled.simd import aligned, lanes

_jit = njit(cache=True, nogil=True, error_model="numpy")


@_jit
def _load(s, batch, initial, count):
    """Load the initial amplitudes into a chunk. Samples past ``count`` stay zero."""
    width = lanes(s.itemsize)
    s[:] = 0
    for i in range(max(1, initial.shape[1])):
        for sample in range(count):
            place = i * batch + sample
            at = place // width * 2 * width + place % width
            s[at] = initial[0, i] if initial.shape[1] else 1
            s[at + width] = initial[1, i] if initial.shape[1] else 0


@_jit
def _coefficients(plan, arrays, start, inverse):
    n_gates, batch = plan.gates.shape[0], plan.sizes[0]
    matrices = np.empty((8 * n_gates, min(batch, arrays.sin.shape[1] - start)))
    make_matrices(plan.gates, plan.factors, arrays.sin, arrays.cos, start, matrices)
    out = aligned(arrays.states, 8 * n_gates * lanes(arrays.states.itemsize))
    spread_matrices(plan.gates, matrices, batch, inverse, out)
    return out


@_jit
def forward(plan, arrays, chunk):
    """Run a program on one chunk and measure (see `ComplexPlanArrays` and `ComplexForward`)."""
    batch, size, n_diagonal = plan.sizes[0], plan.sizes[1], plan.sizes[2]
    start, out = chunk * batch, arrays.out
    s = arrays.states[chunk, :size]
    width, count = lanes(s.itemsize), min(batch, out.shape[0] - start)
    _load(s, batch, arrays.initial, count)
    run_forward(s, plan, _coefficients(plan, arrays, start, False))
    by_lane = np.empty(out.shape[1] * width, s.dtype)
    measure_paulis(s, plan.strings, n_diagonal, by_lane)
    for sample in range(count):
        for t in range(out.shape[1]):
            total = 0.0
            for lane in range(sample, width, batch):
                total += by_lane[t * width + lane] * plan.lane_signs[t * width + lane]
            out[start + sample, t] = total


@_jit
def backward(plan, arrays, chunk):
    """Undo a program on one chunk and collect the derivatives (see `ComplexPlanArrays` and `ComplexBackward`)."""
    batch, size, n_diagonal = plan.sizes[0], plan.sizes[1], plan.sizes[2]
    start, strings = chunk * batch, plan.strings
    s, c = arrays.states[chunk, :size], arrays.costates[chunk, :size]
    width = lanes(s.itemsize)
    by_lane = np.zeros(strings.shape[0] * width, s.dtype)
    for t in range(strings.shape[0]):
        for lane in range(width):
            sample = start + lane % batch
            if sample < arrays.weights.shape[0]:
                sign = plan.lane_signs[t * width + (lane ^ strings[t, 1])]
                by_lane[t * width + lane] = sign * arrays.weights[sample, t]
    start_complex_costate(s, c, strings, n_diagonal, by_lane)
    sums = aligned(s, 3 * plan.gates.shape[0] * width)
    sums[:] = 0
    run_backward(s, c, plan, _coefficients(plan, arrays, start, True), sums)
    add_derivatives(
        plan.gates, plan.factors, arrays.sin, arrays.cos, start, batch, sums, arrays.gradient
    )
