"""Arithmetic peak of this machine: float32 multiply-adds in registers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from timeit import repeat
from typing import Any

import numpy as np
from numba import njit
from qllmft_engine import thread_count
from qllmft_engine.compiled.simd import add, count_lanes, load, mul, store

CHAINS = 12
REPEATS = 2_000_000


@njit(nogil=True, error_model="numpy")
def multiply_add(values: Any, repeats: Any) -> None:
    """Run twelve chains of fused multiply-adds in registers, on (14·width) numbers: 24 flops per lane and repeat."""
    w = count_lanes(values)
    a = load(values, 0)
    b = load(values, w)
    c = load(values, 2 * w)
    d = load(values, 3 * w)
    e = load(values, 4 * w)
    f = load(values, 5 * w)
    g = load(values, 6 * w)
    h = load(values, 7 * w)
    i = load(values, 8 * w)
    j = load(values, 9 * w)
    k = load(values, 10 * w)
    m = load(values, 11 * w)
    x = load(values, 12 * w)
    y = load(values, 13 * w)
    for _ in range(repeats):
        a = add(mul(a, x), y)
        b = add(mul(b, x), y)
        c = add(mul(c, x), y)
        d = add(mul(d, x), y)
        e = add(mul(e, x), y)
        f = add(mul(f, x), y)
        g = add(mul(g, x), y)
        h = add(mul(h, x), y)
        i = add(mul(i, x), y)
        j = add(mul(j, x), y)
        k = add(mul(k, x), y)
        m = add(mul(m, x), y)
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
