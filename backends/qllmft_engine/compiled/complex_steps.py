"""Steps of a complex program, one after the other: forward, and undone with the sums of a gradient."""

from __future__ import annotations

from qllmft_engine.compiled.complex_gates import (
    FLIP,
    LANE_TURN,
    LANES,
    PHASE,
    TURN,
    apply_matrix,
    apply_phase,
    apply_to_lanes,
    exchange_rows,
    undo_matrix,
    undo_on_lanes,
    undo_phase,
)
from qllmft_engine.compiled.complex_turn_pairs import (
    apply_two_turns,
    run_as_one,
    undo_two_turns,
)
from qllmft_engine.compiled.complex_turns import apply_turn, undo_turn
from qllmft_engine.compiled.parts import part
from qllmft_engine.program.turns import GradientSums

_SUMS_NONE = int(GradientSums.NONE)


@part
def _apply_step(s, step, coefficients, is_full):
    """Apply one gate to the rows ``s``."""
    path = step[0]
    if path in (TURN, LANE_TURN) and not is_full[step[1]]:
        apply_turn(s, step, coefficients)
    elif path in (LANES, LANE_TURN):
        apply_to_lanes(s, step, coefficients)
    elif path == PHASE:
        apply_phase(s, step, coefficients)
    elif path == FLIP:
        exchange_rows(s, step)
    else:
        apply_matrix(s, step, coefficients)


@part
def _undo_step(s, c, step, needed_sums, coefficients, is_full, by_lane):
    """Undo one gate on state and co-state, and add its terms to its sums."""
    path = step[0]
    if path in (TURN, LANE_TURN) and not is_full[step[1]]:
        undo_turn(s, c, step, needed_sums, coefficients, by_lane)
    elif needed_sums == _SUMS_NONE:  # the coefficients are those of the inverse
        _apply_step(s, step, coefficients, is_full)
        _apply_step(c, step, coefficients, is_full)
    elif path in (LANES, LANE_TURN):
        undo_on_lanes(s, c, step, coefficients, by_lane)
    elif path == PHASE:
        undo_phase(s, c, step, coefficients, by_lane)
    else:
        undo_matrix(s, c, step, coefficients, by_lane)


@part
def forward_steps(s, steps, coefficients, is_full):
    """Run steps on a state, the first one first.

    Args:
        s: state of a whole chunk or of a gathered block, contiguous rows of two registers; changed
            in place.
        steps: (n, 10) int64 rows of `ComplexPlan.steps`.
        coefficients: (8·N·width,) registers of the gates, see `spread_matrices`.
        is_full: (N,) bool, see `spread_matrices`.
    """
    n = 0
    while n < steps.shape[0]:
        group = steps[n : n + steps[n, 8]]
        if run_as_one(group, is_full):
            apply_two_turns(s, group, coefficients)
            n += group.shape[0]
        else:
            _apply_step(s, steps[n], coefficients, is_full)
            n += 1


@part
def backward_steps(s, c, steps, gates, coefficients, is_full, by_lane):
    """Undo the same steps on state ``s`` and co-state ``c``, the last one first.

    Args:
        s: state of a whole chunk or of a gathered block, contiguous rows of two registers; changed
            in place.
        c: co-state of the same shape, changed in place.
        steps: (n, 10) int64 rows of `ComplexPlan.steps`.
        gates: (N, 7) int64 `ComplexPlan.gates`, all of them.
        coefficients: (8·N·width,) registers of the inverses, see `spread_matrices`.
        is_full: (N,) bool, see `spread_matrices`.
        by_lane: (3·N·width,); the sums K, X and Y of the gates with a parameter are added.
    """
    stop = steps.shape[0]
    while stop:
        group = steps[stop - steps[stop - 1, 9] : stop]
        if run_as_one(group, is_full):
            undo_two_turns(s, c, group, gates, coefficients, by_lane)
            stop -= group.shape[0]
        else:
            stop -= 1
            step = steps[stop]
            _undo_step(s, c, step, gates[step[1], 5], coefficients, is_full, by_lane)
