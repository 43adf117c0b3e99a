"""Two turns on different qubits in one pass, forward and back (see `complex_turns` for one).

They act on sets of four rows. Their phases, and that of the two qubits before them, are one factor for each of three
rows. That takes 28 multiply-adds in place of 36, and half of the reads and writes.

On the way back the sums of both turns are taken before either is undone: a turn on one qubit changes the sums of
another one by its cosine alone. What the registers cannot hold at once is done in loops of its own over few rows.
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
from qllmft_engine.compiled.complex_turns import (
    SUMS_ALL,
    SUMS_TURN,
    SUMS_TURN_BEFORE,
    add_k_of_rows,
    needs_k_before,
    piece_offsets,
    read_turn,
    rotate,
    rotate_back,
)
from qllmft_engine.compiled.gates import insert_zero_bits
from qllmft_engine.compiled.parts import inlined_part, part
from qllmft_engine.compiled.simd import (
    add,
    count_lanes,
    load_half,
    load_piece,
    store,
    sub,
)


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
    """Apply two turns to sets of four rows (see `add_k_of_rows`).

    ``turns`` are both tangents, and the factors of all rows but the first.
    """
    first, stop, low, high = rows
    first_tangent, second_tangent, u, v, w = turns
    for k in range(first, stop, 2 * count_lanes(s)):
        places = _four_places(insert_zero_bits(k, low, high) + piece, strides)
        b = product(u, read_row(read, s, places[1]))
        a, b = rotate(first_tangent, read_row(read, s, places[0]), b)
        d = product(w, read_row(read, s, places[3]))
        c, d = rotate(first_tangent, product(v, read_row(read, s, places[2])), d)
        a, c = rotate(second_tangent, a, c)
        store_row(s, places[0], a)
        store_row(s, places[2], c)
        b, d = rotate(second_tangent, b, d)
        store_row(s, places[1], b)
        store_row(s, places[3], d)


@inlined_part
def _turn_four_back(s, places, turns, four):
    """Undo two turns on one set of four rows, and return the last row."""
    first_tangent, second_tangent, u, v, w = turns
    a, b = rotate_back(first_tangent, four[0], four[1])
    c, d = rotate_back(first_tangent, four[2], four[3])
    a, c = rotate_back(second_tangent, a, c)
    store_row(s, places[0], a)
    store_row(s, places[2], product_with_conjugate(v, c))
    b, d = rotate_back(second_tangent, b, d)
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
    if needed == SUMS_ALL:
        _undo_costate(add_first, add_all, read, s, c, rows, piece, strides, turns, by_lane, sums)
    elif needed in (SUMS_TURN, SUMS_TURN_BEFORE):
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
    if first_needed == SUMS_ALL:
        _undo_costate_beside(
            add_all, second_needed, read, s, c, rows, piece, strides, turns, by_lane, sums
        )
    elif first_needed in (SUMS_TURN, SUMS_TURN_BEFORE):
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
    tangent, u = read_turn(read, coefficients, 8 * width * steps[count - 2, 1] + piece)
    second_tangent, v = read_turn(read, coefficients, 8 * width * steps[count - 1, 1] + piece)
    return tangent, second_tangent, u, v, product(u, v)


@inlined_part
def _apply_two_turns(read, half, s, steps, coefficients):
    """Apply a group (see `apply_two_turns`). ``half``: see `piece_offsets`; a qubit there is 1 on lanes behind it."""
    width = count_lanes(s)
    numbers = PIECE_PAIRS * 2 * width
    size, low, high, strides = _group_places(steps)
    for first in range(0, size, numbers):
        rows = first, min(size, first + numbers), low, high
        for piece in piece_offsets(s, half):
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
        for piece in piece_offsets(s, half):
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
                if needs_k_before(needed_sums[t]):  # in the place of X
                    shifted = piece + strides[t]
                    place = sums[t] + width
                    add_k_of_rows(read, s, c, rows, shifted, by_lane, place)
                    add_k_of_rows(read, s, c, rows, shifted + strides[1 - t], by_lane, place)


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
