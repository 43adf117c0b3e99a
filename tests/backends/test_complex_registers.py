"""Complex gates on whole registers and on halves: the same bits on processors with either."""

import subprocess
import sys

import numpy as np
import pytest

# numba compiles the kernels once in a process, for one kind of processor
PROGRAM = """
import sys
import numpy as np
from numba import njit
from qllmft_backends.adjoint.compiled import complex_gates, complex_turns, simd
from qllmft_backends.adjoint.program.complex_lowering import MatrixForm
from qllmft_backends.adjoint.program.turns import GradientSums

target, kind, dtype = sys.argv[1:]
simd.count_pieces = lambda: 1 if kind == "wide" else 2
complex_turns.load_half = simd._load_half if kind == "wide" else simd.load_piece

@njit
def run(s, c, steps, lane_steps, gates, coefficients, sums):
    complex_turns.apply_turn(s, steps[1], coefficients)
    complex_turns.apply_two_turns(s, steps, coefficients)
    complex_turns.apply_two_turns(c, lane_steps, coefficients)
    complex_gates.apply_matrix(c, steps[2], coefficients)
    complex_turns.undo_turn(s, c, steps[1], gates[1, 5], coefficients, sums)
    complex_turns.undo_turn(s, c, lane_steps[2], gates[2, 5], coefficients, sums)
    complex_turns.undo_two_turns(s, c, steps, gates, coefficients, sums)
    complex_turns.undo_two_turns(s, c, lane_steps, gates, coefficients, sums)
    complex_gates.undo_matrix(s, c, steps[2], coefficients, sums)
    return simd.count_piece_lanes(s)

UNREACHED = 1 << 62
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
first = [MatrixForm.TURN, 1, numbers // 2, low, UNREACHED, 0, low, 0, 1, 1]
second = [MatrixForm.TURN, 2, numbers // 2, high, UNREACHED, 0, high, 0, 1, 3]
lane_turn = [MatrixForm.LANE_TURN, 2, numbers, UNREACHED, UNREACHED, 0, width // 2, width // 2, 1, 3]
lane_phase = [MatrixForm.PHASE, 0, numbers // 2, low, UNREACHED, 0, low, 0, 3, 1]
steps = np.array([phase, first, second])
lane_steps = np.array([lane_phase, first, lane_turn])
lanes = run(state, costate, steps, lane_steps, gates, coefficients, sums)
np.savez(target, state=state, costate=costate, sums=sums, lanes=lanes)
"""


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_halves_of_registers_give_the_bits_of_whole_ones(tmp_path, dtype):
    wide_path, narrow_path = (tmp_path / f"{kind}.npz" for kind in ("wide", "narrow"))
    for path in (wide_path, narrow_path):
        subprocess.run([sys.executable, "-c", PROGRAM, str(path), path.stem, dtype], check=True)
    wide = np.load(wide_path)
    narrow = np.load(narrow_path)
    assert wide["lanes"] == 2 * narrow["lanes"]
    for name in ("state", "costate", "sums"):
        assert np.ptp(wide[name]) > 1
        np.testing.assert_array_equal(narrow[name], wide[name])
