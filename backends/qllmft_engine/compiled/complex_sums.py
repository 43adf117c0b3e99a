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


# Each function adds the terms of one row of a pair.


@inlined_part
def add_k(sums, own, other, row, is_second):
    """Add to K.

    Args:
        sums: K, X and Y so far.
        own: the row of the co-state.
        other: the co-state's other row of the pair.
        row: the row of the state.
        is_second: whether it is the pair's second row, where the qubit is 1.
    """
    if is_second:
        return add(sums[0], imaginary(own, row)), sums[1], sums[2]
    return sums


@inlined_part
def add_cross(sums, own, other, row, is_second):
    """Add to X.

    Args:
        sums: see `add_k`, as the others.
        own: the same.
        other: the same.
        row: the same.
        is_second: the same.
    """
    return sums[0], add(sums[1], imaginary(other, row)), sums[2]


@inlined_part
def add_turn(sums, own, other, row, is_second):
    """Add to Y.

    Args:
        sums: see `add_k`, as the others.
        own: the same.
        other: the same.
        row: the same.
        is_second: the same.
    """
    if is_second:
        return sums[0], sums[1], add(sums[2], real(other, row))
    return sums[0], sums[1], sub(sums[2], real(other, row))


@inlined_part
def add_k_and_turn(sums, own, other, row, is_second):
    """Add to K and Y.

    Args:
        sums: see `add_k`, as the others.
        own: the same.
        other: the same.
        row: the same.
        is_second: the same.
    """
    return add_turn(add_k(sums, own, other, row, is_second), own, other, row, is_second)


@inlined_part
def add_all(sums, own, other, row, is_second):
    """Add to all three.

    Args:
        sums: see `add_k`, as the others.
        own: the same.
        other: the same.
        row: the same.
        is_second: the same.
    """
    return add_cross(add_k_and_turn(sums, own, other, row, is_second), own, other, row, is_second)
