"""Turns on complex amplitudes (see `complex_matrices`), forward and back, one at a time or two in one pass.

A turn multiplies rows by a phase, and then rotates pairs of rows by a tangent. Two turns on different qubits act on
sets of four rows. Their phases, and that of the two qubits before them, are one factor for each of three rows. That
takes 28 multiply-adds in place of 36, and half of the reads and writes.

On the way back the sums of both turns are taken before either is undone: a turn on one qubit changes the sums of
another one by its cosine alone. What the registers cannot hold at once is done in loops of its own over few rows.

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
    add_k,
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
_SUMS_ALL = int(GradientSums.ALL)
_SUMS_K_BEFORE = int(GradientSums.K_BEFORE)
_SUMS_TURN = int(GradientSums.TURN)
_SUMS_TURN_BEFORE = int(GradientSums.TURN_BEFORE)


@inlined_part
def _read_turn(read, coefficients, place):
    """Return pieces of a turn's registers: tan θ, and w."""
    width = count_lanes(coefficients)
    return read(coefficients, place), read_row(read, coefficients, place + width)


@inlined_part
def _rotate(tangent, x, y):
    """Return the rows x and y after R_Y divided by its cosine."""
    return (
        (sub(x[0], mul(tangent, y[0])), sub(x[1], mul(tangent, y[1]))),
        (add(y[0], mul(tangent, x[0])), add(y[1], mul(tangent, x[1]))),
    )


@inlined_part
def _rotate_back(tangent, x, y):
    """Return the rows x and y after the inverse of R_Y divided by its cosine."""
    return (
        (add(x[0], mul(tangent, y[0])), add(x[1], mul(tangent, y[1]))),
        (sub(y[0], mul(tangent, x[0])), sub(y[1], mul(tangent, x[1]))),
    )


# --- sums over a few rows
# ----------------------------------------------------------------------------------------------


@part
def _add_k_of_rows(read, s, c, rows, offset, by_lane, place):
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
    """Add the terms of pairs of rows to a turn's sums (see `_add_k_of_rows`)."""
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
    if needed_sums == _SUMS_ALL:
        _add_pairs(add_all, read, s, c, rows, offset, stride, by_lane, place)
    elif needed_sums in (_SUMS_TURN, _SUMS_TURN_BEFORE):
        _add_pairs(add_k_and_turn, read, s, c, rows, offset, stride, by_lane, place)
    elif needed_sums != _SUMS_NONE:
        _add_k_of_rows(read, s, c, rows, offset + stride, by_lane, place)


@inlined_part
def _needs_k_before(needed_sums):
    return needed_sums in (_SUMS_K_BEFORE, _SUMS_TURN_BEFORE)


# --- one turn
# --------------------------------------------------------------------------------------------------------


@inlined_part
def _pieces(s, half):
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
        for piece in _pieces(s, step[7]):
            tangent, w = _read_turn(read, coefficients, 8 * width * step[1] + piece)
            for k in range(first, stop, 2 * width):
                i = insert_zero_bits(k, low, high) + piece
                j = i + stride
                y = product(w, read_row(read, s, j))
                x, y = _rotate(tangent, read_row(read, s, i), y)
                store_row(s, i, x)
                store_row(s, j, y)


@inlined_part
def _turn_pairs_back(read, s, rows, piece, stride, coefficients, place):
    """Undo a turn on pairs of rows (see `_add_k_of_rows`)."""
    first, stop, low, high = rows
    tangent, w = _read_turn(read, coefficients, place)
    for k in range(first, stop, 2 * count_lanes(s)):
        i = insert_zero_bits(k, low, high) + piece
        j = i + stride
        x, y = _rotate_back(tangent, read_row(read, s, i), read_row(read, s, j))
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
        for piece in _pieces(s, step[7]):
            sums_place = 3 * width * step[1] + piece
            place = 8 * width * step[1] + piece
            _add_sums(needed_sums, read, s, c, rows, piece, stride, by_lane, sums_place)
            _turn_pairs_back(read, s, rows, piece, stride, coefficients, place)
            _turn_pairs_back(read, c, rows, piece, stride, coefficients, place)
            if _needs_k_before(needed_sums):
                _add_k_of_rows(read, s, c, rows, piece + stride, by_lane, sums_place + width)


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


# --- two turns
# -------------------------------------------------------------------------------------------------------


@inlined_part
def run_as_one(group, is_full):
    """Return whether a group of steps runs in one pass: it has two turns, its last steps, and neither is full."""
    count = group.shape[0]
    return count > 1 and not is_full[group[count - 1, 1]] and not is_full[group[count - 2, 1]]


@inlined_part
def _four_places(i, strides):
    """Return where the four rows of a set begin. The first turn's bit is set in the second and the last one."""
    return i, i + strides[0], i + strides[1], i + strides[0] + strides[1]


@inlined_part
def _read_four(read, s, places):
    return (
        read_row(read, s, places[0]), read_row(read, s, places[1]),
        read_row(read, s, places[2]), read_row(read, s, places[3]),
    )  # fmt: skip


