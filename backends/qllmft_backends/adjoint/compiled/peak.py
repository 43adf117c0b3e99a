"""Loops that measure the machine's peak arithmetic."""

from __future__ import annotations

from numba import njit

from qllmft_backends.adjoint.compiled.simd import add, lanes, load, mul, store, sub

_jit = njit(cache=True, nogil=True, error_model="numpy")


@_jit
def multiply_add(values, repeats):
    """Run twelve chains of fused multiply-adds in registers, on (14·width) numbers: 24 flops per lane and repeat."""
    w = lanes(values.itemsize)
    a, b, c, d = load(values, 0), load(values, w), load(values, 2 * w), load(values, 3 * w)
    e, f, g, h = load(values, 4 * w), load(values, 5 * w), load(values, 6 * w), load(values, 7 * w)
    i, j, k, m = (
        load(values, 8 * w),
        load(values, 9 * w),
        load(values, 10 * w),
        load(values, 11 * w),
    )
    x, y = load(values, 12 * w), load(values, 13 * w)
    for _ in range(repeats):
        a, b, c, d = add(mul(a, x), y), add(mul(b, x), y), add(mul(c, x), y), add(mul(d, x), y)
        e, f, g, h = add(mul(e, x), y), add(mul(f, x), y), add(mul(g, x), y), add(mul(h, x), y)
        i, j, k, m = add(mul(i, x), y), add(mul(j, x), y), add(mul(k, x), y), add(mul(m, x), y)
    store(values, 0, a), store(values, w, b), store(values, 2 * w, c), store(values, 3 * w, d)
    (
        store(values, 4 * w, e),
        store(values, 5 * w, f),
        store(values, 6 * w, g),
        store(values, 7 * w, h),
    )
    (
        store(values, 8 * w, i),
        store(values, 9 * w, j),
        store(values, 10 * w, k),
        store(values, 11 * w, m),
    )


@_jit
def rotate(values, repeats):
    """Rotate an array in the first-level cache by its tangent: 2 flops per number and repeat."""
    w = lanes(values.itemsize)
    half = values.size // 2
    t = sub(load(values, 0), load(values, 0))
    for _ in range(repeats):
        for k in range(0, half, w):
            a, b = load(values, k), load(values, k + half)
            store(values, k, sub(a, mul(t, b)))
            store(values, k + half, add(b, mul(t, a)))
