"""One gate on one array of amplitudes, forward and undone, on any qubits.

An array holds 2^b amplitudes of L samples; amplitude i of sample l is ``s[i * L + l]``. A qubit's *stride* is L·2^q; if
it is shorter than a register, the qubit is inside registers, and a gate on it exchanges lanes.
"""

from __future__ import annotations

from numba import njit

from qllmft_backends.adjoint.compiled.simd import (
    add,
    exchange_1,
    exchange_2,
    exchange_4,
    exchange_8,
    lanes,
    load,
    mul,
    select_positive,
    store,
    sub,
)
from qllmft_backends.adjoint.program import Op

ROT, CX_ROT, CX, X, Z, CZ = (int(op) for op in Op)

_jit = njit(cache=True, nogil=True, error_model="numpy")


@_jit
def exchange(x, distance):
    """Exchange lanes i and i XOR ``distance`` of a register."""
    if distance == 8:
        return exchange_8(x)
    if distance == 4:
        return exchange_4(x)
    if distance == 2:
        return exchange_2(x)
    return exchange_1(x)


@_jit
def bit_sign(signs, distance):
    """Return the register that is +1 on lanes whose bit ``distance`` is set and -1 on the others."""
    row = 0
    while (1 << row) < distance:
        row += 1
    return load(signs, row * lanes(signs.itemsize))


# --- rotations forward -----------------------------------------------------------------------------------------------


@_jit
def _rotate_rows(s, start, stop, step, cos, sin, swapped):
    """Apply R_Y to the pairs (k, k + step), k in [start, stop). ``swapped``: after an X on the target."""
    width = lanes(s.itemsize)
    first, second = (step, 0) if swapped else (0, step)
    for k in range(start, stop, width):
        a, b = load(s, k + first), load(s, k + second)
        store(s, k, sub(mul(cos, a), mul(sin, b)))
        store(s, k + step, add(mul(sin, a), mul(cos, b)))


@_jit
def _rotate_lanes(s, start, stop, distance, cos, signed_sin, swapped):
    """Apply R_Y to a qubit inside registers, with -sin on lanes of bit 0 and +sin on lanes of bit 1."""
    width = lanes(s.itemsize)
    for k in range(start, stop, width):
        x = load(s, k)
        y = exchange(x, distance)
        if swapped:
            x, y = y, x
        store(s, k, add(mul(cos, x), mul(signed_sin, y)))


@_jit
def rot(s, step, cos, sin, signs):
    """Apply R_Y to the qubit of stride ``step``."""
    size, width = s.size, lanes(s.itemsize)
    if step < width:
        _rotate_lanes(s, 0, size, step, cos, mul(sin, bit_sign(signs, step)), False)
    else:
        for block in range(0, size, 2 * step):
            _rotate_rows(s, block, block + step, step, cos, sin, False)


@_jit
def cx_rot(s, control, step, cos, sin, signs):
    """Apply CNOT, then R_Y on its target. ``control`` and ``step`` are the strides of control and target."""
    size, width = s.size, lanes(s.itemsize)
    if control < width:
        is_set = bit_sign(signs, control)
        if step < width:
            signed_sin = mul(sin, bit_sign(signs, step))
            for k in range(0, size, width):
                x = load(s, k)
                y = exchange(x, step)
                p, q = select_positive(is_set, y, x), select_positive(is_set, x, y)
                store(s, k, add(mul(cos, p), mul(signed_sin, q)))
        else:
            for block in range(0, size, 2 * step):
                for k in range(block, block + step, width):
                    x, y = load(s, k), load(s, k + step)
                    a, b = select_positive(is_set, y, x), select_positive(is_set, x, y)
                    store(s, k, sub(mul(cos, a), mul(sin, b)))
                    store(s, k + step, add(mul(sin, a), mul(cos, b)))
    elif step < width:
        signed_sin = mul(sin, bit_sign(signs, step))
        for block in range(0, size, 2 * control):
            _rotate_lanes(s, block, block + control, step, cos, signed_sin, False)
            _rotate_lanes(s, block + control, block + 2 * control, step, cos, signed_sin, True)
    elif control < step:
        for block in range(0, size, 2 * step):
            for run in range(block, block + step, 2 * control):
                _rotate_rows(s, run, run + control, step, cos, sin, False)
                _rotate_rows(s, run + control, run + 2 * control, step, cos, sin, True)
    else:
        for block in range(0, size, 2 * control):
            for run in range(block, block + control, 2 * step):
                _rotate_rows(s, run, run + step, step, cos, sin, False)
            for run in range(block + control, block + 2 * control, 2 * step):
                _rotate_rows(s, run, run + step, step, cos, sin, True)


# --- rotations undone: gradient, and the gate undone on the state s and the co-state c -------------------------------


