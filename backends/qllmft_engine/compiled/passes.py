"""Passes over all chunks of a batch as jobs for threads (see `work_queue` for the job, `kernels` for a chunk)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import carray, types

from qllmft_engine.compiled import arguments as layouts
from qllmft_engine.compiled import complex_kernels, kernels, shots, work_queue
from qllmft_engine.compiled.ahead import (
    COMPLEX_GATES,
    REAL_GATES,
    SHOTS,
    mark_compiled,
    wait_for_compilation,
)
from qllmft_engine.compiled.arguments import PASS_OFFSET, TOTAL_WORDS, pack
from qllmft_engine.kernel_cache import cached_callback, cached_njit

_jit = cached_njit(nogil=True, error_model="numpy")
_CHUNK_SIGNATURE = types.void(types.voidptr, types.int64)


def _make_pass(layout):
    @_jit
    def run(queue, spins, function, words, *arrays):
        """Run a pass over all chunks and return whether all are done (see `work_queue.run`).

        Args:
            queue: (QUEUE_WORDS,) int64, shared with the workers.
            spins: turns of the loop that waits for chunks of workers.
            function: address of the function of one chunk, see `chunk_functions`.
            words: (WORDS,) int64, a copy of `arguments.plan_words` that outlives the job; the
                pass's arrays are described in it.
            *arrays: those of the layout in its order; the first has a row per chunk. numba takes
                them one by one faster than as a named tuple.
        """
        pack(words, PASS_OFFSET, layout(*arrays))
        return work_queue.run(queue, function, words, arrays[0].shape[0], spins)

    return run


forward = _make_pass(layouts.ForwardArrays)
backward = _make_pass(layouts.BackwardArrays)
measure_shots = _make_pass(layouts.ShotValues)
start_costates = _make_pass(layouts.ShotCostates)
complex_forward = _make_pass(layouts.ComplexForward)
complex_backward = _make_pass(layouts.ComplexBackward)


def _compile_functions(
    dtype: str,
    functions: str,
    *compiled: tuple[Callable[..., None], Any, type[Any]],
) -> tuple[int, ...]:
    """Compile functions of a chunk and what runs them, or load both, and return the addresses of the functions.

    Args:
        dtype: of the engine.
        functions: their name in `ahead`.
        compiled: for each direction the function of a chunk, its pass of this module and the pass's layout.
    """
    queue = np.zeros(work_queue.QUEUE_WORDS, np.int64)
    words = np.zeros(TOTAL_WORDS, np.int64)
    addresses = []
    for function, run, layout in compiled:
        callback = cached_callback(function, _CHUNK_SIGNATURE, error_model="numpy")
        addresses.append(int(callback.address))
        # of no chunks
        run(queue, 0, addresses[-1], words, *layouts.empty_arrays(layout, dtype))
    work_queue.serve(queue, 0, work_queue.job_number(queue), 1, 1)
    work_queue.all_done(queue, 0)
    mark_compiled(dtype, functions)
    return tuple(addresses)


@cache
def chunk_functions(dtype: str) -> tuple[int, ...]:
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

    return _compile_functions(
        dtype,
        REAL_GATES,
        (forward_chunk, forward, layouts.ForwardArrays),
        (backward_chunk, backward, layouts.BackwardArrays),
    )


@cache
def shot_functions(dtype: str) -> tuple[int, ...]:
    """Return the addresses of the compiled functions of shots for one chunk, of values and of co-states."""
    wait_for_compilation(dtype, SHOTS)
    real = np.dtype(dtype).type

    def measure_chunk(arguments, chunk):
        words = carray(arguments, (TOTAL_WORDS,), np.int64)
        shots.measure(
            layouts.plan_arrays(words, 0, real),
            layouts.shot_values(words, PASS_OFFSET, real),
            chunk,
        )

    def start_chunk(arguments, chunk):
        words = carray(arguments, (TOTAL_WORDS,), np.int64)
        shots.start_costates(
            layouts.plan_arrays(words, 0, real),
            layouts.shot_costates(words, PASS_OFFSET, real),
            chunk,
        )

    return _compile_functions(
        dtype,
        SHOTS,
        (measure_chunk, measure_shots, layouts.ShotValues),
        (start_chunk, start_costates, layouts.ShotCostates),
    )


@cache
def complex_chunk_functions(dtype: str) -> tuple[int, ...]:
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

    return _compile_functions(
        dtype,
        COMPLEX_GATES,
        (forward_chunk, complex_forward, layouts.ComplexForward),
        (backward_chunk, complex_backward, layouts.ComplexBackward),
    )
