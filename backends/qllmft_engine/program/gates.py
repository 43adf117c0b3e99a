"""Qiskit's standard gates as products of few parts: turns, phases, controlled turns, CNOTs and exchanges of qubits."""

from __future__ import annotations

from enum import IntEnum
from math import pi
from typing import NamedTuple

from qiskit.circuit.library import get_standard_gate_name_mapping


class FactorKind(IntEnum):
    """Matrix of a factor: R_X(θ), R_Y(θ), diag(1, exp(iθ)), or X, which has no angle."""

    X = 0
    Y = 1
    Z = 2
    FLIP = 3


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


GATE_PARTS: dict[str, tuple[GatePart, ...]] = {  # up to a global phase
    "id": (),
    "rx": (_turn_by(_X),),
    "ry": (_turn_by(_Y),),
    "rz": (_turn_by(_Z),),
    "p": (_turn_by(_Z),),
    "u1": (_turn_by(_Z),),
    "u": _U,
    "u3": _U,
    "h": (_turn(_Z, pi), _turn(_Y, pi / 2)),
    "x": (_turn(_X, pi),),
    "y": (_turn(_Y, pi),),
    "z": (_turn(_Z, pi),),
    "s": (_turn(_Z, pi / 2),),
    "sdg": (_turn(_Z, -pi / 2),),
    "t": (_turn(_Z, pi / 4),),
    "tdg": (_turn(_Z, -pi / 4),),
    "sx": (_turn(_X, pi / 2),),
    "sxdg": (_turn(_X, -pi / 2),),
    "cx": (_FLIP,),
    "cy": (_turn(_Z, -pi / 2, 1), _FLIP, _turn(_Z, pi / 2, 1)),
    "cz": (_CZ,),
    "ch": (_turn(_Y, -pi / 4, 1), _CZ, _turn(_Y, pi / 4, 1)),
    "cp": (_CP,),
    "cu1": (_CP,),
    "crx": (GatePart("controlled", (0, 1), _X, 0),),
    "cry": (GatePart("controlled", (0, 1), _Y, 0),),
    "crz": (_turn_by(_Z, scale=-0.5), _CP),
    "swap": (GatePart("exchange", (0, 1)),),
    "rzz": _RZZ,
    "rxx": _conjugated_rzz(_Y),
    "ryy": _conjugated_rzz(_X),
}
REAL_GATES = ("ry", "cx", "x", "z", "h", "cz", "swap", "id")  # matrices of real numbers
GATE_CLASSES = {
    name: gate.base_class
    for name, gate in get_standard_gate_name_mapping().items()
    if name in GATE_PARTS
}
