"""Angles to the matrices of gates, matrices to registers, and the gates' sums back to derivatives by angle."""

from __future__ import annotations

import numpy as np
from numba import njit

from qllmft_backends.adjoint.compiled.parts import part
from qllmft_backends.adjoint.compiled.simd import lanes

_jit = njit(cache=True, nogil=True, error_model="numpy")


@part
def _turn(m, i, j, cos, sin, imaginary):
    """Replace rows a, b of m, of four registers each by sample, by cos·a − t·b and t'·a + cos·b.

    t = t' = sin for R_Y, i·sin and −i·sin for R_X.
    """
    for k in range(0, 4, 2):
        for sample in range(m.shape[1]):
            c = cos[sample]
            s = sin[sample]
            ar = m[i + k, sample]
            ai = m[i + k + 1, sample]
            br = m[j + k, sample]
            bi = m[j + k + 1, sample]
            if imaginary:
                m[i + k, sample] = c * ar + s * bi
                m[i + k + 1, sample] = c * ai - s * br
                m[j + k, sample] = c * br + s * ai
                m[j + k + 1, sample] = c * bi - s * ar
            else:
                m[i + k, sample] = c * ar - s * br
                m[i + k + 1, sample] = c * ai - s * bi
                m[j + k, sample] = c * br + s * ar
                m[j + k + 1, sample] = c * bi + s * ai


@part
def _phase(m, i, cos, sin):
    for k in range(0, 4, 2):
        for sample in range(m.shape[1]):
            real = m[i + k, sample]
            imaginary = m[i + k + 1, sample]
            m[i + k, sample] = cos[sample] * real - sin[sample] * imaginary
            m[i + k + 1, sample] = cos[sample] * imaginary + sin[sample] * real


@part
def _multiply(m, gate, factors, sin, cos, start):
    """Overwrite m (8, S) with the product of a gate's factors, for the samples from ``start`` on."""
    m[:] = 0
    m[0] = 1
    m[6] = 1
    stop = start + m.shape[1]
    for f in range(gate[3], gate[4]):
        axis = factors[f, 0]
        if axis < 2:
            _turn(m, 0, 4, cos[f, start:stop], sin[f, start:stop], axis == 0)
        elif axis == 2:
            _phase(m, 4, cos[f, start:stop], sin[f, start:stop])
        else:
            m[0] = 0  # CNOT has no other factor
            m[2] = 1
            m[4] = 1
            m[6] = 0


@part
def _turn_back(m):
    """Multiply matrices (8, S) with the global phase that makes their first entry real."""
    for sample in range(m.shape[1]):
        length = np.hypot(m[0, sample], m[1, sample])
        if length > 0:
            c = m[0, sample] / length
            s = m[1, sample] / length
            for k in range(0, 8, 2):
                real = m[k, sample]
                imaginary = m[k + 1, sample]
                m[k, sample] = c * real + s * imaginary
                m[k + 1, sample] = c * imaginary - s * real


@_jit
def add_removed_phases(gates, factors, sin, cos, out):
    """Add to ``out`` (B,) the phases by which `make_matrices` turns full matrices back.

    Args:
        gates: (N, 6) int64 `ComplexPlan.gates`.
        factors: (F, 2) int64, see `make_matrices`.
        sin: (F, B) float64, see `make_matrices`.
        cos: the same.
        out: (B,) float64, in radians; the sum over all gates of full matrices is added.
    """
    for n in range(gates.shape[0]):
        if gates[n, 0] == 0:
            m = np.empty((8, out.size))
            _multiply(m, gates[n], factors, sin, cos, 0)
            for sample in range(out.size):
                if np.hypot(m[0, sample], m[1, sample]) > 0:
                    out[sample] += np.arctan2(m[1, sample], m[0, sample])


@part
def make_matrices(gates, factors, sin, cos, start, out):
    """Multiply every gate's factors into ``out`` (8·N, S), for the samples from ``start`` on.

    Args:
        gates: (N, 6) int64 `ComplexPlan.gates`.
        factors: (F, 2) int64: `FactorKind`, and 1 with a parameter.
        sin: (F, B) float64 of the factors' angles in radians, of half of them for X and Y.
        cos: the same.
        start: first sample of the chunk.
        out: (8·N, S) float64, overwritten. The rows of a gate are the real and imaginary parts of
            its entries 00, 01, 10 and 11; the first of a full matrix is real.
    """
    for n in range(gates.shape[0]):
        m = out[8 * n : 8 * n + 8]
        _multiply(m, gates[n], factors, sin, cos, start)
        if gates[n, 0] == 0:
            _turn_back(m)


