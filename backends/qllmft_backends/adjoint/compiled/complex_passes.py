"""Whole complex programs on one chunk, and a pass over all chunks as one job for threads; see `passes`."""

from __future__ import annotations

from functools import cache
from typing import Annotated, NamedTuple

import numpy as np
from numba import carray, cfunc, njit, types
from numpy.typing import NDArray

from qllmft_backends.adjoint.compiled import work_queue
from qllmft_backends.adjoint.compiled.arguments import EACH, Ints, IntTable, Kind, Reals, RealTable, pack, unpacker
from qllmft_backends.adjoint.compiled.complex_blocks import aligned, run_backward, run_forward
from qllmft_backends.adjoint.compiled.complex_matrices import add_derivatives, make_matrices, spread_matrices
from qllmft_backends.adjoint.compiled.complex_observables import measure_paulis, start_complex_costate
from qllmft_backends.adjoint.compiled.simd import lanes

_jit = njit(cache=True, nogil=True, error_model="numpy")
Doubles = Annotated[NDArray[np.float64], Kind(np.float64, 2)]


class ComplexForward(NamedTuple):
    """What a forward pass reads and writes.

    Attributes:
        states: (chunks, 2^(Q+1) · L and a gap), overwritten with the final states; see `complex_gates`.
        initial: (2, 2^Q) real and imaginary parts that every sample begins with; (2, 0): |0...0⟩.
        out: (B, T), overwritten with ⟨P⟩.
        gates, steps, blocks, strides: of the `ComplexPlan`.
        factors, sin, cos: see `make_matrices`.
        strings: see `measure_paulis`.
        lane_signs: (T·width) signs of Z on qubits inside registers.
        sizes: (3,) L; 2^(Q+1) · L; number of strings of I and Z.
    """

    states: RealTable
    initial: RealTable
    out: RealTable
    gates: IntTable
    steps: IntTable
    blocks: IntTable
    strides: IntTable
    factors: IntTable
    sin: Doubles
    cos: Doubles
    strings: IntTable
    lane_signs: Reals
    sizes: Ints


class ComplexBackward(NamedTuple):
    """What a backward sweep reads and writes; what is not named here is as in `ComplexForward`.

    Attributes:
        states: final states; the initial ones afterwards.
        costates: the same shape, overwritten.
        weights: (B, T) w_t of the loss Σ_t w_t ⟨P_t⟩.
        gradient: (F, B), overwritten with the derivatives by the factors' angles.
    """

    states: RealTable
    costates: RealTable
    weights: RealTable
    gates: IntTable
    steps: IntTable
    blocks: IntTable
    strides: IntTable
    factors: IntTable
    sin: Doubles
    cos: Doubles
    strings: IntTable
    lane_signs: Reals
    sizes: Ints
    gradient: RealTable


WORDS = EACH * max(len(layout._fields) for layout in (ComplexForward, ComplexBackward))
_forward_arrays, _backward_arrays = unpacker(ComplexForward), unpacker(ComplexBackward)


@_jit
def _load(s, batch, initial, count):
    """The initial amplitudes into a chunk; samples past ``count`` stay zero."""
    width = lanes(s.itemsize)
    s[:] = 0
    for i in range(max(1, initial.shape[1])):
        for sample in range(count):
            place = i * batch + sample
            at = place // width * 2 * width + place % width
            s[at] = initial[0, i] if initial.shape[1] else 1
            s[at + width] = initial[1, i] if initial.shape[1] else 0


@_jit
def _coefficients(arrays, start, inverse):
    """The registers of all gates, for the chunk that begins with sample ``start``."""
    n_gates, batch = arrays.gates.shape[0], arrays.sizes[0]
    matrices = np.empty((8 * n_gates, min(batch, arrays.sin.shape[1] - start)))
    make_matrices(arrays.gates, arrays.factors, arrays.sin, arrays.cos, start, matrices)
    out = aligned(arrays.states, 8 * n_gates * lanes(arrays.states.itemsize))
    spread_matrices(arrays.gates, matrices, batch, inverse, out)
    return out


@_jit
def _forward_chunk(arrays, chunk):
    batch, size, n_diagonal = arrays.sizes[0], arrays.sizes[1], arrays.sizes[2]
    start, out = chunk * batch, arrays.out
    s = arrays.states[chunk, :size]
    width, count = lanes(s.itemsize), min(batch, out.shape[0] - start)
    _load(s, batch, arrays.initial, count)
    run_forward(s, arrays, _coefficients(arrays, start, False))
    by_lane = np.empty(out.shape[1] * width, s.dtype)
    measure_paulis(s, arrays.strings, n_diagonal, by_lane)
    for sample in range(count):
        for t in range(out.shape[1]):
            total = 0.0
            for lane in range(sample, width, batch):
                total += by_lane[t * width + lane] * arrays.lane_signs[t * width + lane]
            out[start + sample, t] = total


@_jit
def _backward_chunk(arrays, chunk):
    batch, size, n_diagonal = arrays.sizes[0], arrays.sizes[1], arrays.sizes[2]
    start, strings = chunk * batch, arrays.strings
    s, c = arrays.states[chunk, :size], arrays.costates[chunk, :size]
    width = lanes(s.itemsize)
    by_lane = np.zeros(strings.shape[0] * width, s.dtype)
    for t in range(strings.shape[0]):
        for lane in range(width):
            sample = start + lane % batch
            if sample < arrays.weights.shape[0]:
                sign = arrays.lane_signs[t * width + (lane ^ strings[t, 1])]
                by_lane[t * width + lane] = sign * arrays.weights[sample, t]
    start_complex_costate(s, c, strings, n_diagonal, by_lane)
    sums = aligned(s, 3 * arrays.gates.shape[0] * width)
    sums[:] = 0
    run_backward(s, c, arrays, _coefficients(arrays, start, True), sums)
    add_derivatives(arrays.gates, arrays.factors, arrays.sin, arrays.cos, start, batch, sums, arrays.gradient)


@_jit
def forward(queue, spins, function, words, *arrays):
    """Run a forward pass over all chunks; returns whether all are done. See `passes.forward`."""
    pack(words, 0, ComplexForward(*arrays))
    return work_queue.run(queue, function, words, arrays[0].shape[0], spins)


@_jit
def backward(queue, spins, function, words, *arrays):
    """The same for the way back and the arrays of a `ComplexBackward`."""
    pack(words, 0, ComplexBackward(*arrays))
    return work_queue.run(queue, function, words, arrays[0].shape[0], spins)


@cache
def chunk_functions(dtype: str) -> tuple[int, int]:
    """Addresses of the compiled functions that do one chunk, forward and backward, in ``float32`` or ``float64``."""
    real = np.dtype(dtype).type

    def forward_chunk(arguments, chunk):
        words = carray(arguments, (WORDS,), np.int64)
        _forward_chunk(_forward_arrays(words, 0, real), chunk)

    def backward_chunk(arguments, chunk):
        words = carray(arguments, (WORDS,), np.int64)
        _backward_chunk(_backward_arrays(words, 0, real), chunk)

    compiled = cfunc(types.void(types.voidptr, types.int64), cache=True, error_model="numpy")
    return int(compiled(forward_chunk).address), int(compiled(backward_chunk).address)
