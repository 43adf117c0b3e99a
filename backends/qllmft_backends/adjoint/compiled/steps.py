"""Steps of a program on one array of amplitudes: groups of gates in one pass over memory, forward and undone.

Gradient. With E = Σ_o w_o ⟨ψ|Z_o|ψ⟩ and λ = ∂E/∂ψ, going backward over a rotation of the pair (a, b) of target bit 0/1:
∂E/∂θ = ½ Σ (λ_b ψ_a − λ_a ψ_b), both taken after the gate; then the gate is undone on ψ and λ alike, without a tape.
"""

from __future__ import annotations

from numba import njit

from qllmft_backends.adjoint.compiled.fused import backward_group, forward_group, outside
from qllmft_backends.adjoint.compiled.gates import CX_ROT, ROT, bit_sign, cx_rot, fixed_gate, rot
from qllmft_backends.adjoint.compiled.simd import lanes, load, mul, store, sub
from qllmft_backends.adjoint.program.schedule import GATES, HALF, Shape

SINGLE = int(Shape.SINGLE)
# the first gate's target is inside registers: a lane of bit 0 has the tangent, and the sum, negative
_ON_HALF = tuple(int(shape) for shape, gates in GATES.items() if gates[0][1] == HALF)

_jit = njit(cache=True, nogil=True, error_model="numpy")
# part of the functions that are cached
_inlined = njit(nogil=True, error_model="numpy", forceinline=True)


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
def _last_group(s, shape, strides, tangents):
    """Do nothing: a step has a shape."""


def _groups(shapes):
    """Return a function that applies the group of a step, of one of these shapes, to all amplitudes."""
    if not shapes:
        return _last_group
    shape, gates, others = int(shapes[0]), GATES[shapes[0]], _groups(shapes[1:])
    group, n_gates, n_qubits = forward_group(gates), len(gates), outside(gates)

    @_inlined
    def apply(s, chosen, all_strides, tangents):
        if chosen != shape:
            others(s, chosen, all_strides, tangents)
            return
        strides = all_strides[:n_qubits]
        for k in range(0, s.size >> n_qubits, lanes(s.itemsize)):
            group(s, _opened(k, strides), strides, tangents[:n_gates])

    return apply


@_inlined
def _last_undone(s, c, shape, strides, tangents, sums):
    return sums


def _groups_undone(shapes):
    """Return a function that undoes the group of a step on state and co-state, and returns the sums with its terms."""
    if not shapes:
        return _last_undone
    shape, gates, others = int(shapes[0]), GATES[shapes[0]], _groups_undone(shapes[1:])
    group, n_gates, n_qubits = backward_group(gates), len(gates), outside(gates)
    n_sums = 2 * n_gates

    @_inlined
    def undo(s, c, chosen, all_strides, tangents, sums):
        if chosen != shape:
            return others(s, c, chosen, all_strides, tangents, sums)
        strides = all_strides[:n_qubits]
        own = sums[:n_sums]
        for k in range(0, s.size >> n_qubits, lanes(s.itemsize)):
            own = group(s, c, _opened(k, strides), strides, tangents[:n_gates], own)
        return own + sums[n_sums:]

    return undo


_apply_group = _groups(list(GATES))
_undo_group = _groups_undone([shape for shape, gates in GATES.items() if len(gates) < 3])


@_jit
def _tangent(coefficients, slot, width):
    return load(coefficients, (2 * slot + 1) * width)


@_jit
def _single(s, c, batch, op, coefficients, signs, gradients):
    """Do one gate on a state ``s``, or undo it on state and co-state ``c``."""
    width = lanes(s.itemsize)
    kind, control, target, slot = op[0], op[1], op[2], op[3]
    if kind not in (ROT, CX_ROT):
        fixed_gate(s, batch, kind, control, target, signs)
        if c is not None:
            fixed_gate(c, batch, kind, control, target, signs)
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
def _step(s, shape, strides, slot, coefficients, signs):
    width = lanes(s.itemsize)
    first = _tangent(coefficients, slot, width)
    if shape in _ON_HALF:
        first = mul(first, bit_sign(signs, width // 2))
    # those of other gates are not used, and follow in memory
    second, third = (
        _tangent(coefficients, slot + 1, width),
        _tangent(coefficients, slot + 2, width),
    )
    _apply_group(s, shape, strides, (first, second, third))


@_jit
def _undo_step(s, c, shape, strides, slot, coefficients, signs, gradients):
    width, at = lanes(s.itemsize), slot * lanes(s.itemsize)
    first, second = _tangent(coefficients, slot, width), _tangent(coefficients, slot + 1, width)
    sign, zero, on_half = bit_sign(signs, width // 2), sub(first, first), shape in _ON_HALF
    total = load(gradients, at)
    if on_half:  # the sign of a lane comes out of the sum
        first, total = mul(first, sign), mul(total, sign)
    sums = _undo_group(
        s, c, shape, strides, (first, second), (total, zero, load(gradients, at + width), zero)
    )
    total = sub(sums[0], sums[1])
    store(gradients, at, mul(total, sign) if on_half else total)
    store(gradients, at + width, sub(sums[2], sums[3]))


# --- all steps of a program
# ------------------------------------------------------------------------------------------


@_jit
def _any_full(is_full, slot, count):
    for g in range(slot, slot + count):
        if is_full[g]:
            return True
    return False


@_jit
def _steps(s, c, batch, ops, steps, tables):
    coefficients, is_full, signs, gradients = tables
    for i in range(steps.shape[0]):
        shape, first, count = steps[i, 0], steps[i, 1], steps[i, 2]
        strides = steps[i, 3], steps[i, 4], steps[i, 5], steps[i, 6]
        slot = ops[first, 3]
        if shape == SINGLE or _any_full(is_full, slot, count):
            for g in range(count):
                op = ops[first + g if c is None else first + count - 1 - g]
                _single(s, c, batch, op, coefficients, signs, gradients)
        elif c is None:
            _step(s, shape, strides, slot, coefficients, signs)
        else:
            _undo_step(s, c, shape, strides, slot, coefficients, signs, gradients)


@_jit
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
    ops, runs, outer = plan.ops, plan.runs, plan.outer
    tables = coefficients, is_full, plan.signs, gradients
    for o in range(outer.shape[0]):
        large = batch << outer[o, 0]
        for i in range(0, s.size, large):
            for r in range(outer[o, 1], outer[o, 2]):
                size, steps = batch << runs[r, 0], plan.steps[runs[r, 1] : runs[r, 2]]
                for k in range(i, i + large, size):
                    if c is None:
                        _steps(s[k : k + size], None, batch, ops, steps, tables)
                    else:
                        _steps(s[k : k + size], c[k : k + size], batch, ops, steps, tables)
