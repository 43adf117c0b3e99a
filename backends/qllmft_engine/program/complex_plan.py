"""Order in which a complex program's gates access memory: in place, or in blocks of gates that are gathered into cache.

The *rows* of a chunk are its registers of amplitudes; the lowest qubits may be inside registers, the others are bits of
a row's number. A state of at most `IN_PLACE_BYTES` is worked on in place, gate after gate. In a larger one, gates on
different qubits change places, so that many gates in a row need few bits; these bits span a block of rows that is
copied to contiguous memory, worked on, and copied back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qllmft_engine.program.complex_lowering import ComplexProgram, Gate, MatrixForm
from qllmft_engine.program.places import Place, locate_gate
from qllmft_engine.program.schedule import int_table
from qllmft_engine.program.turns import choose_sums, choose_turns, group_turns

# of a block, whose state and co-state then stay in the caches of one core
BLOCK_BYTES = 128 * 2**10
# of a chunk's state. Up to this size the states of two chunks stay in a third-level cache, and the
# copies of blocks take longer than they save.
IN_PLACE_BYTES = 4 * 2**20
_MIN_BLOCK_GATES = 3  # gates; fewer are not worth a copy
_UNREACHED_STRIDE = 1 << 62  # a stride beyond every array


class ComplexPlan(NamedTuple):
    """Arrays of a program for chunks of one size."""

    # (N, 7): `MatrixForm`; mask of the lanes that must be set for the gate to act; the target's
    # lane distance, 0: outside; first factor, factor after the last; `GradientSums`; wire of the
    # target
    gates: NDArray[np.int64]
    # (N, 10), ordered: `MatrixForm`, gate, numbers to loop over, the lower and the higher stride of
    # its row bits, offset of the control, stride of the target, lane distance; steps of the group
    # that begins here, and of the one that ends here (see `group_turns`), or 1
    steps: NDArray[np.int64]
    # (n, 3): first step, step after the last, row bits; 0: all rows in place
    blocks: NDArray[np.int64]
    # (n, K): strides of a block's row bits, ascending, in rows
    strides: NDArray[np.int64]
    # (F, 3): `FactorKind`; 1 with a parameter; its number of `choose_sums`
    factors: NDArray[np.int64]


def make_plan(
    program: ComplexProgram,
    batch: int,
    width: int,
    itemsize: int,
    free_wires: frozenset[int] | None,
) -> ComplexPlan:
    """Plan a program for chunks of L = ``batch`` samples and registers of ``width`` lanes.

    Args:
        program: the lowered circuit.
        batch: L, samples in a chunk.
        width: lanes of a register.
        itemsize: bytes of a real number.
        free_wires: wires on which the final state may have any phase diag(1, p). None: the state needs all phases, and
            no gate runs as a turn.
    """
    register_bits = (width // batch).bit_length() - 1
    all_bits = program.n_qubits - register_bits
    places = [locate_gate(gate, register_bits, batch) for gate in program.gates]
    if free_wires is not None:
        places = choose_turns(program.gates, places, free_wires, width // 2)
    row_bytes = 2 * width * itemsize
    capacity = max(3, (BLOCK_BYTES // row_bytes).bit_length() - 1)
    if row_bytes << all_bits <= IN_PLACE_BYTES:
        capacity = all_bits
    members_and_bits = _group_into_blocks(
        [place.rows for place in places],
        [gate.wires for gate in program.gates],
        capacity,
        all_bits,
    )
    steps: list[tuple[int, ...]] = []
    blocks = []
    most_bits = max((len(bits) for _, bits in members_and_bits), default=0)
    strides = np.zeros((len(members_and_bits), most_bits), np.int64)
    for block_strides, (members, bits) in zip(strides, members_and_bits, strict=True):
        local_bits = {bit: i for i, bit in enumerate(bits or range(all_bits))}
        blocks.append((len(steps), len(steps) + len(members), len(bits)))
        block_strides[: len(bits)] = [1 << bit for bit in bits]
        for group in group_turns(members, program.gates, places):
            steps += _make_steps(group, places, local_bits, 2 * width)
    gates, factors = _describe_gates(program.gates, places)
    return ComplexPlan(gates, int_table(steps, 10), int_table(blocks, 3), strides, factors)


def _describe_gates(
    gates: Sequence[Gate], places: Sequence[Place]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return `ComplexPlan.gates` and `ComplexPlan.factors`."""
    gate_rows: list[tuple[int, ...]] = []
    factor_rows: list[tuple[int, ...]] = []
    for gate, place in zip(gates, places, strict=True):
        sums, signs = choose_sums(gate, place.path)
        mask = place.control_lane
        if place.path == MatrixForm.PHASE:
            mask |= place.target_lane
        first = len(factor_rows)
        factor_rows += [
            (factor.kind, factor.slot >= 0, sign)
            for factor, sign in zip(gate.factors, signs, strict=True)
        ]
        stop = len(factor_rows)
        gate_rows.append((place.path, mask, place.target_lane, first, stop, sums, gate.target))
    return int_table(gate_rows, 7), int_table(factor_rows, 3)


def _make_steps(
    group: Sequence[int], places: Sequence[Place], local_bits: dict[int, int], row: int
) -> list[tuple[int, ...]]:
    """Return the rows of `ComplexPlan.steps` of a group."""
    last = len(group) - 1
    return [
        (
            *_make_step(places[g], g, local_bits, row),
            len(group) if i == 0 else 1,
            len(group) if i == last else 1,
        )
        for i, g in enumerate(group)
    ]


def _make_step(place: Place, gate: int, local_bits: dict[int, int], row: int) -> tuple[int, ...]:
    """Return a row of `ComplexPlan.steps` but for its group. ``row``: numbers in a row of amplitudes."""
    strides = sorted(row << local_bits[bit] for bit in place.rows)
    size = row << len(local_bits) >> len(strides)
    low, high = [*strides, _UNREACHED_STRIDE, _UNREACHED_STRIDE][:2]
    offset = 0 if place.control is None else row << local_bits[place.control]
    stride = 0 if place.target is None else row << local_bits[place.target]
    if place.path == MatrixForm.LANE_TURN:
        stride = place.target_lane
    return (place.path, gate, size, low, high, offset, stride, place.target_lane)


def _group_into_blocks(
    row_bits: list[set[int]], wires: list[set[int]], capacity: int, all_bits: int
) -> list[tuple[list[int], list[int]]]:
    """Return (gates, row bits) of each block, without bits if all rows are in place.

    Args:
        row_bits: row bits of each gate.
        wires: of each gate; gates that share one keep their order.
        capacity: row bits of a block, at most; ``all_bits`` or more: no blocks.
        all_bits: number of row bits.
    """
    if all_bits <= capacity:
        return [(list(range(len(row_bits))), [])]
    blocks: list[tuple[list[int], list[int]]] = []
    remaining_gates = list(range(len(row_bits)))
    while remaining_gates:
        bits: set[int] = set()
        blocked: set[int] = set()
        members = []
        postponed_gates = []
        for gate in remaining_gates:
            if wires[gate].isdisjoint(blocked) and len(bits | row_bits[gate]) <= capacity:
                bits |= row_bits[gate]
                members.append(gate)
            else:
                blocked |= wires[gate]
                postponed_gates.append(gate)
        remaining_gates = postponed_gates
        if len(members) < _MIN_BLOCK_GATES:
            blocks.append((members, []))
            continue
        for bit in range(all_bits):  # low bits make longer pieces to copy
            if len(bits) < capacity:
                bits.add(bit)
        blocks.append((members, sorted(bits)))
    return blocks
