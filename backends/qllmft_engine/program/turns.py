"""Turns among a program's matrices: which gates run as one, the sums that they need, and which run two in one pass.

See `compiled.complex_matrices` for what a turn is, and `compiled.complex_turns` and `compiled.complex_turn_pairs`
for the passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum

import numpy as np

from qllmft_engine.program.complex_lowering import Factor, Gate, MatrixForm
from qllmft_engine.program.gates import FactorKind
from qllmft_engine.program.places import Place

TURNS = (MatrixForm.TURN, MatrixForm.LANE_TURN)
_ROUNDING = 1e-12  # of an axis, a vector of length 1, after a few turns


class GradientSums(IntEnum):
    """Sums that the gradient of a gate's parameters needs (see `complex_sums` for K, X and Y)."""

    NONE = 0  # no factor has a parameter
    ALL = 1
    # of a turn: K alone, where all factors with a parameter act like phases after the gate
    K = 2
    # also K before the gate, where some act like phases before it
    K_BEFORE = 3
    # K and Y, where the matrix is R_X or R_Y of a parameter
    TURN = 4
    TURN_BEFORE = 5


def choose_turns(
    gates: Sequence[Gate],
    places: Sequence[Place],
    free_wires: frozenset[int],
    half_register: int,
) -> list[Place]:
    """Return the places with the form of a turn where a wire's next matrix can take in the phase that a turn leaves.

    A real matrix or R_X behind a turn becomes one, too, or a general matrix.

    Args:
        gates: of the program, in their order.
        places: of all gates.
        free_wires: wires on which the final state may have any phase diag(1, p).
        half_register: half the lanes of a register. A matrix on lanes at this distance may run as a turn.
    """
    takes_phase = dict.fromkeys(free_wires, True)
    leaves_phase = [False] * len(gates)
    for g in reversed(range(len(gates))):
        if places[g].path != MatrixForm.PHASE:
            leaves_phase[g] = takes_phase.get(gates[g].target, False)
            takes_phase[gates[g].target] = _is_matrix(gates[g], places[g])
    has_phase: dict[int, bool] = {}
    chosen_places = list(places)
    for g, place in enumerate(places):
        if _is_matrix(gates[g], place):
            wire = gates[g].target
            if place.path == MatrixForm.LANES:
                is_half = place.target_lane == half_register
                path = MatrixForm.LANE_TURN if is_half and leaves_phase[g] else MatrixForm.LANES
                chosen_places[g] = place._replace(path=path)
            elif place.path == MatrixForm.GENERAL or has_phase.get(wire):
                path = MatrixForm.TURN if leaves_phase[g] else MatrixForm.GENERAL
                chosen_places[g] = place._replace(path=path)
            has_phase[wire] = chosen_places[g].path in TURNS
    return chosen_places


def choose_sums(gate: Gate, path: MatrixForm) -> tuple[GradientSums, list[int]]:
    """Choose the sums that the gradient of a gate's parameters needs.

    Returns:
        The sums, and a number for each factor: 1 or -1 if its derivative is that of a phase before a turn, times this
        number, else 0.
    """
    factors = gate.factors
    parametrised = [i for i, factor in enumerate(factors) if factor.slot >= 0]
    no_signs = [0] * len(factors)
    if not parametrised:
        return GradientSums.NONE, no_signs
    if path not in TURNS:
        return GradientSums.ALL, no_signs
    signs = [0] * len(factors)
    others = []
    for i in parametrised:
        if not _phase_sign(factors[i].kind, factors[i + 1 :]):
            inverses = [factor._replace(offset=-factor.offset) for factor in reversed(factors[:i])]
            signs[i] = _phase_sign(factors[i].kind, inverses)
            if not signs[i]:
                others.append(i)
    if not others:
        return (GradientSums.K_BEFORE if any(signs) else GradientSums.K), signs
    outer = [i for i, factor in enumerate(factors) if factor.kind != FactorKind.Z]
    if (
        path == MatrixForm.LANE_TURN
        or len({factor.kind for factor in factors[outer[0] : outer[-1] + 1]}) > 1
    ):
        return GradientSums.ALL, no_signs
    return (GradientSums.TURN_BEFORE if any(signs) else GradientSums.TURN), signs


def _phase_sign(kind: FactorKind, factors: Sequence[Factor]) -> int:
    """Return 1 or -1 if the factors that follow turn the axis of ``kind`` to that of a phase or against it, else 0.

    It is 0 too if that depends on their parameters.
    """
    axis = np.eye(3)[kind]
    for factor in factors:
        x, y = (factor.kind + 1) % 3, (factor.kind + 2) % 3
        if factor.slot < 0:
            cos, sin = np.cos(factor.offset), np.sin(factor.offset)
            axis[x], axis[y] = cos * axis[x] - sin * axis[y], sin * axis[x] + cos * axis[y]
        elif np.hypot(axis[x], axis[y]) > _ROUNDING:
            return 0
    return 0 if np.hypot(axis[0], axis[1]) > _ROUNDING else int(np.sign(axis[2]))


def _is_matrix(gate: Gate, place: Place) -> bool:
    """Return whether a gate is a matrix without a control."""
    forms = (MatrixForm.GENERAL, MatrixForm.REAL, MatrixForm.CROSS, MatrixForm.LANES)
    return gate.control < 0 and place.path in forms


def group_turns(
    members: Sequence[int], gates: Sequence[Gate], places: Sequence[Place]
) -> list[list[int]]:
    """Return the gates in an order that brings together what runs in one pass, group by group.

    A group is two turns on different qubits, or a phase of two qubits and the turns that follow on both, or one gate of
    any kind. Gates that share a wire keep their order.

    Args:
        members: gates to order.
        gates: all gates of the program.
        places: of all gates.
    """
    waiting: dict[int, list[int]] = {}  # gates of each wire, its next one last
    for g in reversed(members):
        for wire in gates[g].wires:
            waiting.setdefault(wire, []).append(g)

    def take(g: int) -> int:
        for wire in gates[g].wires:
            waiting[wire].pop()
        return g

    def next_turns(wires: Iterable[int]) -> list[int]:
        next_gates = [waiting[wire][-1] for wire in wires if waiting[wire]]
        return [g for g in next_gates if places[g].path in TURNS]

    groups = []
    taken: set[int] = set()
    for g in members:
        if g in taken:
            continue
        group = [take(g)]
        if places[g].path in TURNS:
            group += [take(h) for h in sorted(next_turns(waiting))[:1]]
        elif places[g].path == MatrixForm.PHASE and gates[g].control >= 0:
            turns = next_turns(gates[g].wires)
            if len(turns) == 2:
                group += [take(h) for h in sorted(turns)]
        taken.update(group)
        groups.append(group)
    return groups
