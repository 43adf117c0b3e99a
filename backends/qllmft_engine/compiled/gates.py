"""One gate on one array of amplitudes, forward and undone, on any qubits.

An array holds 2^b amplitudes of L samples; amplitude i of sample l is ``s[i * L + l]``. A qubit's *stride* is L·2^q; if
it is shorter than a register, the qubit is inside registers, and a gate on it exchanges lanes.
"""

from __future__ import annotations

from qllmft_engine.compiled.parts import inlined_part, part
from qllmft_engine.compiled.simd import (
    add,
    count_lanes,
    exchange_1,
    exchange_2,
    exchange_4,
    exchange_8,
    load,
    mul,
    multiply_add,
    multiply_subtract,
    select_positive,
    store,
    sub,
)
from qllmft_engine.program.gates import FactorKind
from qllmft_engine.program.operations import FIXED_PARTS, Op

ROT = int(Op.ROT)
CX_ROT = int(Op.CX_ROT)
GROW = int(Op.GROW)
GROW_ROT = int(Op.GROW_ROT)
_SIGN_KINDS = tuple(int(op) for op, part in FIXED_PARTS.items() if part == FactorKind.Z)


@part
def exchange(x, distance):
    """Exchange lanes i and i XOR ``distance`` of a register."""
    if distance == 8:
        return exchange_8(x)
    if distance == 4:
        return exchange_4(x)
    if distance == 2:
        return exchange_2(x)
    return exchange_1(x)


@part
def bit_sign(signs, distance):
    """Return the register that is +1 on lanes whose bit ``distance`` is set and -1 on the others."""
    row = 0
    while (1 << row) < distance:
        row += 1
    return load(signs, row * count_lanes(signs))


# --- rotations on a state s, undone on both with a co-state c, whose gradient is added up
# ----------------------------


@part
def _rotate_rows(s, c, start, stop, step, cos, sin, swapped, gradient):
    """Apply R_Y to the pairs (k, k + step), k in [start, stop). ``swapped``: after an X on the target."""
    width = count_lanes(s)
    first, second = (step, 0) if swapped else (0, step)
    for k in range(start, stop, width):
        if c is None:
            a = load(s, k + first)
            b = load(s, k + second)
            store(s, k, multiply_subtract(cos, a, mul(sin, b)))
            store(s, k + step, multiply_add(sin, a, mul(cos, b)))
        else:
            a = load(s, k)
            b = load(s, k + step)
            p = load(c, k)
            q = load(c, k + step)
            gradient = add(gradient, multiply_subtract(q, a, mul(p, b)))
            store(s, k + first, multiply_add(cos, a, mul(sin, b)))
            store(s, k + second, multiply_subtract(cos, b, mul(sin, a)))
            store(c, k + first, multiply_add(cos, p, mul(sin, q)))
            store(c, k + second, multiply_subtract(cos, q, mul(sin, p)))
    return gradient


@part
def _rotate_lanes(s, c, start, stop, distance, cos, sin, sign, swapped, gradient):
    """Apply R_Y to a qubit inside registers. ``sign`` is -1 on lanes of bit 0 and +1 on lanes of bit 1."""
    width = count_lanes(s)
    signed_sin = mul(sin, sign)
    for k in range(start, stop, width):
        x = load(s, k)
        y = exchange(x, distance)
        if c is None:
            if swapped:
                x, y = y, x
            store(s, k, multiply_add(cos, x, mul(signed_sin, y)))
        else:
            p = load(c, k)
            q = exchange(p, distance)
            gradient = add(gradient, mul(sign, mul(p, y)))
            x = multiply_subtract(cos, x, mul(signed_sin, y))
            p = multiply_subtract(cos, p, mul(signed_sin, q))
            if swapped:
                x = exchange(x, distance)
                p = exchange(p, distance)
            store(s, k, x)
            store(c, k, p)
    return gradient


