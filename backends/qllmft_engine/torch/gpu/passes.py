"""Which gates a program of the grid applies in one go, and to which amplitudes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from qllmft_engine.program.operations import Op
from qllmft_engine.torch.state_vectors import Gate


class MergedGate(NamedTuple):
    """Gate with the rotation of its target that stands before it."""

    op: int
    control: int  # -1: none
    target: int
    slot: int  # of the angle of the gate's own rotation, -1 without one
    rotation_slot: int = -1  # of the angle of the rotation before


@dataclass(frozen=True)
class Pass:
    """Gates on few qubits, in their order. ``qubits`` are the local ones, from the lowest local bit to the highest."""

    gates: tuple[MergedGate, ...]
    qubits: tuple[int, ...]


def merge_rotations(gates: Iterable[Gate]) -> list[MergedGate]:
    """Return a circuit's gates, with each rotation in the gate that follows on its qubit, if that is the target."""
    merged: list[MergedGate | None] = []
    rotation_on: dict[int, int] = {}  # by qubit: the last gate on it, a rotation alone
    for op, control, target, slot in gates:
        position = rotation_on.pop(target, None)
        rotation_slot = -1
        if position is not None:
            rotation = merged[position]
            assert rotation is not None
            rotation_slot = rotation.slot
            merged[position] = None
        rotation_on.pop(control, None)
        if op == Op.ROT and rotation_slot < 0:
            rotation_on[target] = len(merged)
        merged.append(MergedGate(op, control, target, slot, rotation_slot))
    return [gate for gate in merged if gate is not None]


def split_into_passes(
    gates: Sequence[MergedGate], n_qubits: int, local: int, lowest: int
) -> list[Pass]:
    """Split a circuit into passes over ``local`` qubits, the ``lowest`` of which are always among them.

    A gate runs in the first pass whose qubits include its target, unless a gate before it waits for a later pass and
    does not commute with it. Controls may be any qubits.

    Args:
        gates: of the circuit, in their order.
        n_qubits: Q, more than ``local``.
        local: L, qubits of a pass.
        lowest: qubits of successive amplitudes in memory, which are read together.
    """
    passes: list[Pass] = []
    waiting = list(gates)
    while waiting or not passes:
        members: list[MergedGate] = []
        later: list[MergedGate] = []
        targets: Counter[int] = Counter()
        waiting_targets: set[int] = set()
        waiting_controls: set[int] = set()
        for gate in waiting:
            wires = {gate.control, gate.target}
            commutes = not (wires & waiting_targets or gate.target in waiting_controls)
            fits = gate.target < lowest or gate.target in targets or len(targets) < local - lowest
            if commutes and fits:
                members.append(gate)
                if gate.target >= lowest:
                    targets[gate.target] += 1
            else:
                later.append(gate)
                waiting_targets.add(gate.target)
                if gate.control >= 0:
                    waiting_controls.add(gate.control)
        spare = [q for q in range(lowest, n_qubits) if q not in targets]
        unused = spare[: local - lowest - len(targets)]
        # the highest local bits are in registers, where a gate is cheapest
        frequent = sorted(targets, key=lambda qubit: (targets[qubit], qubit))
        passes.append(Pass(tuple(members), (*range(lowest), *unused, *frequent)))
        waiting = later
    return passes
