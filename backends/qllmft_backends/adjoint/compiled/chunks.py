"""A pass over all chunks of a batch as one job for threads; see `sharing` for the job, `kernels` for a chunk."""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import carray, cfunc, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from qllmft_backends.adjoint.compiled import kernels
from qllmft_backends.adjoint.compiled.normals import fill_normal
from qllmft_backends.adjoint.compiled.sharing import share

_jit = njit(cache=True, nogil=True, error_model="numpy")
_ARRAY = 3  # words that describe an array: address, rows, columns
_BATCH, _SIZE = 60, 61  # places of L and 2^Q · L
_WORDS = 62


@intrinsic
def _pointer(typingctx, address):
    """An address as a pointer."""

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), codegen


@_jit
def _put(words, number, array):
    """Describe a matrix, or a row, as the job's array ``number``."""
    at = _ARRAY * number
    words[at] = array.ctypes.data
    words[at + 1] = array.shape[0] if array.ndim == 2 else 1
    words[at + 2] = array.shape[-1]


@_jit
def _matrix(words, number, dtype):
    at = _ARRAY * number
    return carray(_pointer(words[at]), (words[at + 1], words[at + 2]), dtype)


@_jit
def _row(words, number, dtype):
    return _matrix(words, number, dtype)[0]


@_jit
def _put_shared(
    words, states, size, batch, ops, schedule, sin, cos, signs, row_masks, lane_signs, is_full, product
):  # fmt: skip
    """What both directions need: arrays 0 to 7 and 9 to 12, and sizes."""
    _put(words, 0, ops)
    _put(words, 1, schedule[0])
    _put(words, 2, schedule[1])
    _put(words, 3, schedule[2])
    _put(words, 4, signs)
    _put(words, 5, row_masks)
    _put(words, 6, lane_signs)
    _put(words, 7, states)
    _put(words, 9, sin)
    _put(words, 10, cos)
    _put(words, 11, is_full)
    _put(words, 12, product)
    words[_BATCH], words[_SIZE] = batch, size


@_jit
def _schedule(words):
    return _matrix(words, 1, np.int64), _matrix(words, 2, np.int64), _matrix(words, 3, np.int64)


@_jit
def forward(
    board, turns, function, states, size, batch, amplitudes, ops, schedule, sin, cos, signs, row_masks, lane_signs,
    is_full, product, noise, scale, stream, out,
):  # fmt: skip
    """`kernels.forward` on every chunk; returns whether all is done.

    ``board`` and ``turns`` are those of `share`, ``function`` comes from `chunk_functions`, ``states`` is (chunks,
    2^Q · L and a gap), ``size`` 2^Q · L, ``scale`` (1,). All others are as in `kernels.forward`; is_full, product and
    noise have a row a chunk.
    """
    words = np.empty(_WORDS, np.int64)
    _put_shared(
        words, states, size, batch, ops, schedule, sin, cos, signs, row_masks, lane_signs, is_full, product
    )  # fmt: skip
    _put(words, 8, amplitudes)
    _put(words, 13, noise)
    _put(words, 14, scale)
    _put(words, 15, out)
    _put(words, 16, stream)
    return share(board, function, words, states.shape[0], turns)


@_jit
def backward(
    board, turns, function, states, costates, size, batch, ops, schedule, sin, cos, signs, row_masks, lane_signs,
    is_full, product, kept, weights, gradient, by_amplitude,
):  # fmt: skip
    """`kernels.backward` on every chunk; arguments as there and in `forward`."""
    words = np.empty(_WORDS, np.int64)
    _put_shared(
        words, states, size, batch, ops, schedule, sin, cos, signs, row_masks, lane_signs, is_full, product
    )  # fmt: skip
    _put(words, 8, costates)
    _put(words, 13, kept)
    _put(words, 14, weights)
    _put(words, 15, gradient)
    _put(words, 16, by_amplitude)
    return share(board, function, words, states.shape[0], turns)


@cache
def chunk_functions(dtype: str) -> tuple[int, int]:
    """Addresses of the compiled functions that do one chunk, forward and backward, in ``float32`` or ``float64``."""
    real = np.dtype(dtype).type

    def forward_chunk(arguments, chunk):
        words = carray(arguments, (_WORDS,), np.int64)
        batch, size = words[_BATCH], words[_SIZE]
        noise, stream = _matrix(words, 13, real)[chunk, :size], _row(words, 16, np.int64)
        if stream.size:
            fill_normal(np.uint32(stream[0]), np.uint32(stream[1]), np.uint32(stream[2] + chunk), noise)
        kernels.forward(
            _matrix(words, 7, real)[chunk, :size], batch, _matrix(words, 8, real), chunk * batch,
            _matrix(words, 0, np.int32), _schedule(words), _matrix(words, 9, real), _matrix(words, 10, real),
            _row(words, 4, real), _row(words, 5, np.int64), _row(words, 6, real), _matrix(words, 11, np.bool_)[chunk],
            _matrix(words, 12, real)[chunk], noise, _row(words, 14, real)[0], _matrix(words, 15, real),
        )  # fmt: skip

    def backward_chunk(arguments, chunk):
        words = carray(arguments, (_WORDS,), np.int64)
        batch, size = words[_BATCH], words[_SIZE]
        kernels.backward(
            _matrix(words, 7, real)[chunk, :size], _matrix(words, 8, real)[chunk, :size], batch, chunk * batch,
            _matrix(words, 0, np.int32), _schedule(words), _matrix(words, 9, real), _matrix(words, 10, real),
            _row(words, 4, real), _row(words, 5, np.int64), _row(words, 6, real), _matrix(words, 11, np.bool_)[chunk],
            _matrix(words, 12, real)[chunk], _matrix(words, 13, real)[chunk, :size], _matrix(words, 14, real),
            _matrix(words, 15, real), _matrix(words, 16, real),
        )  # fmt: skip

    compiled = cfunc(types.void(types.voidptr, types.int64), cache=True, error_model="numpy")
    return int(compiled(forward_chunk).address), int(compiled(backward_chunk).address)