@part
def rot(s, c, step, cos, sin, signs, gradient):
    """Apply R_Y to the qubit of stride ``step``, without ``c`` and ``gradient``.

    With a co-state ``c``, undo it and return ``gradient`` with Σ (λ_b ψ_a − λ_a ψ_b) added by lane.

    Args:
        s: amplitudes of L samples; changed in place.
        c: co-state of the same shape, changed in place; None: forward.
        step: L·2^q of qubit q; below the lanes of a register, the qubit is inside registers.
        cos: first register of the rotation by lane, see `compute_coefficients`.
        sin: its second register.
        signs: (4·width,) table of lane bits, see `bit_sign`.
        gradient: register of the sum so far; None: forward.

    Returns:
        The register of the sum; None: forward.
    """
    size = s.size
    width = count_lanes(s)
    if step < width:
        return _rotate_lanes(s, c, 0, size, step, cos, sin, bit_sign(signs, step), False, gradient)
    for block in range(0, size, 2 * step):
        gradient = _rotate_rows(s, c, block, block + step, step, cos, sin, False, gradient)
    return gradient


@part
def cx_rot(s, c, control, step, cos, sin, signs, gradient):
    """Apply CNOT, then R_Y on its target, or undo them (see `rot`).

    Args:
        s: amplitudes of L samples; changed in place.
        c: co-state of the same shape, changed in place; None: forward.
        control: stride L·2^q of the control.
        step: stride of the target.
        cos: see `rot`.
        sin: see `rot`.
        signs: (4·width,) table of lane bits, see `bit_sign`.
        gradient: register of the sum so far; None: forward.

    Returns:
        The register of the sum; None: forward.
    """
    size = s.size
    width = count_lanes(s)
    if control < width:
        return _cx_rot_inside(s, c, bit_sign(signs, control), step, cos, sin, signs, gradient)
    if step < width:
        sign = bit_sign(signs, step)
        for block in range(0, size, 2 * control):
            middle = block + control
            stop = block + 2 * control
            gradient = _rotate_lanes(s, c, block, middle, step, cos, sin, sign, False, gradient)
            gradient = _rotate_lanes(s, c, middle, stop, step, cos, sin, sign, True, gradient)
    elif control < step:
        for block in range(0, size, 2 * step):
            for run in range(block, block + step, 2 * control):
                middle = run + control
                stop = run + 2 * control
                gradient = _rotate_rows(s, c, run, middle, step, cos, sin, False, gradient)
                gradient = _rotate_rows(s, c, middle, stop, step, cos, sin, True, gradient)
    else:
        for block in range(0, size, 2 * control):
            for run in range(block, block + control, 2 * step):
                gradient = _rotate_rows(s, c, run, run + step, step, cos, sin, False, gradient)
            for run in range(block + control, block + 2 * control, 2 * step):
                gradient = _rotate_rows(s, c, run, run + step, step, cos, sin, True, gradient)
    return gradient


@part
def _cx_rot_inside(s, c, is_set, step, cos, sin, signs, gradient):
    """Do `cx_rot` with the control inside registers: ``is_set`` is positive on the lanes whose bit is set."""
    size = s.size
    width = count_lanes(s)
    if step >= width:
        for block in range(0, size, 2 * step):
            for k in range(block, block + step, width):
                x = load(s, k)
                y = load(s, k + step)
                if c is None:
                    a = select_positive(is_set, y, x)
                    b = select_positive(is_set, x, y)
                    store(s, k, multiply_subtract(cos, a, mul(sin, b)))
                    store(s, k + step, multiply_add(sin, a, mul(cos, b)))
                else:
                    p = load(c, k)
                    q = load(c, k + step)
                    gradient = add(gradient, multiply_subtract(q, x, mul(p, y)))
                    a = multiply_add(cos, x, mul(sin, y))
                    b = multiply_subtract(cos, y, mul(sin, x))
                    store(s, k, select_positive(is_set, b, a))
                    store(s, k + step, select_positive(is_set, a, b))
                    a = multiply_add(cos, p, mul(sin, q))
                    b = multiply_subtract(cos, q, mul(sin, p))
                    store(c, k, select_positive(is_set, b, a))
                    store(c, k + step, select_positive(is_set, a, b))
        return gradient
    sign = bit_sign(signs, step)
    if c is not None:
        gradient = _rotate_lanes(s, c, 0, size, step, cos, sin, sign, False, gradient)
    for k in range(0, size, width):
        x = load(s, k)
        y = exchange(x, step)
        if c is None:
            p = select_positive(is_set, y, x)
            q = select_positive(is_set, x, y)
            store(s, k, multiply_add(cos, p, mul(mul(sin, sign), q)))
        else:
            store(s, k, select_positive(is_set, y, x))
            p = load(c, k)
            store(c, k, select_positive(is_set, exchange(p, step), p))
    return gradient


