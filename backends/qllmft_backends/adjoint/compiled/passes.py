"""A pass over all chunks of a batch as one job for threads; see `work_queue` for the job, `kernels` for a chunk."""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import carray, cfunc, njit, types

from qllmft_backends.adjoint.compiled import kernels, work_queue
from qllmft_backends.adjoint.compiled.arguments import (
    OWN,
    WORDS,
    BackwardArrays,
    ForwardArrays,
    backward_arrays,
    forward_arrays,
    pack,
    plan_arrays,
)

_jit = njit(cache=True, nogil=True, error_model="numpy")


@_jit
def plan_words(plan):
    """(WORDS,) int64 with a plan's arrays described; room for those of a pass behind them."""
    words = np.zeros(WORDS, np.int64)
    pack(words, 0, plan)
    return words


@_jit
def forward(queue, spins, function, words, *arrays):
    """Run a forward pass over all chunks; returns whether all are done.

    Args:
        queue: as in `work_queue.run`.
        spins: as in `work_queue.run`.
        function: the first of `chunk_functions`.
        words: a copy of `plan_words` that outlives the job; the pass's arrays are described in it.
        arrays: those of a `ForwardArrays`, which numba takes in faster one by one than as a named tuple.
    """
    pack(words, OWN, ForwardArrays(*arrays))
    return work_queue.run(queue, function, words, arrays[0].shape[0], spins)


@_jit
def backward(queue, spins, function, words, *arrays):
    """The same for the second of `chunk_functions` and the arrays of a `BackwardArrays`."""
    pack(words, OWN, BackwardArrays(*arrays))
    return work_queue.run(queue, function, words, arrays[0].shape[0], spins)


@cache
def chunk_functions(dtype: str) -> tuple[int, int]:
    """Addresses of the compiled functions that do one chunk, forward and backward, in ``float32`` or ``float64``."""
    real = np.dtype(dtype).type

    def forward_chunk(arguments, chunk):
        words = carray(arguments, (WORDS,), np.int64)
        kernels.forward(plan_arrays(words, 0, real), forward_arrays(words, OWN, real), chunk)

    def backward_chunk(arguments, chunk):
        words = carray(arguments, (WORDS,), np.int64)
        kernels.backward(plan_arrays(words, 0, real), backward_arrays(words, OWN, real), chunk)

    compiled = cfunc(types.void(types.voidptr, types.int64), cache=True, error_model="numpy")
    return int(compiled(forward_chunk).address), int(compiled(backward_chunk).address)
