"""Turns on complex amplitudes (see `complex_matrices`), forward and back.

A turn multiplies rows by a phase, and then rotates pairs of rows by a tangent.

A qubit inside registers has a turn where it divides them into halves. They take the part of rows there: pieces are
halves of registers, and the qubit's stride is one of them.
"""

from __future__ import annotations

from qllmft_engine.compiled.complex_rows import (
    PIECE_PAIRS,
    imaginary,
    product,
    product_with_conjugate,
    read_row,
    store_row,
)
from qllmft_engine.compiled.complex_sums import (
    add_all,
    add_k_and_turn,
    load_sums,
    store_sums,
)
from qllmft_engine.compiled.gates import insert_zero_bits
from qllmft_engine.compiled.parts import inlined_part, part
from qllmft_engine.compiled.simd import (
    add,
    count_lanes,
    count_piece_lanes,
    load_half,
    load_piece,
    mul,
    store,
    sub,
)
from qllmft_engine.program.turns import GradientSums

_SUMS_NONE = int(GradientSums.NONE)
SUMS_ALL = int(GradientSums.ALL)
_SUMS_K_BEFORE = int(GradientSums.K_BEFORE)
SUMS_TURN = int(GradientSums.TURN)
SUMS_TURN_BEFORE = int(GradientSums.TURN_BEFORE)


@inlined_part
def read_turn(read, coefficients, place):
    """Return pieces of a turn's registers: tan θ, and w."""
    width = count_lanes(coefficients)
    return read(coefficients, place), read_row(read, coefficients, place + width)


@inlined_part
def rotate(tangent, x, y):
    """Return the rows x and y after R_Y divided by its cosine."""
    return (
        (sub(x[0], mul(tangent, y[0])), sub(x[1], mul(tangent, y[1]))),
        (add(y[0], mul(tangent, x[0])), add(y[1], mul(tangent, x[1]))),
    )


@inlined_part
def rotate_back(tangent, x, y):
    """Return the rows x and y after the inverse of R_Y divided by its cosine."""
    return (
        (add(x[0], mul(tangent, y[0])), add(x[1], mul(tangent, y[1]))),
        (sub(y[0], mul(tangent, x[0])), sub(y[1], mul(tangent, x[1]))),
    )


# --- sums over a few rows
# ----------------------------------------------------------------------------------------------


@part
def add_k_of_rows(read, s, c, rows, offset, by_lane, place):
    """Add Σ Im λ*ψ of some rows to a piece of a register.

    Args:
        read: `load_piece` or `load_half`.
        s: state.
        c: co-state.
        rows: numbers of the first row and of the one after the last, and the two strides at which they have zeros.
        offset: of the rows from those numbers, and of the piece in a register.
        by_lane: sums of all gates, see `backward_steps`.
        place: of the piece of the register.
    """
    first, stop, low, high = rows
    total = read(by_lane, place)
    for k in range(first, stop, 2 * count_lanes(s)):
        i = insert_zero_bits(k, low, high) + offset
        total = add(total, imaginary(read_row(read, c, i), read_row(read, s, i)))
    store(by_lane, place, total)


@inlined_part
def _add_pairs(add_sums, read, s, c, rows, offset, stride, by_lane, place):
    """Add the terms of pairs of rows to a turn's sums (see `add_k_of_rows`)."""
    first, stop, low, high = rows
    sums = load_sums(read, by_lane, place)
    for k in range(first, stop, 2 * count_lanes(s)):
        i = insert_zero_bits(k, low, high) + offset
        a = read_row(read, c, i)
        b = read_row(read, c, i + stride)
        sums = add_sums(sums, a, b, read_row(read, s, i), False)
        sums = add_sums(sums, b, a, read_row(read, s, i + stride), True)
    store_sums(by_lane, place, sums)


@inlined_part
def _add_sums(needed_sums, read, s, c, rows, offset, stride, by_lane, place):
    """Add to those sums of a turn that it needs and that are taken before it is undone."""
    if needed_sums == SUMS_ALL:
        _add_pairs(add_all, read, s, c, rows, offset, stride, by_lane, place)
    elif needed_sums in (SUMS_TURN, SUMS_TURN_BEFORE):
        _add_pairs(add_k_and_turn, read, s, c, rows, offset, stride, by_lane, place)
    elif needed_sums != _SUMS_NONE:
        add_k_of_rows(read, s, c, rows, offset + stride, by_lane, place)


