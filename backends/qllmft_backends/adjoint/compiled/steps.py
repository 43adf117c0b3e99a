"""Steps of a program on one array of amplitudes: groups of gates in one pass over memory, forward and undone.

Gradient. With E = Σ_o w_o ⟨ψ|Z_o|ψ⟩ and λ = ∂E/∂ψ, going backward over a rotation of the pair (a, b) of target bit 0/1:
∂E/∂θ = ½ Σ (λ_b ψ_a − λ_a ψ_b), both taken after the gate; then the gate is undone on ψ and λ alike, without a tape.
"""

from __future__ import annotations

from numba import njit

from qllmft_backends.adjoint.compiled import fused
from qllmft_backends.adjoint.compiled.gates import CX_ROT, ROT, bit_sign, cx_rot, fixed_gate, rot, undo_cx_rot, undo_rot
from qllmft_backends.adjoint.compiled.simd import lanes, load, mul, store, sub
from qllmft_backends.adjoint.program.schedule import Shape

(
    SINGLE, CHAIN_2, CHAIN_3, ROTATIONS_2, ROTATIONS_3, BRIDGE, HALF_CHAIN_2, HALF_CHAIN_3, HALF_ROTATIONS_2,
    HALF_ROTATIONS_3, TO_HALF,
) = (int(shape) for shape in Shape)  # fmt: skip

_jit = njit(cache=True, nogil=True, error_model="numpy")

_chain_2, _undo_chain_2 = fused.forward_group(fused.chain(2)), fused.backward_group(fused.chain(2))
_chain_3 = fused.forward_group(fused.chain(3))
_rotations_2, _undo_rotations_2 = fused.forward_group(fused.rotations(2)), fused.backward_group(fused.rotations(2))
_rotations_3 = fused.forward_group(fused.rotations(3))
_bridge, _undo_bridge = fused.forward_group(fused.BRIDGE), fused.backward_group(fused.BRIDGE)
_to_half, _undo_to_half = fused.forward_group(fused.TO_HALF), fused.backward_group(fused.TO_HALF)
_half_chain_3, _undo_half_chain_2 = fused.forward_group(fused.half_chain(3)), fused.backward_group(fused.half_chain(2))
_half_rotations_3 = fused.forward_group(fused.half_rotations(3))
_undo_half_rotations_2 = fused.backward_group(fused.half_rotations(2))
_half_chain_2, _half_rotations_2 = (
    fused.forward_group(fused.half_chain(2)),
    fused.forward_group(fused.half_rotations(2)),
)


@_jit
def _opened(k, strides):
    """Return the k-th number whose bits at the (ascending) strides, powers of two, are zero."""
    for stride in strides:
        k += k & -stride
    return k


@_jit
def _tangent(coefficients, slot, width):
    return load(coefficients, (2 * slot + 1) * width)


@_jit
def _single(s, batch, op, coefficients, signs):
    width = lanes(s.itemsize)
    kind, control, target, slot = op[0], op[1], op[2], op[3]
    if kind not in (ROT, CX_ROT):
        fixed_gate(s, batch, kind, control, target)
        return
    cos, sin = load(coefficients, 2 * slot * width), load(coefficients, (2 * slot + 1) * width)
    if kind == ROT:
        rot(s, batch << target, cos, sin, signs)
    else:
        cx_rot(s, batch << control, batch << target, cos, sin, signs)


