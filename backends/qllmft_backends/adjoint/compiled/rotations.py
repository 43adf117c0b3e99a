"""Angles to the coefficients that the kernels multiply with.

Most rotations are done without their factor cos: (a, b) → (a − t·b, b + t·a), t = tan(θ/2). What is stored is then the
true state divided by the product of the cosines so far, one number a sample; the same holds backward for the state and
the co-state. A *full* rotation, with cos and sin, folds that product in and starts it anew. It is taken where a tangent
is too large, or where the product has become too small for float32.

Half angles come reduced to [−π/2, π/2]: R_Y(θ + 2π) = −R_Y(θ), and a sign of the whole state changes neither an
expectation value nor, being the same forward and backward, a gradient.
"""

from __future__ import annotations

import numpy as np
from numba import njit

LARGEST_TANGENT = 4096.0  # its square is far from float32's range, and its rounding error that of sin itself
LARGEST_GROWTH = 2.0**20  # forward and backward growth squared, in a sum over amplitudes, stay under float32's 2^127

_jit = njit(cache=True, nogil=True, error_model="numpy")


@_jit
def _spread(row, offset, by_sample, batch, width):
    """One number a sample into one register: lane i belongs to sample i mod L."""
    for lane in range(width):
        row[offset + lane] = by_sample[lane % batch]


@_jit
def forward_coefficients(sin, cos, start, batch, width, coefficients, is_full, product):
    """Coefficients of a chunk's rotations, in forward order.

    Args:
        sin: (1, G) shared by all samples, or (B, G): of half the angles.
        cos: the same shape, none negative.
        start: the chunk's first sample.
        batch: L, samples in the chunk; those past B do not rotate.
        width: lanes of a register.
        coefficients: (G·2·width), overwritten: registers (1, tan) or, of full rotations, (cos, sin) times the product.
        is_full: (G,), overwritten.
        product: (L,), overwritten: what the stored final state is to be multiplied with.
    """
    samples, count = sin.shape
    first, second = np.ones(batch), np.zeros(batch)
    product[:] = 1.0
    growth = 1.0
    for g in range(count):
        smallest = 1.0
        for i in range(batch):
            sample = min(start + i, samples - 1) if samples > 1 else 0
            inside = samples == 1 or start + i < samples
            first[i] = cos[sample, g] if inside else 1.0
            second[i] = sin[sample, g] if inside else 0.0
            smallest = min(smallest, first[i])
        is_full[g] = smallest * LARGEST_TANGENT < 1.0 or growth > LARGEST_GROWTH * smallest
        for i in range(batch):
            if is_full[g]:
                first[i], second[i], product[i] = first[i] * product[i], second[i] * product[i], 1.0
            else:
                second[i] = second[i] / first[i]
                product[i] *= first[i]
                first[i] = 1.0
        growth = 1.0 if is_full[g] else growth / smallest
        _spread(coefficients, 2 * g * width, first, batch, width)
        _spread(coefficients, (2 * g + 1) * width, second, batch, width)


@_jit
def backward_coefficients(sin, cos, start, batch, width, is_full, product, coefficients, squares):
    """Coefficients of a chunk's rotations for the way back.

    Args:
        sin: as in `forward_coefficients`.
        cos: as in `forward_coefficients`.
        start: as in `forward_coefficients`.
        batch: as in `forward_coefficients`.
        width: as in `forward_coefficients`.
        is_full: (G,) of the forward pass.
        product: (L,) of the forward pass; what the stored *initial* state is to be multiplied with, afterwards.
        coefficients: (G·2·width), overwritten, as in `forward_coefficients`.
        squares: (G·width), overwritten: product squared before gate g is undone; λ·ψ is to be multiplied with it.
    """
    samples, count = sin.shape
    first, second, square = np.ones(batch), np.zeros(batch), np.ones(batch)
    for g in range(count - 1, -1, -1):
        for i in range(batch):
            sample = min(start + i, samples - 1) if samples > 1 else 0
            inside = samples == 1 or start + i < samples
            first[i] = cos[sample, g] if inside else 1.0
            second[i] = sin[sample, g] if inside else 0.0
            square[i] = product[i] * product[i]
            if is_full[g]:
                first[i], second[i], product[i] = first[i] * product[i], second[i] * product[i], 1.0
            else:
                second[i] = second[i] / first[i]
                product[i] *= first[i]
                first[i] = 1.0
        _spread(coefficients, 2 * g * width, first, batch, width)
        _spread(coefficients, (2 * g + 1) * width, second, batch, width)
        _spread(squares, g * width, square, batch, width)
