"""Angles to the matrices of a chunk's gates, and matrices to the registers that the kernels read.

A matrix is computed in float64 for eight samples at a time. It is eight registers: the real and imaginary parts of its
entries 00, 01, 10 and 11.

A *turn* is a unitary in the form exp(iα) diag(1, p) R_Y(2θ) diag(1, w), with |p| = |w| = 1. Its kernel applies
diag(1, w), and R_Y without its factor cos θ. The phase α changes nothing that is measured. The phase p stays on the
wire, until the wire's next matrix takes it in: controls and phases in between commute with it. The stored state is
the true one divided by the product of the cosines so far, one number per sample, as in `rotations`. A *full* turn, with
its cos and sin, folds that product in and restarts it, and so does a general matrix.
"""

from __future__ import annotations

import numpy as np

from qllmft_engine.compiled.complex_gates import GENERAL, LANE_TURN, LANES, PHASE, TURN
from qllmft_engine.compiled.complex_rows import product, product_with_conjugate
from qllmft_engine.compiled.complex_turn_pairs import run_as_one
from qllmft_engine.compiled.parts import part
from qllmft_engine.compiled.rotations import LARGEST_GROWTH, LARGEST_TANGENT
from qllmft_engine.compiled.simd import (
    SAMPLES,
    add,
    aligned_empty,
    any_below,
    broadcast,
    count_lanes,
    div,
    load,
    mul,
    select_positive,
    square_root,
    store,
    sub,
)
from qllmft_engine.kernel_cache import cached_njit
from qllmft_engine.program.gates import FactorKind

ENTRIES = 10 * SAMPLES  # numbers kept of a gate: its matrix, and the phase p that it leaves

_X = int(FactorKind.X)
_Z = int(FactorKind.Z)
_FLIP = int(FactorKind.FLIP)
_SMALLEST_COS = 1 / LARGEST_TANGENT
_SMALLEST_PRODUCT = 1 / LARGEST_GROWTH

_jit = cached_njit(nogil=True, error_model="numpy")


# --- complex numbers of two registers
# ------------------------------------------------------------------------------------


@part
def _length(a):
    return square_root(add(mul(a[0], a[0]), mul(a[1], a[1])))


@part
def _direction(a, length, default):
    """Return a divided by its length, or ``default`` where the length is 0."""
    divisor = select_positive(length, length, broadcast(1.0))
    return (
        select_positive(length, div(a[0], divisor), default[0]),
        select_positive(length, div(a[1], divisor), default[1]),
    )


# --- matrices of gates
# ---------------------------------------------------------------------------------------------------


@part
def phase_matrix(real, imaginary):
    """Return diag(1, p), the parts of p being registers."""
    zero = broadcast(0.0)
    return broadcast(1.0), zero, zero, zero, zero, zero, real, imaginary


@part
def apply_factor(m, kind, cos, sin):
    """Return the factor of ``kind`` times the matrix m.

    Args:
        m: eight registers of float64.
        kind: `FactorKind`.
        cos: register, of half the angle for X and Y; not used for FLIP.
        sin: the same.
    """
    if kind == _FLIP:
        return m[4], m[5], m[6], m[7], m[0], m[1], m[2], m[3]
    if kind == _Z:
        a = product((m[4], m[5]), (cos, sin))
        b = product((m[6], m[7]), (cos, sin))
        return m[0], m[1], m[2], m[3], a[0], a[1], b[0], b[1]
    if kind == _X:
        return (
            add(mul(cos, m[0]), mul(sin, m[5])), sub(mul(cos, m[1]), mul(sin, m[4])),
            add(mul(cos, m[2]), mul(sin, m[7])), sub(mul(cos, m[3]), mul(sin, m[6])),
            add(mul(cos, m[4]), mul(sin, m[1])), sub(mul(cos, m[5]), mul(sin, m[0])),
            add(mul(cos, m[6]), mul(sin, m[3])), sub(mul(cos, m[7]), mul(sin, m[2])),
        )  # fmt: skip
    return (
        sub(mul(cos, m[0]), mul(sin, m[4])), sub(mul(cos, m[1]), mul(sin, m[5])),
        sub(mul(cos, m[2]), mul(sin, m[6])), sub(mul(cos, m[3]), mul(sin, m[7])),
        add(mul(cos, m[4]), mul(sin, m[0])), add(mul(cos, m[5]), mul(sin, m[1])),
        add(mul(cos, m[6]), mul(sin, m[2])), add(mul(cos, m[7]), mul(sin, m[3])),
    )  # fmt: skip


