"""The plan: gates, tiles and passes of every launch, as a table that the kernels read.

The qubits of a group's tiles come first in its order, from the lowest up, then the others; an index in that order has
the tile's number in its upper bits. Gates keep the program's order. The table is one array of int32, and every position
in it is an index into it:

- a gate: the bit of a control outside of the window, or 0; its code (`_code`);
- a pass: first gate, end, and for each qubit of the window, from the lowest up, the mask of the bits below it;
- a run of passes whose gradients are added up together: first pass, end, first slot, end;
- a group: the columns below. HIGH is the position of the state's index of each 2^ROW_BITS-th amplitude of tile 0, OUTER
that of the state's qubits that number the tiles, MASKS that of the Z strings in the group's order, TRANSFORM that of
the passes of a Walsh-Hadamard transform.

The kernels compile the constants below in: touch ``kernels.py`` and ``coefficients.py`` after a change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.adjoint.program import Op, Program
from qllmft_backends.errors import BackendError

# target qubits of a pass: 16 amplitudes each of state and co-state fit in a thread's registers
WINDOW = 4
# R_Y; R_Y·X; R_Y·Z; X + Z, the Hadamard matrix times √2
ROTATED, SWAPPED, REFLECTED, SUMMED = range(4)
OP_WIDTH, PASS_WIDTH, RUN_WIDTH, GROUP_WIDTH = 2, 2 + WINDOW, 4, 13
(
    PASSES, PASSES_END, RUNS, RUNS_END, TRANSFORM, TRANSFORM_END, MASKS, MASKS_END, HIGH, OUTER, TILE_BITS,
    OUTER_BITS, FLAGS,
) = range(GROUP_WIDTH)  # fmt: skip
FIRST, LAST = 1, 2  # flags: the group begins with the loaded amplitudes; it ends at the observables
ROW_BITS = 5  # a tile has the state's lowest qubits, so that a warp reads 32 numbers in a row

_FAMILIES = {  # for a control that is 0, or none, and for one that is 1
    Op.ROT: (ROTATED, ROTATED),
    Op.CX_ROT: (ROTATED, SWAPPED),
    Op.CX: (ROTATED, SWAPPED),
    Op.X: (SWAPPED, SWAPPED),
    Op.Z: (REFLECTED, REFLECTED),
    Op.CZ: (ROTATED, REFLECTED),
}
_MOST_SUM_ROWS = 32  # gradients that a block adds up at once: one warp's threads read one bank each
_FEWEST_SUM_ROWS = 4
_MOST_SLOTS = 2**22 - 1  # what an int32 code has room for


@dataclass(frozen=True)
class Limits:
    """Limits of one block on a device."""

    shared_bytes: int
    # of a block alone on its multiprocessor; half as many if two share one
    threads: int = 512
    # of a tile at most; None: as many as fit
    tile_qubits: int | None = None


@dataclass(frozen=True)
class LaunchPlan:
    """Launches of a program in one direction."""

    table: NDArray[np.int32]  # (N,); begins with the gates
    n_ops: int  # gates, those of the transform included
    # position of each launch's row in the table, in the order of the gates
    groups: tuple[int, ...]
    # of the states, at least `WINDOW`; those past the program's remain |0⟩
    n_qubits: int
    tile_bits: int
    threads: int  # of a block
    shared_bytes: int  # of a block

    @property
    def tiles(self) -> int:
        """Return the blocks per sample."""
        return 1 << (self.n_qubits - self.tile_bits)


def make_plan(
    program: Program, masks: NDArray[np.int64], itemsize: int, limits: Limits, *, backward: bool
) -> LaunchPlan:
    """Plan the launches of one direction. On the way ``backward`` tiles hold a co-state and sums beside the state.

    Raises:
        BackendError: if not even a window fits in a block's shared memory, or there are too many rotations.
    """
    slots = program.ops[program.ops[:, 3] >= 0, 3]
    if not np.array_equal(slots, np.arange(program.n_angles)) or program.n_angles > _MOST_SLOTS:
        raise BackendError(
            f"the program's rotation slots are {slots.tolist()[:8]}..., expected 0, 1, ... in the order of its gates, "
            f"{_MOST_SLOTS} at most; lower() numbers them so."
        )
    n_qubits = max(program.n_qubits, WINDOW)
    tile_bits, threads, sum_rows, shared_bytes = _tile(n_qubits, itemsize, limits, backward)
    ops = program.ops.tolist()
    n_ops = len(ops) + WINDOW
    table = [0] * (OP_WIDTH * n_ops)
    for j in range(WINDOW):
        table[OP_WIDTH * (len(ops) + j) + 1] = _code(j, 0, SUMMED, SUMMED, -1)
    shared = [0] * GROUP_WIDTH  # the columns that all groups have in common
    shared[TILE_BITS], shared[OUTER_BITS] = tile_bits, n_qubits - tile_bits
    shared[TRANSFORM] = len(table)
    for start in range(0, tile_bits, WINDOW):
        low = min(start, tile_bits - WINDOW)
        first = OP_WIDTH * (len(ops) + start - low)
        table += [first, OP_WIDTH * n_ops, *_below(range(low, low + WINDOW))]
    shared[TRANSFORM_END] = len(table)

    rows = []
    for first, end, order in _groups(ops, n_qubits, tile_bits):
        row = _append_group(table, shared, ops, first, end, order, sum_rows, backward=backward)
        row[MASKS] = len(table)
        table += [
            sum((mask >> qubit & 1) << p for p, qubit in enumerate(order))
            for mask in masks.tolist()
        ]
        row[MASKS_END] = row[HIGH] = len(table)
        high = order[min(ROW_BITS, tile_bits - WINDOW) : tile_bits]
        table += [
            sum((i >> b & 1) << qubit for b, qubit in enumerate(high))
            for i in range(1 << len(high))
        ]
        row[OUTER] = len(table)
        table += order[tile_bits:]
        rows.append(row)
    groups = tuple(len(table) + GROUP_WIDTH * i for i in range(len(rows)))
    table += chain.from_iterable(rows)
    return LaunchPlan(
        np.array(table, dtype=np.int32), n_ops, groups, n_qubits, tile_bits, threads, shared_bytes
    )


def _append_group(
    table: list[int],
    shared: list[int],
    ops: list[list[int]],
    first: int,
    end: int,
    order: list[int],
    sum_rows: int,
    *,
    backward: bool,
) -> list[int]:
    """Write gates ``first`` to ``end``, their passes and runs into the table, and return the group's row."""
    position = {qubit: p for p, qubit in enumerate(order)}
    passes = [
        (start, stop, _window([position[op[2]] for op in ops[start:stop]], shared[TILE_BITS]))
        for start, stop in _passes(ops, first, end, sum_rows)
    ]
    row = shared.copy()
    row[FLAGS] = FIRST * (first == 0) | LAST * (end == len(ops))
    row[PASSES] = len(table)
    for start, stop, window in passes:
        for i in range(start, stop):
            table[OP_WIDTH * i : OP_WIDTH * (i + 1)] = _encoded(ops[i], position, window)
        table += [OP_WIDTH * start, OP_WIDTH * stop, *_below(window)]
    row[PASSES_END] = row[RUNS] = len(table)
    if backward:
        table += _runs(ops, passes, row[PASSES], sum_rows)
    row[RUNS_END] = len(table)
    return row


