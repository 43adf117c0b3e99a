"""Steps of a program on one array of amplitudes: groups of gates in one pass over memory, forward and undone.

Gradient. With E = Σ_o w_o ⟨ψ|Z_o|ψ⟩ and λ = ∂E/∂ψ, going backward over a rotation of the pair (a, b) of target bit 0/1:
∂E/∂θ = ½ Σ (λ_b ψ_a − λ_a ψ_b), both taken after the gate; then the gate is undone on ψ and λ alike, without a tape.
"""

from __future__ import annotations

from numba import njit

from qllmft_backends.adjoint.compiled.fused import backward_group, forward_group
from qllmft_backends.adjoint.compiled.gates import CX_ROT, ROT, bit_sign, cx_rot, fixed_gate, rot
from qllmft_backends.adjoint.compiled.simd import lanes, load, mul, store, sub
from qllmft_backends.adjoint.program.schedule import GATES, Shape

(
    SINGLE, CHAIN_2, CHAIN_3, ROTATIONS_2, ROTATIONS_3, BRIDGE, HALF_CHAIN_2, HALF_CHAIN_3, HALF_ROTATIONS_2,
    HALF_ROTATIONS_3, TO_HALF,
) = (int(shape) for shape in Shape)  # fmt: skip

_jit = njit(cache=True, nogil=True, error_model="numpy")
# part of the functions that are cached
_inlined = njit(nogil=True, error_model="numpy", forceinline=True)

(
    _chain_3, _rotations_3, _half_chain_3, _half_rotations_3, _bridge, _chain_2, _rotations_2, _half_chain_2,
    _half_rotations_2, _to_half,
) = map(forward_group, GATES.values())  # fmt: skip
(
    _undo_bridge,
    _undo_chain_2,
    _undo_rotations_2,
    _undo_half_chain_2,
    _undo_half_rotations_2,
    _undo_to_half,
) = (backward_group(gates) for gates in GATES.values() if len(gates) < 3)


@_inlined
def _opened(k, strides):
    """Return the k-th number whose bits at the strides, powers of two, are zero."""
    closed = 0
    for stride in strides:
        closed |= stride
    for _ in strides:
        lowest = closed & -closed
        k += k & -lowest
        closed ^= lowest
    return k


@_inlined
def _sweep(group, s, strides, tangents):
    """Apply a group to all amplitudes. ``strides`` are those of its qubits outside registers."""
    for k in range(0, s.size >> len(strides), lanes(s.itemsize)):
        group(s, _opened(k, strides), strides, tangents)


@_inlined
def _undo_sweep(group, s, c, strides, tangents, sums):
    for k in range(0, s.size >> len(strides), lanes(s.itemsize)):
        sums = group(s, c, _opened(k, strides), strides, tangents, sums)
    return sums


@_jit
def _tangent(coefficients, slot, width):
    return load(coefficients, (2 * slot + 1) * width)


@_jit
def _single(s, c, batch, op, coefficients, signs, gradients):
    """Do one gate on a state ``s``, or undo it on state and co-state ``c``."""
    width = lanes(s.itemsize)
    kind, control, target, slot = op[0], op[1], op[2], op[3]
    if kind not in (ROT, CX_ROT):
        fixed_gate(s, batch, kind, control, target)
        if c is not None:
            fixed_gate(c, batch, kind, control, target)
        return
    at = slot * width
    cos, sin = load(coefficients, 2 * at), load(coefficients, 2 * at + width)
    if c is None:
        _rotation(s, None, batch, op, cos, sin, signs, None)
    else:
        store(gradients, at, _rotation(s, c, batch, op, cos, sin, signs, load(gradients, at)))


@_jit
def _rotation(s, c, batch, op, cos, sin, signs, gradient):
    if op[0] == ROT:
        return rot(s, c, batch << op[2], cos, sin, signs, gradient)
    return cx_rot(s, c, batch << op[1], batch << op[2], cos, sin, signs, gradient)