@_jit
def _step(s, batch, shape, ops, coefficients, signs):
    width = lanes(s.itemsize)
    slot = ops[0, 3]
    t0 = _tangent(coefficients, slot, width)
    if shape == TO_HALF:
        t0 = mul(t0, bit_sign(signs, width // 2))
        for k in range(0, s.size >> 1, width):
            _to_half(s, _opened(k, (batch << ops[0, 1],)), (batch << ops[0, 1],), (t0,))
        return
    t1 = _tangent(coefficients, slot + 1, width)
    if shape in (BRIDGE, HALF_ROTATIONS_2, HALF_ROTATIONS_3):
        t0 = mul(t0, bit_sign(signs, width // 2))
    if shape == CHAIN_3:
        q = (batch << ops[0, 1], batch << ops[0, 2], batch << ops[1, 2], batch << ops[2, 2])
        t = (t0, t1, _tangent(coefficients, slot + 2, width))
        p = _ascending_4(q)
        for k in range(0, s.size >> 4, width):
            _chain_3(s, _opened(k, p), q, t)
    elif shape in (CHAIN_2, HALF_CHAIN_3, ROTATIONS_3):
        q3 = (batch << (ops[0, 1] if shape == CHAIN_2 else ops[0, 2]), batch << ops[0 if shape == CHAIN_2 else 1, 2], 0)
        q3 = (q3[0], q3[1], batch << ops[1 if shape == CHAIN_2 else 2, 2])
        p3 = _ascending_3(q3)
        if shape == CHAIN_2:
            for k in range(0, s.size >> 3, width):
                _chain_2(s, _opened(k, p3), q3, (t0, t1))
            return
        t = (t0, t1, _tangent(coefficients, slot + 2, width))
        if shape == HALF_CHAIN_3:
            for k in range(0, s.size >> 3, width):
                _half_chain_3(s, _opened(k, p3), q3, t)
        else:
            for k in range(0, s.size >> 3, width):
                _rotations_3(s, _opened(k, p3), q3, t)
    elif shape == HALF_ROTATIONS_2:
        for k in range(0, s.size >> 1, width):
            _half_rotations_2(s, _opened(k, (batch << ops[1, 2],)), (batch << ops[1, 2],), (t0, t1))
    else:
        _step_on_two(s, batch, shape, ops, coefficients, t0, t1)


@_jit
def _step_on_two(s, batch, shape, ops, coefficients, t0, t1):
    """Apply a group on two qubits outside registers."""
    width = lanes(s.itemsize)
    if shape == BRIDGE:
        q2 = (batch << ops[0, 1], batch << ops[1, 2])
    elif shape == HALF_ROTATIONS_3:
        q2 = (batch << ops[1, 2], batch << ops[2, 2])
    else:
        q2 = (batch << ops[0, 2], batch << ops[1, 2])
    p2 = (min(q2), max(q2))
    if shape == BRIDGE:
        for k in range(0, s.size >> 2, width):
            _bridge(s, _opened(k, p2), q2, (t0, t1))
    elif shape == HALF_ROTATIONS_3:
        t = (t0, t1, _tangent(coefficients, ops[0, 3] + 2, width))
        for k in range(0, s.size >> 2, width):
            _half_rotations_3(s, _opened(k, p2), q2, t)
    elif shape == HALF_CHAIN_2:
        for k in range(0, s.size >> 2, width):
            _half_chain_2(s, _opened(k, p2), q2, (t0, t1))
    else:
        for k in range(0, s.size >> 2, width):
            _rotations_2(s, _opened(k, p2), q2, (t0, t1))


@_jit
def _ascending_3(q):
    a, b, c = q
    low, high = min(a, b), max(a, b)
    return min(low, c), max(low, min(high, c)), max(high, c)


@_jit
def _ascending_4(q):
    a, b, c = _ascending_3((q[0], q[1], q[2]))
    d = q[3]
    return min(a, d), max(a, min(b, d)), max(b, min(c, d)), max(c, d)


@_jit
def _length(shape):
    if shape in (SINGLE, TO_HALF):
        return 1
    return 3 if shape in (CHAIN_3, ROTATIONS_3, HALF_CHAIN_3, HALF_ROTATIONS_3) else 2


@_jit
def _any_full(is_full, slot, count):
    for g in range(slot, slot + count):
        if is_full[g]:
            return True
    return False


@_jit
def _forward_steps(s, batch, ops, steps, coefficients, is_full, signs):
    for i in range(steps.shape[0]):
        shape, first = steps[i, 0], steps[i, 1]
        count = _length(shape)
        if shape == SINGLE or _any_full(is_full, ops[first, 3], count):
            for g in range(first, first + count):
                _single(s, batch, ops[g], coefficients, signs)
        else:
            _step(s, batch, shape, ops[first : first + count], coefficients, signs)


@_jit
def run_forward(s, batch, plan, coefficients, is_full):
    """Run all steps on a chunk ``s`` (2^Q · L) (see `rotations` for ``coefficients`` and ``is_full``)."""
    ops, steps, runs, outer, signs = plan.ops, plan.steps, plan.runs, plan.outer, plan.signs
    for o in range(outer.shape[0]):
        large = batch << outer[o, 0]
        for i in range(0, s.size, large):
            for r in range(outer[o, 1], outer[o, 2]):
                size = batch << runs[r, 0]
                for k in range(i, i + large, size):
                    _forward_steps(
                        s[k : k + size], batch, ops, steps[runs[r, 1] : runs[r, 2]], coefficients, is_full, signs
                    )


# --- the way back ----------------------------------------------------------------------------------------------------


@_jit
def _undo_single(s, c, batch, op, coefficients, signs, gradients):
    width = lanes(s.itemsize)
    kind, control, target, slot = op[0], op[1], op[2], op[3]
    if kind not in (ROT, CX_ROT):
        fixed_gate(s, batch, kind, control, target)
        fixed_gate(c, batch, kind, control, target)
        return
    cos, sin = load(coefficients, 2 * slot * width), load(coefficients, (2 * slot + 1) * width)
    total = load(gradients, slot * width)
    if kind == ROT:
        total = undo_rot(s, c, batch << target, cos, sin, signs, total)
    else:
        total = undo_cx_rot(s, c, batch << control, batch << target, cos, sin, signs, total)
    store(gradients, slot * width, total)


@_jit
def _undo_step(s, c, batch, shape, ops, coefficients, signs, gradients):
    width = lanes(s.itemsize)
    slot = ops[0, 3]
    t0, g0 = _tangent(coefficients, slot, width), load(gradients, slot * width)
    zero = sub(t0, t0)
    if shape == TO_HALF:
        q1, sign = (batch << ops[0, 1],), bit_sign(signs, width // 2)
        one = (mul(g0, sign), zero)  # the sign of a lane comes out of the sum
        for k in range(0, s.size >> 1, width):
            one = _undo_to_half(s, c, _opened(k, q1), q1, (mul(t0, sign),), one)
        store(gradients, slot * width, mul(one[0], sign))
        return
    t1, g1 = _tangent(coefficients, slot + 1, width), load(gradients, (slot + 1) * width)
    sums = (g0, zero, g1, zero)
    if shape == CHAIN_2:
        q3 = (batch << ops[0, 1], batch << ops[0, 2], batch << ops[1, 2])
        p3 = _ascending_3(q3)
        for k in range(0, s.size >> 3, width):
            sums = _undo_chain_2(s, c, _opened(k, p3), q3, (t0, t1), sums)
    elif shape in (ROTATIONS_2, HALF_CHAIN_2):
        q2 = (batch << ops[0, 2], batch << ops[1, 2])
        p2 = (min(q2), max(q2))
        if shape == ROTATIONS_2:
            for k in range(0, s.size >> 2, width):
                sums = _undo_rotations_2(s, c, _opened(k, p2), q2, (t0, t1), sums)
        else:
            for k in range(0, s.size >> 2, width):
                sums = _undo_half_chain_2(s, c, _opened(k, p2), q2, (t0, t1), sums)
    else:
        sign = bit_sign(signs, width // 2)
        t0 = mul(t0, sign)
        sums = (mul(g0, sign), zero, g1, zero)
        if shape == BRIDGE:
            q2 = (batch << ops[0, 1], batch << ops[1, 2])
            p2 = (min(q2), max(q2))
            for k in range(0, s.size >> 2, width):
                sums = _undo_bridge(s, c, _opened(k, p2), q2, (t0, t1), sums)
        else:
            q1 = (batch << ops[1, 2],)
            for k in range(0, s.size >> 1, width):
                sums = _undo_half_rotations_2(s, c, _opened(k, q1), q1, (t0, t1), sums)
        sums = (mul(sums[0], sign), sums[1], sums[2], sums[3])
    store(gradients, slot * width, sub(sums[0], sums[1]))
    store(gradients, (slot + 1) * width, sub(sums[2], sums[3]))


@_jit
def _backward_steps(s, c, batch, ops, steps, coefficients, is_full, signs, gradients):
    for i in range(steps.shape[0]):
        shape, first = steps[i, 0], steps[i, 1]
        count = _length(shape)
        if shape == SINGLE or _any_full(is_full, ops[first, 3], count):
            for g in range(first + count - 1, first - 1, -1):
                _undo_single(s, c, batch, ops[g], coefficients, signs, gradients)
        else:
            _undo_step(s, c, batch, shape, ops[first : first + count], coefficients, signs, gradients)


@_jit
def run_backward(s, c, batch, plan, coefficients, is_full, gradients):
    """Undo all steps on state ``s`` and co-state ``c``, and add to ``gradients`` (G·width) by lane."""
    ops, steps, runs, outer, signs = plan.ops, plan.steps, plan.runs, plan.outer, plan.signs
    for o in range(outer.shape[0]):
        large = batch << outer[o, 0]
        for i in range(0, s.size, large):
            for r in range(outer[o, 1], outer[o, 2]):
                size = batch << runs[r, 0]
                part = steps[runs[r, 1] : runs[r, 2]]
                for k in range(i, i + large, size):
                    stop = k + size
                    _backward_steps(s[k:stop], c[k:stop], batch, ops, part, coefficients, is_full, signs, gradients)