@part
def _multiply_factors(gate, factors, sin, cos, start):
    """Return the product of a gate's factors for the samples from ``start`` on."""
    m = phase_matrix(broadcast(1.0), broadcast(0.0))
    columns = sin.shape[1]
    for f in range(gate[3], gate[4]):
        position = f * columns + start
        m = apply_factor(m, factors[f, 0], load(cos, position), load(sin, position))
    return m


@part
def _multiply_last_phases(gate, factors, sin, cos, start):
    """Return the phase p of a gate whose last matrix is R_X or R_Y, up to its sign: that of the phases behind it."""
    one = broadcast(1.0)
    zero = broadcast(0.0)
    p = one, zero
    columns = sin.shape[1]
    for f in range(gate[3], gate[4]):
        kind = factors[f, 0]
        position = f * columns + start
        if kind == _Z:
            p = product(p, (load(cos, position), load(sin, position)))
        elif kind == _X:
            p = zero, sub(zero, one)
        else:
            p = one, zero
    return p


@part
def _remove_phase(m):
    """Return m times the global phase that makes its first entry real."""
    first = m[0], m[1]
    e = _direction(first, _length(first), (broadcast(1.0), broadcast(0.0)))
    a = product_with_conjugate(e, first)
    b = product_with_conjugate(e, (m[2], m[3]))
    c = product_with_conjugate(e, (m[4], m[5]))
    d = product_with_conjugate(e, (m[6], m[7]))
    return a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]


@part
def _factorise(m, default):
    """Return (cos θ, sin θ, real and imaginary part of w) of a turn, both not negative, and its p.

    Args:
        m: matrix.
        default: p where the sine is 0, and any would do.
    """
    zero = broadcast(0.0)
    cos = _length((m[0], m[1]))
    sin = _length((m[4], m[5]))
    e = _direction((m[0], m[1]), cos, (broadcast(1.0), zero))
    f = _direction((m[4], m[5]), sin, product(e, default))
    # w from the larger one of the other two entries, which are -sin·w and cos·w up to e and f
    difference = sub(cos, sin)
    b = product_with_conjugate(e, (m[2], m[3]))
    d = product_with_conjugate(f, (m[6], m[7]))
    w = (
        select_positive(difference, d[0], sub(zero, b[0])),
        select_positive(difference, d[1], sub(zero, b[1])),
    )
    w = _direction(w, _length(w), e)
    return (cos, sin, w[0], w[1]), product_with_conjugate(e, f)


@_jit
def add_removed_phases(gates, factors, sin, cos, out):
    """Add to ``out`` (B,) the phases by which `make_matrices` turns general matrices back.

    Args:
        gates: (N, 7) int64 `ComplexPlan.gates`, without turns.
        factors: (F, 3) int64, see `make_matrices`.
        sin: (F, P) float64, see `make_matrices`.
        cos: the same.
        out: (B,) float64, in radians; the sum over all gates of general matrices is added.
    """
    first = np.empty(2 * SAMPLES)
    for start in range(0, out.size, SAMPLES):
        for n in range(gates.shape[0]):
            if gates[n, 0] == GENERAL:
                m = _multiply_factors(gates[n], factors, sin, cos, start)
                store(first, 0, m[0])
                store(first, SAMPLES, m[1])
                for i in range(min(SAMPLES, out.size - start)):
                    if np.hypot(first[i], first[SAMPLES + i]) > 0:
                        out[start + i] += np.arctan2(first[SAMPLES + i], first[i])