@_jit
def _step(s, batch, shape, ops, coefficients, signs):
    width, slot = lanes(s.itemsize), ops[0, 3]
    control, q0, t0 = (
        batch << max(ops[0, 1], 0),
        batch << ops[0, 2],
        _tangent(coefficients, slot, width),
    )
    if shape in (TO_HALF, BRIDGE, HALF_ROTATIONS_2, HALF_ROTATIONS_3):
        t0 = mul(t0, bit_sign(signs, width // 2))
    if shape == TO_HALF:
        _sweep(_to_half, s, (control,), (t0,))
        return
    q1, t1 = batch << ops[1, 2], _tangent(coefficients, slot + 1, width)
    if shape == BRIDGE:
        _sweep(_bridge, s, (control, q1), (t0, t1))
    elif shape == CHAIN_2:
        _sweep(_chain_2, s, (control, q0, q1), (t0, t1))
    elif shape == ROTATIONS_2:
        _sweep(_rotations_2, s, (q0, q1), (t0, t1))
    elif shape == HALF_CHAIN_2:
        _sweep(_half_chain_2, s, (q0, q1), (t0, t1))
    elif shape == HALF_ROTATIONS_2:
        _sweep(_half_rotations_2, s, (q1,), (t0, t1))
    else:
        _step_of_three(
            s,
            batch << ops[2, 2],
            shape,
            (control, q0, q1),
            (t0, t1, _tangent(coefficients, slot + 2, width)),
        )


@_jit
def _step_of_three(s, q2, shape, strides, tangents):
    control, q0, q1 = strides
    if shape == CHAIN_3:
        _sweep(_chain_3, s, (control, q0, q1, q2), tangents)
    elif shape == ROTATIONS_3:
        _sweep(_rotations_3, s, (q0, q1, q2), tangents)
    elif shape == HALF_CHAIN_3:
        _sweep(_half_chain_3, s, (q0, q1, q2), tangents)
    else:
        _sweep(_half_rotations_3, s, (q1, q2), tangents)


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
def _undo_step(s, c, batch, shape, ops, coefficients, signs, gradients):
    width, slot = lanes(s.itemsize), ops[0, 3]
    control, q0 = batch << max(ops[0, 1], 0), batch << ops[0, 2]
    t0, g0, sign = (
        _tangent(coefficients, slot, width),
        load(gradients, slot * width),
        bit_sign(signs, width // 2),
    )
    zero, in_half = sub(t0, t0), shape in (TO_HALF, BRIDGE, HALF_ROTATIONS_2)
    if in_half:  # the sign of a lane comes out of the sum
        t0, g0 = mul(t0, sign), mul(g0, sign)
    if shape == TO_HALF:
        one = _undo_sweep(_undo_to_half, s, c, (control,), (t0,), (g0, zero))
        store(gradients, slot * width, mul(one[0], sign))
        return
    q1, tangents = batch << ops[1, 2], (t0, _tangent(coefficients, slot + 1, width))
    sums = (g0, zero, load(gradients, (slot + 1) * width), zero)
    if shape == CHAIN_2:
        sums = _undo_sweep(_undo_chain_2, s, c, (control, q0, q1), tangents, sums)
    elif shape == ROTATIONS_2:
        sums = _undo_sweep(_undo_rotations_2, s, c, (q0, q1), tangents, sums)
    elif shape == HALF_CHAIN_2:
        sums = _undo_sweep(_undo_half_chain_2, s, c, (q0, q1), tangents, sums)
    elif shape == BRIDGE:
        sums = _undo_sweep(_undo_bridge, s, c, (control, q1), tangents, sums)
    else:
        sums = _undo_sweep(_undo_half_rotations_2, s, c, (q1,), tangents, sums)
    first = mul(sums[0], sign) if in_half else sums[0]
    store(gradients, slot * width, sub(first, sums[1]))
    store(gradients, (slot + 1) * width, sub(sums[2], sums[3]))


# --- all steps of a program
# ------------------------------------------------------------------------------------------


@_jit
def _steps(s, c, batch, ops, steps, coefficients, is_full, signs, gradients):
    for i in range(steps.shape[0]):
        shape, first = steps[i, 0], steps[i, 1]
        count = _length(shape)
        if shape == SINGLE or _any_full(is_full, ops[first, 3], count):
            for g in range(count):
                op = ops[first + g if c is None else first + count - 1 - g]
                _single(s, c, batch, op, coefficients, signs, gradients)
        elif c is None:
            _step(s, batch, shape, ops[first : first + count], coefficients, signs)
        else:
            _undo_step(
                s, c, batch, shape, ops[first : first + count], coefficients, signs, gradients
            )


@_jit
def run(s, c, batch, plan, coefficients, is_full, gradients):
    """Run all steps on a chunk ``s``, without ``c`` and ``gradients``.

    With a co-state ``c``, undo them on both.

    Args:
        s: (2^Q · L,) amplitudes, changed in place.
        c: of the same shape, changed in place; None: forward.
        batch: L.
        plan: `PlanArrays` of the direction.
        coefficients: (G·2·width,) of `compute_coefficients`, of the same direction.
        is_full: (G,) bool, see `rotations`; a group with a full rotation runs gate by gate.
        gradients: (G·width,), to which Σ (λ_b ψ_a − λ_a ψ_b) of each rotation is added by lane,
            divided by ``squares`` of `compute_coefficients`; None: forward.
    """
    ops, steps, runs, outer, signs = plan.ops, plan.steps, plan.runs, plan.outer, plan.signs
    for o in range(outer.shape[0]):
        large = batch << outer[o, 0]
        for i in range(0, s.size, large):
            for r in range(outer[o, 1], outer[o, 2]):
                size = batch << runs[r, 0]
                part = steps[runs[r, 1] : runs[r, 2]]
                for k in range(i, i + large, size):
                    if c is None:
                        _steps(
                            s[k : k + size],
                            None,
                            batch,
                            ops,
                            part,
                            coefficients,
                            is_full,
                            signs,
                            None,
                        )
                    else:
                        stop = k + size
                        _steps(
                            s[k:stop],
                            c[k:stop],
                            batch,
                            ops,
                            part,
                            coefficients,
                            is_full,
                            signs,
                            gradients,
                        )