@part
def _turn_fours(read, s, rows, piece, strides, turns):
    """Apply two turns to sets of four rows (see `_add_k_of_rows`).

    ``turns`` are both tangents, and the factors of all rows but the first.
    """
    first, stop, low, high = rows
    first_tangent, second_tangent, u, v, w = turns
    for k in range(first, stop, 2 * count_lanes(s)):
        places = _four_places(insert_zero_bits(k, low, high) + piece, strides)
        b = product(u, read_row(read, s, places[1]))
        a, b = _rotate(first_tangent, read_row(read, s, places[0]), b)
        d = product(w, read_row(read, s, places[3]))
        c, d = _rotate(first_tangent, product(v, read_row(read, s, places[2])), d)
        a, c = _rotate(second_tangent, a, c)
        store_row(s, places[0], a)
        store_row(s, places[2], c)
        b, d = _rotate(second_tangent, b, d)
        store_row(s, places[1], b)
        store_row(s, places[3], d)


@inlined_part
def _turn_four_back(s, places, turns, four):
    """Undo two turns on one set of four rows, and return the last row."""
    first_tangent, second_tangent, u, v, w = turns
    a, b = _rotate_back(first_tangent, four[0], four[1])
    c, d = _rotate_back(first_tangent, four[2], four[3])
    a, c = _rotate_back(second_tangent, a, c)
    store_row(s, places[0], a)
    store_row(s, places[2], product_with_conjugate(v, c))
    b, d = _rotate_back(second_tangent, b, d)
    store_row(s, places[1], product_with_conjugate(u, b))
    d = product_with_conjugate(w, d)
    store_row(s, places[3], d)
    return d


@inlined_part
def _undo_costate(add_first, add_second, read, s, c, rows, piece, strides, turns, by_lane, sums):
    """Undo two turns on the co-state, and before that add to the sums of both, which begin at ``sums``."""
    first, stop, low, high = rows
    first_sums = load_sums(read, by_lane, sums[0])
    second_sums = load_sums(read, by_lane, sums[1])
    for k in range(first, stop, 2 * count_lanes(s)):
        places = _four_places(insert_zero_bits(k, low, high) + piece, strides)
        four = _read_four(read, c, places)
        a, b, d, e = four
        row = read_row(read, s, places[0])
        first_sums = add_first(first_sums, a, b, row, False)
        second_sums = add_second(second_sums, a, d, row, False)
        row = read_row(read, s, places[1])
        first_sums = add_first(first_sums, b, a, row, True)
        second_sums = add_second(second_sums, b, e, row, False)
        row = read_row(read, s, places[2])
        first_sums = add_first(first_sums, d, e, row, False)
        second_sums = add_second(second_sums, d, a, row, True)
        row = read_row(read, s, places[3])
        first_sums = add_first(first_sums, e, d, row, True)
        second_sums = add_second(second_sums, e, b, row, True)
        _turn_four_back(c, places, turns, four)
    store_sums(by_lane, sums[0], first_sums)
    store_sums(by_lane, sums[1], second_sums)


@inlined_part
def _undo_costate_beside(add_first, needed, read, s, c, rows, piece, strides, turns, by_lane, sums):
    """Call `_undo_costate` with the function for the second turn's sums."""
    if needed == _SUMS_ALL:
        _undo_costate(add_first, add_all, read, s, c, rows, piece, strides, turns, by_lane, sums)
    elif needed in (_SUMS_TURN, _SUMS_TURN_BEFORE):
        _undo_costate(
            add_first, add_k_and_turn, read, s, c, rows, piece, strides, turns, by_lane, sums
        )
    else:
        _undo_costate(add_first, add_k, read, s, c, rows, piece, strides, turns, by_lane, sums)


@part
def _undo_costate_with_sums(
    first_needed, second_needed, read, s, c, rows, piece, strides, turns, by_lane, sums
):
    """Call `_undo_costate` with the functions for the sums that are needed. K, which costs little, is always added."""
    if first_needed == _SUMS_ALL:
        _undo_costate_beside(
            add_all, second_needed, read, s, c, rows, piece, strides, turns, by_lane, sums
        )
    elif first_needed in (_SUMS_TURN, _SUMS_TURN_BEFORE):
        _undo_costate_beside(
            add_k_and_turn, second_needed, read, s, c, rows, piece, strides, turns, by_lane, sums
        )
    else:
        _undo_costate_beside(
            add_k, second_needed, read, s, c, rows, piece, strides, turns, by_lane, sums
        )


@part
def _undo_state(read, s, c, rows, piece, strides, turns):
    """Undo two turns on the state, and return K of the last rows, whose co-state is undone."""
    first, stop, low, high = rows
    total = sub(turns[0], turns[0])  # zero
    for k in range(first, stop, 2 * count_lanes(s)):
        places = _four_places(insert_zero_bits(k, low, high) + piece, strides)
        undone = _turn_four_back(s, places, turns, _read_four(read, s, places))
        total = add(total, imaginary(read_row(read, c, places[3]), undone))
    return total


