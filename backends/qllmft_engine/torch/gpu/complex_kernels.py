"""Triton kernels of circuits of any gates: a program of the grid holds 2^L complex amplitudes, for several gates.

States are (B, 2, 2^Q), real parts before imaginary ones. A gate is a matrix of two rows, which acts where its control
is 1. Row g of the table is (control, target, slot): see `real_gates`, but the slot is that of a gradient, -1 without
one. A matrix is eight numbers: real and imaginary parts of m00, m01, m10 and m11. Where θ turns a gate with the matrix
M, its derivative is G·M for a constant matrix G, the generator.
"""

import triton
import triton.language as tl

from qllmft_engine.torch.gpu.real_gates import lane_partners, register_partners, warp_partners
from qllmft_engine.torch.gpu.real_kernels import place, sample_and_block

ROW = 3  # numbers of a row
ENTRIES = 8  # numbers of a matrix
_ROW = tl.constexpr(ROW)
_ENTRIES = tl.constexpr(ENTRIES)
INTEGERS = ("first", "last", "loads", "n_rows", "n_slots", "outside", "stride", "width")


@triton.jit
def gate_row(rows, g):
    """Return one row of the table of gates."""
    return (
        tl.load(rows + _ROW * g),
        tl.load(rows + _ROW * g + 1),
        tl.load(rows + _ROW * g + 2),
    )


@triton.jit
def partners(xr, xi, target, L: tl.constexpr, WARPS: tl.constexpr):
    """Return for each amplitude (2^L,), in its two parts, the one with the other value of a target.

    Args:
        xr, xi: amplitudes.
        target: local qubit.
        L: local qubits.
        WARPS: of the program.
    """
    LANES: tl.constexpr = 32 if L >= 5 else 1 << L
    pr = xr
    pi = xi
    if target < 5:
        pr = lane_partners(xr, target, 1, L, LANES)
        pi = lane_partners(xi, target, 1, L, LANES)
    if WARPS > 1:
        if (target >= 5) & (1 << target < 32 * WARPS):
            pr = warp_partners(xr, target, 1, L)
            pi = warp_partners(xi, target, 1, L)
    for t in tl.static_range(5, L):
        if 1 << t >= 32 * WARPS:
            if target == t:
                pr = register_partners(xr, t, 1, L)
                pi = register_partners(xi, t, 1, L)
    return pr, pi


@triton.jit
def times_matrix(matrix, xr, xi, pr, pi, bit, ADJOINT: tl.constexpr):
    """Return real and imaginary part of a matrix, or its adjoint, times amplitudes and their partners.

    Args:
        matrix: pointer to its numbers.
        xr, xi: amplitudes.
        pr, pi: partners.
        bit: the target's value, 0 or 1, of each amplitude.
        ADJOINT: conjugate and transpose.
    """
    high = bit != 0
    ar = tl.where(high, tl.load(matrix + 6), tl.load(matrix))
    ai = tl.where(high, tl.load(matrix + 7), tl.load(matrix + 1))
    if ADJOINT:
        br = tl.where(high, tl.load(matrix + 2), tl.load(matrix + 4))
        bi = -tl.where(high, tl.load(matrix + 3), tl.load(matrix + 5))
        ai = -ai
    else:
        br = tl.where(high, tl.load(matrix + 4), tl.load(matrix + 2))
        bi = tl.where(high, tl.load(matrix + 5), tl.load(matrix + 3))
    return ar * xr - ai * xi + br * pr - bi * pi, ar * xi + ai * xr + br * pi + bi * pr