@part
def make_matrices(plan, sin, cos, start, out):
    """Multiply every gate's factors, and give turns and general matrices their forms.

    Args:
        plan: `ComplexPlanArrays`. The rows of ``plan.factors`` begin with a `FactorKind`.
        sin: (F, P) float64 of the factors' angles in radians, of half of them for X and Y. P is at least ``start`` + 8;
            columns past the samples have the sine 0 and the cosine 1 or the angles of other samples.
        cos: the same.
        start: first sample of the chunk.
        out: (N·`ENTRIES`,) float64, overwritten: the matrix, of a general one with a real first entry, of a turn
            (cos θ, sin θ, w); and the phase p that the gate leaves on its wire.
    """
    one = broadcast(1.0)
    zero = broadcast(0.0)
    wire_phases = aligned_empty(sin, 2 * SAMPLES * plan.sizes[3])
    for wire in range(plan.sizes[3]):
        store(wire_phases, 2 * SAMPLES * wire, one)
        store(wire_phases, 2 * SAMPLES * wire + SAMPLES, zero)
    for n in range(plan.gates.shape[0]):
        gate = plan.gates[n]
        form = gate[0]
        m = _multiply_factors(gate, plan.factors, sin, cos, start)
        phase = one, zero
        if form in (GENERAL, LANES, TURN, LANE_TURN):
            wire = 2 * SAMPLES * gate[6]
            wire_phase = load(wire_phases, wire), load(wire_phases, wire + SAMPLES)
            a = product((m[2], m[3]), wire_phase)
            b = product((m[6], m[7]), wire_phase)
            m = m[0], m[1], a[0], a[1], m[4], m[5], b[0], b[1]
            if form in (TURN, LANE_TURN):
                turn, phase = _factorise(
                    m, _multiply_last_phases(gate, plan.factors, sin, cos, start)
                )
                m = turn[0], turn[1], turn[2], turn[3], zero, zero, zero, zero
            elif form == GENERAL:
                m = _remove_phase(m)
            store(wire_phases, wire, phase[0])
            store(wire_phases, wire + SAMPLES, phase[1])
        position = n * ENTRIES
        _store_matrix(out, position, m)
        store(out, position + 8 * SAMPLES, phase[0])
        store(out, position + 9 * SAMPLES, phase[1])


@part
def _store_matrix(out, position, m):
    store(out, position, m[0])
    store(out, position + SAMPLES, m[1])
    store(out, position + 2 * SAMPLES, m[2])
    store(out, position + 3 * SAMPLES, m[3])
    store(out, position + 4 * SAMPLES, m[4])
    store(out, position + 5 * SAMPLES, m[5])
    store(out, position + 6 * SAMPLES, m[6])
    store(out, position + 7 * SAMPLES, m[7])


# --- registers of the kernels
# ------------------------------------------------------------------------------------------


@part
def spread_matrices(plan, matrices, inverse, out, is_full, factor, squares):
    """Spread the matrices of `make_matrices`, or their inverses, over the registers of the kernels.

    Args:
        plan: `ComplexPlanArrays`.
        matrices: (N·`ENTRIES`,) of `make_matrices`.
        inverse: spread the inverses, the conjugate transposes.
        out: (8·N·width,) in the dtype of the states, overwritten: eight registers per gate. PHASE uses the first two,
            LANES four, and a turn that is not full three: tan θ, and the parts of w.
        is_full: (N,) bool, overwritten: whether a turn runs as a general matrix.
        factor: (8,) float64, overwritten with that of the stored state after all steps.
        squares: (16·N,) float64, overwritten: on the way back the factors of λ·ψ before a gate is undone, and after it.
    """
    batch = plan.sizes[0]
    width = count_lanes(out)
    one = broadcast(1.0)
    total = one
    scratch = aligned_empty(matrices, 8 * SAMPLES)
    n_steps = plan.steps.shape[0]
    for i in range(n_steps):
        n = plan.steps[n_steps - 1 - i if inverse else i, 1]
        gate = plan.gates[n]
        position = n * ENTRIES
        store(squares, 2 * n * SAMPLES, mul(total, total))
        is_full[n] = False
        form = gate[0]
        if form in (TURN, LANE_TURN):
            cos = load(matrices, position)
            is_full[n] = any_below(cos, _SMALLEST_COS) or any_below(
                mul(total, cos), _SMALLEST_PRODUCT
            )
            sin = load(matrices, position + SAMPLES)
            w = load(matrices, position + 2 * SAMPLES), load(matrices, position + 3 * SAMPLES)
            if is_full[n]:
                _store_matrix(scratch, 0, _expand_turn(cos, sin, w))
                form = GENERAL if form == TURN else LANES
            else:
                store(scratch, 0, div(sin, cos))
                store(scratch, SAMPLES, w[0])
                store(scratch, 2 * SAMPLES, w[1])
        else:
            # an assignment of a slice would compile numba's texts of errors, which takes seconds
            for i in range(0, 8 * SAMPLES, SAMPLES):
                store(scratch, i, load(matrices, position + i))
        if form in (TURN, LANE_TURN):
            _spread_turn(scratch, batch, out, 8 * n * width)
            total = mul(total, load(matrices, position))
        else:
            if form == GENERAL or is_full[n]:
                _scale_matrix(scratch, total)
                total = one
            _spread_matrix(form, gate, scratch, batch, inverse, out, 8 * n * width)
        store(squares, (2 * n + 1) * SAMPLES, mul(total, total))
    if inverse:
        _share_squares(plan.steps, is_full, squares)
    store(factor, 0, total)


