"""Kernel that adds up the shares of blocks, in a fixed order."""

from __future__ import annotations

from numba import cuda

from qllmft_backends.adjoint.cuda.device import kernel


@kernel
def add_up(shares, totals):
    """Sum consecutive rows of ``shares`` (R, N) in order: a row of blocks per total, a column of threads per number.

    ``totals`` (P, N), R a multiple of P, is overwritten; ``totals[p]`` is the sum of rows p · R / P up to the next.
    """
    parts = cuda.shared.array(0, shares.dtype)
    column = cuda.blockIdx.y * cuda.blockDim.x + cuda.threadIdx.x
    rows = shares.shape[0] // totals.shape[0]
    first, mine = cuda.blockIdx.x * rows, cuda.threadIdx.y * cuda.blockDim.x + cuda.threadIdx.x
    total = shares.dtype.type(0)
    if column < shares.shape[1]:
        for row in range(cuda.threadIdx.y, rows, cuda.blockDim.y):
            total += shares[first + row, column]
    parts[mine] = total
    cuda.syncthreads()
    if cuda.threadIdx.y == 0 and column < shares.shape[1]:
        for part in range(1, cuda.blockDim.y):
            total += parts[part * cuda.blockDim.x + cuda.threadIdx.x]
        totals[cuda.blockIdx.x, column] = total
