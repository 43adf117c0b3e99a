"""Gates on complex amplitudes, forward, and undone with the sums of a gradient.

A row is two registers: real parts, then imaginary parts. A gate has eight registers of coefficients at most: samples
differ in their angles, and lanes differ if the control or the target is inside registers. Most matrices on one qubit
run as turns (see `complex_matrices`), which take two thirds of the operations.

Gradient. With λ = ∂E/∂ψ* after a gate of matrix U on a pair (ψ₀, ψ₁), E changes by 2 Re Σ_ij λ_i* (dU U⁻¹)_ij ψ_j. That
matrix is anti-Hermitian, so three real sums suffice: K = Σ Im λ₁*ψ₁, X = Σ Im(λ₀*ψ₁ + λ₁*ψ₀) and Y = Σ Re(λ₀*ψ₁ −
λ₁*ψ₀). (Σ Im λ₀*ψ₀ = −K without a control, for ⟨λ|ψ⟩ = ⟨ψ|O|ψ⟩ is real.) A turn has those of them that its parameters
need (see `GradientSums`).
"""

from __future__ import annotations

from qllmft_backends.adjoint.compiled.gates import exchange
from qllmft_backends.adjoint.compiled.parts import inlined_part, part
from qllmft_backends.adjoint.compiled.simd import (
    add,
    count_lanes,
    count_piece_lanes,
    load,
    load_piece,
    mul,
    store,
    sub,
)
from qllmft_backends.adjoint.program.complex_lowering import MatrixForm
from qllmft_backends.adjoint.program.complex_plan import GradientSums

GENERAL, REAL, CROSS, LANES, PHASE, FLIP, TURN = (int(form) for form in MatrixForm)
_SUMS_NONE = int(GradientSums.NONE)
_SUMS_K = int(GradientSums.K)
_SUMS_K_BEFORE = int(GradientSums.K_BEFORE)
_SUMS_TURN = int(GradientSums.TURN)
_SUMS_TURN_BEFORE = int(GradientSums.TURN_BEFORE)
# pairs of rows, of state and co-state 8 KiB, whose pieces are done one after the other
PIECE_PAIRS = 16


@inlined_part
def _read_places(step):
    """Return where a step of `ComplexPlan` acts: its columns from the numbers to loop over to the target's stride."""
    return step[2], step[3], step[4], step[5], step[6]


@inlined_part
def insert_zero_bits(k, low, high):
    """Return the k-th number whose bits at two strides, powers of two, are zero."""
    k += k & -low
    return k + (k & -high)


@inlined_part
def product(a, b):
    """Return a·b of complex numbers of two registers each."""
    return sub(mul(a[0], b[0]), mul(a[1], b[1])), add(mul(a[0], b[1]), mul(a[1], b[0]))


@inlined_part
def _sum_of_products(a, x, b, y):
    real = sub(add(sub(mul(a[0], x[0]), mul(a[1], x[1])), mul(b[0], y[0])), mul(b[1], y[1]))
    imaginary = add(add(add(mul(a[0], x[1]), mul(a[1], x[0])), mul(b[0], y[1])), mul(b[1], y[0]))
    return real, imaginary


@inlined_part
def _mix(a, x, b, y):
    return add(mul(a, x), mul(b, y))


@inlined_part
def _load_row(s, k):
    width = count_lanes(s)
    return load(s, k), load(s, k + width)


@inlined_part
def _load_piece_of_row(s, k):
    width = count_lanes(s)
    return load_piece(s, k), load_piece(s, k + width)


@inlined_part
def _store_row(s, k, x):
    width = count_lanes(s)
    store(s, k, x[0])
    store(s, k + width, x[1])


@inlined_part
def _imaginary(a, b):
    return sub(mul(a[0], b[1]), mul(a[1], b[0]))


@inlined_part
def _real(a, b):
    return add(mul(a[0], b[0]), mul(a[1], b[1]))


