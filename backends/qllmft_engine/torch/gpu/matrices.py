"""Matrices of a complex circuit's gates, with one angle at most each, as constants times its cosine and sine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qllmft_engine.program.complex_lowering import ComplexProgram, Factor
from qllmft_engine.program.gates import FACTORS

Complexes = NDArray[np.complex128]

_IDENTITY = np.eye(2, dtype=complex)
_NOTHING = np.zeros((2, 2), complex)


@dataclass(frozen=True)
class OneAngleGate:
    """Gate with the matrix ``constant + by_cos · cos(φ) + by_sin · sin(φ)`` for φ = ``slope`` · angle + ``offset``.

    The derivative of the matrix by the angle is ``generator`` times the matrix. Without a slot there is no angle.
    """

    control: int  # wire, -1: none
    target: int
    slot: int  # of the angle, -1: none
    slope: float
    offset: float
    constant: Complexes
    by_cos: Complexes
    by_sin: Complexes
    generator: Complexes


def one_angle_gates(program: ComplexProgram) -> list[OneAngleGate]:
    """Return a program's gates, with constant factors in the matrix of the factor with an angle beside them."""
    gates = []
    for gate in program.gates:
        gates += _split_factors(gate.control, gate.target, gate.factors)
    return gates


def _split_factors(control: int, target: int, factors: Sequence[Factor]) -> list[OneAngleGate]:
    """Return gates with one angle at most whose product is that of the factors."""
    gates: list[OneAngleGate] = []
    constant_prefix = _IDENTITY  # constant factors since the last angle
    for factor in factors:
        if factor.slot < 0:
            constant_prefix = _constant_matrix(factor) @ constant_prefix
            continue
        constant, by_cos, by_sin, share, generator = FACTORS[factor.kind]
        gates.append(
            OneAngleGate(
                control,
                target,
                factor.slot,
                share * factor.scale,
                share * factor.offset,
                constant @ constant_prefix,
                by_cos @ constant_prefix,
                by_sin @ constant_prefix,
                factor.scale * generator,
            )
        )
        constant_prefix = _IDENTITY
    if not gates:
        return [
            OneAngleGate(
                control, target, -1, 0.0, 0.0, constant_prefix, _NOTHING, _NOTHING, _NOTHING
            )
        ]
    last = gates[-1]
    gates[-1] = OneAngleGate(
        control,
        target,
        last.slot,
        last.slope,
        last.offset,
        constant_prefix @ last.constant,
        constant_prefix @ last.by_cos,
        constant_prefix @ last.by_sin,
        constant_prefix @ last.generator @ constant_prefix.conj().T,
    )
    return gates


def _constant_matrix(factor: Factor) -> Complexes:
    """Return the matrix of a factor without a parameter."""
    constant, by_cos, by_sin, share, _ = FACTORS[factor.kind]
    angle = share * factor.offset
    return np.asarray(constant + np.cos(angle) * by_cos + np.sin(angle) * by_sin)


def entries(matrices: Sequence[Complexes]) -> NDArray[np.float64]:
    """Return (N, 8): real and imaginary parts of m00, m01, m10 and m11."""
    stacked = np.array(matrices, complex).reshape(-1, 4)
    return np.stack([stacked.real, stacked.imag], axis=2).reshape(-1, 8)