@part
def _scale_matrix(matrix, factor):
    """Multiply the eight registers of a matrix by one."""
    for place in range(0, matrix.size, SAMPLES):
        store(matrix, place, mul(factor, load(matrix, place)))


@part
def _share_squares(steps, is_full, squares):
    """Give turns that are undone in one pass the factors before both, and after both."""
    for last in range(1, steps.shape[0]):
        if run_as_one(steps[last + 1 - steps[last, 9] : last + 1], is_full):
            first_gate = steps[last - 1, 1]
            last_gate = steps[last, 1]
            place_before = 2 * last_gate * SAMPLES
            place_after = (2 * first_gate + 1) * SAMPLES
            store(squares, 2 * first_gate * SAMPLES, load(squares, place_before))
            store(squares, (2 * last_gate + 1) * SAMPLES, load(squares, place_after))


@part
def _expand_turn(cos, sin, w):
    """Return the matrix R_Y(2θ) diag(1, w)."""
    zero = broadcast(0.0)
    negative_sin = sub(zero, sin)
    return (
        cos, zero, mul(negative_sin, w[0]), mul(negative_sin, w[1]),
        sin, zero, mul(cos, w[0]), mul(cos, w[1]),
    )  # fmt: skip


@part
def _spread_turn(turn, batch, out, out_position):
    """Spread a turn's tan θ and parts of w."""
    width = count_lanes(out)
    for entry in range(3):
        first = out_position + entry * width
        for lane in range(width):
            out[first + lane] = turn[entry * SAMPLES + (lane & batch - 1)]


@part
def _spread_matrix(form, gate, matrix, batch, inverse, out, out_position):
    """Spread one matrix, or its inverse, of any form but a turn: lane i belongs to sample i mod L.

    Lanes on which the gate does not act get the identity, and lanes whose bit is set the second row.
    """
    width = count_lanes(out)
    sample_bits = batch - 1  # L is a power of two: lane & sample_bits is the sample of a lane
    need = gate[1]
    distance = gate[2]
    for i in range(2 if form == PHASE else 4 if form == LANES else 8):
        is_diagonal = i < 2 if form == LANES else i not in (2, 3, 4, 5)
        identity_entry = 1 if i == 0 or (i == 6 and form != PHASE) else 0
        entry = i  # the entry, and the one of lanes whose bit is set
        set_entry = i
        if form == PHASE:
            entry = set_entry = 6 + i
        elif form == LANES:
            set_entry = 6 + i if is_diagonal else 2 + i
        if inverse and not is_diagonal:
            entry = entry ^ 6
            set_entry = set_entry ^ 6
        sign = -1 if inverse and i & 1 else 1
        first = out_position + i * width
        x = entry * SAMPLES
        y = set_entry * SAMPLES
        for lane in range(width):
            out[first + lane] = sign * matrix[x + (lane & sample_bits)]
        if need or (distance and form == LANES):
            for lane in range(width):
                if lane & need != need:
                    out[first + lane] = identity_entry
                elif lane & distance and form == LANES:
                    out[first + lane] = sign * matrix[y + (lane & sample_bits)]
