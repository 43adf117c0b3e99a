"""Operations of the real kernels, and the ones that each gate of the table is made of."""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from math import pi
from typing import NamedTuple

from qllmft_engine.program.gates import FactorKind, GatePart, StandardGate


class Op(IntEnum):
    """Operations of the real kernels. CX_ROT is CNOT, then R_Y on its target, in one pass over the amplitudes.

    The last two add a qubit in |0⟩, or in R_Y|0⟩, above those of the register (see `growth`).
    """

    ROT = 0
    CX_ROT = 1
    CX = 2
    X = 3
    Z = 4
    CZ = 5
    GROW = 6
    GROW_ROT = 7


# X or Z that an operation applies to its target, if its control is 1, before a rotation
FIXED_PARTS: dict[int, FactorKind] = {
    Op.CX_ROT: FactorKind.X,
    Op.CX: FactorKind.X,
    Op.X: FactorKind.X,
    Op.Z: FactorKind.Z,
    Op.CZ: FactorKind.Z,
}


class RealStep(NamedTuple):
    """Operation of the real kernels that a gate is made of."""

    op: Op  # ROT, CX, X, Z or CZ
    # positions among the gate's qubits; the control comes first
    qubits: tuple[int, ...]
    turn: GatePart | None = None  # of the angle of a rotation


@cache
def real_steps(gate: StandardGate) -> tuple[RealStep, ...]:
    """Return the operations that a gate is made of.

    Raises:
        ValueError: for a part with complex entries.
    """
    return tuple(step for part in gate.parts for step in _split_part(part))


def _split_part(part: GatePart) -> tuple[RealStep, ...]:
    is_half_turn = part.parameter is None and abs(part.scale) == pi
    if part.name == "exchange":
        first, second = part.qubits
        return tuple(
            RealStep(Op.CX, qubits)
            for qubits in ((first, second), (second, first), (first, second))
        )
    if part.name == "flip":
        return (RealStep(Op.CX, part.qubits),)
    if part.name == "phase" and is_half_turn:
        return (RealStep(Op.CZ, part.qubits),)
    if part.name == "turn" and part.kind == FactorKind.Y:
        return (RealStep(Op.ROT, part.qubits, part),)
    if part.name == "turn" and is_half_turn:
        return (RealStep(Op.X if part.kind == FactorKind.X else Op.Z, part.qubits),)
    if part.name == "controlled" and part.kind == FactorKind.Y:
        # X R_Y(-θ/2) X is R_Y(θ/2), and without the control both turns cancel
        flip = RealStep(Op.CX, part.qubits)
        target = part.qubits[1:]
        there, back = (
            RealStep(Op.ROT, target, part._replace(scale=scale * part.scale))
            for scale in (0.5, -0.5)
        )
        return (there, flip, back, flip)
    raise ValueError(f"the part {part} has complex entries, and its gate is marked as real")
