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

from qllmft_backends.adjoint.compiled.parts import part
from qllmft_backends.adjoint.compiled.simd import (
    SAMPLES,
    add,
    aligned_empty,
    any_below,
    broadcast,
    count_lanes,
    div,
    load,
    mul,
    square_root,
    store,
    sub,
)

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
def spread(row, offset, by_sample, width):
    """Spread one number per sample over a register: lane i belongs to sample i mod L.

    Args:
        row: of one dimension; ``row[offset : offset + width]`` is overwritten.
        offset: index of the register's first number.
        by_sample: (L,), with L a power of two, at most ``width``.
        width: lanes of a register.
    """
    last = by_sample.size - 1
    for lane in range(width):
        row[offset + lane] = by_sample[lane & last]


@part
def _load_half_angles(register, angles, slot, start, batch):
    """Write half of each sample's angle, less whole half turns: numbers within ±π/2.

    Args:
        register: (`SAMPLES`,) float64, overwritten; sample i of the chunk is in lane i.
        angles: (1, G) shared by all samples, or (B, G), float64 in radians. With (B, G), samples
            past B get 0.
        slot: column of ``angles``.
        start: first sample of the chunk.
        batch: L.
    """
    is_shared = angles.shape[0] == 1
    n_inside = min(batch, angles.shape[0] - start)
    for i in range(batch):
        angle = 0.0
        if is_shared:
            angle = angles[0, slot]
        elif i < n_inside:
            angle = angles[start + i, slot]
        register[i] = 0.5 * angle - np.rint(angle * TURNS_PER_RADIAN) * np.pi


@part
def _sum_powers(coefficients, square):
    """Return the register Σ_k c_k·x^(2k) for the square of x."""
    total = sub(square, square)
    for k in range(coefficients.size):
        total = add(mul(total, square), broadcast(coefficients[coefficients.size - 1 - k]))
    return total


@part
def _replace_by_sine_and_cosine(register, cosine):
    """Replace float64 numbers within ±π/2 by their sines, and write their cosines to ``cosine``."""
    x = load(register, 0)
    square = mul(x, x)
    store(register, 0, mul(x, _sum_powers(SINE_SERIES, square)))
    store(cosine, 0, _sum_powers(COSINE_SERIES, square))


@part
def _write_full_rotation(coefficients, start, width, sine, cosine, total, batch):
    """Write a rotation's registers cos and sin times the product ``total``, which becomes 1."""
    product = load(total, 0)
    store(cosine, 0, mul(product, load(cosine, 0)))
    store(sine, 0, mul(product, load(sine, 0)))
    spread(coefficients, start, cosine[:batch], width)
    spread(coefficients, start + width, sine[:batch], width)
    store(total, 0, broadcast(1.0))


@part
def _write_tangents(coefficients, start, width, sine, cosine, total, batch):
    """Write a rotation's registers 1 and tan, and multiply its cosines into the product ``total``.

    These are the cosines of the tangents as rounded, so that no rounding changes the norm of a state.
    """
    tangent = sine
    store(tangent, 0, div(load(sine, 0), load(cosine, 0)))
    spread(coefficients, start + width, tangent[:batch], width)
    for lane in range(width):
        coefficients[start + lane] = 1
    for i in range(batch):
        tangent[i] = coefficients[start + width + i]
    t = load(tangent, 0)
    secant = square_root(add(broadcast(1.0), mul(t, t)))
    store(total, 0, div(load(total, 0), secant))


@part
def compute_coefficients(angles, slots, start, coefficients, is_full, product, squares):
    """Compute the coefficients of a chunk's rotations, of the forward pass without ``squares``.

    The way back begins with the true state and has the same ``is_full``. What belongs to a sample is float64 here.

    Args:
        angles: (1, G) shared by all samples, or (B, G), float64 in radians. With (B, G), samples
            past B do not rotate.
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
    batch = product.size
    n_gates = slots.size
    sine = aligned_empty(angles, SAMPLES)
    cosine = aligned_empty(angles, SAMPLES)
    total = aligned_empty(angles, SAMPLES)
    square = aligned_empty(angles, SAMPLES)
    for i in range(SAMPLES):
        sine[i] = 0
        total[i] = 1
    for i in range(n_gates):
        g = i if squares is None else n_gates - 1 - i
        _load_half_angles(sine, angles, slots[g], start, batch)
        _replace_by_sine_and_cosine(sine, cosine)
        product_before = load(total, 0)
        if squares is None:
            c = load(cosine, 0)
            is_full[g] = any_below(c, 1 / LARGEST_TANGENT) or any_below(
                mul(product_before, c), 1 / LARGEST_GROWTH
            )
        else:
            store(square, 0, mul(product_before, product_before))
            spread(squares, g * width, square[:batch], width)
        position = 2 * g * width
        if is_full[g]:
            _write_full_rotation(coefficients, position, width, sine, cosine, total, batch)
        else:
            _write_tangents(coefficients, position, width, sine, cosine, total, batch)
    for lane in range(
        batch
    ):  # a slice would compile numba's texts of errors, which takes longer than this function
        product[lane] = total[lane]
