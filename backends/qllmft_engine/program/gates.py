"""The table of gates: Qiskit's standard gates as products of few parts, and the matrices of these parts.

All engines, heads and doors read it. A new gate is a row of `GATES`: its parts are turns, phases, controlled turns,
CNOTs and exchanges of qubits, which every engine runs. Some gates have faster code of their own beside it, which does
the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from math import pi
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit.library import get_standard_gate_name_mapping

Complexes = NDArray[np.complex128]


class FactorKind(IntEnum):
    """Matrix of a factor: R_X(θ), R_Y(θ), diag(1, exp(iθ)), or X, which has no angle."""

    X = 0
    Y = 1
    Z = 2
    FLIP = 3


class FactorMatrix(NamedTuple):
    """Matrix (2, 2) of an angle θ in radians: ``constant + by_cos · cos(φ) + by_sin · sin(φ)`` with φ = ``share`` · θ.

    Its derivative by θ is ``generator`` times the matrix. With a generator that has the eigenvalues ±i/2 or 0 and i, an
    expectation value has the derivative ½ f(θ + π/2) - ½ f(θ - π/2).
    """

    constant: Complexes
    by_cos: Complexes
    by_sin: Complexes
    share: float
    generator: Complexes


_ZEROS = np.zeros((2, 2), complex)
_ONES = np.eye(2, dtype=complex)
_PAULI_X = np.array([[0, 1], [1, 0]], complex)
_PAULI_Y = np.array([[0, -1j], [1j, 0]])
_OFF = np.diag([1, 0]).astype(complex)  # projector on 0
_ON = np.diag([0, 1]).astype(complex)  # projector on 1

FACTORS = {
    FactorKind.X: FactorMatrix(_ZEROS, _ONES, -1j * _PAULI_X, 0.5, -0.5j * _PAULI_X),
    FactorKind.Y: FactorMatrix(_ZEROS, _ONES, -1j * _PAULI_Y, 0.5, -0.5j * _PAULI_Y),
    FactorKind.Z: FactorMatrix(_OFF, _ON, 1j * _ON, 1.0, 1j * _ON),
    FactorKind.FLIP: FactorMatrix(_PAULI_X, _ZEROS, _ZEROS, 1.0, _ZEROS),
}


class GatePart(NamedTuple):
    """Part of a gate."""

    # ``turn`` of one qubit, ``controlled`` turn, ``phase`` exp(iθ) if both qubits are 1, ``flip``
    # (CNOT), ``exchange`` of two qubits
    name: str
    # positions among the gate's qubits; the control comes first
    qubits: tuple[int, ...]
    kind: FactorKind = FactorKind.Z  # of the turn
    # position among the gate's parameters; None: a constant angle
    parameter: int | None = None
    # of the parameter; of a constant angle, the angle itself in radians
    scale: float = 1.0

    def angle(self, parameters: Any) -> Any:
        """Return its angle in radians, of the parameters of the gate."""
        if self.parameter is None:
            return self.scale
        # an expression times 1 would be another expression
        angle = parameters[self.parameter]
        return angle if self.scale == 1.0 else self.scale * angle


@dataclass(frozen=True, eq=False)
class StandardGate:
    """Gate of Qiskit's: its parts, the first one applied first, times exp(iα) with α = phase + phase_slope · θ."""

    gate_class: type
    parts: tuple[GatePart, ...]
    # circuits of such gates run on the real kernels, with any noise
    is_real: bool = False
    phase: float = 0.0
    phase_slope: float = 0.0


def _turn(kind: FactorKind, angle: float, qubit: int = 0) -> GatePart:
    return GatePart("turn", (qubit,), kind, None, angle)


def _turn_by(kind: FactorKind, parameter: int = 0, qubit: int = 0, scale: float = 1.0) -> GatePart:
    return GatePart("turn", (qubit,), kind, parameter, scale)


_X = FactorKind.X
_Y = FactorKind.Y
_Z = FactorKind.Z
_U = (_turn_by(_Z, 2), _turn_by(_Y, 0), _turn_by(_Z, 1))
_FLIP = GatePart("flip", (0, 1))
_CZ = GatePart("phase", (0, 1), scale=pi)
_CP = GatePart("phase", (0, 1), parameter=0)
_RZZ = (_turn_by(_Z), _turn_by(_Z, qubit=1), GatePart("phase", (0, 1), parameter=0, scale=-2.0))


def _conjugated_rzz(kind: FactorKind) -> tuple[GatePart, ...]:
    """Return R_ZZ between quarter turns of both qubits and their inverses: R_XX or R_YY."""
    first_turns, last_turns = (
        tuple(_turn(kind, angle, q) for q in (0, 1)) for angle in (-pi / 2, pi / 2)
    )
    return (*first_turns, *_RZZ, *last_turns)


_CLASSES = {name: gate.base_class for name, gate in get_standard_gate_name_mapping().items()}


def _gate(name: str, *parts: GatePart, **properties: Any) -> tuple[str, StandardGate]:
    return name, StandardGate(_CLASSES[name], parts, **properties)


GATES: dict[str, StandardGate] = dict(
    [
        _gate("ry", _turn_by(_Y), is_real=True),
        _gate("cx", _FLIP, is_real=True),
        _gate("x", _turn(_X, pi), is_real=True, phase=pi / 2),
        _gate("z", _turn(_Z, pi), is_real=True),
        _gate("h", _turn(_Z, pi), _turn(_Y, pi / 2), is_real=True),
        _gate("cz", _CZ, is_real=True),
        _gate("swap", GatePart("exchange", (0, 1)), is_real=True),
        _gate("id", is_real=True),
        _gate("rx", _turn_by(_X)),
        _gate("rz", _turn_by(_Z), phase_slope=-0.5),
        _gate("p", _turn_by(_Z)),
        _gate("u1", _turn_by(_Z)),
        _gate("u", *_U),
        _gate("u3", *_U),
        _gate("y", _turn(_Y, pi), phase=pi / 2),
        _gate("s", _turn(_Z, pi / 2)),
        _gate("sdg", _turn(_Z, -pi / 2)),
        _gate("t", _turn(_Z, pi / 4)),
        _gate("tdg", _turn(_Z, -pi / 4)),
        _gate("sx", _turn(_X, pi / 2), phase=pi / 4),
        _gate("sxdg", _turn(_X, -pi / 2), phase=-pi / 4),
        _gate("cy", _turn(_Z, -pi / 2, 1), _FLIP, _turn(_Z, pi / 2, 1)),
        _gate("ch", _turn(_Y, -pi / 4, 1), _CZ, _turn(_Y, pi / 4, 1)),
        _gate("cp", _CP),
        _gate("cu1", _CP),
        _gate("crx", GatePart("controlled", (0, 1), _X, 0)),
        _gate("cry", GatePart("controlled", (0, 1), _Y, 0)),
        _gate("crz", _turn_by(_Z, scale=-0.5), _CP),
        _gate("rzz", *_RZZ, phase_slope=-0.5),
        _gate("rxx", *_conjugated_rzz(_Y), phase_slope=-0.5),
        _gate("ryy", *_conjugated_rzz(_X), phase_slope=-0.5),
    ]
)
