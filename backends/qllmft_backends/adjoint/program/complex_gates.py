"""Qiskit's standard gates as the few moves of a complex program: turns, flips, phases, controlled turns, exchanges."""

from __future__ import annotations

from enum import IntEnum
from math import pi
from typing import NamedTuple

from qiskit.circuit.library import get_standard_gate_name_mapping


class Axis(IntEnum):
    """What a factor of a gate is: R_X(θ), R_Y(θ), diag(1, exp(iθ)), or the matrix of X, which has no angle."""

    X = 0
    Y = 1
    Z = 2
    FLIP = 3


class Move(NamedTuple):
    """A part of a gate.

    Attributes:
        kind: ``turn`` of one qubit, ``controlled`` turn, ``phase`` exp(iθ) where both qubits are 1, ``flip`` (CNOT),
            ``exchange`` of two qubits.
        qubits: positions among the gate's qubits; the control comes first.
        axis: of a turn.
        parameter: position among the gate's parameters; None: a constant angle.
        scale: of the parameter; the angle itself, in radians, where it is constant.
    """

    kind: str
    qubits: tuple[int, ...]
    axis: Axis = Axis.Z
    parameter: int | None = None
    scale: float = 1.0


def _turn(axis: Axis, angle: float, qubit: int = 0) -> Move:
    return Move("turn", (qubit,), axis, None, angle)


def _turn_by(axis: Axis, parameter: int = 0, qubit: int = 0, scale: float = 1.0) -> Move:
    return Move("turn", (qubit,), axis, parameter, scale)


_U = (_turn_by(Axis.Z, 2), _turn_by(Axis.Y, 0), _turn_by(Axis.Z, 1))
_FLIP = Move("flip", (0, 1))
_CZ = Move("phase", (0, 1), scale=pi)
_CP = Move("phase", (0, 1), parameter=0)
_RZZ = (_turn_by(Axis.Z), _turn_by(Axis.Z, qubit=1), Move("phase", (0, 1), parameter=0, scale=-2.0))


def _in_basis(axis: Axis) -> tuple[Move, ...]:
    """R_ZZ between quarter turns of both qubits and their inverses: it becomes R_XX or R_YY."""
    before, after = (tuple(_turn(axis, angle, q) for q in (0, 1)) for angle in (-pi / 2, pi / 2))
    return (*before, *_RZZ, *after)


MOVES: dict[str, tuple[Move, ...]] = {  # up to a global phase
    "id": (),
    "rx": (_turn_by(Axis.X),),
    "ry": (_turn_by(Axis.Y),),
    "rz": (_turn_by(Axis.Z),),
    "p": (_turn_by(Axis.Z),),
    "u1": (_turn_by(Axis.Z),),
    "u": _U,
    "u3": _U,
    "h": (_turn(Axis.Z, pi), _turn(Axis.Y, pi / 2)),
    "x": (_turn(Axis.X, pi),),
    "y": (_turn(Axis.Y, pi),),
    "z": (_turn(Axis.Z, pi),),
    "s": (_turn(Axis.Z, pi / 2),),
    "sdg": (_turn(Axis.Z, -pi / 2),),
    "t": (_turn(Axis.Z, pi / 4),),
    "tdg": (_turn(Axis.Z, -pi / 4),),
    "sx": (_turn(Axis.X, pi / 2),),
    "sxdg": (_turn(Axis.X, -pi / 2),),
    "cx": (_FLIP,),
    "cy": (_turn(Axis.Z, -pi / 2, 1), _FLIP, _turn(Axis.Z, pi / 2, 1)),
    "cz": (_CZ,),
    "ch": (_turn(Axis.Y, -pi / 4, 1), _CZ, _turn(Axis.Y, pi / 4, 1)),
    "cp": (_CP,),
    "cu1": (_CP,),
    "crx": (Move("controlled", (0, 1), Axis.X, 0),),
    "cry": (Move("controlled", (0, 1), Axis.Y, 0),),
    "crz": (_turn_by(Axis.Z, scale=-0.5), _CP),
    "swap": (Move("exchange", (0, 1)),),
    "rzz": _RZZ,
    "rxx": _in_basis(Axis.Y),
    "ryy": _in_basis(Axis.X),
}
CLASSES = {name: gate.base_class for name, gate in get_standard_gate_name_mapping().items() if name in MOVES}
