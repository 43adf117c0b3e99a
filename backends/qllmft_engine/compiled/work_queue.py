"""A job of many chunks that several threads share without Python: they claim chunks by atomic operations.

The *queue* is an int64 array that all threads share. Its first word holds the number of the job and the range of chunks
that are not yet claimed; a claim takes one off by compare-and-exchange, so a late thread cannot take a chunk of another
job. The caller takes the lowest, workers the highest: the next pass over the same states then finds most of them in the
cache of the same core (fetching a chunk of 10 qubits from another core's cache takes as long as half of its gates). A
job is a compiled function ``f(arguments, chunk)`` and the address of its arguments; both remain unchanged until every
claimed chunk is counted as done.
"""

from __future__ import annotations

import platform

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from qllmft_engine.compiled.simd import element_pointer
from qllmft_engine.kernel_cache import cached_njit

# places in the queue; what changes has its own cache line
CLAIMS_WORD = 0
DONE_WORD = 8
FUNCTION_WORD = 16
ARGUMENTS_WORD = 17
COUNT_WORD = 18
QUEUE_WORDS = 24
# the word of claims is the job's number, the first chunk left, the chunk after the last one left
CHUNK_BITS = 22
_CHUNK_MASK = (1 << CHUNK_BITS) - 1
_JOB_MASK = (1 << 63 - 2 * CHUNK_BITS) - 1

_jit = cached_njit(nogil=True, error_model="numpy")


def _word_pointer(context, builder, signature, args):
    """Return a pointer to the place args[1] of the queue args[0]."""
    return element_pointer(context, builder, signature.args[0], args[0], args[1])


@intrinsic
def _read_word(typingctx, queue, place):
    """Read a place with all earlier writes of other threads."""

    def codegen(context, builder, *call):
        return builder.load_atomic(_word_pointer(context, builder, *call), "acquire", 8)

    return types.int64(queue, types.intp), codegen


@intrinsic
def _write_word(typingctx, queue, place, value):
    def codegen(context, builder, signature, args):
        place = _word_pointer(context, builder, signature, args)
        builder.store_atomic(args[2], place, "release", 8)
        return context.get_dummy_value()

    return types.void(queue, types.intp, types.int64), codegen


@intrinsic
def _increment(typingctx, queue, place):
    def codegen(context, builder, *call):
        increment = ir.Constant(ir.IntType(64), 1)
        builder.atomic_rmw("add", _word_pointer(context, builder, *call), increment, "acq_rel")
        return context.get_dummy_value()

    return types.void(queue, types.intp), codegen


@intrinsic
def _compare_and_swap(typingctx, queue, place, old, new):
    """Write ``new`` if ``old`` is still there, and return whether it was."""

    def codegen(context, builder, signature, args):
        place = _word_pointer(context, builder, signature, args)
        exchange_result = builder.cmpxchg(place, args[2], args[3], "acq_rel", "acquire")
        return builder.extract_value(exchange_result, 1)

    return types.boolean(queue, types.intp, types.int64, types.int64), codegen


@intrinsic
def _call(typingctx, function, arguments, chunk):
    def codegen(context, builder, signature, args):
        shape = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, ir.IntType(64)])
        function_value = builder.inttoptr(args[0], shape.as_pointer())
        builder.call(function_value, [builder.inttoptr(args[1], cgutils.voidptr_t), args[2]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


@intrinsic
def _pause(typingctx):
    """Execute the processor's instruction for waiting loops, if it has one."""

    def codegen(context, builder, signature, args):
        if platform.machine().lower() in ("x86_64", "amd64"):
            shape = ir.FunctionType(ir.VoidType(), [])
            name = "llvm.x86.sse2.pause"
            builder.call(cgutils.get_or_insert_function(builder.module, shape, name), [])
        return context.get_dummy_value()

    return types.void(), codegen


@_jit
def _run_chunks(queue, job, from_below):
    while True:
        claims = _read_word(queue, CLAIMS_WORD)
        first = claims >> CHUNK_BITS & _CHUNK_MASK
        stop = claims & _CHUNK_MASK
        if claims >> 2 * CHUNK_BITS != job or first == stop:
            return
        if _compare_and_swap(
            queue, CLAIMS_WORD, claims, claims + _CHUNK_MASK + 1 if from_below else claims - 1
        ):
            _call(queue[FUNCTION_WORD], queue[ARGUMENTS_WORD], first if from_below else stop - 1)
            _increment(queue, DONE_WORD)


@_jit
def job_number(queue):
    """Return the number of the queue's current or last job."""
    return _read_word(queue, CLAIMS_WORD) >> 2 * CHUNK_BITS


@_jit
def serve(queue, rank, last_job, jobs, spins):
    """Run chunks of new jobs, up to ``jobs`` of them, until none has come for ``spins`` turns of the waiting loop.

    Args:
        queue: (QUEUE_WORDS,) int64, shared with the caller and the other workers.
        rank: number of the worker, from 0; it ignores jobs of ``rank`` + 1 chunks or fewer.
        last_job: number of the last job seen, which is not run.
        jobs: number of new jobs after which it returns, ignored ones among them.
        spins: turns without a new job after which it returns.

    Returns:
        The number of the last job seen.
    """
    spins_left = spins
    while spins_left > 0:
        job = job_number(queue)
        if job == last_job:
            spins_left -= 1
            _pause()
        else:
            last_job = job
            if rank + 1 < queue[COUNT_WORD]:
                _run_chunks(queue, job, False)
            jobs -= 1
            spins_left = spins if jobs else 0
    return last_job


@_jit
def all_done(queue, count):
    """Return whether ``count`` chunks of the job are done."""
    return _read_word(queue, DONE_WORD) == count


@_jit
def run(queue, function, arguments, count, spins):
    """Put a job into the queue and work on it, in one thread at a time.

    Args:
        queue: (QUEUE_WORDS,) int64, shared with the workers.
        function: address of ``f(arguments, chunk)``.
        arguments: array that must live until all chunks are done; its address is passed to ``f``.
        count: number of chunks, below 2^22.
        spins: turns of the loop that waits for claimed chunks.

    Returns:
        Whether all are done; if not, call `all_done` until they are.
    """
    job = (job_number(queue) + 1) & _JOB_MASK
    queue[FUNCTION_WORD] = function
    queue[ARGUMENTS_WORD] = arguments.ctypes.data
    queue[COUNT_WORD] = count
    _write_word(queue, DONE_WORD, 0)
    _write_word(queue, CLAIMS_WORD, job << 2 * CHUNK_BITS | count)
    _run_chunks(queue, job, True)
    for _ in range(spins):
        if all_done(queue, count):
            return True
        _pause()
    return all_done(queue, count)
