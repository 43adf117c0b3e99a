"""Outcomes of shots by their probabilities."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def outcomes_at(probabilities, shots, places):
    """Return (S,) int64 the outcomes whose cumulated probabilities hold ``places`` (S,) in [0, 1), row after row.

    Row r of ``probabilities`` (N, D) has ``shots[r]`` of them. Its sum need not be 1.
    """
    n_rows, size = probabilities.shape
    out = np.empty(places.size, np.int64)
    steps = np.empty(size, np.float64)
    at = 0
    for row in range(n_rows):
        if shots[row] == 0:
            continue
        total = 0.0
        for i in range(size):
            total += np.float64(probabilities[row, i])
            steps[i] = total
        for _ in range(shots[row]):
            place = places[at] * total  # rounding may put it above the last step
            low, high = 0, size - 1
            while low < high:
                middle = (low + high) // 2
                if steps[middle] > place:
                    high = middle
                else:
                    low = middle + 1
            out[at] = low
            at += 1
    return out