@inlined_part
def _cross_sum(l0, l1, p0, p1):
    """Return Im(l0*·p1 + l1*·p0)."""
    return sub(add(sub(mul(l0[0], p1[1]), mul(l0[1], p1[0])), mul(l1[0], p0[1])), mul(l1[1], p0[0]))


@inlined_part
def _turn_sum(l0, l1, p0, p1):
    """Return Re(l0*·p1 − l1*·p0)."""
    return sub(sub(add(mul(l0[0], p1[0]), mul(l0[1], p1[1])), mul(l1[0], p0[0])), mul(l1[1], p0[1]))


@inlined_part
def _general_pair(s, i, j, a, b, m):
    """Apply a full matrix m, its first entry real, to the rows i and j of content a and b."""
    real = sub(add(mul(m[0], a[0]), mul(m[2], b[0])), mul(m[3], b[1]))
    _store_row(s, i, (real, add(add(mul(m[0], a[1]), mul(m[2], b[1])), mul(m[3], b[0]))))
    _store_row(s, j, _sum_of_products((m[4], m[5]), a, (m[6], m[7]), b))


@inlined_part
def _real_pair(s, i, j, a, b, m):
    _store_row(s, i, (_mix(m[0], a[0], m[2], b[0]), _mix(m[0], a[1], m[2], b[1])))
    _store_row(s, j, (_mix(m[4], a[0], m[6], b[0]), _mix(m[4], a[1], m[6], b[1])))


@inlined_part
def _cross_pair(s, i, j, a, b, m):
    _store_row(s, i, (sub(mul(m[0], a[0]), mul(m[3], b[1])), _mix(m[0], a[1], m[3], b[0])))
    _store_row(s, j, (sub(mul(m[6], b[0]), mul(m[5], a[1])), _mix(m[6], b[1], m[5], a[0])))


@inlined_part
def _turn_pair(s, i, j, a, b, m):
    """Apply a turn (tan θ, w): diag(1, w), and R_Y(2θ) divided by cos θ."""
    y = product((m[1], m[2]), b)
    _store_row(s, i, (sub(a[0], mul(m[0], y[0])), sub(a[1], mul(m[0], y[1]))))
    _store_row(s, j, (add(y[0], mul(m[0], a[0])), add(y[1], mul(m[0], a[1]))))


@inlined_part
def _turn_pair_back(s, i, j, a, b, m):
    """Undo a turn, up to a factor: R_Y(−2θ) divided by cos θ, and diag(1, w*)."""
    y0 = sub(b[0], mul(m[0], a[0]))
    y1 = sub(b[1], mul(m[0], a[1]))
    _store_row(s, i, (add(a[0], mul(m[0], b[0])), add(a[1], mul(m[0], b[1]))))
    undone = add(mul(m[1], y0), mul(m[2], y1)), sub(mul(m[1], y1), mul(m[2], y0))
    _store_row(s, j, undone)
    return undone


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
        step: (8,) int64 row of `ComplexPlan.steps`.
        coefficients: registers of all gates, see `spread_matrices`.
    """
    size, low, high, offset, stride = _read_places(step)
    width = count_lanes(s)
    row = 2 * width
    for first in range(0, size, PIECE_PAIRS * row):
        stop = min(size, first + PIECE_PAIRS * row)
        for piece in range(0, width, count_piece_lanes(s)):
            m = _matrix(load_piece, coefficients, 8 * width * step[1] + piece)
            for k in range(first, stop, row):
                i = insert_zero_bits(k, low, high) + offset + piece
                j = i + stride
                pair(s, i, j, _load_piece_of_row(s, i), _load_piece_of_row(s, j), m)


@part
def apply_to_lanes(s, step, m):
    """Apply a matrix to a qubit inside registers: x becomes m₀x + m₁x', with x' the lanes' partners."""
    distance = step[7]
    size, low, high, offset, _ = _read_places(step)
    for k in range(0, size, 2 * count_lanes(s)):
        i = insert_zero_bits(k, low, high) + offset
        x = _load_row(s, i)
        y = exchange(x[0], distance), exchange(x[1], distance)
        _store_row(s, i, _sum_of_products((m[0], m[1]), x, (m[2], m[3]), y))


