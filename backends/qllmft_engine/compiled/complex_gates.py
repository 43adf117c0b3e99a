"""Gates on complex amplitudes, forward, and undone with the sums of a gradient (see `complex_sums`).

A gate has eight registers of coefficients at most: samples differ in their angles, and lanes differ if the control or
the target is inside registers. Most matrices on one qubit run as turns instead (see `complex_turns`).
"""

from __future__ import annotations

from qllmft_engine.compiled.complex_rows import (
    PIECE_PAIRS,
    imaginary,
    product,
    read_places,
    read_row,
    real,
    store_row,
)
from qllmft_engine.compiled.complex_sums import (
    add_all,
    add_cross,
    add_turn,
    load_sums,
    store_sums,
)
from qllmft_engine.compiled.gates import exchange, insert_zero_bits
from qllmft_engine.compiled.parts import inlined_part, part
from qllmft_engine.compiled.simd import (
    add,
    count_lanes,
    count_piece_lanes,
    load,
    load_piece,
    mul,
    store,
    sub,
)
from qllmft_engine.program.complex_lowering import MatrixForm

GENERAL, REAL, CROSS, LANES, PHASE, FLIP, TURN, LANE_TURN = (int(form) for form in MatrixForm)


@inlined_part
def _sum_of_products(a, x, b, y):
    """Return a·x + b·y of complex numbers."""
    return (
        sub(add(sub(mul(a[0], x[0]), mul(a[1], x[1])), mul(b[0], y[0])), mul(b[1], y[1])),
        add(add(add(mul(a[0], x[1]), mul(a[1], x[0])), mul(b[0], y[1])), mul(b[1], y[0])),
    )


@inlined_part
def _mix(a, x, b, y):
    return add(mul(a, x), mul(b, y))


@inlined_part
def _general_pair(s, i, j, a, b, m):
    """Apply a full matrix m, its first entry real, to the rows i and j of content a and b."""
    first_row = (
        sub(add(mul(m[0], a[0]), mul(m[2], b[0])), mul(m[3], b[1])),
        add(add(mul(m[0], a[1]), mul(m[2], b[1])), mul(m[3], b[0])),
    )
    store_row(s, i, first_row)
    store_row(s, j, _sum_of_products((m[4], m[5]), a, (m[6], m[7]), b))


@inlined_part
def _real_pair(s, i, j, a, b, m):
    store_row(s, i, (_mix(m[0], a[0], m[2], b[0]), _mix(m[0], a[1], m[2], b[1])))
    store_row(s, j, (_mix(m[4], a[0], m[6], b[0]), _mix(m[4], a[1], m[6], b[1])))


@inlined_part
def _cross_pair(s, i, j, a, b, m):
    store_row(s, i, (sub(mul(m[0], a[0]), mul(m[3], b[1])), _mix(m[0], a[1], m[3], b[0])))
    store_row(s, j, (sub(mul(m[6], b[0]), mul(m[5], a[1])), _mix(m[6], b[1], m[5], a[0])))


@inlined_part
def _matrix(read, coefficients, start):
    """Return the eight registers of a gate, or pieces of them. ``read`` is `load` or `load_piece`."""
    width = count_lanes(coefficients)
    return (
        read(coefficients, start), read(coefficients, start + width), read(coefficients, start + 2 * width),
        read(coefficients, start + 3 * width), read(coefficients, start + 4 * width),
        read(coefficients, start + 5 * width),
        read(coefficients, start + 6 * width), read(coefficients, start + 7 * width),
    )  # fmt: skip


# --- forward
# ---------------------------------------------------------------------------------------------------------