@inlined_part
def _group_places(steps):
    """Return the sets of four rows of a group: numbers to loop over, strides of the row bits, strides of the turns."""
    first = steps[steps.shape[0] - 2]
    second = steps[steps.shape[0] - 1]
    strides = first[6], second[6]
    if first[7]:
        return second[2], second[3], second[4], strides
    if second[7]:
        return first[2], first[3], first[4], strides
    return second[2] // 2, min(strides[0], strides[1]), max(strides[0], strides[1]), strides


@inlined_part
def _read_two_turns(read, coefficients, steps, piece):
    """Return the tangents of a group's turns, and the factors of three rows but for its phase."""
    count = steps.shape[0]
    width = count_lanes(coefficients)
    tangent, u = _read_turn(read, coefficients, 8 * width * steps[count - 2, 1] + piece)
    second_tangent, v = _read_turn(read, coefficients, 8 * width * steps[count - 1, 1] + piece)
    return tangent, second_tangent, u, v, product(u, v)


@inlined_part
def _apply_two_turns(read, half, s, steps, coefficients):
    """Apply a group (see `apply_two_turns`). ``half``: see `_pieces`; the lanes where a qubit there is 1 follow it."""
    width = count_lanes(s)
    numbers = PIECE_PAIRS * 2 * width
    size, low, high, strides = _group_places(steps)
    for first in range(0, size, numbers):
        rows = first, min(size, first + numbers), low, high
        for piece in _pieces(s, half):
            tangent, second_tangent, u, v, w = _read_two_turns(read, coefficients, steps, piece)
            if steps.shape[0] == 3:
                place = 8 * width * steps[0, 1] + half + piece
                w = product(w, read_row(read, coefficients, place))
            _turn_fours(read, s, rows, piece, strides, (tangent, second_tangent, u, v, w))


@inlined_part
def _undo_two_turns(read, half, s, c, steps, gates, coefficients, by_lane):
    """Undo a group (see `undo_two_turns` and `_apply_two_turns`)."""
    width = count_lanes(s)
    numbers = PIECE_PAIRS * 2 * width
    size, low, high, strides = _group_places(steps)
    count = steps.shape[0]
    turns = steps[count - 2, 1], steps[count - 1, 1]
    needed_sums = gates[turns[0], 5], gates[turns[1], 5]
    for first in range(0, size, numbers):
        rows = first, min(size, first + numbers), low, high
        for piece in _pieces(s, half):
            tangent, second_tangent, u, v, w = _read_two_turns(read, coefficients, steps, piece)
            if count == 3:  # the registers hold its inverse
                place = 8 * width * steps[0, 1] + half + piece
                w = product_with_conjugate(read_row(read, coefficients, place), w)
            factors = tangent, second_tangent, u, v, w
            sums = 3 * width * turns[0] + piece, 3 * width * turns[1] + piece
            _undo_costate_with_sums(
                needed_sums[0], needed_sums[1], read, s, c, rows, piece, strides, factors, by_lane, sums
            )  # fmt: skip
            k_of_phase = _undo_state(read, s, c, rows, piece, strides, factors)
            if count == 3:
                place = 3 * width * steps[0, 1] + half + piece
                store(by_lane, place, add(read(by_lane, place), k_of_phase))
            for t in range(2):
                if _needs_k_before(needed_sums[t]):  # in the place of X
                    shifted = piece + strides[t]
                    place = sums[t] + width
                    _add_k_of_rows(read, s, c, rows, shifted, by_lane, place)
                    _add_k_of_rows(read, s, c, rows, shifted + strides[1 - t], by_lane, place)


@part
def apply_two_turns(s, steps, coefficients):
    """Apply a group of two turns, and of a phase of their qubits before them if it has three steps.

    Args:
        s: state, contiguous rows of two registers; changed in place.
        steps: int64 rows of `ComplexPlan.steps`, two or three.
        coefficients: registers of all gates, see `spread_matrices`.
    """
    count = steps.shape[0]
    half = max(steps[count - 1, 7], steps[count - 2, 7])
    if half:
        _apply_two_turns(load_half, half, s, steps, coefficients)
    else:
        _apply_two_turns(load_piece, 0, s, steps, coefficients)


@part
def undo_two_turns(s, c, steps, gates, coefficients, by_lane):
    """Undo `apply_two_turns` on state and co-state, and add the terms to the sums that the gates need.

    Args:
        s: state, contiguous rows of two registers; changed in place.
        c: co-state of the same shape, changed in place.
        steps: int64 rows of `ComplexPlan.steps`, two or three.
        gates: `ComplexPlan.gates`, all of them.
        coefficients: registers of all gates' inverses, see `spread_matrices`.
        by_lane: sums of all gates, see `backward_steps`.
    """
    count = steps.shape[0]
    half = max(steps[count - 1, 7], steps[count - 2, 7])
    if half:
        _undo_two_turns(load_half, half, s, c, steps, gates, coefficients, by_lane)
    else:
        _undo_two_turns(load_piece, 0, s, c, steps, gates, coefficients, by_lane)
