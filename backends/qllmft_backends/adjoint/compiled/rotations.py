"""Angles to the coefficients of the kernels.

Most rotations are done without their factor cos: (a, b) → (a − t·b, b + t·a), t = tan(θ/2). The stored state is then
the true one divided by the product of the cosines so far, one number per sample; the same holds backward for state and
co-state. A *full* rotation, with cos and sin, folds that product in and restarts it. It is used if a tangent is too
large, or if the product has become too small for float32.

A negative cos changes its sign, and sin with it: R_Y(θ + 2π) = −R_Y(θ), and a sign of the whole state changes neither
an expectation value nor, being the same forward and backward, a gradient.
"""

from __future__ import annotations

import numpy as np

from qllmft_backends.adjoint.compiled.parts import part
from qllmft_backends.adjoint.compiled.simd import (
    any_below,
    count_lanes,
    div,
    load,
    mul,
    select_positive,
    store,
    sub,
)

# its square is far from float32's range, and its rounding error that of sin itself
LARGEST_TANGENT = 4096.0
# A sum over amplitudes of state times co-state, each grown by this at most, stays under float32's
# 2^127.
LARGEST_GROWTH = 2.0**50


@part
def spread(row, offset, by_sample, width):
    """Spread one number per sample over a register: lane i belongs to sample i mod L.

    Args:
        row: of one dimension; ``row[offset : offset + width]`` is overwritten.
        offset: index of the register's first number.
        by_sample: (L,), with L at most ``width``.
        width: lanes of a register.
    """
    for lane in range(width):
        row[offset + lane] = by_sample[lane % by_sample.size]


@part
def _spread_column(row, offset, table, gate, start, batch, padding):
    """Spread column ``gate`` of a (1, G) or (B, G) table over a register. Samples past B get ``padding``."""
    width = count_lanes(row)
    samples = table.shape[0]
    if samples == 1:
        for lane in range(width):
            row[offset + lane] = table[0, gate]
        return
    n_inside = min(batch, samples - start)
    for i in range(batch):
        value = table[start + i, gate] if i < n_inside else padding
        for lane in range(i, width, batch):
            row[offset + lane] = value


@part
def _make_cos_positive(c, s):
    """Return the registers (cos, sin), negated on lanes of negative cos."""
    zero = sub(c, c)
    return select_positive(c, c, sub(zero, c)), select_positive(c, s, sub(zero, s))


@part
def _write_coefficients(coefficients, start, is_full, c, s, total, ones):
    """Write the two registers of a rotation (cos c, sin s), and update the product ``total``."""
    width = count_lanes(total)
    product_before = load(total, 0)
    unit = load(ones, 0)
    if is_full:
        store(coefficients, start, mul(product_before, c))
        store(coefficients, start + width, mul(product_before, s))
        store(total, 0, unit)
    else:
        store(coefficients, start, unit)
        store(coefficients, start + width, div(s, c))
        store(total, 0, mul(product_before, c))


@part
def compute_coefficients(sin, cos, start, coefficients, is_full, product, squares):
    """Compute the coefficients of a chunk's rotations, of the forward pass without ``squares``.

    The way back begins with the true state and has the same ``is_full``.

    Args:
        sin: (1, G) shared by all samples, or (B, G), of half the angles. With (B, G), samples past
            B do not rotate.
        cos: the same.
        start: first sample of the chunk.
        coefficients: (G·2·width,), overwritten with registers (1, tan) or, of full rotations, (cos,
            sin) times the product.
        is_full: (G,) bool; overwritten forward, read on the way back.
        product: (L,), overwritten with the factor of the stored final state; on the way back with
            that of the stored initial state.
        squares: (G·width,), overwritten with the factor of λ·ψ at gate g: the product squared
            before the gate is undone. None: forward.
    """
    width = count_lanes(sin)
    n_gates = sin.shape[1]
    batch = product.size
    unit = sin.dtype.type(1)
    zero = sin.dtype.type(0)
    smallest_cos = sin.dtype.type(1 / LARGEST_TANGENT)
    smallest_product = sin.dtype.type(1 / LARGEST_GROWTH)
    ones = np.ones(width, sin.dtype)
    total = ones.copy()
    for i in range(n_gates):
        g = i if squares is None else n_gates - 1 - i
        position = 2 * g * width
        _spread_column(coefficients, position, cos, g, start, batch, unit)
        _spread_column(coefficients, position + width, sin, g, start, batch, zero)
        c, s = _make_cos_positive(
            load(coefficients, position), load(coefficients, position + width)
        )
        product_before = load(total, 0)
        if squares is None:
            is_full[g] = any_below(c, smallest_cos) or any_below(
                mul(product_before, c), smallest_product
            )
        else:
            store(squares, g * width, mul(product_before, product_before))
        _write_coefficients(coefficients, position, is_full[g], c, s, total, ones)
    for lane in range(
        batch
    ):  # a slice would compile numba's texts of errors, which takes longer than this function
        product[lane] = total[lane]
