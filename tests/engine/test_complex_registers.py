"""Complex gates on whole registers and on halves: the same bits on processors with either."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec
from types import ModuleType, SimpleNamespace
from unittest import mock

import numpy as np
import pytest
from numba import float32, njit
from numba.core.dispatcher import Dispatcher
from numba.extending import intrinsic

from qllmft_engine.compiled import complex_gates, complex_turn_pairs, complex_turns, simd
from qllmft_engine.program.complex_lowering import MatrixForm
from qllmft_engine.program.turns import GradientSums

NAMES_OF_PIECES = {"load_piece", "load_half", "count_piece_lanes"}


@contextmanager
def kernels_for(pieces: int) -> Iterator[SimpleNamespace]:
    """Make kernels for one kind of processor.

    Functions that name no piece are those of the package: numba compiles them once for halves of registers, which both
    kinds of processor have.
    """
    count_piece_lanes = intrinsic(simd.count_piece_lanes._defn)
    with mock.patch.multiple(
        simd,
        count_pieces=lambda: pieces,
        count_piece_lanes=count_piece_lanes,
        load_piece=intrinsic(simd.load_piece._defn) if pieces == 1 else simd._load_half,
        load_half=simd._load_half,
    ):
        turns = import_anew(complex_turns)
        with mock.patch.dict(sys.modules, {complex_turns.__name__: turns}):
            turn_pairs = import_anew(complex_turn_pairs)
        yield SimpleNamespace(
            gates=import_anew(complex_gates),
            turns=turns,
            turn_pairs=turn_pairs,
            count_piece_lanes=count_piece_lanes,
        )


def import_anew(imported: ModuleType) -> ModuleType:
    """Return another module of the same source, with functions of its own where they depend on pieces."""
    spec = find_spec(imported.__name__)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, function in vars(imported).items():
        if isinstance(function, Dispatcher) and not names_pieces(function):
            setattr(module, name, function)
    return module


def names_pieces(function: Dispatcher) -> bool:
    """Return whether a function, or one that it calls, names a piece of a register."""
    names = function.py_func.__code__.co_names
    called = [function.py_func.__globals__.get(name) for name in names]
    return not NAMES_OF_PIECES.isdisjoint(names) or any(
        isinstance(function_called, Dispatcher) and names_pieces(function_called)
        for function_called in called
    )


def keep_sums(kernels, add_first, add_second):
    """Compile two turns for one pair of the sums that they may need, not for all nine."""
    undo_costate = kernels.turn_pairs._undo_costate

    @kernels.turn_pairs.part
    def undo_with_these_sums(
        first_needed, second_needed, read, s, c, rows, piece, strides, turns, by_lane, sums
    ):
        undo_costate(add_first, add_second, read, s, c, rows, piece, strides, turns, by_lane, sums)

    kernels.turn_pairs._undo_costate_with_sums = undo_with_these_sums


def run_gates(kernels, dtype) -> tuple[int, list[np.ndarray]]:
    """Return the lanes of a piece; state, co-state and sums after gates are applied and undone."""
    complex_gates = kernels.gates
    complex_turns = kernels.turns
    complex_turn_pairs = kernels.turn_pairs
    count_piece_lanes = kernels.count_piece_lanes
    keep_sums(kernels, complex_turn_pairs.add_all, complex_turn_pairs.add_k_and_turn)
    general = complex_gates._general_pair

    @njit
    def run(s, c, steps, lane_steps, gates, coefficients, sums):
        complex_turns.apply_turn(s, steps[1], coefficients)
        complex_turn_pairs.apply_two_turns(s, steps, coefficients)
        complex_turn_pairs.apply_two_turns(c, lane_steps, coefficients)
        complex_gates._apply_to_pairs(general, c, steps[2], coefficients)
        complex_turns.undo_turn(s, c, steps[1], gates[1, 5], coefficients, sums)
        complex_turns.undo_turn(s, c, lane_steps[2], gates[2, 5], coefficients, sums)
        complex_turn_pairs.undo_two_turns(s, c, steps, gates, coefficients, sums)
        complex_turn_pairs.undo_two_turns(s, c, lane_steps, gates, coefficients, sums)
        complex_gates._undo_pairs(
            general, complex_gates.add_all, s, c, steps[2], coefficients, sums
        )
        return count_piece_lanes(s)

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
    low = 4 * row
    high = 16 * row
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
    with kernels_for(pieces=1) as kernels:
        wide_lanes, wide = run_gates(kernels, dtype)
    with kernels_for(pieces=2) as kernels:
        narrow_lanes, narrow = run_gates(kernels, dtype)
    assert wide_lanes == 2 * narrow_lanes
    for expected, values in zip(wide, narrow, strict=True):
        assert np.ptp(expected) > 1
        np.testing.assert_array_equal(values, expected)


def test_a_piece_is_half_a_register_where_registers_are_narrow():
    array = float32[::1]
    half, _ = simd._load_half._defn(None, array, None)
    for pieces in (1, 2):
        with mock.patch.object(simd, "count_pieces", return_value=pieces):
            piece, _ = simd.load_piece._defn(None, array, None)
        assert (piece == half) is (pieces == 2)