def _tile(
    n_qubits: int, itemsize: int, limits: Limits, backward: bool
) -> tuple[int, int, int, int]:
    """Return a tile's qubits, threads, rows of sums and bytes: the whole state if it fits, else one of two tiles."""
    for bits in range(min(n_qubits, limits.tile_qubits or n_qubits), WINDOW - 1, -1):
        blocks = 1 if bits == n_qubits else 2
        threads = min(max(limits.threads // blocks, 1), 1 << (bits - WINDOW))
        room = limits.shared_bytes // blocks
        if not backward:
            if itemsize << bits <= room:
                return bits, threads, _MOST_SUM_ROWS, itemsize << bits
            continue
        row = itemsize * (threads + 1)
        sum_rows = min(_MOST_SUM_ROWS, (room - 2 * (itemsize << bits)) // row)
        if sum_rows >= _FEWEST_SUM_ROWS:
            return bits, threads, sum_rows, 2 * (itemsize << bits) + sum_rows * row
    raise BackendError(
        f"the device gives a block {limits.shared_bytes} bytes of shared memory, too few for 2^{WINDOW} amplitudes "
        "of state and co-state. Use device='cpu'."
    )


def _groups(
    ops: list[list[int]], n_qubits: int, tile_bits: int
) -> Iterator[tuple[int, int, list[int]]]:
    """Yield first gate, end and order of the qubits of each launch: as many gates as have their targets in one tile."""
    low = range(n_qubits if tile_bits == n_qubits else min(ROW_BITS, tile_bits - WINDOW))
    first = 0
    while True:
        tile = set(low)
        end = first
        while end < len(ops) and (ops[end][2] in tile or len(tile) < tile_bits):
            tile.add(ops[end][2])
            end += 1
        spare = [qubit for qubit in range(n_qubits) if qubit not in tile]
        filled = sorted([*tile, *spare[: tile_bits - len(tile)]])
        yield first, end, filled + spare[tile_bits - len(tile) :]
        if end == len(ops):
            return
        first = end


def _passes(ops: list[list[int]], first: int, end: int, sum_rows: int) -> Iterator[tuple[int, int]]:
    """Yield first gate and end of each pass: up to `WINDOW` targets, and no more rotations than rows of sums."""
    while first < end:
        targets: set[int] = set()
        rotations = 0
        stop = first
        while stop < end and len(targets | {ops[stop][2]}) <= WINDOW:
            rotations += ops[stop][3] >= 0
            if rotations > sum_rows:
                break
            targets.add(ops[stop][2])
            stop += 1
        yield first, stop
        first = stop


def _window(positions: Sequence[int], tile_bits: int) -> list[int]:
    """Return four ascending positions: the targets', and the tile's highest, on which no warp's reads depend."""
    window = set(positions)
    window.update(
        [p for p in range(tile_bits - 1, -1, -1) if p not in window][: WINDOW - len(window)]
    )
    return sorted(window)


def _below(window: Sequence[int]) -> list[int]:
    return [(1 << p) - 1 for p in window]


def _runs(
    ops: list[list[int]], passes: Sequence[tuple[int, int, list[int]]], at: int, sum_rows: int
) -> list[int]:
    """Return the rows of the runs of a group whose passes begin at ``at``. Slots are in the order of the gates."""
    rows: list[list[int]] = []
    slot = sum(op[3] >= 0 for op in ops[: passes[0][0]]) if passes else 0
    for i, (first, end, _) in enumerate(passes):
        here, start = at + PASS_WIDTH * i, slot
        slot += sum(op[3] >= 0 for op in ops[first:end])
        if rows and slot - rows[-1][2] <= sum_rows:
            rows[-1][1], rows[-1][3] = here + PASS_WIDTH, slot
        else:
            rows.append([here, here + PASS_WIDTH, start, slot])
    return list(chain.from_iterable(rows))


def _encoded(op: list[int], position: dict[int, int], window: list[int]) -> list[int]:
    kind, control, target, slot = op
    inside = control >= 0 and position[control] in window
    condition = 0 if inside or control < 0 else 1 << position[control]
    families = _FAMILIES[Op(kind)]
    return [
        condition,
        _code(
            window.index(position[target]),
            window.index(position[control]) + 1 if inside else 0,
            *families,
            slot,
        ),
    ]


def _code(target: int, control: int, clear: int, met: int, slot: int) -> int:
    """Pack a gate into bits: 0-1 target, 2-4 1 + control or 0, 5-6 and 7-8 families, then 1 + slot."""
    return target | control << 2 | clear << 5 | met << 7 | (slot + 1) << 9
