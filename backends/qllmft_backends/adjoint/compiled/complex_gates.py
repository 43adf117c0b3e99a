"""Gates on complex amplitudes, forward, and undone with the sums of a gradient.

A row is two registers: real parts, then imaginary parts. A gate has eight registers of coefficients at most: samples
differ in their angles, and lanes differ if the control or the target is inside registers. Most matrices on one qubit
run as turns (see `complex_matrices`), which take two thirds of the operations.

Gradient. With λ = ∂E/∂ψ* after a gate of matrix U on a pair (ψ₀, ψ₁), E changes by 2 Re Σ_ij λ_i* (dU U⁻¹)_ij ψ_j. That
matrix is anti-Hermitian, so three real sums suffice: K = Σ Im λ₁*ψ₁, X = Σ Im(λ₀*ψ₁ + λ₁*ψ₀) and Y = Σ Re(λ₀*ψ₁ −
λ₁*ψ₀). (Σ Im λ₀*ψ₀ = −K without a control, for ⟨λ|ψ⟩ = ⟨ψ|O|ψ⟩ is real.)
"""

from __future__ import annotations

from qllmft_backends.adjoint.compiled.gates import exchange
from qllmft_backends.adjoint.compiled.parts import inlined_part, part
from qllmft_backends.adjoint.compiled.simd import add, count_lanes, load, mul, store, sub


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
    _store_row(s, j, (add(mul(m[1], y0), mul(m[2], y1)), sub(mul(m[1], y1), mul(m[2], y0))))


@inlined_part
def _matrix(coefficients, start):
    width = count_lanes(coefficients)
    return (
        load(coefficients, start), load(coefficients, start + width), load(coefficients, start + 2 * width),
        load(coefficients, start + 3 * width), load(coefficients, start + 4 * width),
        load(coefficients, start + 5 * width),
        load(coefficients, start + 6 * width), load(coefficients, start + 7 * width),
    )  # fmt: skip


# --- forward
# ---------------------------------------------------------------------------------------------------------


@inlined_part
def _apply_to_pairs(pair, s, step, m):
    """Apply a matrix to pairs of rows. ``step`` is a row of `ComplexPlan.steps`, ``m`` the gate's registers."""
    size = step[2]
    low = step[3]
    high = step[4]
    offset = step[5]
    stride = step[6]
    for k in range(0, size, 2 * count_lanes(s)):
        i = insert_zero_bits(k, low, high) + offset
        j = i + stride
        pair(s, i, j, _load_row(s, i), _load_row(s, j), m)


@part
def apply_to_lanes(s, step, m):
    """Apply a matrix to a qubit inside registers: x becomes m₀x + m₁x', with x' the lanes' partners."""
    distance = step[7]
    size = step[2]
    low = step[3]
    high = step[4]
    offset = step[5]
    for k in range(0, size, 2 * count_lanes(s)):
        i = insert_zero_bits(k, low, high) + offset
        x = _load_row(s, i)
        y = exchange(x[0], distance), exchange(x[1], distance)
        _store_row(s, i, _sum_of_products((m[0], m[1]), x, (m[2], m[3]), y))


@part
def apply_phase(s, step, m):
    """Multiply the rows whose bits are set."""
    size = step[2]
    low = step[3]
    high = step[4]
    offset = step[5] + step[6]
    for k in range(0, size, 2 * count_lanes(s)):
        i = insert_zero_bits(k, low, high) + offset
        _store_row(s, i, product((m[0], m[1]), _load_row(s, i)))


@part
def exchange_rows(s, step):
    """Exchange pairs of rows."""
    size = step[2]
    low = step[3]
    high = step[4]
    offset = step[5]
    stride = step[6]
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
def _add_turn(sums, p, q, a, b):
    return sums[0], sums[1], add(sums[2], _turn_sum(p, q, a, b))


@inlined_part
def _add_cross(sums, p, q, a, b):
    return sums[0], add(sums[1], _cross_sum(p, q, a, b)), sums[2]


@inlined_part
def _add_all(sums, p, q, a, b):
    return _add_turn(
        _add_cross((add(sums[0], _imaginary(q, b)), sums[1], sums[2]), p, q, a, b), p, q, a, b
    )


@inlined_part
def _undo_pairs(pair, add_sums, s, c, step, m, sums):
    """Undo `_apply_to_pairs`."""
    size = step[2]
    low = step[3]
    high = step[4]
    offset = step[5]
    stride = step[6]
    for k in range(0, size, 2 * count_lanes(s)):
        i = insert_zero_bits(k, low, high) + offset
        j = i + stride
        a = _load_row(s, i)
        b = _load_row(s, j)
        p = _load_row(c, i)
        q = _load_row(c, j)
        sums = add_sums(sums, p, q, a, b)
        pair(s, i, j, a, b, m)
        pair(c, i, j, p, q, m)
    return sums


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
    size = step[2]
    low = step[3]
    high = step[4]
    offset = step[5]
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
    size = step[2]
    low = step[3]
    high = step[4]
    offset = step[5] + step[6]
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
        m = _matrix(coefficients, 8 * width * step[1])
        if path == 0 or is_full[step[1]]:
            _apply_to_pairs(_general_pair, s, step, m)
        elif path == 1:
            _apply_to_pairs(_real_pair, s, step, m)
        elif path == 2:
            _apply_to_pairs(_cross_pair, s, step, m)
        elif path == 3:
            apply_to_lanes(s, step, m)
        elif path == 4:
            apply_phase(s, step, m)
        elif path == 5:
            exchange_rows(s, step)
        else:
            _apply_to_pairs(_turn_pair, s, step, m)


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
    width = count_lanes(s)
    for n in range(steps.shape[0] - 1, -1, -1):
        step = steps[n]
        path = step[0]
        if not gates[step[1], 5] and path != 6:
            forward_steps(s, steps[n : n + 1], coefficients, is_full)
            forward_steps(c, steps[n : n + 1], coefficients, is_full)
            continue
        m = _matrix(coefficients, 8 * width * step[1])
        sums_start = 3 * width * step[1]
        sums = (
            load(by_lane, sums_start),
            load(by_lane, sums_start + width),
            load(by_lane, sums_start + 2 * width),
        )
        if path == 0 or is_full[step[1]]:
            sums = _undo_pairs(_general_pair, _add_all, s, c, step, m, sums)
        elif path == 1:
            sums = _undo_pairs(_real_pair, _add_turn, s, c, step, m, sums)
        elif path == 2:
            sums = _undo_pairs(_cross_pair, _add_cross, s, c, step, m, sums)
        elif path == 3:
            sums = undo_on_lanes(s, c, step, m, sums)
        elif path == 4:
            sums = undo_phase(s, c, step, m, sums)
        else:
            sums = _undo_pairs(_turn_pair_back, _add_all, s, c, step, m, sums)
        store(by_lane, sums_start, sums[0])
        store(by_lane, sums_start + width, sums[1])
        store(by_lane, sums_start + 2 * width, sums[2])
