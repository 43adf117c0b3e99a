"""Sums over pairs of rows that the gradient of a gate's parameters needs.

With λ = ∂E/∂ψ* after a gate of matrix U on a pair (ψ₀, ψ₁), E changes by 2 Re Σ_ij λ_i* (dU U⁻¹)_ij ψ_j. That matrix is
anti-Hermitian, so three real sums suffice: K = Σ Im λ₁*ψ₁, X = Σ Im(λ₀*ψ₁ + λ₁*ψ₀) and Y = Σ Re(λ₀*ψ₁ − λ₁*ψ₀).
(Σ Im λ₀*ψ₀ = −K without a control, for ⟨λ|ψ⟩ = ⟨ψ|O|ψ⟩ is real.) A turn has those of them that its parameters need (see
`GradientSums`).
"""

from __future__ import annotations

from qllmft_engine.compiled.complex_rows import imaginary, real
from qllmft_engine.compiled.parts import inlined_part
from qllmft_engine.compiled.simd import add, count_lanes, store, sub


@inlined_part
def load_sums(read, by_lane, place):
    """Return pieces of a gate's sums K, X and Y so far. ``read`` is `load_piece` or `load_half`."""
    width = count_lanes(by_lane)
    return (
        read(by_lane, place),
        read(by_lane, place + width),
        read(by_lane, place + 2 * width),
    )


@inlined_part
def store_sums(by_lane, place, sums):
    """Write them."""
    width = count_lanes(by_lane)
    store(by_lane, place, sums[0])
    store(by_lane, place + width, sums[1])
    store(by_lane, place + 2 * width, sums[2])


@inlined_part
def add_k(sums, costate, partner, row, is_second):
    """Add a row's term to K.

    Args:
        sums: registers of K, X and Y so far.
        costate: real and imaginary parts of the row of the co-state.
        partner: those of the co-state's other row of the pair.
        row: those of the row of the state.
        is_second: whether it is the pair's second row, where the qubit is 1.
    """
    if is_second:
        return add(sums[0], imaginary(costate, row)), sums[1], sums[2]
    return sums


@inlined_part
def add_cross(sums, costate, partner, row, is_second):
    """Add a row's term to X.

    Args:
        sums: registers of K, X and Y so far.
        costate: real and imaginary parts of the row of the co-state.
        partner: those of the co-state's other row of the pair.
        row: those of the row of the state.
        is_second: whether it is the pair's second row, where the qubit is 1.
    """
    return sums[0], add(sums[1], imaginary(partner, row)), sums[2]


@inlined_part
def add_turn(sums, costate, partner, row, is_second):
    """Add a row's term to Y.

    Args:
        sums: registers of K, X and Y so far.
        costate: real and imaginary parts of the row of the co-state.
        partner: those of the co-state's other row of the pair.
        row: those of the row of the state.
        is_second: whether it is the pair's second row, where the qubit is 1.
    """
    if is_second:
        return sums[0], sums[1], add(sums[2], real(partner, row))
    return sums[0], sums[1], sub(sums[2], real(partner, row))


@inlined_part
def add_k_and_turn(sums, costate, partner, row, is_second):
    """Add a row's terms to K and Y.

    Args:
        sums: registers of K, X and Y so far.
        costate: real and imaginary parts of the row of the co-state.
        partner: those of the co-state's other row of the pair.
        row: those of the row of the state.
        is_second: whether it is the pair's second row, where the qubit is 1.
    """
    return add_turn(add_k(sums, costate, partner, row, is_second), costate, partner, row, is_second)


@inlined_part
def add_all(sums, costate, partner, row, is_second):
    """Add a row's terms to all three sums.

    Args:
        sums: registers of K, X and Y so far.
        costate: real and imaginary parts of the row of the co-state.
        partner: those of the co-state's other row of the pair.
        row: those of the row of the state.
        is_second: whether it is the pair's second row, where the qubit is 1.
    """
    return add_cross(
        add_k_and_turn(sums, costate, partner, row, is_second), costate, partner, row, is_second
    )
