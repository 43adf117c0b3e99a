"""Passes over all chunks of a batch as jobs for threads (see `work_queue` for the job, `kernels` for a chunk)."""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import carray, cfunc, njit, types

from qllmft_backends.adjoint.compiled import arguments as layouts
from qllmft_backends.adjoint.compiled import complex_kernels, kernels, work_queue
from qllmft_backends.adjoint.compiled.ahead import (
    COMPLEX_GATES,
    mark_compiled,
    wait_for_compilation,
)
from qllmft_backends.adjoint.compiled.arguments import PASS_OFFSET, TOTAL_WORDS, pack

_jit = njit(cache=True, nogil=True, error_model="numpy")
_chunk_function = cfunc(types.void(types.voidptr, types.int64), cache=True, error_model="numpy")


@_jit
def plan_words(plan):
    """Return (WORDS,) int64 that describe a plan's arrays, with room for those of a pass."""
    words = np.zeros(TOTAL_WORDS, np.int64)
    pack(words, 0, plan)
    return words


def _make_pass(layout):
    @_jit
    def run(queue, spins, function, words, *arrays):
        """Run a pass over all chunks and return whether all are done (see `work_queue.run`).

        Args:
            queue: (QUEUE_WORDS,) int64, shared with the workers.
            spins: turns of the loop that waits for chunks of workers.
            function: address of the function of one chunk, see `chunk_functions`.
            words: (WORDS,) int64, a copy of `plan_words` that outlives the job; the pass's arrays
                are described in it.
            *arrays: those of the layout in its order; the first has a row per chunk. numba takes
                them one by one faster than as a named tuple.
        """
        pack(words, PASS_OFFSET, layout(*arrays))
        return work_queue.run(queue, function, words, arrays[0].shape[0], spins)

    return run


forward = _make_pass(layouts.ForwardArrays)
backward = _make_pass(layouts.BackwardArrays)
complex_forward = _make_pass(layouts.ComplexForward)
complex_backward = _make_pass(layouts.ComplexBackward)


@cache
def chunk_functions(dtype: str) -> tuple[int, int]:
    """Return the addresses of the compiled functions for one chunk, forward and backward, in ``dtype``."""
    wait_for_compilation(dtype)
    real = np.dtype(dtype).type

    def forward_chunk(arguments, chunk):
        words = carray(arguments, (TOTAL_WORDS,), np.int64)
        kernels.forward(
            layouts.plan_arrays(words, 0, real),
            layouts.forward_arrays(words, PASS_OFFSET, real),
            chunk,
        )

    def backward_chunk(arguments, chunk):
        words = carray(arguments, (TOTAL_WORDS,), np.int64)
        kernels.backward(
            layouts.plan_arrays(words, 0, real),
            layouts.backward_arrays(words, PASS_OFFSET, real),
            chunk,
        )

    addresses = (
        int(_chunk_function(forward_chunk).address),
        int(_chunk_function(backward_chunk).address),
    )
    mark_compiled(dtype)
    return addresses


@cache
def complex_chunk_functions(dtype: str) -> tuple[int, int]:
    """Return the addresses for complex states (see `chunk_functions`)."""
    wait_for_compilation(dtype, COMPLEX_GATES)
    real = np.dtype(dtype).type

    def forward_chunk(arguments, chunk):
        words = carray(arguments, (TOTAL_WORDS,), np.int64)
        plan = layouts.complex_plan_arrays(words, 0, real)
        complex_kernels.forward(
            plan, layouts.complex_forward_arrays(words, PASS_OFFSET, real), chunk
        )

    def backward_chunk(arguments, chunk):
        words = carray(arguments, (TOTAL_WORDS,), np.int64)
        plan = layouts.complex_plan_arrays(words, 0, real)
        complex_kernels.backward(
            plan, layouts.complex_backward_arrays(words, PASS_OFFSET, real), chunk
        )

    addresses = (
        int(_chunk_function(forward_chunk).address),
        int(_chunk_function(backward_chunk).address),
    )
    mark_compiled(dtype, COMPLEX_GATES)
    return addresses