@inlined_part
def _apply_to_pairs(pair, s, step, coefficients):
    """Apply a matrix to pairs of rows.

    Args:
        pair: function of one pair, or of a piece of it.
        s: state, contiguous rows of two registers; changed in place.
        step: int64 row of `ComplexPlan.steps`.
        coefficients: registers of all gates, see `spread_matrices`.
    """
    size, low, high, offset, stride = read_places(step)
    width = count_lanes(s)
    row = 2 * width
    for first in range(0, size, PIECE_PAIRS * row):
        stop = min(size, first + PIECE_PAIRS * row)
        for piece in range(0, width, count_piece_lanes(s)):
            m = _matrix(load_piece, coefficients, 8 * width * step[1] + piece)
            for k in range(first, stop, row):
                i = insert_zero_bits(k, low, high) + offset + piece
                j = i + stride
                pair(s, i, j, read_row(load_piece, s, i), read_row(load_piece, s, j), m)


@part
def apply_matrix(s, step, coefficients):
    """Apply a matrix of any form on a qubit outside registers, or a turn that runs as one."""
    if step[0] == REAL:
        _apply_to_pairs(_real_pair, s, step, coefficients)
    elif step[0] == CROSS:
        _apply_to_pairs(_cross_pair, s, step, coefficients)
    else:
        _apply_to_pairs(_general_pair, s, step, coefficients)


@part
def apply_to_lanes(s, step, coefficients):
    """Apply a matrix to a qubit inside registers: x becomes m₀x + m₁x', with x' the lanes' partners."""
    m = _matrix(load, coefficients, 8 * count_lanes(s) * step[1])
    distance = step[7]
    size, low, high, offset, _ = read_places(step)
    for k in range(0, size, 2 * count_lanes(s)):
        i = insert_zero_bits(k, low, high) + offset
        x = read_row(load, s, i)
        y = exchange(x[0], distance), exchange(x[1], distance)
        store_row(s, i, _sum_of_products((m[0], m[1]), x, (m[2], m[3]), y))


@part
def apply_phase(s, step, coefficients):
    """Multiply the rows whose bits are set."""
    m = _matrix(load, coefficients, 8 * count_lanes(s) * step[1])
    size, low, high, control_offset, stride = read_places(step)
    offset = control_offset + stride
    for k in range(0, size, 2 * count_lanes(s)):
        i = insert_zero_bits(k, low, high) + offset
        store_row(s, i, product((m[0], m[1]), read_row(load, s, i)))


@part
def exchange_rows(s, step):
    """Exchange pairs of rows."""
    size, low, high, offset, stride = read_places(step)
    for k in range(0, size, 2 * count_lanes(s)):
        i = insert_zero_bits(k, low, high) + offset
        j = i + stride
        a = read_row(load, s, i)
        b = read_row(load, s, j)
        store_row(s, i, b)
        store_row(s, j, a)


# --- the way back: ``m`` undoes the gate, ``sums`` are K, X, Y
# -------------------------------------------------------


@inlined_part
def _undo_pairs(pair, add_sums, s, c, step, coefficients, by_lane):
    """Undo `_apply_to_pairs` on state and co-state, and add the gate's terms to its sums.

    Args:
        pair: function of one pair of the state or of the co-state, or of a piece of it.
        add_sums: function of `complex_sums`.
        s: state, contiguous rows of two registers; changed in place.
        c: co-state of the same shape, changed in place.
        step: int64 row of `ComplexPlan.steps`.
        coefficients: registers of all gates' inverses, see `spread_matrices`.
        by_lane: sums of all gates, see `backward_steps`.
    """
    size, low, high, offset, stride = read_places(step)
    width = count_lanes(s)
    row = 2 * width
    for first in range(0, size, PIECE_PAIRS * row):
        stop = min(size, first + PIECE_PAIRS * row)
        for piece in range(0, width, count_piece_lanes(s)):
            m = _matrix(load_piece, coefficients, 8 * width * step[1] + piece)
            place = 3 * width * step[1] + piece
            sums = load_sums(load_piece, by_lane, place)
            for k in range(first, stop, row):
                i = insert_zero_bits(k, low, high) + offset + piece
                j = i + stride
                a = read_row(load_piece, s, i)
                b = read_row(load_piece, s, j)
                p = read_row(load_piece, c, i)
                q = read_row(load_piece, c, j)
                sums = add_sums(sums, p, q, a, False)
                sums = add_sums(sums, q, p, b, True)
                pair(s, i, j, a, b, m)
                pair(c, i, j, p, q, m)
            store_sums(by_lane, place, sums)