@part
def apply_phase(s, step, m):
    """Multiply the rows whose bits are set."""
    size, low, high, control_offset, stride = _read_places(step)
    offset = control_offset + stride
    for k in range(0, size, 2 * count_lanes(s)):
        i = insert_zero_bits(k, low, high) + offset
        _store_row(s, i, product((m[0], m[1]), _load_row(s, i)))


@part
def exchange_rows(s, step):
    """Exchange pairs of rows."""
    size, low, high, offset, stride = _read_places(step)
    for k in range(0, size, 2 * count_lanes(s)):
        i = insert_zero_bits(k, low, high) + offset
        j = i + stride
        a = _load_row(s, i)
        b = _load_row(s, j)
        _store_row(s, i, b)
        _store_row(s, j, a)


# --- the way back: ``m`` undoes the gate, ``sums`` are K, X, Y
# -------------------------------------------------------


@inlined_part
def _add_k(sums, p, q, a, b):
    return add(sums[0], _imaginary(q, b)), sums[1], sums[2]


@inlined_part
def _add_turn(sums, p, q, a, b):
    return sums[0], sums[1], add(sums[2], _turn_sum(p, q, a, b))


@inlined_part
def _add_cross(sums, p, q, a, b):
    return sums[0], add(sums[1], _cross_sum(p, q, a, b)), sums[2]


@inlined_part
def _add_all(sums, p, q, a, b):
    return _add_turn(_add_cross(_add_k(sums, p, q, a, b), p, q, a, b), p, q, a, b)


@inlined_part
def _add_k_and_turn(sums, p, q, a, b):
    return _add_turn(_add_k(sums, p, q, a, b), p, q, a, b)


@inlined_part
def _add_nothing(sums, q, b):
    return sums


@inlined_part
def _add_k_before(sums, q, b):
    """Add to K before the gate, which is in the place of X."""
    return sums[0], add(sums[1], _imaginary(q, b)), sums[2]


@inlined_part
def _undo_pairs(pair, add_sums, add_undone, s, c, step, coefficients, by_lane):
    """Undo `_apply_to_pairs` on state and co-state, and add the gate's terms to its sums.

    Args:
        pair: function of one pair of the state or of the co-state, or of a piece of it.
        add_sums: function of both, before the gate is undone.
        add_undone: function of the second rows of both, after the gate is undone.
        s: state, contiguous rows of two registers; changed in place.
        c: co-state of the same shape, changed in place.
        step: (8,) int64 row of `ComplexPlan.steps`.
        coefficients: registers of all gates' inverses, see `spread_matrices`.
        by_lane: sums of all gates, see `backward_steps`.
    """
    size, low, high, offset, stride = _read_places(step)
    width = count_lanes(s)
    row = 2 * width
    for first in range(0, size, PIECE_PAIRS * row):
        stop = min(size, first + PIECE_PAIRS * row)
        for piece in range(0, width, count_piece_lanes(s)):
            m = _matrix(load_piece, coefficients, 8 * width * step[1] + piece)
            place = 3 * width * step[1] + piece
            sums = (
                load_piece(by_lane, place),
                load_piece(by_lane, place + width),
                load_piece(by_lane, place + 2 * width),
            )
            for k in range(first, stop, row):
                i = insert_zero_bits(k, low, high) + offset + piece
                j = i + stride
                a = _load_piece_of_row(s, i)
                b = _load_piece_of_row(s, j)
                p = _load_piece_of_row(c, i)
                q = _load_piece_of_row(c, j)
                sums = add_sums(sums, p, q, a, b)
                undone = pair(s, i, j, a, b, m)
                undone_costate = pair(c, i, j, p, q, m)
                sums = add_undone(sums, undone_costate, undone)
            store(by_lane, place, sums[0])
            store(by_lane, place + width, sums[1])
            store(by_lane, place + 2 * width, sums[2])


