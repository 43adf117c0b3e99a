"""Angles to the coefficients of the kernels.

Most rotations are done without their factor cos: (a, b) → (a − t·b, b + t·a), t = tan(θ/2). The stored state is then
the true one divided by the product of the cosines so far, one number per sample; the same holds backward for state and
co-state. A *full* rotation, with cos and sin, folds that product in and restarts it. It is used if a tangent is too
large, or if the product has become too small for float32.

Angles are taken within ±π, where cos(θ/2) is not negative: R_Y(θ + 2π) = −R_Y(θ), and a sign of the whole state
changes neither an expectation value nor, being the same forward and backward, a gradient. There, sine and cosine are
their Taylor series, in the same few operations on every processor.
"""

from __future__ import annotations

from math import factorial

import numpy as np

from qllmft_engine.compiled.parts import part
from qllmft_engine.compiled.simd import (
    aligned_empty,
    any_below,
    broadcast,
    count_lanes,
    div,
    mul,
    multiply_add,
    nearest_integer,
    square_root,
)
from qllmft_engine.compiled.simd_samples import load_samples, round_as, store_samples

# its square is far from float32's range, and its rounding error that of sin itself
LARGEST_TANGENT = 4096.0
# A sum over amplitudes of state times co-state, each grown by this at most, stays under float32's
# 2^127.
LARGEST_GROWTH = 2.0**50
TURNS_PER_RADIAN = 0.5 / np.pi
# the coefficients of x^(2k + 1) and of x^(2k), which float64 can show up to π/2
SINE_SERIES = np.array([(-1) ** k / factorial(2 * k + 1) for k in range(11)])
COSINE_SERIES = np.array([(-1) ** k / factorial(2 * k) for k in range(11)])


@part
def _half_angles(angles, slot, start, batch):
    """Return half of each sample's angle, less whole half turns: a register of float64 within ±π/2.

    Args:
        angles: (1, G) shared by all samples, or (B, G), float64 in radians.
        slot: column of ``angles``.
        start: first sample of the chunk, see `load_samples`.
        batch: L.
    """
    angle = load_samples(angles, slot, start, batch)
    turns = nearest_integer(mul(angle, broadcast(TURNS_PER_RADIAN)))
    return multiply_add(turns, broadcast(-np.pi), mul(angle, broadcast(0.5)))


@part
def _sum_powers(coefficients, square):
    """Return the register Σ_k c_k·x^(2k) for the square of x."""
    total = broadcast(coefficients[coefficients.size - 1])
    for k in range(coefficients.size - 2, -1, -1):
        total = multiply_add(total, square, broadcast(coefficients[k]))
    return total


@part
def compute_coefficients(angles, slots, start, coefficients, is_full, product, squares):
    """Compute the coefficients of a chunk's rotations, of the forward pass without ``squares``.

    The way back begins with the true state and has the same ``is_full``. What belongs to a sample is float64 here.

    Args:
        angles: (1, G) shared by all samples, or (B, G), float64 in radians. With (B, G), samples
            past B have the angles of the last one.
        slots: (G,) column of each rotation, in the order in which they are done. All that follows
            is in this order.
        start: first sample of the chunk.
        coefficients: (G·2·width,), overwritten with registers (1, tan) or, of full rotations, (cos,
            sin) times the product.
        is_full: (G,) bool; overwritten forward, read on the way back.
        product: (L,), overwritten with the factor of the stored final state; on the way back with
            that of the stored initial state.
        squares: (G·width,), overwritten with the factor of λ·ψ at gate g: the product squared
            before the gate is undone. None: forward.
    """
    width = count_lanes(product)
    n_gates = slots.size
    one = broadcast(1.0)
    total = one
    for i in range(n_gates):
        g = i if squares is None else n_gates - 1 - i
        half = _half_angles(angles, slots[g], start, product.size)
        square = mul(half, half)
        sine = mul(half, _sum_powers(SINE_SERIES, square))
        cosine = _sum_powers(COSINE_SERIES, square)
        if squares is None:
            is_full[g] = any_below(cosine, 1 / LARGEST_TANGENT) or any_below(
                mul(total, cosine), 1 / LARGEST_GROWTH
            )
        else:
            store_samples(squares, g * width, mul(total, total))
        position = 2 * g * width
        if is_full[g]:
            store_samples(coefficients, position, mul(total, cosine))
            store_samples(coefficients, position + width, mul(total, sine))
            total = one
        else:
            # The cosines are those of the tangents as rounded, so that no rounding changes the
            # norm of a state.
            tangent = round_as(coefficients, div(sine, cosine))
            store_samples(coefficients, position, one)
            store_samples(coefficients, position + width, tangent)
            total = div(total, square_root(multiply_add(tangent, tangent, one)))
    by_lane = aligned_empty(product, width)
    store_samples(by_lane, 0, total)
    # a slice would compile numba's texts of errors, which takes longer than this function
    for lane in range(product.size):
        product[lane] = by_lane[lane]
