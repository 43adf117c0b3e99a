"""Angles to the matrices of gates, matrices to registers, and the gates' sums back to derivatives by angle."""

from __future__ import annotations

import numpy as np
from numba import njit

from qllmft_backends.adjoint.compiled.simd import lanes

_jit = njit(cache=True, nogil=True, error_model="numpy")


@_jit
def make_matrices(gates, factors, sin, cos, start, out):
    """Products of every gate's factors.

    Args:
        gates: of `ComplexPlan`.
        factors: (F, 2) axis, and 1 where the factor has a parameter.
        sin: (B, F) of the factors' angles, of half of them for turns.
        cos: (B, F) of the same.
        start: the first sample.
        out: (S, 8·N) real and imaginary parts of the four entries, overwritten; samples past B repeat the last one.
    """
    for sample in range(out.shape[0]):
        row = min(start + sample, sin.shape[0] - 1)
        for n in range(gates.shape[0]):
            a, b, c, d = 1.0 + 0j, 0j, 0j, 1.0 + 0j
            for f in range(gates[n, 3], gates[n, 4]):
                co, si, axis = cos[row, f], sin[row, f], factors[f, 0]
                if axis == 0:
                    a, b, c, d = co * a - 1j * si * c, co * b - 1j * si * d, co * c - 1j * si * a, co * d - 1j * si * b
                elif axis == 1:
                    a, b, c, d = co * a - si * c, co * b - si * d, co * c + si * a, co * d + si * b
                elif axis == 2:
                    c, d = (co + 1j * si) * c, (co + 1j * si) * d
                else:
                    a, b, c, d = c, d, a, b
            at = 8 * n
            for i, entry in enumerate((a, b, c, d)):
                out[sample, at + 2 * i], out[sample, at + 2 * i + 1] = entry.real, entry.imag


@_jit
def spread_matrices(gates, matrices, batch, inverse, out):
    """Matrices, or their inverses, as the kernels read them.

    Args:
        gates: of `ComplexPlan`.
        matrices: (S, 8·N) of `make_matrices`.
        batch: L; lane i belongs to sample i mod L.
        inverse: take the inverses.
        out: (8·N·width) overwritten; see `complex_gates`.
    """
    width = lanes(out.itemsize)
    m = np.empty(8)
    for n in range(gates.shape[0]):
        path, need, distance = gates[n, 0], gates[n, 1], gates[n, 2]
        for lane in range(width):
            sample = min(lane % batch, matrices.shape[0] - 1)
            if lane & need != need:
                m[:] = 0
                m[0] = m[6] = 1
            else:
                m[:] = matrices[sample, 8 * n : 8 * n + 8]
                if inverse:
                    m[1], m[7] = -m[1], -m[7]
                    m[2], m[3], m[4], m[5] = m[4], -m[5], m[2], -m[3]
            if path == 4:
                m[0], m[1] = m[6], m[7]
            elif path == 3 and lane & distance:
                m[0], m[1], m[2], m[3] = m[6], m[7], m[4], m[5]
            for i in range(8):
                out[(8 * n + i) * width + lane] = m[i]


@_jit
def _sums(by_lane, gate, n, sample, batch, width):
    """K, X and Y of one gate and sample; see `complex_gates`."""
    path, need, distance = gate[0], gate[1], gate[2]
    one, cross, turn = 0.0, 0.0, 0.0
    for lane in range(sample, width, batch):
        if lane & need != need:
            continue
        at = 3 * n * width + lane
        is_set = lane & distance != 0
        if path == 4 or distance == 0 or is_set:
            one += by_lane[at]
        cross += by_lane[at + width]
        turn += -by_lane[at + 2 * width] if is_set else by_lane[at + 2 * width]
    return one, cross, turn


@_jit
def add_derivatives(gates, factors, sin, cos, start, batch, by_lane, out):
    """Derivatives by the factors' angles.

    A gate is V F R, with F the factor: dU U⁻¹ = V (dF F⁻¹) V⁻¹ = iH dθ, and the derivative is, from the gate's sums,
    2 (h₀₀ − h₁₁) K − 2 Re h₀₁ X − 2 Im h₀₁ Y.

    Args:
        gates: of `ComplexPlan`.
        factors: as in `make_matrices`.
        sin: as in `make_matrices`.
        cos: as in `make_matrices`.
        start: the first sample.
        batch: L.
        by_lane: (3·N·width) the gates' sums.
        out: (B, F), overwritten for the chunk's samples; zero for factors without a parameter.
    """
    width = by_lane.size // max(1, 3 * gates.shape[0])
    for sample in range(min(batch, out.shape[0] - start)):
        row = start + sample
        for n in range(gates.shape[0]):
            one, cross, turn = _sums(by_lane, gates[n], n, sample, batch, width)
            p, q, r, s = 1.0 + 0j, 0j, 0j, 1.0 + 0j  # V
            for f in range(gates[n, 4] - 1, gates[n, 3] - 1, -1):
                co, si, axis = cos[row, f], sin[row, f], factors[f, 0]
                if axis == 0:
                    h, z = -0.5 * (q * r.conjugate() + p * s.conjugate()), 2 * (s * r.conjugate()).real
                    p, q, r, s = co * p - 1j * si * q, co * q - 1j * si * p, co * r - 1j * si * s, co * s - 1j * si * r
                elif axis == 1:
                    h, z = -0.5j * (q * r.conjugate() - p * s.conjugate()), 2 * (r * s.conjugate()).imag
                    p, q, r, s = co * p + si * q, co * q - si * p, co * r + si * s, co * s - si * r
                else:
                    h, z = q * s.conjugate(), abs(q) ** 2 - abs(s) ** 2
                    q, s = (co + 1j * si) * q, (co + 1j * si) * s
                value = 2 * (z * one - h.real * cross - h.imag * turn)
                out[start + sample, f] = value if factors[f, 1] else 0.0