@triton.jit(do_not_specialize=INTEGERS)
def complex_forward(
    rows,
    first,
    last,
    matrices,
    n_rows,
    places,
    outside,
    loads,
    source,
    width,
    states,
    L: tl.constexpr,
    WARPS: tl.constexpr,
):
    """Run the gates of one pass on 2^L amplitudes of one state.

    Args:
        rows, first, last: the table of gates.
        matrices: (B, n_rows, 8) of each sample's gates.
        n_rows: of the table.
        places: of the local bits, then of the others.
        outside: number of the others.
        loads: 1 loads amplitudes, 0 begins in |0...0>.
        source: of these amplitudes.
        width: numbers from one sample's source to the next, 0 for a shared one.
        states: (B, 2, 2^Q) that are stored.
        L: local bits.
        WARPS: of the program.
    """
    b, block = sample_and_block(outside)
    local = tl.arange(0, 1 << L)
    index = place(local, block, places, outside, L)
    imaginary = 1 << (L + outside)
    xr = tl.where(index == 0, 1.0, 0.0).to(states.dtype.element_ty)
    xi = (index * 0).to(states.dtype.element_ty)
    if loads != 0:
        xr = tl.load(source + b * width + index)
        xi = tl.load(source + b * width + imaginary + index)
    bits = local + (block << L)
    for g in range(first, last):
        control, target, _slot = gate_row(rows, g)
        matrix = matrices + (b * n_rows + g) * _ENTRIES
        pr, pi = partners(xr, xi, target, L, WARPS)
        on = (bits & control) == control
        nr, ni = times_matrix(matrix, xr, xi, pr, pi, (bits >> target) & 1, False)
        xr = tl.where(on, nr, xr)
        xi = tl.where(on, ni, xi)
    index = place(local, block, places, outside, L)
    tl.store(states + (b << (L + outside + 1)) + index, xr)
    tl.store(states + (b << (L + outside + 1)) + imaginary + index, xi)


@triton.jit(do_not_specialize=INTEGERS)
def complex_back(
    rows,
    first,
    last,
    matrices,
    generators,
    n_rows,
    places,
    outside,
    states,
    costates,
    by_slot,
    n_slots,
    L: tl.constexpr,
    WARPS: tl.constexpr,
):
    """Sweep back through one pass: states and co-states are those before it, and each slot has its gradient.

    Args:
        rows, first, last, matrices, n_rows, places, outside, L, WARPS: see `complex_forward`.
        generators: (n_rows, 8), see the module.
        states: (B, 2, 2^Q) behind the pass, overwritten.
        costates: (B, 2, 2^Q) there, overwritten.
        by_slot: (B, blocks, n_slots) parts of the gradients.
        n_slots: gates with an angle.
    """
    b, block = sample_and_block(outside)
    local = tl.arange(0, 1 << L)
    offset = (b << (L + outside + 1)) + place(local, block, places, outside, L)
    imaginary = 1 << (L + outside)
    xr = tl.load(states + offset)
    xi = tl.load(states + imaginary + offset)
    yr = tl.load(costates + offset)
    yi = tl.load(costates + imaginary + offset)
    bits = local + (block << L)
    out = by_slot + tl.program_id(0).to(tl.int64) * n_slots
    for k in range(first, last):
        g = last - 1 - (k - first)
        control, target, slot = gate_row(rows, g)
        matrix = matrices + (b * n_rows + g) * _ENTRIES
        pr, pi = partners(xr, xi, target, L, WARPS)
        qr, qi = partners(yr, yi, target, L, WARPS)
        on = (bits & control) == control
        bit = (bits >> target) & 1
        if slot >= 0:
            gr, gi = times_matrix(generators + g * _ENTRIES, xr, xi, pr, pi, bit, False)
            terms = tl.where(on, yr * gr + yi * gi, 0.0)
            tl.store(out + slot, tl.sum(terms, axis=0))
        nr, ni = times_matrix(matrix, xr, xi, pr, pi, bit, True)
        xr = tl.where(on, nr, xr)
        xi = tl.where(on, ni, xi)
        nr, ni = times_matrix(matrix, yr, yi, qr, qi, bit, True)
        yr = tl.where(on, nr, yr)
        yi = tl.where(on, ni, yi)
    offset = (b << (L + outside + 1)) + place(local, block, places, outside, L)
    tl.store(states + offset, xr)
    tl.store(states + imaginary + offset, xi)
    tl.store(costates + offset, yr)
    tl.store(costates + imaginary + offset, yi)
