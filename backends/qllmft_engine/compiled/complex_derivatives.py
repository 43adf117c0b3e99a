"""Sums of a gate's gradient to the derivatives by the angles of its factors (see `complex_sums`)."""

from __future__ import annotations

from qllmft_engine.compiled.complex_gates import LANE_TURN, PHASE
from qllmft_engine.compiled.complex_matrices import (
    ENTRIES,
    apply_factor,
    phase_matrix,
)
from qllmft_engine.compiled.parts import part
from qllmft_engine.compiled.simd import (
    SAMPLES,
    add,
    aligned_empty,
    broadcast,
    count_lanes,
    load,
    mul,
    store,
    sub,
)
from qllmft_engine.program.gates import FactorKind
from qllmft_engine.program.turns import GradientSums

_K_BEFORE = int(GradientSums.K_BEFORE)
_TURN_BEFORE = int(GradientSums.TURN_BEFORE)
_X = int(FactorKind.X)
_Y = int(FactorKind.Y)
_Z = int(FactorKind.Z)


@part
def _sum_lanes(by_lane, gate, n, batch, count, is_full, out):
    """Sum K, X and Y of one gate for ``count`` samples into ``out`` (3·8)."""
    width = count_lanes(by_lane)
    form = gate[0]
    need = gate[1]
    # lane distance of a target whose two states are in the same registers; a turn has sums of both
    distance = 0 if form == LANE_TURN and not is_full else gate[2]
    for sample in range(count):
        identity_sum = 0.0
        cross_sum = 0.0
        turn_sum = 0.0
        for lane in range(sample, width, batch):
            if lane & need != need:
                continue
            lane_index = 3 * n * width + lane
            is_set = lane & distance != 0
            if form == PHASE or distance == 0 or is_set:
                identity_sum += by_lane[lane_index]
            cross_sum += by_lane[lane_index + width]
            turn_sum += (
                -by_lane[lane_index + 2 * width] if is_set else by_lane[lane_index + 2 * width]
            )
        out[sample] = identity_sum
        out[SAMPLES + sample] = cross_sum
        out[2 * SAMPLES + sample] = turn_sum


@part
def _derivative(v, kind, sums):
    """Return the derivative by one factor, V being the product of the factors after it, transposed in ``v``."""
    pr, pi, rr, ri, qr, qi, sr, si = v
    half = broadcast(0.5)
    minus_half = broadcast(-0.5)
    if kind == _Z:  # h = q s*, h₀₀ − h₁₁ = |q|² − |s|²
        real = add(mul(qr, sr), mul(qi, si))
        imaginary = sub(mul(qi, sr), mul(qr, si))
        diagonal = sub(sub(add(mul(qr, qr), mul(qi, qi)), mul(sr, sr)), mul(si, si))
    elif kind == _X:  # h = −(q r* + p s*)/2, h₀₀ − h₁₁ = 2 Re s r*
        real = mul(minus_half, add(add(add(mul(qr, rr), mul(qi, ri)), mul(pr, sr)), mul(pi, si)))
        imaginary = mul(
            minus_half, sub(add(sub(mul(qi, rr), mul(qr, ri)), mul(pi, sr)), mul(pr, si))
        )
        diagonal = mul(broadcast(2.0), add(mul(sr, rr), mul(si, ri)))
    else:  # h = −i(q r* − p s*)/2, h₀₀ − h₁₁ = 2 Im r s*
        real = mul(half, add(sub(sub(mul(qi, rr), mul(qr, ri)), mul(pi, sr)), mul(pr, si)))
        imaginary = mul(
            minus_half, sub(sub(add(mul(qr, rr), mul(qi, ri)), mul(pr, sr)), mul(pi, si))
        )
        diagonal = mul(broadcast(2.0), sub(mul(ri, sr), mul(rr, si)))
    total = sub(
        sub(mul(diagonal, load(sums, 0)), mul(real, load(sums, SAMPLES))),
        mul(imaginary, load(sums, 2 * SAMPLES)),
    )
    return mul(broadcast(2.0), total)


@part
def add_derivatives(plan, matrices, squares, is_full, sin, cos, start, by_lane, out):
    """Compute the derivatives ``out`` (F, B) by the factors' angles, for a chunk's samples.

    A gate is V F R, with F the factor: dU U⁻¹ = V (dF F⁻¹) V⁻¹ = iH dθ, and the derivative is, from the gate's sums,
    2 (h₀₀ − h₁₁) K − 2 Re h₀₁ X − 2 Im h₀₁ Y. The sums of a turn are taken before the phase p that it leaves: V begins
    with diag(1, p*). The derivative by a phase is −2 K. A factor that acts like a phase before the gate, or like its
    inverse, has K before the gate.

    Args:
        plan: `ComplexPlanArrays`.
        matrices: (N·`ENTRIES`,) of `make_matrices`.
        squares: (16·N,) float64, the factors of the sums, see `spread_matrices`.
        is_full: (N,) bool, see `spread_matrices`.
        sin: (F, P) float64, see `make_matrices`.
        cos: the same.
        start: first sample of the chunk.
        by_lane: (3·N·width,) sums K, X and Y of every gate, see `backward_steps`.
        out: (F, B) in the dtype of the states; overwritten for factors with a parameter, unchanged
            for the others.
    """
    batch = plan.sizes[0]
    columns = sin.shape[1]
    count = min(batch, out.shape[1] - start)
    zero = broadcast(0.0)
    sums = aligned_empty(sin, 3 * SAMPLES)
    for i in range(0, 3 * SAMPLES, SAMPLES):
        store(sums, i, zero)
    derivatives = aligned_empty(sin, SAMPLES)
    for n in range(plan.gates.shape[0]):
        gate = plan.gates[n]
        if not gate[5]:
            continue
        _sum_lanes(by_lane, gate, n, batch, count, is_full[n], sums)
        square = load(squares, 2 * n * SAMPLES)
        has_before = gate[5] in (_K_BEFORE, _TURN_BEFORE) and not is_full[n]
        before = zero
        if has_before:  # in the place of X
            before = mul(load(squares, (2 * n + 1) * SAMPLES), load(sums, SAMPLES))
            store(sums, SAMPLES, zero)
        for i in range(0, 3 * SAMPLES, SAMPLES):
            store(sums, i, mul(square, load(sums, i)))
        phase = n * ENTRIES + 8 * SAMPLES
        v = phase_matrix(load(matrices, phase), sub(zero, load(matrices, phase + SAMPLES)))
        for f in range(gate[4] - 1, gate[3] - 1, -1):
            kind = plan.factors[f, 0]
            if plan.factors[f, 1]:
                if has_before and plan.factors[f, 2]:
                    store(derivatives, 0, mul(broadcast(-2.0 * plan.factors[f, 2]), before))
                else:
                    store(derivatives, 0, _derivative(v, kind, sums))
                for sample in range(count):
                    out[f, start + sample] = derivatives[sample]
            position = f * columns + start
            s = load(sin, position)
            # V times a factor is, transposed, the factor's transpose times V's: R_Y turns back
            v = apply_factor(v, kind, load(cos, position), sub(zero, s) if kind == _Y else s)
