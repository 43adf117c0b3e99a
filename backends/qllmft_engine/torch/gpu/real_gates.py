"""Real gates in Triton: their table, and functions that apply and undo them on the 2^L amplitudes of a program.

A tensor of amplitudes is one axis, S samples of 2^L. As Triton lays it out, the lowest five bits of an index are the
thread in its warp, the next ones the warp, and the highest the register. So the amplitude with the other value of a
target is in the same warp, or in shared memory, or in the same thread: three kinds of exchange, of which the last has
code for each register bit. Any other layout gives the same numbers, only slower.

The gates are a table in memory and the target is chosen at run time, so that a kernel is compiled once for a number of
qubits and not for each circuit. A row of the table is (kind, control, target, slot, before):

- kind: 0 none, `FLIPS` for X or `SIGNS` for Z, which act if the control is 1;
- control: mask on the bits of an amplitude's index, 0 without a control; in a pass, the local bits come first;
- target: local qubit;
- slot: of the angle of R_Y behind X or Z, -1 without one;
- before: of the angle of R_Y before them.

With P for X or Z, P R_Y(a) = R_Y(-a) P, so a row is R_Y(b - a) P where the control is 1, and R_Y(b + a) elsewhere. Two
rows follow the last gate, because the loads of the next gates run ahead of the arithmetic.
"""

import triton
import triton.language as tl

ROW = 5  # numbers of a row
FLIPS = 1
SIGNS = 2
_ROW = tl.constexpr(ROW)
_FLIPS = tl.constexpr(FLIPS)
_SIGNS = tl.constexpr(SIGNS)


@triton.jit
def lane_partners(x, target, S: tl.constexpr, L: tl.constexpr, LANES: tl.constexpr):
    """Return for each amplitude of (S·2^L,) the one with the other value of a target within LANES, by a shuffle.

    Args:
        x: amplitudes.
        target: local qubit below log2(LANES).
        S, L: samples and local qubits.
        LANES: successive amplitudes in the threads of a warp, 32 or, of smaller states, 2^L.
    """
    lines: tl.constexpr = (S << L) // LANES
    lane = tl.broadcast_to(tl.arange(0, LANES)[None, :] ^ (1 << target), (lines, LANES))
    return tl.reshape(tl.gather(tl.reshape(x, (lines, LANES)), lane, 1), (S << L,))


@triton.jit
def warp_partners(x, target, S: tl.constexpr, L: tl.constexpr):
    """Return for each amplitude of (S·2^L,) the one with the other value of a target, through shared memory.

    Args:
        x: amplitudes.
        target: local qubit.
        S, L: samples and local qubits.
    """
    # a sum over warps would write to the same banks of shared memory with all threads of a warp
    return tl.gather(x, tl.arange(0, S << L) ^ (1 << target), 0)


@triton.jit
def register_partners(x, T: tl.constexpr, S: tl.constexpr, L: tl.constexpr):
    """Return for each amplitude of (S·2^L,) the one with the other value of target T, which its thread holds too.

    Args:
        x: amplitudes.
        T: local qubit.
        S, L: samples and local qubits.
    """
    whole: tl.constexpr = tl.int64 if x.dtype.primitive_bitwidth == 64 else tl.int32
    bits = tl.reshape(x.to(whole, bitcast=True), (S, 1 << (L - T - 1), 2, 1 << T))
    other = tl.sum(bits, axis=2, keep_dims=True) - bits  # exact: integers wrap around
    return tl.reshape(other.to(tl.int64).to(whole).to(x.dtype, bitcast=True), (S << L,))


@triton.jit
def gate_row(rows, g):
    """Return one row of the table of gates."""
    kind = tl.load(rows + _ROW * g)
    control = tl.load(rows + _ROW * g + 1)
    target = tl.load(rows + _ROW * g + 2)
    slot = tl.load(rows + _ROW * g + 3)
    slot_before = tl.load(rows + _ROW * g + 4)
    return kind, control, target, slot, slot_before


@triton.jit
def half_angle(cos, sin, slot, in_batch, S: tl.constexpr):
    """Return cos and sin of half the angle of a slot, 1 and 0 without one.

    Args:
        cos, sin: pointers to the half-angles of each sample.
        slot: of the angle, -1 without one.
        in_batch: whether the samples are there; not read for one sample.
        S: samples.
    """
    mask = slot >= 0
    if S > 1:
        mask = tl.where(in_batch, slot, -1) >= 0
    c = tl.load(cos + slot, mask=mask, other=1.0)
    s = tl.load(sin + slot, mask=mask, other=0.0)
    return c, s


@triton.jit
def half_angles(cos, sin, row, in_batch, S: tl.constexpr):
    """Return cos and sin of half the angle of a row's slot, and of the one before.

    Args:
        cos, sin: pointers to the half-angles of each sample.
        row: of the table, see `gate_row`.
        in_batch: whether the samples are there.
        S: samples.
    """
    _kind, _control, _target, slot, slot_before = row
    c, s = half_angle(cos, sin, slot, in_batch, S)
    c_before, s_before = half_angle(cos, sin, slot_before, in_batch, S)
    return c, s, c_before, s_before