@part
def undo_on_lanes(s, c, step, m, sums):
    """Undo `apply_to_lanes`. A lane whose bit is set adds to Y with the other sign.

    Args:
        s: state, contiguous rows of two registers; changed in place.
        c: co-state of the same shape, changed in place.
        step: (8,) int64 row of `ComplexPlan.steps`, with the lane distance of the target.
        m: registers of the inverse: real and imaginary part of m₀, then of m₁.
        sums: registers (K, X, Y) so far.

    Returns:
        Registers (K, X, Y) with this gate's terms; the sign of Y's lanes is left to
        `add_derivatives`.
    """
    identity_sum, cross_sum, turn_sum = sums
    distance = step[7]
    size, low, high, offset, _ = _read_places(step)
    for k in range(0, size, 2 * count_lanes(s)):
        i = insert_zero_bits(k, low, high) + offset
        x = _load_row(s, i)
        z = _load_row(c, i)
        y = exchange(x[0], distance), exchange(x[1], distance)
        identity_sum = add(identity_sum, _imaginary(z, x))
        cross_sum = add(cross_sum, _imaginary(z, y))
        turn_sum = add(turn_sum, _real(z, y))
        _store_row(s, i, _sum_of_products((m[0], m[1]), x, (m[2], m[3]), y))
        partner = exchange(z[0], distance), exchange(z[1], distance)
        _store_row(c, i, _sum_of_products((m[0], m[1]), z, (m[2], m[3]), partner))
    return identity_sum, cross_sum, turn_sum


@part
def undo_phase(s, c, step, m, sums):
    """Undo `apply_phase`.

    Args:
        s: state, contiguous rows of two registers; changed in place.
        c: co-state of the same shape, changed in place.
        step: (8,) int64 row of `ComplexPlan.steps`.
        m: registers of the inverse factor: real part, imaginary part.
        sums: registers (K, X, Y) so far.

    Returns:
        Registers (K, X, Y); only K has terms of this gate.
    """
    identity_sum = sums[0]
    size, low, high, control_offset, stride = _read_places(step)
    offset = control_offset + stride
    for k in range(0, size, 2 * count_lanes(s)):
        i = insert_zero_bits(k, low, high) + offset
        x = _load_row(s, i)
        z = _load_row(c, i)
        identity_sum = add(identity_sum, _imaginary(z, x))
        _store_row(s, i, product((m[0], m[1]), x))
        _store_row(c, i, product((m[0], m[1]), z))
    return identity_sum, sums[1], sums[2]


# --- steps one after the other
# ---------------------------------------------------------------------------------------


@part
def forward_steps(s, steps, coefficients, is_full):
    """Run steps of `ComplexPlan` on the rows ``s``. The last two are those of `spread_matrices`."""
    width = count_lanes(s)
    for n in range(steps.shape[0]):
        step = steps[n]
        path = step[0]
        start = 8 * width * step[1]
        if path == GENERAL or is_full[step[1]]:
            _apply_to_pairs(_general_pair, s, step, coefficients)
        elif path == REAL:
            _apply_to_pairs(_real_pair, s, step, coefficients)
        elif path == CROSS:
            _apply_to_pairs(_cross_pair, s, step, coefficients)
        elif path == LANES:
            apply_to_lanes(s, step, _matrix(load, coefficients, start))
        elif path == PHASE:
            apply_phase(s, step, _matrix(load, coefficients, start))
        elif path == FLIP:
            exchange_rows(s, step)
        else:
            _apply_to_pairs(_turn_pair, s, step, coefficients)