@part
def undo_on_lanes(s, c, step, coefficients, by_lane):
    """Undo `apply_to_lanes` (see `undo_matrix`).

    A lane whose bit is set adds to Y with the other sign, which is left to `add_derivatives`.

    Args:
        s: state, contiguous rows of two registers; changed in place.
        c: co-state of the same shape, changed in place.
        step: int64 row of `ComplexPlan.steps`.
        coefficients: registers of all gates' inverses, see `spread_matrices`.
        by_lane: sums of all gates, see `backward_steps`.
    """
    width = count_lanes(s)
    m = _matrix(load, coefficients, 8 * width * step[1])
    place = 3 * width * step[1]
    identity_sum = load(by_lane, place)
    cross_sum = load(by_lane, place + width)
    turn_sum = load(by_lane, place + 2 * width)
    distance = step[7]
    size, low, high, offset, _ = read_places(step)
    for k in range(0, size, 2 * width):
        i = insert_zero_bits(k, low, high) + offset
        x = read_row(load, s, i)
        z = read_row(load, c, i)
        y = exchange(x[0], distance), exchange(x[1], distance)
        identity_sum = add(identity_sum, imaginary(z, x))
        cross_sum = add(cross_sum, imaginary(z, y))
        turn_sum = add(turn_sum, real(z, y))
        store_row(s, i, _sum_of_products((m[0], m[1]), x, (m[2], m[3]), y))
        partner = exchange(z[0], distance), exchange(z[1], distance)
        store_row(c, i, _sum_of_products((m[0], m[1]), z, (m[2], m[3]), partner))
    store(by_lane, place, identity_sum)
    store(by_lane, place + width, cross_sum)
    store(by_lane, place + 2 * width, turn_sum)


@part
def undo_phase(s, c, step, coefficients, by_lane):
    """Undo `apply_phase` (see `undo_matrix`). Only K has terms of this gate.

    Args:
        s: state, contiguous rows of two registers; changed in place.
        c: co-state of the same shape, changed in place.
        step: int64 row of `ComplexPlan.steps`.
        coefficients: registers of all gates' inverses, see `spread_matrices`.
        by_lane: sums of all gates, see `backward_steps`.
    """
    width = count_lanes(s)
    m = _matrix(load, coefficients, 8 * width * step[1])
    identity_sum = load(by_lane, 3 * width * step[1])
    size, low, high, control_offset, stride = read_places(step)
    offset = control_offset + stride
    for k in range(0, size, 2 * width):
        i = insert_zero_bits(k, low, high) + offset
        x = read_row(load, s, i)
        z = read_row(load, c, i)
        identity_sum = add(identity_sum, imaginary(z, x))
        store_row(s, i, product((m[0], m[1]), x))
        store_row(c, i, product((m[0], m[1]), z))
    store(by_lane, 3 * width * step[1], identity_sum)


@part
def undo_matrix(s, c, step, coefficients, by_lane):
    """Undo `apply_matrix` on state and co-state, with the sums of the matrix's form.

    Args:
        s: state, contiguous rows of two registers; changed in place.
        c: co-state of the same shape, changed in place.
        step: int64 row of `ComplexPlan.steps`.
        coefficients: registers of all gates' inverses, see `spread_matrices`.
        by_lane: sums of all gates, see `backward_steps`.
    """
    if step[0] == REAL:
        _undo_pairs(_real_pair, add_turn, s, c, step, coefficients, by_lane)
    elif step[0] == CROSS:
        _undo_pairs(_cross_pair, add_cross, s, c, step, coefficients, by_lane)
    else:
        _undo_pairs(_general_pair, add_all, s, c, step, coefficients, by_lane)
