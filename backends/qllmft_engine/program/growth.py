"""Order of a program from |0…0⟩ on a register that grows: a qubit joins it when a gate first couples it to others.

Until then a qubit is a product factor of the state, and its own gates can wait. Amplitudes on which its bit is 1 are
the others times a tangent. So the first encoding of the paper's head and the staircase of CNOTs behind it cost as much
as three gates on all qubits, not 2·Q. Going backward, a qubit leaves the register again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.protocol import Ints
from qllmft_engine.program.lowering import Program
from qllmft_engine.program.operations import Op


class GateOrder(NamedTuple):
    """Operations of a program in the order in which they are done."""

    # (n_ops, 4), as `Program.ops`; the last column counts the rotations in this order
    ops: NDArray[np.int32]
    slots: Ints  # (G,) slot of each rotation in the program
    register_sizes: list[int]  # qubits of the register on which each operation is done


def circuit_order(program: Program) -> GateOrder:
    """Return the operations in the order of the circuit, on all qubits."""
    return GateOrder(
        program.ops, np.arange(program.n_angles), [program.n_qubits] * len(program.ops)
    )


def growing_order(program: Program, first_size: int) -> GateOrder:
    """Return the operations from |0…0⟩ on a register that begins with ``first_size`` qubits and grows, lowest first.

    Gates on one qubit that has not joined wait until it does. If the first of them is a rotation, it is done by
    `Op.GROW_ROT`; else the qubit joins in |0⟩, by `Op.GROW`.
    """
    ops: list[tuple[int, int, int, int]] = []
    sizes: list[int] = []
    size = min(first_size, program.n_qubits)
    waiting: list[list[tuple[int, int, int, int]]] = [[] for _ in range(program.n_qubits)]

    def append(op: tuple[int, int, int, int]) -> None:
        ops.append(op)
        sizes.append(size)

    def grow_to(new_size: int) -> None:
        nonlocal size
        while size < new_size:
            qubit = size
            size += 1
            gates = waiting[qubit]
            if gates and gates[0][0] == Op.ROT:
                append((Op.GROW_ROT, *gates.pop(0)[1:]))
            else:
                append((Op.GROW, -1, qubit, -1))
            for op in gates:
                append(op)

    for row in program.ops.tolist():
        op = tuple(row)
        if op[1] < 0 and op[2] >= size:  # on one qubit
            waiting[op[2]].append(op)
        else:
            grow_to(1 + max(op[1], op[2]))
            append(op)
    grow_to(program.n_qubits)
    slots = [slot for *_, slot in ops if slot >= 0]
    ranks = {slot: rank for rank, slot in enumerate(slots)}
    ranked_ops = [(*op, ranks.get(slot, -1)) for *op, slot in ops]
    return GateOrder(
        np.array(ranked_ops, np.int32).reshape(-1, 4), np.array(slots, np.int64), sizes
    )
