"""The kernels: gates on a batch of real state vectors, forward, and backward with the adjoint method.

Layout. A chunk holds the states of L samples; amplitude i of sample l is ``s[i * L + l]``, so the batch is innermost
and every gate works on whole registers. A qubit whose stride L·2^q is shorter than a register lives inside registers;
gates on it exchange lanes. Each chunk runs the whole program on one thread: no synchronisation, and results that do
not depend on the number of threads.

Gradient. With E = Σ_o w_o ⟨ψ|Z_o|ψ⟩ and λ = ∂E/∂ψ, going backward over a rotation of the pair (a, b) of target bit 0/1:
∂E/∂θ = ½ Σ (λ_b ψ_a − λ_a ψ_b), both taken after the gate; then the gate is undone on ψ and λ alike. No tape.
"""

# the compiled functions take values of numba's own vector type, which no annotation can name
# mypy: disable-error-code="no-untyped-def,no-untyped-call,misc,untyped-decorator"

from __future__ import annotations

from numba import njit

from qllmft_backends.adjoint.program import Op
from qllmft_backends.adjoint.simd import (
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

ROT, CX_ROT, CX, X, Z, CZ = (int(op) for op in Op)

_jit = njit(cache=True, nogil=True, error_model="numpy")


@_jit
def _exchange(x, distance):
    if distance == 8:
        return exchange_8(x)
    if distance == 4:
        return exchange_4(x)
    if distance == 2:
        return exchange_2(x)
    return exchange_1(x)


@_jit
def _bit_sign(signs, distance):
    """The register that is +1 on lanes whose bit ``distance`` is set and -1 on the others."""
    row = 0
    while (1 << row) < distance:
        row += 1
    return load(signs, row * lanes(signs.itemsize))


# --- rotations forward ------------------------------------------------------------------------------------------------


@_jit
def _rotate_rows(s, start, stop, step, cos, sin, swapped):
    """R_Y on the pairs (k, k + step), k in [start, stop); ``swapped``: after an X on the target (CNOT, control 1)."""
    width = lanes(s.itemsize)
    first, second = (step, 0) if swapped else (0, step)
    for k in range(start, stop, width):
        a, b = load(s, k + first), load(s, k + second)
        store(s, k, sub(mul(cos, a), mul(sin, b)))
        store(s, k + step, add(mul(sin, a), mul(cos, b)))


@_jit
def _rotate_lanes(s, start, stop, distance, cos, signed_sin, swapped):
    """R_Y on a qubit inside registers; signed_sin is -sin on lanes of bit 0 and +sin on lanes of bit 1."""
    width = lanes(s.itemsize)
    for k in range(start, stop, width):
        x = load(s, k)
        y = _exchange(x, distance)
        if swapped:
            x, y = y, x
        store(s, k, add(mul(cos, x), mul(signed_sin, y)))


@_jit
def _rot(s, step, cos, sin, signs):
    size, width = s.size, lanes(s.itemsize)
    if step < width:
        _rotate_lanes(s, 0, size, step, cos, mul(sin, _bit_sign(signs, step)), False)
    else:
        for block in range(0, size, 2 * step):
            _rotate_rows(s, block, block + step, step, cos, sin, False)


@_jit
def _cx_rot(s, control, step, cos, sin, signs):
    """CNOT, then R_Y on its target; ``control`` and ``step`` are the strides L·2^q of control and target."""
    size, width = s.size, lanes(s.itemsize)
    if control < width:
        is_set = _bit_sign(signs, control)
        if step < width:
            signed_sin = mul(sin, _bit_sign(signs, step))
            for k in range(0, size, width):
                x = load(s, k)
                y = _exchange(x, step)
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
        signed_sin = mul(sin, _bit_sign(signs, step))
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


# --- rotations backward: gradient, and the gate undone on the state s and the co-state c ------------------------------


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
        y, q = _exchange(x, distance), _exchange(p, distance)
        gradient = add(gradient, mul(sign, mul(p, y)))
        x, p = sub(mul(cos, x), mul(signed_sin, y)), sub(mul(cos, p), mul(signed_sin, q))
        if swapped:
            x, p = _exchange(x, distance), _exchange(p, distance)
        store(s, k, x)
        store(c, k, p)
    return gradient


@_jit
def _undo_rot(s, c, step, cos, sin, signs, gradient):
    size, width = s.size, lanes(s.itemsize)
    if step < width:
        sign = _bit_sign(signs, step)
        return _undo_lanes(s, c, 0, size, step, cos, mul(sin, sign), sign, False, gradient)
    for block in range(0, size, 2 * step):
        gradient = _undo_rows(s, c, block, block + step, step, cos, sin, False, gradient)
    return gradient


@_jit
def _undo_cx_rot(s, c, control, step, cos, sin, signs, gradient):
    size, width = s.size, lanes(s.itemsize)
    if control < width:
        is_set = _bit_sign(signs, control)
        if step < width:
            sign = _bit_sign(signs, step)
            gradient = _undo_lanes(s, c, 0, size, step, cos, mul(sin, sign), sign, False, gradient)
            for k in range(0, size, width):
                x, p = load(s, k), load(c, k)
                store(s, k, select_positive(is_set, _exchange(x, step), x))
                store(c, k, select_positive(is_set, _exchange(p, step), p))
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
        sign = _bit_sign(signs, step)
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


# --- gates without an angle: permutations and signs, each its own inverse ---------------------------------------------


@_jit
def _fixed_gate(s, batch, kind, control, target):
    """X, Z, CNOT or CZ; ``control`` is -1 for the gates on one qubit."""
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


# --- observables ------------------------------------------------------------------------------------------------------


@_jit
def _odd(bits):
    """True where ``bits`` has an odd number of ones."""
    for shift in (32, 16, 8, 4, 2, 1):
        bits ^= bits >> shift
    return bits & 1 == 1


@_jit
def _measure(s, row_masks, lane_signs, out):
    """⟨Z-string⟩ by lane: out[t] += Σ over registers; ``lane_signs`` (T·width) carries the bits inside a register."""
    width = lanes(s.itemsize)
    for k in range(0, s.size, width):
        x = load(s, k)
        p = mul(x, x)
        row = k // width
        for t in range(row_masks.size):
            signed = mul(p, load(lane_signs, t * width))
            total = load(out, t * width)
            store(out, t * width, sub(total, signed) if _odd(row & row_masks[t]) else add(total, signed))


@_jit
def _start_costate(s, c, row_masks, weights):
    """λ = 2 Σ_t w_t Z_t ψ; ``weights`` (T·width) holds w_t by lane, with the signs of the bits inside a register."""
    width = lanes(s.itemsize)
    for k in range(0, s.size, width):
        row = k // width
        diagonal = sub(load(weights, 0), load(weights, 0))
        for t in range(row_masks.size):
            w = load(weights, t * width)
            diagonal = sub(diagonal, w) if _odd(row & row_masks[t]) else add(diagonal, w)
        x = mul(load(s, k), diagonal)
        store(c, k, add(x, x))


# --- whole programs ---------------------------------------------------------------------------------------------------


@_jit
def _load_amplitudes(s, batch, amplitudes, start):
    """Amplitudes (B, D) of samples start.. into one chunk; |0...0⟩ where D is 0; samples past the end stay zero."""
    s[:] = 0
    samples, dimension = amplitudes.shape
    count = min(batch, samples - start)
    if dimension == 0:
        s[:count] = 1
    for i in range(dimension):
        for sample in range(count):
            s[i * batch + sample] = amplitudes[start + sample, i]


@_jit
def _forward_chunk(s, batch, ops, rotations, signs):
    width = lanes(s.itemsize)
    for g in range(ops.shape[0]):
        kind, control, target, slot = ops[g, 0], ops[g, 1], ops[g, 2], ops[g, 3]
        if kind in (ROT, CX_ROT):
            cos, sin = load(rotations, 2 * slot * width), load(rotations, (2 * slot + 1) * width)
            if kind == ROT:
                _rot(s, batch << target, cos, sin, signs)
            else:
                _cx_rot(s, batch << control, batch << target, cos, sin, signs)
        else:
            _fixed_gate(s, batch, kind, control, target)


@_jit
def _backward_chunk(s, c, batch, ops, rotations, signs, gradients):
    width = lanes(s.itemsize)
    for g in range(ops.shape[0] - 1, -1, -1):
        kind, control, target, slot = ops[g, 0], ops[g, 1], ops[g, 2], ops[g, 3]
        if kind in (ROT, CX_ROT):
            cos, sin = load(rotations, 2 * slot * width), load(rotations, (2 * slot + 1) * width)
            zero = sub(cos, cos)
            if kind == ROT:
                gradient = _undo_rot(s, c, batch << target, cos, sin, signs, zero)
            else:
                gradient = _undo_cx_rot(s, c, batch << control, batch << target, cos, sin, signs, zero)
            store(gradients, slot * width, gradient)
        else:
            _fixed_gate(s, batch, kind, control, target)
            _fixed_gate(c, batch, kind, control, target)


@_jit
def forward(s, batch, amplitudes, start, ops, rotations, signs, row_masks, lane_signs, out):
    """Run a program on one chunk and measure.

    Args:
        s: (2^Q · L), overwritten with the final states.
        batch: L, samples in the chunk.
        amplitudes: (B, D) initial amplitudes of all samples, D = 0 for |0...0⟩.
        start: the chunk's first sample.
        ops: `Program.ops`.
        rotations: (G·2·width) cos and sin of half the angles, by lane.
        signs: (4·width) table of lane bits.
        row_masks: (T,) Z strings, shifted past the bits that live inside registers.
        lane_signs: (T·width) signs of those bits.
        out: (T·width) zeros, overwritten with ⟨Z-string⟩ by lane.
    """
    _load_amplitudes(s, batch, amplitudes, start)
    _forward_chunk(s, batch, ops, rotations, signs)
    _measure(s, row_masks, lane_signs, out)


@_jit
def backward(s, c, batch, ops, rotations, signs, row_masks, weights, gradients):
    """Undo a program on one chunk and collect the gradient of Σ_t w_t ⟨Z-string t⟩.

    Args:
        s: (2^Q · L) final states; holds the initial ones afterwards.
        c: the same shape, overwritten with the gradient of the initial amplitudes.
        batch: L, samples in the chunk.
        ops: as in `forward`.
        rotations: as in `forward`.
        signs: as in `forward`.
        row_masks: as in `forward`.
        weights: (T·width) w_t by lane, with the signs of the bits inside a register.
        gradients: (G·width), overwritten with *twice* the gradient of each angle, by lane.
    """
    _start_costate(s, c, row_masks, weights)
    _backward_chunk(s, c, batch, ops, rotations, signs, gradients)
