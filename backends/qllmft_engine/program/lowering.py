"""Lowering of circuits of real gates: a Qiskit circuit becomes the array program that the real kernels run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qllmft_backends.errors import UnsupportedGateError
from qllmft_engine.program.angles import AngleMap, angle_map
from qllmft_engine.program.gates import GATE_PARTS, FactorKind
from qllmft_engine.program.walk import walk_circuit


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


@dataclass(frozen=True)
class Program(AngleMap):
    """Circuit of real gates as arrays. Every rotation has an angle of its own, in the order of the gates."""

    # width; qubit q is bit q of an amplitude's index (Qiskit's order)
    n_qubits: int
    # (n_ops, 4): operation, control (-1: none), target, rotation slot (-1: none)
    ops: NDArray[np.int32]


def lower(circuit: QuantumCircuit) -> Program:
    """Lower a circuit of `SUPPORTED_GATES` with angles that are affine in the parameters. Others are an error."""
    ops: list[tuple[int, int, int, int]] = []
    angles: list[Any] = []
    positions: list[int] = []  # of the gate of each angle
    for operation, qubits, position in walk_circuit(circuit, real=True):
        for part in GATE_PARTS[operation.name]:
            first_qubit = qubits[part.qubits[0]]
            last_qubit = qubits[part.qubits[-1]]
            if part.name == "exchange":
                ops += [
                    (Op.CX, first_qubit, last_qubit, -1),
                    (Op.CX, last_qubit, first_qubit, -1),
                    (Op.CX, first_qubit, last_qubit, -1),
                ]
            elif part.name in ("flip", "phase"):
                ops.append((Op.CX if part.name == "flip" else Op.CZ, first_qubit, last_qubit, -1))
            elif part.kind != FactorKind.Y:  # by π
                ops.append((Op.X if part.kind == FactorKind.X else Op.Z, -1, first_qubit, -1))
            else:
                op = Op.ROT
                control = -1
                if ops and ops[-1][0] == Op.CX and ops[-1][2] == first_qubit:
                    op = Op.CX_ROT
                    control = ops.pop()[1]
                ops.append((op, control, first_qubit, len(angles)))
                angles.append(
                    part.scale if part.parameter is None else operation.params[part.parameter]
                )
                positions.append(position)
    program_angles = angle_map(angles, tuple(circuit.parameters))
    if program_angles.expressions is not None:
        slot = int(program_angles.nonaffine_slots[0])
        raise UnsupportedGateError(
            f"the angle of gate {positions[slot]} is {angles[slot]}. The adjoint engine takes angles that are affine "
            "in the parameters (a·x + b). Compute the expression before the circuit and pass its value as a parameter."
        )
    return Program(
        **vars(program_angles),
        n_qubits=circuit.num_qubits,
        ops=np.array(ops, np.int32).reshape(-1, 4),
    )
