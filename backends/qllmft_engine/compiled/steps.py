"""Steps of a program on one array of amplitudes: groups of gates in one pass over memory, forward and undone.

Gradient. With E = Σ_o w_o ⟨ψ|Z_o|ψ⟩ and λ = ∂E/∂ψ, going backward over a rotation of the pair (a, b) of target bit 0/1:
∂E/∂θ = ½ Σ (λ_b ψ_a − λ_a ψ_b), both taken after the gate; then the gate is undone on ψ and λ alike, without a tape.
"""

from __future__ import annotations

from numba import types
from numba.extending import overload

from qllmft_engine.compiled.fused import make_apply_group
from qllmft_engine.compiled.fused_undo import make_undo_group
from qllmft_engine.compiled.gates import (
    CX_ROT,
    GROW,
    GROW_ROT,
    ROT,
    bit_sign,
    cx_rot,
    fixed_gate,
    grow,
    grow_rot,
    rot,
)
from qllmft_engine.compiled.parts import part
from qllmft_engine.compiled.simd import count_lanes, load, mul, store, sub
from qllmft_engine.program.schedule import GROUP_GATES, HALF, Shape

SINGLE = int(Shape.SINGLE)
# the first gate's target is inside registers: a lane of bit 0 has the tangent, and the sum, negative
_HALF_TARGET_SHAPES = tuple(
    int(shape) for shape, gates in GROUP_GATES.items() if gates[0][1] == HALF
)


_apply_group = make_apply_group(GROUP_GATES)
_undo_group = make_undo_group(
    {shape: gates for shape, gates in GROUP_GATES.items() if len(gates) < 3}
)


@part
def _tangent(coefficients, slot, width):
    return load(coefficients, (2 * slot + 1) * width)


@part
def _do_gate(s, c, batch, op, coefficients, signs, gradients):
    """Do one gate on a state ``s``, or undo it on state and co-state ``c``."""
    width = count_lanes(s)
    kind = op[0]
    control = op[1]
    target = op[2]
    slot = op[3]
    if kind == GROW:
        if c is None:
            grow(s, batch << target)
        return
    if kind not in (ROT, CX_ROT, GROW_ROT):
        fixed_gate(s, batch, kind, control, target, signs)
        if c is not None:
            fixed_gate(c, batch, kind, control, target, signs)
        return
    sum_start = slot * width
    cos = load(coefficients, 2 * sum_start)
    sin = load(coefficients, 2 * sum_start + width)
    if c is None:
        _rotation(s, None, batch, op, cos, sin, signs, None)
    else:
        store(
            gradients,
            sum_start,
            _rotation(s, c, batch, op, cos, sin, signs, load(gradients, sum_start)),
        )


@part
def _rotation(s, c, batch, op, cos, sin, signs, gradient):
    if op[0] == ROT:
        return rot(s, c, batch << op[2], cos, sin, signs, gradient)
    if op[0] == GROW_ROT:
        return grow_rot(s, c, batch << op[2], cos, sin, gradient)
    return cx_rot(s, c, batch << op[1], batch << op[2], cos, sin, signs, gradient)


@part
def _apply_step(s, shape, strides, slot, coefficients, signs):
    width = count_lanes(s)
    first = _tangent(coefficients, slot, width)
    if shape in _HALF_TARGET_SHAPES:
        first = mul(first, bit_sign(signs, width // 2))
    # those of other gates are not used, and follow in memory
    second = _tangent(coefficients, slot + 1, width)
    third = _tangent(coefficients, slot + 2, width)
    _apply_group(s, shape, strides, (first, second, third))


@part
def _undo_step(s, c, shape, strides, slot, coefficients, signs, gradients):
    width = count_lanes(s)
    sum_start = slot * count_lanes(s)
    first = _tangent(coefficients, slot, width)
    second = _tangent(coefficients, slot + 1, width)
    sign = bit_sign(signs, width // 2)
    zero = sub(first, first)
    on_half = shape in _HALF_TARGET_SHAPES
    total = load(gradients, sum_start)
    if on_half:  # the sign of a lane comes out of the sum
        first = mul(first, sign)
        total = mul(total, sign)
    sums = _undo_group(
        s,
        c,
        shape,
        strides,
        (first, second),
        (total, zero, load(gradients, sum_start + width), zero),
    )
    total = sub(sums[0], sums[1])
    store(gradients, sum_start, mul(total, sign) if on_half else total)
    store(gradients, sum_start + width, sub(sums[2], sums[3]))


# --- all steps of a program
# ------------------------------------------------------------------------------------------


@part
def _any_full(is_full, slot, count):
    for g in range(slot, slot + count):
        if is_full[g]:
            return True
    return False


@part
def _do_steps(s, c, batch, ops, steps, tables):
    coefficients, is_full, signs, gradients = tables
    for i in range(steps.shape[0]):
        shape = steps[i, 0]
        first = steps[i, 1]
        count = steps[i, 2]
        strides = steps[i, 3], steps[i, 4], steps[i, 5], steps[i, 6]
        slot = ops[first, 3]
        if shape == SINGLE or _any_full(is_full, slot, count):
            for g in range(count):
                op = ops[first + g if c is None else first + count - 1 - g]
                _do_gate(s, c, batch, op, coefficients, signs, gradients)
        elif c is None:
            _apply_step(s, shape, strides, slot, coefficients, signs)
        else:
            _undo_step(s, c, shape, strides, slot, coefficients, signs, gradients)


def _slice(c, start, size):
    """Return ``size`` amplitudes of a co-state, or None without one."""
    raise NotImplementedError("only compiled functions call it")


# numba would compile both branches of ``c is None`` for an array, and all that they call
@overload(_slice)
def _overload_slice(c, start, size):
    if isinstance(c, types.NoneType):
        return lambda c, start, size: None
    return lambda c, start, size: c[start : start + size]


@part
def run(s, c, batch, plan, coefficients, is_full, gradients):
    """Run all steps on a chunk ``s``, without ``c`` and ``gradients``.

    With a co-state ``c``, undo them on both.

    Args:
        s: (2^Q · L,) amplitudes, changed in place.
        c: of the same shape, changed in place; None: forward.
        batch: L.
        plan: `PlanArrays` of the direction.
        coefficients: (2·width·(G + 2),) of `compute_coefficients`, of the same direction.
        is_full: (G,) bool, see `rotations`; a group with a full rotation runs gate by gate.
        gradients: (width·(G + 1),), to which Σ (λ_b ψ_a − λ_a ψ_b) of each rotation is added by
            lane, divided by ``squares`` of `compute_coefficients`; None: forward.
    """
    ops = plan.ops
    runs = plan.runs
    outer = plan.outer
    tables = coefficients, is_full, plan.signs, gradients
    for o in range(outer.shape[0]):
        large = batch << outer[o, 0]
        for i in range(0, batch << outer[o, 3], large):
            for r in range(outer[o, 1], outer[o, 2]):
                size = batch << runs[r, 0]
                steps = plan.steps[runs[r, 1] : runs[r, 2]]
                for k in range(i, i + large, size):
                    c_part = _slice(c, k, size)
                    _do_steps(s[k : k + size], c_part, batch, ops, steps, tables)