@part
def spread_matrices(gates, matrices, batch, inverse, out):
    """Spread the matrices (8·N, S) of `make_matrices`, or their inverses, over registers ``out`` (8·N·width).

    Args:
        gates: (N, 6) int64 `ComplexPlan.gates`.
        matrices: (8·N, S) float64 of S ≤ L samples.
        batch: L. Lane i belongs to sample i mod L; samples past S have the last one's angles.
        inverse: spread the inverses, the conjugate transposes.
        out: (8·N·width,) in the dtype of the states, overwritten: eight registers per gate, of
            which PHASE uses the first two and LANES the first four.
    """
    width = lanes(out.itemsize)
    sample_by_lane = np.empty(width, np.int64)
    for lane in range(width):
        sample_by_lane[lane] = min(lane % batch, matrices.shape[1] - 1)
    for n in range(gates.shape[0]):
        path = gates[n, 0]
        need = gates[n, 1]
        distance = gates[n, 2]
        for i in range(2 if path == 4 else 4 if path == 3 else 8):
            is_diagonal = i < 2 if path == 3 else i not in (2, 3, 4, 5)
            identity_entry = 1 if i == 0 or (i == 6 and path != 4) else 0  # of the identity
            entry = i  # the entry, and the one of lanes whose bit is set
            set_entry = i
            if path == 4:
                entry = set_entry = 6 + i
            elif path == 3:
                set_entry = 6 + i if is_diagonal else 2 + i
            if inverse and not is_diagonal:
                entry = entry ^ 6
                set_entry = set_entry ^ 6
            sign = -1 if inverse and i & 1 else 1
            row = out[(8 * n + i) * width : (8 * n + i + 1) * width]
            x = matrices[8 * n + entry]
            y = matrices[8 * n + set_entry]
            for lane in range(width):
                row[lane] = sign * x[sample_by_lane[lane]]
            if need or (distance and path == 3):
                for lane in range(width):
                    if lane & need != need:
                        row[lane] = identity_entry
                    elif lane & distance and path == 3:
                        row[lane] = sign * y[sample_by_lane[lane]]


@part
def _sum_lanes(by_lane, gate, n, batch, width, out):
    """Sum K, X and Y of one gate into the rows of ``out`` (3, S) (see `complex_gates`)."""
    path = gate[0]
    need = gate[1]
    distance = gate[2]
    for sample in range(out.shape[1]):
        identity_sum = 0.0
        cross_sum = 0.0
        turn_sum = 0.0
        for lane in range(sample, width, batch):
            if lane & need != need:
                continue
            lane_index = 3 * n * width + lane
            is_set = lane & distance != 0
            if path == 4 or distance == 0 or is_set:
                identity_sum += by_lane[lane_index]
            cross_sum += by_lane[lane_index + width]
            turn_sum += (
                -by_lane[lane_index + 2 * width] if is_set else by_lane[lane_index + 2 * width]
            )
        out[0, sample] = identity_sum
        out[1, sample] = cross_sum
        out[2, sample] = turn_sum


@part
def _add_factor(v, axis, sums, out):
    """Compute the derivative by one factor, V (8, S) being the product of the factors after it."""
    for i in range(v.shape[1]):
        pr = v[0, i]  # V is held by columns
        pi = v[1, i]
        qr = v[4, i]
        qi = v[5, i]
        rr = v[2, i]
        ri = v[3, i]
        sr = v[6, i]
        si = v[7, i]
        if axis == 2:  # h = q s*, h₀₀ − h₁₁ = |q|² − |s|²
            real = qr * sr + qi * si
            imaginary = qi * sr - qr * si
            diagonal = qr * qr + qi * qi - sr * sr - si * si
        elif axis == 0:  # h = −(q r* + p s*)/2, h₀₀ − h₁₁ = 2 Re s r*
            real = -0.5 * (qr * rr + qi * ri + pr * sr + pi * si)
            imaginary = -0.5 * (qi * rr - qr * ri + pi * sr - pr * si)
            diagonal = 2 * (sr * rr + si * ri)
        else:  # h = −i(q r* − p s*)/2, h₀₀ − h₁₁ = 2 Im r s*
            real = 0.5 * (qi * rr - qr * ri - pi * sr + pr * si)
            imaginary = -0.5 * (qr * rr + qi * ri - pr * sr - pi * si)
            diagonal = 2 * (ri * sr - rr * si)
        out[i] = 2 * (diagonal * sums[0, i] - real * sums[1, i] - imaginary * sums[2, i])


@part
def add_derivatives(gates, factors, sin, cos, start, batch, by_lane, out):
    """Compute the derivatives ``out`` (F, B) by the factors' angles, for a chunk's samples.

    A gate is V F R, with F the factor: dU U⁻¹ = V (dF F⁻¹) V⁻¹ = iH dθ, and the derivative is, from
    the gate's sums, 2 (h₀₀ − h₁₁) K − 2 Re h₀₁ X − 2 Im h₀₁ Y.

    Args:
        gates: (N, 6) int64 `ComplexPlan.gates`.
        factors: (F, 2) int64, see `make_matrices`.
        sin: (F, B) float64, see `make_matrices`.
        cos: the same.
        start: first sample of the chunk.
        batch: L, samples in a chunk.
        by_lane: (3·N·width,) sums K, X and Y of every gate, see `backward_steps`.
        out: (F, B) in the dtype of the states; overwritten for factors with a parameter, unchanged
            for the others.
    """
    stop = min(start + batch, out.shape[1])
    width = by_lane.size // max(1, 3 * gates.shape[0])
    sums = np.empty((3, stop - start))
    v = np.empty((8, stop - start))
    for n in range(gates.shape[0]):
        _sum_lanes(by_lane, gates[n], n, batch, width, sums)
        v[:] = 0
        v[0] = 1
        v[6] = 1
        for f in range(gates[n, 4] - 1, gates[n, 3] - 1, -1):
            axis = factors[f, 0]
            if factors[f, 1]:
                _add_factor(v, axis, sums, out[f, start:stop])
            if axis == 2:
                _phase(v, 4, cos[f, start:stop], sin[f, start:stop])
            elif axis == 0:
                _turn(v, 0, 4, cos[f, start:stop], sin[f, start:stop], True)
            elif axis == 1:
                _turn(v, 4, 0, cos[f, start:stop], sin[f, start:stop], False)
