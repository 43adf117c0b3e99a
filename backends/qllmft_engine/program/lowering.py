"""Lowering of circuits of real gates: a Qiskit circuit becomes the array program that the real kernels run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qllmft_engine.program.angles import AngleMap, angle_map
from qllmft_engine.program.gates import GATES
from qllmft_engine.program.operations import Op, real_steps
from qllmft_engine.program.walk import Obstacle, read_real_gates


@dataclass(frozen=True)
class Program(AngleMap):
    """Circuit of real gates as arrays. Every rotation has an angle of its own, in the order of the gates."""

    # width; qubit q is bit q of an amplitude's index (Qiskit's order)
    n_qubits: int
    # (n_ops, 4): operation, control (-1: none), target, rotation slot (-1: none)
    ops: NDArray[np.int32]


def lower(circuit: QuantumCircuit) -> Program:
    """Lower a circuit of `SUPPORTED_GATES` with angles that are affine in the parameters. Others are an error."""
    program = try_lower(circuit)
    if isinstance(program, Obstacle):
        raise program.error
    return program


def try_lower(circuit: QuantumCircuit) -> Program | Obstacle:
    """Return the program of a circuit, or what keeps the circuit from the real kernels.

    Raises:
        UnsupportedGateError: for an angle with an imaginary part, with which no engine runs a gate.
    """
    steps = read_real_gates(circuit)
    if isinstance(steps, Obstacle):
        return steps
    ops: list[tuple[int, int, int, int]] = []
    angles: list[Any] = []
    positions: list[int] = []  # of the gate of each angle
    for operation, qubits, position in steps:
        for op, places, turn in real_steps(GATES[operation.name]):
            control = qubits[places[0]] if len(places) > 1 else -1
            target = qubits[places[-1]]
            if turn is None:
                ops.append((op, control, target, -1))
                continue
            if ops and ops[-1][0] == Op.CX and ops[-1][2] == target:
                op = Op.CX_ROT
                control = ops.pop()[1]
            ops.append((op, control, target, len(angles)))
            angles.append(turn.angle(operation.params))
            positions.append(position)
    program_angles = angle_map(angles, tuple(circuit.parameters))
    if program_angles.expressions is not None:
        slot = int(program_angles.nonaffine_slots[0])
        return Obstacle(
            f"the angle of gate {positions[slot]} is {angles[slot]}. The adjoint engine takes angles that are affine "
            "in the parameters (a·x + b). Compute the expression before the circuit and pass its value as a parameter."
        )
    return Program(
        **vars(program_angles),
        n_qubits=circuit.num_qubits,
        ops=np.array(ops, np.int32).reshape(-1, 4),
    )
