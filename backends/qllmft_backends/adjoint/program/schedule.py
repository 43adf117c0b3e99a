"""Order in which a program's gates access memory: groups in one pass, runs of groups on blocks that stay in cache.

The gates keep their order. A *step* is one gate, or a group of gates of a shape of `fused`. A *run* is a sequence of
steps whose qubits are all below some number b: the amplitudes fall into blocks of 2^b that do not mix, so all steps are
done on one block before the next is touched. Runs are nested twice, for the second and the first level of cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.adjoint.program.lowering import Op, Program

# what a run on small blocks may hold; two thirds of a usual first-level cache
L1_BYTES = 32 * 2**10
L2_BYTES = 512 * 2**10  # the same for the second level
_SHORTEST_RUN = 3  # steps; a shorter run on small blocks is not worth its loop


class Shape(IntEnum):
    """Shapes of a step (see `fused`)."""

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
GATES: dict[Shape, list[tuple[int | None, int]]] = {
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


class Schedule(NamedTuple):
    """Steps and runs of one direction."""

    # (n_steps, 2): shape, first gate; a group's gates follow each other
    steps: NDArray[np.int64]
    # (n_runs, 3): b, first step, step after the last
    runs: NDArray[np.int64]
    # (n_outer, 3): b, first run, run after the last
    outer: NDArray[np.int64]


def make_schedule(
    program: Program, batch: int, width: int, itemsize: int, *, backward: bool
) -> Schedule:
    """Plan the order of a program for one direction.

    Args:
        program: the lowered circuit.
        batch: L, samples in a chunk.
        width: lanes of a register.
        itemsize: bytes of a number.
        backward: last gate first. Two arrays are then in cache, and groups have two gates at most.
    """
    register_bits = (width // batch).bit_length() - 1
    held = itemsize * batch * (2 if backward else 1)
    small, large = ((bytes_ // held).bit_length() - 1 for bytes_ in (L1_BYTES, L2_BYTES))
    groups = _groups(program.ops, register_bits, longest=2 if backward else 3, border=small)
    if backward:
        groups.reverse()
    tops = [_top(program.ops[first : first + length]) for _, first, length in groups]
    runs: list[tuple[int, int, int]] = []
    outer: list[tuple[int, int, int]] = []
    for bits, start, stop in _cut(tops, large, program.n_qubits):
        first_run = len(runs)
        runs += [(b, start + i, start + j) for b, i, j in _cut(tops[start:stop], small, bits)]
        outer.append((bits, first_run, len(runs)))
    return Schedule(table([group[:2] for group in groups], 2), table(runs, 3), table(outer, 3))


def table(rows: Sequence[Sequence[int]], columns: int) -> NDArray[np.int64]:
    """Return rows of numbers as an array, also if there are none."""
    return np.array(rows, dtype=np.int64).reshape(-1, columns)


def _groups(
    ops: NDArray[np.int32], register_bits: int, longest: int, border: int
) -> list[tuple[Shape, int, int]]:
    """Return (shape, first gate, number of gates), covering all gates in order.

    A group of three gates does not begin below qubit ``border`` and end at it or above: no block would contain it.
    """
    groups = []
    first = 0
    while first < len(ops):
        shape, length = Shape.SINGLE, 1
        for candidate, gates in GATES.items():
            chosen = ops[first : first + len(gates)]
            straddles = len(gates) == 3 and _top(chosen[:2]) < border <= _top(chosen)
            if len(gates) <= longest and not straddles and _fits(gates, chosen, register_bits):
                shape, length = candidate, len(gates)
                break
        groups.append((shape, first, length))
        first += length
    return groups


def _fits(gates: list[tuple[int | None, int]], ops: NDArray[np.int32], register_bits: int) -> bool:
    """Return whether operations are these gates, on different qubits outside registers but for `HALF`."""
    if len(ops) < len(gates):
        return False
    qubits: dict[int | None, int] = {HALF: register_bits - 1}
    for (control, target), (kind, *ends, _) in zip(gates, ops.tolist(), strict=True):
        if kind != (Op.ROT if control is None else Op.CX_ROT):
            return False
        for name, qubit in zip((control, target), ends, strict=True):
            if name is not None and qubits.setdefault(name, qubit) != qubit:
                return False
    _, *outside = qubits.values()
    return len(set(outside)) == len(outside) and min(outside) >= register_bits


def _top(ops: NDArray[np.int32]) -> int:
    return int(ops[:, 1:3].max())


def _cut(tops: list[int], bits: int, all_bits: int) -> list[tuple[int, int, int]]:
    """Cut steps into runs (b, first, after the last), on blocks of 2^bits if enough steps in a row allow it."""
    if bits >= all_bits:
        return [(all_bits, 0, len(tops))]
    runs: list[tuple[int, int, int]] = []
    start = 0
    while start < len(tops):
        stop = start
        while stop < len(tops) and tops[stop] < bits:
            stop += 1
        if stop - start >= _SHORTEST_RUN:
            runs.append((bits, start, stop))
        else:
            stop = max(stop, start + 1)
            if runs and runs[-1][0] == all_bits:
                start = runs.pop()[1]
            runs.append((all_bits, start, stop))
        start = stop
    return runs