@_jit
def _undo_rows(s, c, start, stop, step, cos, sin, swapped, gradient):
    width = lanes(s.itemsize)
    first, second = (step, 0) if swapped else (0, step)
    for k in range(start, stop, width):
        a, b, p, q = load(s, k), load(s, k + step), load(c, k), load(c, k + step)
        gradient = add(gradient, sub(mul(q, a), mul(p, b)))
        store(s, k + first, add(mul(cos, a), mul(sin, b)))
        store(s, k + second, sub(mul(cos, b), mul(sin, a)))
        store(c, k + first, add(mul(cos, p), mul(sin, q)))
        store(c, k + second, sub(mul(cos, q), mul(sin, p)))
    return gradient


@_jit
def _undo_lanes(s, c, start, stop, distance, cos, signed_sin, sign, swapped, gradient):
    width = lanes(s.itemsize)
    for k in range(start, stop, width):
        x, p = load(s, k), load(c, k)
        y, q = exchange(x, distance), exchange(p, distance)
        gradient = add(gradient, mul(sign, mul(p, y)))
        x, p = sub(mul(cos, x), mul(signed_sin, y)), sub(mul(cos, p), mul(signed_sin, q))
        if swapped:
            x, p = exchange(x, distance), exchange(p, distance)
        store(s, k, x)
        store(c, k, p)
    return gradient


@_jit
def undo_rot(s, c, step, cos, sin, signs, gradient):
    """Undo `rot`. Return ``gradient`` with Σ (λ_b ψ_a − λ_a ψ_b) added by lane."""
    size, width = s.size, lanes(s.itemsize)
    if step < width:
        sign = bit_sign(signs, step)
        return _undo_lanes(s, c, 0, size, step, cos, mul(sin, sign), sign, False, gradient)
    for block in range(0, size, 2 * step):
        gradient = _undo_rows(s, c, block, block + step, step, cos, sin, False, gradient)
    return gradient


@_jit
def undo_cx_rot(s, c, control, step, cos, sin, signs, gradient):
    """Undo `cx_rot`. Return ``gradient`` as `undo_rot` does."""
    size, width = s.size, lanes(s.itemsize)
    if control < width:
        is_set = bit_sign(signs, control)
        if step < width:
            sign = bit_sign(signs, step)
            gradient = _undo_lanes(s, c, 0, size, step, cos, mul(sin, sign), sign, False, gradient)
            for k in range(0, size, width):
                x, p = load(s, k), load(c, k)
                store(s, k, select_positive(is_set, exchange(x, step), x))
                store(c, k, select_positive(is_set, exchange(p, step), p))
        else:
            for block in range(0, size, 2 * step):
                for k in range(block, block + step, width):
                    a, b, p, q = load(s, k), load(s, k + step), load(c, k), load(c, k + step)
                    gradient = add(gradient, sub(mul(q, a), mul(p, b)))
                    a, b = add(mul(cos, a), mul(sin, b)), sub(mul(cos, b), mul(sin, a))
                    p, q = add(mul(cos, p), mul(sin, q)), sub(mul(cos, q), mul(sin, p))
                    store(s, k, select_positive(is_set, b, a))
                    store(s, k + step, select_positive(is_set, a, b))
                    store(c, k, select_positive(is_set, q, p))
                    store(c, k + step, select_positive(is_set, p, q))
    elif step < width:
        sign = bit_sign(signs, step)
        signed_sin = mul(sin, sign)
        for block in range(0, size, 2 * control):
            middle, stop = block + control, block + 2 * control
            gradient = _undo_lanes(s, c, block, middle, step, cos, signed_sin, sign, False, gradient)
            gradient = _undo_lanes(s, c, middle, stop, step, cos, signed_sin, sign, True, gradient)
    elif control < step:
        for block in range(0, size, 2 * step):
            for run in range(block, block + step, 2 * control):
                middle, stop = run + control, run + 2 * control
                gradient = _undo_rows(s, c, run, middle, step, cos, sin, False, gradient)
                gradient = _undo_rows(s, c, middle, stop, step, cos, sin, True, gradient)
    else:
        for block in range(0, size, 2 * control):
            for run in range(block, block + control, 2 * step):
                gradient = _undo_rows(s, c, run, run + step, step, cos, sin, False, gradient)
            for run in range(block + control, block + 2 * control, 2 * step):
                gradient = _undo_rows(s, c, run, run + step, step, cos, sin, True, gradient)
    return gradient


# --- gates without an angle: permutations and signs, each its own inverse --------------------------------------------


@_jit
def fixed_gate(s, batch, kind, control, target):
    """Apply X, Z, CNOT or CZ. ``control`` is -1 for the gates on one qubit."""
    step = 1 << target
    required = (1 << control) if control >= 0 else 0
    for i in range(s.size // batch):
        if i & step or (i & required) != required:
            continue
        low, high = i * batch, (i | step) * batch
        if kind in (X, CX):
            for k in range(batch):
                s[low + k], s[high + k] = s[high + k], s[low + k]
        else:
            for k in range(batch):
                s[high + k] = -s[high + k]
