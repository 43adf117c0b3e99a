"""Shots of eq. 2 on one chunk: values after a forward pass, and the co-state of a gradient through their noise."""

from __future__ import annotations

import numpy as np

from qllmft_engine.compiled.normals import fill_normal
from qllmft_engine.compiled.observables import (
    BLOCK_BITS,
    add_strings,
    start_costate,
    sum_lanes,
    write_weights,
)
from qllmft_engine.compiled.parts import part
from qllmft_engine.compiled.simd import (
    add,
    aligned_empty,
    count_lanes,
    load,
    mul,
    select_positive,
    store,
)


@part
def _draw_noise(stream, chunk, noise):
    """Overwrite ``noise`` with the ε of a chunk (see `GaussianShots`)."""
    fill_normal(np.uint32(stream[0]), np.uint32(stream[1]), np.uint32(stream[2] + chunk), noise)


@part
def measure(plan, arrays, chunk):
    """Measure a chunk with shots (see `PlanArrays` and `ShotValues`)."""
    batch = plan.sizes[0]
    size = plan.sizes[1]
    start = chunk * batch
    s = arrays.states[chunk, :size]
    noise = arrays.noise[chunk, :size]
    out = arrays.out
    signs = plan.lane_signs
    by_lane = aligned_empty(s, signs.size)
    _draw_noise(arrays.stream, chunk, noise)
    _measure_shots(s, noise, arrays.product[chunk], arrays.scale[0], plan.row_masks, by_lane)
    for sample in range(min(batch, out.shape[0] - start)):
        for t in range(plan.row_masks.size):
            out[start + sample, t] = sum_lanes(by_lane, signs, t, sample, batch)


@part
def start_costates(plan, arrays, chunk):
    """Start the co-state of a chunk (see `PlanArrays` and `ShotCostates`)."""
    batch = plan.sizes[0]
    size = plan.sizes[1]
    s = arrays.states[chunk, :size]
    noise = arrays.noise[chunk, :size]
    weights = aligned_empty(s, plan.lane_signs.size)
    write_weights(arrays.weights, chunk * batch, batch, plan.lane_signs, weights)
    _start_reparametrised_costate(
        s,
        arrays.costates[chunk, :size],
        arrays.product[chunk],
        plan.row_masks,
        weights,
        arrays.stream,
        chunk,
        noise,
        arrays.scale[0],
    )


@part
def _measure_shots(s, noise, product, scale, row_masks, out):
    """Compute Σ ±ŷ/n by lane into ``out`` (T·width) from the rectified frequencies of eq. 2.

    ŷ/n = ψ (ψ u + ε v), v = 1/sqrt(n), u = 1 - v Σ ψ ε.

    Args:
        s: (2^Q · L,) ψ divided by ``product``; unchanged.
        noise: (2^Q · L,) ε, overwritten with 1 for outcomes that count, 0 for rectified ones.
        product: (L,) factors of the states.
        scale: v, a number.
        row_masks: (T,) int64 Z strings, shifted past the qubits inside registers.
        out: (T·width,) in the dtype of ``s``, overwritten.
    """
    width = count_lanes(s)
    batch = product.size
    rows = s.size // width
    count = min(rows, 1 << BLOCK_BITS)
    block = aligned_empty(s, count * width)
    table = aligned_empty(s, 4 * width)  # registers: Σ ψ ε, then u; v; product; 1
    table[:] = 0
    zero = load(table, 0)
    overlap = zero
    for k in range(0, s.size, width):
        overlap = add(overlap, mul(load(s, k), load(noise, k)))
    store(table, 0, overlap)
    for sample in range(batch):
        total = 0.0
        for lane in range(sample, width, batch):
            total += table[lane]
        for lane in range(sample, width, batch):
            table[lane] = 1 - scale * total * product[sample]
            table[width + lane] = scale
            table[2 * width + lane] = product[sample]
            table[3 * width + lane] = 1
    u = load(table, 0)
    v = load(table, width)
    factor = load(table, 2 * width)
    unit = load(table, 3 * width)
    out[:] = 0
    for first in range(0, rows, count):
        for i in range(count):
            k = (first + i) * width
            psi = mul(load(s, k), factor)
            frequency = mul(psi, add(mul(psi, u), mul(load(noise, k), v)))
            store(block, i * width, select_positive(frequency, frequency, zero))
            store(noise, k, select_positive(frequency, unit, zero))
        add_strings(block, count, width, first, row_masks, out)


@part
def _start_reparametrised_costate(s, c, product, row_masks, weights, stream, chunk, noise, scale):
    """Compute the co-state of the rectified frequencies of eq. 2 with ε fixed into ``c`` (see `GaussianShots`).

    Args:
        s: (2^Q · L,) ψ divided by ``product``; ψ afterwards.
        c: (2^Q · L,), overwritten.
        product: (L,) factors of the stored states.
        row_masks: (T,) int64, see `start_costate`.
        weights: (T·width,), see `start_costate`.
        stream: source of ε, see `GaussianShots.stream`.
        chunk: number of the chunk.
        noise: (2^Q · L,), overwritten with ε.
        scale: 1/sqrt(n) of n shots, a number.
    """
    batch = product.size
    noise[:] = 1
    start_costate(noise, c, np.ones_like(product), row_masks, weights)  # 2 Σ_t w_t Z_t
    _draw_noise(stream, chunk, noise)
    # Σ ψ ε, and Σ w ψ² of positive outcomes
    overlap = np.zeros(batch, s.dtype)
    positive_weights = np.zeros(batch, s.dtype)
    for k in range(s.size):
        s[k] *= product[k % batch]
        overlap[k % batch] += s[k] * noise[k]
    for k in range(s.size):
        sample = k % batch
        u = 1 - scale * overlap[sample]
        psi = s[k]
        w = c[k] / 2
        if psi * (psi * u + scale * noise[k]) > 0:
            c[k] = w * (2 * psi * u + scale * noise[k])
            positive_weights[sample] += w * psi * psi
        else:
            c[k] = 0
    for k in range(s.size):
        c[k] -= positive_weights[k % batch] * scale * noise[k]