@inlined_part
def needs_k_before(needed_sums):
    """Return whether a turn needs K before it."""
    return needed_sums in (_SUMS_K_BEFORE, SUMS_TURN_BEFORE)


# --- one turn
# --------------------------------------------------------------------------------------------------------


@inlined_part
def piece_offsets(s, half):
    """Return the offsets of pieces in a register. ``half``: lanes of half a register if those are pieces, else 0."""
    if half:
        return range(0, half, half)
    return range(0, count_lanes(s), count_piece_lanes(s))


@inlined_part
def _turn_pairs(read, s, step, coefficients):
    """Apply a turn (see `apply_turn`). ``read`` is `load_piece` or `load_half`."""
    width = count_lanes(s)
    numbers = PIECE_PAIRS * 2 * width
    size, low, high, stride = step[2], step[3], step[4], step[6]
    for first in range(0, size, numbers):
        stop = min(size, first + numbers)
        for piece in piece_offsets(s, step[7]):
            tangent, w = read_turn(read, coefficients, 8 * width * step[1] + piece)
            for k in range(first, stop, 2 * width):
                i = insert_zero_bits(k, low, high) + piece
                j = i + stride
                y = product(w, read_row(read, s, j))
                x, y = rotate(tangent, read_row(read, s, i), y)
                store_row(s, i, x)
                store_row(s, j, y)


@inlined_part
def _turn_pairs_back(read, s, rows, piece, stride, coefficients, place):
    """Undo a turn on pairs of rows (see `add_k_of_rows`)."""
    first, stop, low, high = rows
    tangent, w = read_turn(read, coefficients, place)
    for k in range(first, stop, 2 * count_lanes(s)):
        i = insert_zero_bits(k, low, high) + piece
        j = i + stride
        x, y = rotate_back(tangent, read_row(read, s, i), read_row(read, s, j))
        store_row(s, i, x)
        store_row(s, j, product_with_conjugate(w, y))


@inlined_part
def _undo_turn(read, s, c, step, needed_sums, coefficients, by_lane):
    """Undo a turn (see `undo_turn`). ``read`` is `load_piece` or `load_half`."""
    width = count_lanes(s)
    numbers = PIECE_PAIRS * 2 * width
    stride = step[6]
    for first in range(0, step[2], numbers):
        rows = first, min(step[2], first + numbers), step[3], step[4]
        for piece in piece_offsets(s, step[7]):
            sums_place = 3 * width * step[1] + piece
            place = 8 * width * step[1] + piece
            _add_sums(needed_sums, read, s, c, rows, piece, stride, by_lane, sums_place)
            _turn_pairs_back(read, s, rows, piece, stride, coefficients, place)
            _turn_pairs_back(read, c, rows, piece, stride, coefficients, place)
            if needs_k_before(needed_sums):
                add_k_of_rows(read, s, c, rows, piece + stride, by_lane, sums_place + width)


@part
def apply_turn(s, step, coefficients):
    """Apply a turn.

    Args:
        s: state, contiguous rows of two registers; changed in place.
        step: int64 row of `ComplexPlan.steps`.
        coefficients: registers of all gates, see `spread_matrices`.
    """
    if step[7]:
        _turn_pairs(load_half, s, step, coefficients)
    else:
        _turn_pairs(load_piece, s, step, coefficients)


@part
def undo_turn(s, c, step, needed_sums, coefficients, by_lane):
    """Undo a turn on state and co-state, and add its terms to the sums that it needs.

    Args:
        s: state, contiguous rows of two registers; changed in place.
        c: co-state of the same shape, changed in place.
        step: int64 row of `ComplexPlan.steps`.
        needed_sums: `GradientSums`.
        coefficients: registers of all gates' inverses, see `spread_matrices`.
        by_lane: sums of all gates, see `backward_steps`.
    """
    if step[7]:
        _undo_turn(load_half, s, c, step, needed_sums, coefficients, by_lane)
    else:
        _undo_turn(load_piece, s, c, step, needed_sums, coefficients, by_lane)
