"""Sparse matrices, which map a circuit's parameters to the angles of its gates and gradients back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qllmft_engine.kernel_cache import cached_njit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class SparseMatrix:
    """Entries of a matrix (K, N) that are not zero, row by row. Most rows have one.

    A dense product takes longer, and wakes the threads of BLAS, which then spin on the engine's cores.
    """

    def __init__(self, matrix: Floats) -> None:
        rows, self._columns = matrix.nonzero()
        self._entries = matrix[rows, self._columns]
        self._row_starts = np.searchsorted(rows, np.arange(len(matrix) + 1))

    def times(self, values: NDArray[np.floating]) -> Floats:
        """Return the products (B, K) of the matrix with each row of ``values`` (B, N)."""
        products: Floats = _multiply(
            np.ascontiguousarray(values, np.float64),
            self._row_starts,
            self._columns,
            self._entries,
        )
        return products


@cached_njit(nogil=True, error_model="numpy")
def _multiply(values: Floats, row_starts: Ints, columns: Ints, entries: Floats) -> Floats:
    """Return the products (B, K).

    Args:
        values: (B, N) float64.
        row_starts: (K + 1,) int64, where the entries of each row of the matrix begin.
        columns: (E,) int64.
        entries: (E,) float64.
    """
    rows = len(row_starts) - 1
    products = np.empty((len(values), rows))
    for sample in range(len(values)):
        for row in range(rows):
            start = row_starts[row]
            stop = row_starts[row + 1]
            total = 0.0
            for i in range(start + 1, stop):
                total += values[sample, columns[i]] * entries[i]
            if start < stop:  # the first entry is added last, which is the order of np.add.reduceat
                total = values[sample, columns[start]] * entries[start] + total
            products[sample, row] = total
    return products