# --- a qubit that joins the register
# ----------------------------------------------------------------------------------


@part
def grow(s, step):
    """Add a qubit in |0⟩ of stride ``step``: the amplitudes of its bit 1, above the register, become 0."""
    s[step : 2 * step] = 0


@part
def grow_rot(s, c, step, cos, sin, gradient):
    """Add a qubit in R_Y|0⟩ of stride ``step``, or take it away again (see `rot`).

    Only the amplitudes of its bit 0 are read on the way there, and left on the way back.

    Args:
        s: amplitudes of L samples, of which the first 2·``step`` are changed in place.
        c: co-state of the same shape, changed in place; None: forward.
        step: L·2^q of the qubit q, above all others and outside registers.
        cos: see `rot`.
        sin: see `rot`.
        gradient: register of the sum so far; None: forward.

    Returns:
        The register of the sum; None: forward.
    """
    for k in range(0, step, count_lanes(s)):
        a = load(s, k)
        if c is None:
            store(s, k, mul(cos, a))
            store(s, k + step, mul(sin, a))
        else:
            b = load(s, k + step)
            p = load(c, k)
            q = load(c, k + step)
            gradient = add(gradient, multiply_subtract(q, a, mul(p, b)))
            store(s, k, multiply_add(cos, a, mul(sin, b)))
            store(c, k, multiply_add(cos, p, mul(sin, q)))
    return gradient


# --- gates without an angle: permutations and signs, each its own inverse
# --------------------------------------------


@inlined_part
def insert_zero_bits(k, low, high):
    """Return the k-th number whose bits at two strides, powers of two or 0, are zero."""
    k += k & -low
    return k + (k & -high)


@part
def fixed_gate(s, batch, kind, control, target, signs):
    """Apply X, Z, CNOT or CZ.

    Args:
        s: amplitudes of L samples; changed in place.
        batch: L.
        kind: an `Op` without an angle: X, Z, CX or CZ.
        control: qubit, not its stride; -1 for the gates on one qubit.
        target: qubit, not its stride.
        signs: (4·width,) table of lane bits, see `bit_sign`.
    """
    width = count_lanes(s)
    step = batch << target
    control_step = batch << control if control >= 0 else 0
    # strides of the qubits outside registers, 0 if there is none
    row = step if step >= width else 0
    control_row = control_step if control_step >= width else 0
    low = min(row, control_row)
    high = max(row, control_row)
    count = s.size
    if low:
        count //= 2
    if high:
        count //= 2
    plus_one = mul(bit_sign(signs, 1), bit_sign(signs, 1))
    minus_one = sub(sub(plus_one, plus_one), plus_one)
    is_set = bit_sign(signs, control_step) if 0 < control_step < width else plus_one
    is_one = plus_one if row else bit_sign(signs, step)
    factor = select_positive(is_set, select_positive(is_one, minus_one, plus_one), plus_one)
    for k in range(0, count, width):
        i = insert_zero_bits(k, low, high) + control_row
        if kind in _SIGN_KINDS:
            store(s, i + row, mul(load(s, i + row), factor))
        elif row:
            a = load(s, i)
            b = load(s, i + row)
            store(s, i, select_positive(is_set, b, a))
            store(s, i + row, select_positive(is_set, a, b))
        else:
            a = load(s, i)
            store(s, i, select_positive(is_set, exchange(a, step), a))
