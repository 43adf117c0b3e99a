"""Complex gates on whole registers and on halves: the same bits on processors with either."""

import sys
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
from numba import njit


def import_kernels(pieces: int) -> SimpleNamespace:
    """Import modules of their own for one kind of processor: numba compiles their kernels once, for that one."""
    with mock.patch.dict(sys.modules):
        for name in [name for name in sys.modules if name.startswith("qllmft_backends")]:
            del sys.modules[name]
        from qllmft_backends.adjoint.compiled import complex_gates, complex_turns, simd
        from qllmft_backends.adjoint.program.complex_lowering import MatrixForm
        from qllmft_backends.adjoint.program.turns import GradientSums
    simd.count_pieces = lambda: pieces
    complex_turns.load_half = simd._load_half if pieces == 1 else simd.load_piece
    return SimpleNamespace(
        gates=complex_gates,
        turns=complex_turns,
        simd=simd,
        MatrixForm=MatrixForm,
        GradientSums=GradientSums,
    )


def keep_sums(kernels, add_first, add_second):
    """Compile two turns for one pair of the sums that they may need, not for all nine."""
    undo_costate = kernels.turns._undo_costate

    @kernels.turns.part
    def undo_with_these_sums(
        first_needed, second_needed, read, s, c, rows, piece, strides, turns, by_lane, sums
    ):
        undo_costate(add_first, add_second, read, s, c, rows, piece, strides, turns, by_lane, sums)

    kernels.turns._undo_costate_with_sums = undo_with_these_sums


def results_of(kernels, dtype) -> tuple[int, list[np.ndarray]]:
    """Return the lanes of a piece; state, co-state and sums after gates are applied and undone."""
    complex_gates, complex_turns, simd = kernels.gates, kernels.turns, kernels.simd
    MatrixForm, GradientSums = kernels.MatrixForm, kernels.GradientSums
    keep_sums(kernels, complex_turns.add_all, complex_turns.add_k_and_turn)
    general = complex_gates._general_pair

    @njit
    def run(s, c, steps, lane_steps, gates, coefficients, sums):
        complex_turns.apply_turn(s, steps[1], coefficients)
        complex_turns.apply_two_turns(s, steps, coefficients)
        complex_turns.apply_two_turns(c, lane_steps, coefficients)
        complex_gates._apply_to_pairs(general, c, steps[2], coefficients)
        complex_turns.undo_turn(s, c, steps[1], gates[1, 5], coefficients, sums)
        complex_turns.undo_turn(s, c, lane_steps[2], gates[2, 5], coefficients, sums)
        complex_turns.undo_two_turns(s, c, steps, gates, coefficients, sums)
        complex_turns.undo_two_turns(s, c, lane_steps, gates, coefficients, sums)
        complex_gates._undo_pairs(
            general, complex_gates.add_all, s, c, steps[2], coefficients, sums
        )
        return simd.count_piece_lanes(s)

    unreached = 1 << 62
    random = np.random.default_rng(5)
    width = simd.lanes(np.dtype(dtype).itemsize)
    row = 2 * width
    numbers = 128 * row
    state, costate = random.normal(size=(2, numbers)).astype(dtype)
    coefficients = random.normal(size=3 * 8 * width).astype(dtype)
    sums = np.zeros(3 * 3 * width, dtype)
    gates = np.zeros((3, 7), np.int64)
    gates[:, 5] = GradientSums.ALL, GradientSums.ALL, GradientSums.TURN_BEFORE
    low, high = 4 * row, 16 * row
    # of a phase and of turns on the qubits of both strides, see `ComplexPlan.steps`
    phase = [MatrixForm.PHASE, 0, numbers // 4, low, high, low, high, 0, 3, 1]
    first = [MatrixForm.TURN, 1, numbers // 2, low, unreached, 0, low, 0, 1, 1]
    second = [MatrixForm.TURN, 2, numbers // 2, high, unreached, 0, high, 0, 1, 3]
    lane_turn = [
        MatrixForm.LANE_TURN, 2, numbers, unreached, unreached, 0, width // 2, width // 2, 1, 3
    ]  # fmt: skip
    lane_phase = [MatrixForm.PHASE, 0, numbers // 2, low, unreached, 0, low, 0, 3, 1]
    steps = np.array([phase, first, second])
    lane_steps = np.array([lane_phase, first, lane_turn])
    lanes = run(state, costate, steps, lane_steps, gates, coefficients, sums)
    return lanes, [state, costate, sums]


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_halves_of_registers_give_the_bits_of_whole_ones(dtype):
    wide_lanes, wide = results_of(import_kernels(pieces=1), dtype)
    narrow_lanes, narrow = results_of(import_kernels(pieces=2), dtype)
    assert wide_lanes == 2 * narrow_lanes
    for expected, values in zip(wide, narrow, strict=True):
        assert np.ptp(expected) > 1
        np.testing.assert_array_equal(values, expected)
