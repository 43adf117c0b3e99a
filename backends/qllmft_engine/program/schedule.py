"""Order in which a program's gates access memory: groups in one pass, runs of groups on blocks that stay in cache.

The gates keep their order. A *step* is one gate, or a group of gates of a shape of `fused`. A *run* is a sequence of
steps whose qubits are all below some number b: the amplitudes fall into blocks of 2^b that do not mix, so all steps are
done on one block before the next is touched. Runs are nested twice, for the second and the first level of cache. From
|0…0⟩ the register grows first (see `growth`), and a run is done on the amplitudes of the qubits that it has by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.protocol import Ints
from qllmft_engine.program.growth import circuit_order, growing_order
from qllmft_engine.program.lowering import Program
from qllmft_engine.program.operations import Op

# what a run on small blocks may hold; two thirds of a usual first-level cache
L1_BYTES = 32 * 2**10
L2_BYTES = 512 * 2**10  # the same for the second level
_MIN_RUN_STEPS = 3  # steps; a shorter run on small blocks is not worth its loop


class Shape(IntEnum):
    """Shapes of a step (see `fused`): one gate, or a group."""

    SINGLE = 0
    CHAIN_2 = 1
    CHAIN_3 = 2
    ROTATIONS_2 = 3
    ROTATIONS_3 = 4
    BRIDGE = 5
    HALF_CHAIN_2 = 6
    HALF_CHAIN_3 = 7
    HALF_ROTATIONS_2 = 8
    HALF_ROTATIONS_3 = 9
    TO_HALF = 10


HALF = -1  # the qubit that divides a register into its upper and lower half
# (control, target) by the group's qubits; the longest come first
GROUP_GATES: dict[Shape, list[tuple[int | None, int]]] = {
    Shape.CHAIN_3: [(0, 1), (1, 2), (2, 3)],
    Shape.ROTATIONS_3: [(None, 0), (None, 1), (None, 2)],
    Shape.HALF_CHAIN_3: [(HALF, 0), (0, 1), (1, 2)],
    Shape.HALF_ROTATIONS_3: [(None, HALF), (None, 0), (None, 1)],
    Shape.BRIDGE: [(0, HALF), (HALF, 1)],
    Shape.CHAIN_2: [(0, 1), (1, 2)],
    Shape.ROTATIONS_2: [(None, 0), (None, 1)],
    Shape.HALF_CHAIN_2: [(HALF, 0), (0, 1)],
    Shape.HALF_ROTATIONS_2: [(None, HALF), (None, 0)],
    Shape.TO_HALF: [(0, HALF)],
}
_GROUP_KINDS = {
    shape: [int(Op.ROT if control is None else Op.CX_ROT) for control, _ in gates]
    for shape, gates in GROUP_GATES.items()
}


class Schedule(NamedTuple):
    """Operations, steps and runs of one direction."""

    ops: NDArray[np.int32]  # this and the next: of the `GateOrder`, in the order of the circuit
    slots: Ints
    # (n_steps, 7): shape, first gate, number of gates, and the strides L·2^q of a group's qubits
    # outside registers, at most four; a group's gates follow each other
    steps: Ints
    runs: Ints  # (n_runs, 3): b, first step, step after the last
    # (n_outer, 4): b, first run, run after the last, qubits of the register
    outer: Ints


def make_schedule(
    program: Program,
    batch: int,
    width: int,
    itemsize: int,
    *,
    backward: bool,
    from_zero: bool = False,
) -> Schedule:
    """Plan the order of a program for one direction.

    Args:
        program: the lowered circuit.
        batch: L, samples in a chunk.
        width: lanes of a register.
        itemsize: bytes of a number.
        backward: last gate first. Two arrays are then in cache, and groups have two gates at most.
        from_zero: the circuit begins with |0…0⟩, on a register that grows.
    """
    register_bits = (width // batch).bit_length() - 1
    sample_bytes = itemsize * batch * (2 if backward else 1)
    small, large = (
        (cache_bytes // sample_bytes).bit_length() - 1 for cache_bytes in (L1_BYTES, L2_BYTES)
    )
    order = growing_order(program, register_bits) if from_zero else circuit_order(program)
    groups = group_gates(order.ops, register_bits, longest=2 if backward else 3, border=small)
    if backward:
        groups.reverse()
    steps = np.zeros((len(groups), 7), np.int64)
    for row, (shape, first, length, qubits) in zip(steps, groups, strict=True):
        row[:3] = shape, first, length
        row[3 : 3 + len(qubits)] = [batch << q for q in qubits]
    by_gate = _highest_qubits(order.ops)
    highest_qubits = [max(by_gate[first : first + length]) for _, first, length, _ in groups]
    runs: list[tuple[int, int, int]] = []
    outer: list[tuple[int, int, int, int]] = []
    first_step = 0
    for size, same_size in groupby(order.register_sizes[first] for _, first, *_ in groups):
        steps_of_size = range(first_step, first_step + len(list(same_size)))
        first_step = steps_of_size.stop
        for bits, start, stop in _cut_into_runs(highest_qubits, steps_of_size, large, size):
            first_run = len(runs)
            runs += _cut_into_runs(highest_qubits, range(start, stop), small, bits)
            outer.append((bits, first_run, len(runs), size))
    return Schedule(order.ops, order.slots, steps, int_table(runs, 3), int_table(outer, 4))


def int_table(rows: Sequence[Sequence[int]], columns: int) -> Ints:
    """Return rows of numbers as an array, also if there are none."""
    return np.array(rows, dtype=np.int64).reshape(-1, columns)


def group_gates(
    ops: NDArray[np.int32], register_bits: int, longest: int, border: int
) -> list[tuple[Shape, int, int, list[int]]]:
    """Return shape, first gate, number of gates and qubits outside registers of steps that cover all gates in order.

    A group of three gates does not begin below qubit ``border`` and end at it or above: no block would contain it.

    Args:
        ops: of the `GateOrder`.
        register_bits: number of qubits inside registers.
        longest: number of gates of a group, at most.
        border: qubits of the blocks of the first level of cache.
    """
    groups: list[tuple[Shape, int, int, list[int]]] = []
    rows = ops.tolist()
    kinds = [row[0] for row in rows]
    highest_qubits = _highest_qubits(ops)
    first = 0
    while first < len(rows):
        group: tuple[Shape, int, int, list[int]] = (Shape.SINGLE, first, 1, [])
        for shape, gates in GROUP_GATES.items():
            stop = first + len(gates)
            if len(gates) > longest or kinds[first:stop] != _GROUP_KINDS[shape]:
                continue
            straddles = len(gates) == 3 and max(highest_qubits[first : first + 2]) < border <= max(
                highest_qubits[first:stop]
            )
            if straddles:
                continue
            if qubits := _match_group_qubits(gates, rows[first:stop], register_bits):
                group = (shape, first, len(gates), qubits)
                break
        groups.append(group)
        first += group[2]
    return groups


def _match_group_qubits(
    gates: list[tuple[int | None, int]], rows: list[list[int]], register_bits: int
) -> list[int]:
    """Return the qubits of a group's gates in their order, but for `HALF`; none if operations do not fit them.

    ``rows`` are operations of the kinds of ``gates``.
    """
    qubits: dict[int, int] = {HALF: register_bits - 1}
    for (control, target), (_, *ends, _) in zip(gates, rows, strict=True):
        for name, qubit in zip((control, target), ends, strict=True):
            if name is not None and qubits.setdefault(name, qubit) != qubit:
                return []
    _, *outside = qubits.values()
    is_distinct = len(set(outside)) == len(outside) and min(outside) >= register_bits
    return outside if is_distinct else []


def _highest_qubits(ops: NDArray[np.int32]) -> list[int]:
    """Return the highest qubit of each gate."""
    highest: list[int] = ops[:, 1:3].max(axis=1).tolist()
    return highest


def _cut_into_runs(
    highest_qubits: list[int], steps: range, bits: int, all_bits: int
) -> list[tuple[int, int, int]]:
    """Cut steps into runs (b, first, after the last), on blocks of 2^bits if enough steps in a row allow it."""
    if bits >= all_bits:
        return [(all_bits, steps.start, steps.stop)]
    runs: list[tuple[int, int, int]] = []
    start = steps.start
    while start < steps.stop:
        stop = start
        while stop < steps.stop and highest_qubits[stop] < bits:
            stop += 1
        if stop - start >= _MIN_RUN_STEPS:
            runs.append((bits, start, stop))
        else:
            stop = max(stop, start + 1)
            if runs and runs[-1][0] == all_bits:
                start = runs.pop()[1]
            runs.append((all_bits, start, stop))
        start = stop
    return runs