@triton.jit
def signs(target, MIDDLE: tl.constexpr):
    """Return -1 or 1 for each value of MIDDLE numbers, by their bit ``target``, on the third of four axes."""
    return (2 * ((tl.arange(0, MIDDLE) >> target) & 1) - 1)[None, None, :, None]


@triton.jit
def factors(angles, on, side, kind, S: tl.constexpr, INVERSE: tl.constexpr):
    """Return what an amplitude and its partner are multiplied with, in the shape of ``on``.

    R_Y X and R_Y Z are their own inverses.

    Args:
        angles: of the gate, see `half_angles`.
        on: whether the control is 1, of four axes with samples first.
        side: sign of the target's value, see `signs`.
        kind: of the gate: 0, `FLIPS` or `SIGNS`.
        S: samples.
        INVERSE: undo the gate.
    """
    c, s, c_before, s_before = angles
    if S > 1:
        c = tl.reshape(c, (S, 1, 1, 1))
        s = tl.reshape(s, (S, 1, 1, 1))
        c_before = tl.reshape(c_before, (S, 1, 1, 1))
        s_before = tl.reshape(s_before, (S, 1, 1, 1))
    c_sum = c * c_before - s * s_before
    s_sum = s * c_before + c * s_before
    c_difference = c * c_before + s * s_before
    s_difference = s * c_before - c * s_before
    flips = kind == _FLIPS
    changes_sign = kind == _SIGNS
    across = -side * s_sum if INVERSE else side * s_sum
    alone_on = tl.where(
        flips, side * s_difference, tl.where(changes_sign, -side * c_difference, c_sum)
    )
    across_on = tl.where(flips, c_difference, tl.where(changes_sign, s_difference, across))
    return tl.where(on, alone_on, c_sum), tl.where(on, across_on, across)


@triton.jit
def apply_gate(
    x, others, on, side, kind, angles,
    S: tl.constexpr, L: tl.constexpr, MIDDLE: tl.constexpr, LOW: tl.constexpr,
):  # fmt: skip
    """Return amplitudes (S·2^L,) behind a gate.

    Args:
        x: amplitudes.
        others: their partners.
        on: whether the control is 1.
        side: signs of the target's value, for MIDDLE successive groups of LOW amplitudes.
        kind, angles: of the gate, see `half_angles`.
        S, L: samples and local qubits.
        MIDDLE, LOW: see ``side``.
    """
    high: tl.constexpr = (1 << L) // (MIDDLE * LOW)
    parts = tl.reshape(x, (S, high, MIDDLE, LOW))
    partners = tl.reshape(others, (S, high, MIDDLE, LOW))
    ons = tl.reshape(on, (S, high, MIDDLE, LOW))
    alone, across = factors(angles, ons, side, kind, S, False)
    return tl.reshape(alone * parts + across * partners, (S << L,))


