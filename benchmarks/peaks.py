"""Arithmetic peak of this machine: float32 multiply-adds in registers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from timeit import repeat
from typing import Any

import numpy as np
from numba import njit
from qllmft_backends.adjoint.compiled.simd import add, lanes, load, mul, store
from qllmft_backends.adjoint.thread_pool import thread_count

CHAINS = 12
REPEATS = 2_000_000


@njit(nogil=True, error_model="numpy")
def multiply_add(values: Any, repeats: Any) -> None:
    """Run twelve chains of fused multiply-adds in registers, on (14·width) numbers: 24 flops per lane and repeat."""
    w = lanes(values.itemsize)
    a, b, c, d = load(values, 0), load(values, w), load(values, 2 * w), load(values, 3 * w)
    e, f, g, h = load(values, 4 * w), load(values, 5 * w), load(values, 6 * w), load(values, 7 * w)
    i, j = load(values, 8 * w), load(values, 9 * w)
    k, m = load(values, 10 * w), load(values, 11 * w)
    x, y = load(values, 12 * w), load(values, 13 * w)
    for _ in range(repeats):
        a, b, c, d = add(mul(a, x), y), add(mul(b, x), y), add(mul(c, x), y), add(mul(d, x), y)
        e, f, g, h = add(mul(e, x), y), add(mul(f, x), y), add(mul(g, x), y), add(mul(h, x), y)
        i, j, k, m = add(mul(i, x), y), add(mul(j, x), y), add(mul(k, x), y), add(mul(m, x), y)
    store(values, 0, a), store(values, w, b), store(values, 2 * w, c), store(values, 3 * w, d)
    store(values, 4 * w, e), store(values, 5 * w, f), store(values, 6 * w, g)
    store(values, 7 * w, h), store(values, 8 * w, i), store(values, 9 * w, j)
    store(values, 10 * w, k), store(values, 11 * w, m)


def multiply_add_gflops() -> float:
    """Measure 10⁹ float32 operations per second in registers, with all of the engine's threads."""
    threads = thread_count()
    registers = np.ones((threads, 14 * 16), np.float32)
    with ThreadPoolExecutor(threads) as pool:

        def run() -> None:
            list(pool.map(lambda row: multiply_add(row, REPEATS), registers))

        seconds = min(repeat(run, repeat=5, number=1)[1:])  # the first run compiles
    return threads * REPEATS * 2 * CHAINS * 16 / seconds / 1e9