@part
def backward_steps(s, c, steps, gates, coefficients, is_full, by_lane):
    """Undo the same steps on state ``s`` and co-state ``c``, the last one first.

    Args:
        s: state of a whole chunk or of a gathered block, contiguous rows of two registers; changed
            in place.
        c: co-state of the same shape, changed in place.
        steps: (n, 8) int64 rows of `ComplexPlan.steps`.
        gates: (N, 7) int64 `ComplexPlan.gates`, all of them.
        coefficients: (8·N·width,) registers of the inverses, see `spread_matrices`.
        is_full: (N,) bool, see `spread_matrices`.
        by_lane: (3·N·width,); the sums K, X and Y of the gates with a parameter are added.
    """
    for n in range(steps.shape[0] - 1, -1, -1):
        step = steps[n]
        path = step[0]
        needed_sums = gates[step[1], 5]
        if needed_sums == _SUMS_NONE:
            if path == TURN and not is_full[step[1]]:
                _apply_to_pairs(_turn_pair_back, s, step, coefficients)
                _apply_to_pairs(_turn_pair_back, c, step, coefficients)
            else:
                forward_steps(s, steps[n : n + 1], coefficients, is_full)
                forward_steps(c, steps[n : n + 1], coefficients, is_full)
            continue
        if path == LANES:
            _undo_rows(undo_on_lanes, s, c, step, coefficients, by_lane)
        elif path == PHASE:
            _undo_rows(undo_phase, s, c, step, coefficients, by_lane)
        elif path == TURN and not is_full[step[1]]:
            _undo_turns(s, c, step, coefficients, by_lane, needed_sums)
        else:
            _undo_matrices(s, c, step, coefficients, by_lane)


@inlined_part
def _undo_matrices(s, c, step, coefficients, by_lane):
    """Undo a matrix, or a turn that runs as one, with the sums of its form (see `_undo_pairs`)."""
    if step[0] == REAL:
        _undo_pairs(_real_pair, _add_turn, _add_nothing, s, c, step, coefficients, by_lane)
    elif step[0] == CROSS:
        _undo_pairs(_cross_pair, _add_cross, _add_nothing, s, c, step, coefficients, by_lane)
    else:
        _undo_pairs(_general_pair, _add_all, _add_nothing, s, c, step, coefficients, by_lane)


@inlined_part
def _undo_turns(s, c, step, coefficients, by_lane, needed_sums):
    """Undo a turn with the sums that it needs (see `_undo_pairs`)."""
    if needed_sums == _SUMS_K:
        _undo_pairs(_turn_pair_back, _add_k, _add_nothing, s, c, step, coefficients, by_lane)
    elif needed_sums == _SUMS_K_BEFORE:
        _undo_pairs(_turn_pair_back, _add_k, _add_k_before, s, c, step, coefficients, by_lane)
    elif needed_sums == _SUMS_TURN:
        _undo_pairs(
            _turn_pair_back, _add_k_and_turn, _add_nothing, s, c, step, coefficients, by_lane
        )
    elif needed_sums == _SUMS_TURN_BEFORE:
        _undo_pairs(
            _turn_pair_back, _add_k_and_turn, _add_k_before, s, c, step, coefficients, by_lane
        )
    else:
        _undo_pairs(_turn_pair_back, _add_all, _add_nothing, s, c, step, coefficients, by_lane)


@inlined_part
def _undo_rows(undo, s, c, step, coefficients, by_lane):
    """Call `undo_on_lanes` or `undo_phase` with a gate's registers, and keep its sums (see `_undo_pairs`)."""
    width = count_lanes(s)
    place = 3 * width * step[1]
    sums = load(by_lane, place), load(by_lane, place + width), load(by_lane, place + 2 * width)
    sums = undo(s, c, step, _matrix(load, coefficients, 8 * width * step[1]), sums)
    store(by_lane, place, sums[0])
    store(by_lane, place + width, sums[1])
    store(by_lane, place + 2 * width, sums[2])