@triton.jit
def undo_gate(
    x, y, others, coothers, on, side, kind, angles,
    S: tl.constexpr, L: tl.constexpr, MIDDLE: tl.constexpr, LOW: tl.constexpr, THREADS: tl.constexpr,
):  # fmt: skip
    """Return states and co-states before a gate, and each thread's part of its gradient, in all and where it is on.

    Args:
        x, y: states and co-states.
        others, coothers: their partners.
        on, side, kind, angles, S, L, MIDDLE, LOW: see `apply_gate`.
        THREADS: amplitudes of a sample in different threads.
    """
    high: tl.constexpr = (1 << L) // (MIDDLE * LOW)
    parts = tl.reshape(x, (S, high, MIDDLE, LOW))
    coparts = tl.reshape(y, (S, high, MIDDLE, LOW))
    partners = tl.reshape(others, (S, high, MIDDLE, LOW))
    copartners = tl.reshape(coothers, (S, high, MIDDLE, LOW))
    ons = tl.reshape(on, (S, high, MIDDLE, LOW))
    alone, across = factors(angles, ons, side, kind, S, True)
    terms = coparts * partners * side
    sums = tl.sum(tl.reshape(terms, (S, (1 << L) // THREADS, THREADS)), axis=1)
    terms = tl.where(ons, terms, 0.0)
    sums_on = tl.sum(tl.reshape(terms, (S, (1 << L) // THREADS, THREADS)), axis=1)
    x = tl.reshape(alone * parts + across * partners, (S << L,))
    y = tl.reshape(alone * coparts + across * copartners, (S << L,))
    return x, y, sums, sums_on


@triton.jit
def apply_gates(
    x,
    index,
    rows,
    first,
    last,
    cos,
    sin,
    in_batch,
    S: tl.constexpr,
    L: tl.constexpr,
    WARPS: tl.constexpr,
):
    """Return amplitudes (S·2^L,) behind the gates from ``first`` to before ``last``.

    Args:
        x: amplitudes.
        index: bits of each of them, on which the controls are.
        rows, first, last: the table of gates.
        cos, sin: pointers to the half-angles of each sample.
        in_batch: whether the samples are there.
        S: samples.
        L: local qubits.
        WARPS: of the program.
    """
    LANES: tl.constexpr = 32 if L >= 5 else 1 << L
    row = gate_row(rows, first)
    angles = half_angles(cos, sin, row, in_batch, S)
    next_row = gate_row(rows, first + 1)
    for g in range(first, last):
        next_angles = half_angles(cos, sin, next_row, in_batch, S)
        later_row = gate_row(rows, g + 2)
        kind, control, target, _slot, _before = row
        on = (index & control) == control
        if target < 5:
            partner_parts = lane_partners(x, target, S, L, LANES)
            side = signs(target, LANES)
            x = apply_gate(x, partner_parts, on, side, kind, angles, S, L, LANES, 1)
        if WARPS > 1:
            if (target >= 5) & (1 << target < 32 * WARPS):
                partner_parts = warp_partners(x, target, S, L)
                side = signs(target - 5, WARPS)
                x = apply_gate(x, partner_parts, on, side, kind, angles, S, L, WARPS, 32)
        for t in tl.static_range(5, L):
            if 1 << t >= 32 * WARPS:
                if target == t:
                    partner_parts = register_partners(x, t, S, L)
                    side = signs(0, 2)
                    x = apply_gate(x, partner_parts, on, side, kind, angles, S, L, 2, 1 << t)
        row = next_row
        angles = next_angles
        next_row = later_row
    return x


@triton.jit
def undo_gates(
    x,
    y,
    index,
    rows,
    first,
    last,
    cos,
    sin,
    by_angle,
    in_batch,
    S: tl.constexpr,
    L: tl.constexpr,
    WARPS: tl.constexpr,
    THREADS: tl.constexpr,
):
    """Return states and co-states (S·2^L,) before the gates, and store each angle's gradient.

    Args:
        x: states behind the gates.
        y: co-states there.
        index, rows, first, last, cos, sin, in_batch, S, L: see `apply_gates`.
        by_angle: pointers (S, WARPS) to gradients of slot 0; their sum over the warps is the gradient.
        WARPS: of the program. Each stores a part of its own, because adding them up there would need a barrier for each
            gate.
        THREADS: amplitudes of a sample in different threads.
    """
    LANES: tl.constexpr = 32 if L >= 5 else 1 << L
    row = gate_row(rows, tl.maximum(last - 1, 0))
    angles = half_angles(cos, sin, row, in_batch, S)
    next_row = gate_row(rows, tl.maximum(last - 2, 0))
    for g in range(first, last):
        next_angles = half_angles(cos, sin, next_row, in_batch, S)
        later_row = gate_row(rows, tl.maximum(last - 1 - (g - first) - 2, 0))
        kind, control, target, slot, slot_before = row
        on = (index & control) == control
        sums = tl.zeros((S, THREADS), x.dtype)
        sums_on = tl.zeros((S, THREADS), x.dtype)
        if target < 5:
            partner_parts = lane_partners(x, target, S, L, LANES)
            coothers = lane_partners(y, target, S, L, LANES)
            x, y, sums, sums_on = undo_gate(
                x, y, partner_parts, coothers, on, signs(target, LANES), kind, angles, S, L, LANES, 1,
                THREADS,
            )  # fmt: skip
        if WARPS > 1:
            if (target >= 5) & (1 << target < 32 * WARPS):
                partner_parts = warp_partners(x, target, S, L)
                coothers = warp_partners(y, target, S, L)
                x, y, sums, sums_on = undo_gate(
                    x, y, partner_parts, coothers, on, signs(target - 5, WARPS), kind, angles, S, L, WARPS,
                    32, THREADS,
                )  # fmt: skip
        for t in tl.static_range(5, L):
            if 1 << t >= 32 * WARPS:
                if target == t:
                    partner_parts = register_partners(x, t, S, L)
                    coothers = register_partners(y, t, S, L)
                    x, y, sums, sums_on = undo_gate(
                        x, y, partner_parts, coothers, on, signs(0, 2), kind, angles, S, L, 2, 1 << t,
                        THREADS,
                    )  # fmt: skip
        if slot >= 0:
            store_sums(by_angle + slot, sums, in_batch, S, WARPS, THREADS)
        if slot_before >= 0:
            sums_before = tl.where(kind == 0, sums, sums - 2.0 * sums_on)
            store_sums(by_angle + slot_before, sums_before, in_batch, S, WARPS, THREADS)
        row = next_row
        angles = next_angles
        next_row = later_row
    return x, y


@triton.jit
def store_sums(out, sums, in_batch, S: tl.constexpr, WARPS: tl.constexpr, THREADS: tl.constexpr):
    """Store half the sum of each warp's threads.

    Args:
        out: pointers (S, WARPS) to the sums.
        sums: (S, THREADS) of each thread.
        in_batch: whether the samples are there; not read for one sample.
        S: samples.
        WARPS: of the program.
        THREADS: amplitudes of a sample in different threads.
    """
    total = tl.sum(tl.reshape(sums, (S, WARPS, THREADS // WARPS)), axis=2)
    if S > 1:
        tl.store(out, 0.5 * total, mask=tl.reshape(in_batch, (S, 1)))
    else:
        tl.store(out, 0.5 * total)
