"""Complex gates on whole registers and on halves: the same bits on processors with either."""

import subprocess
import sys

import numpy as np

# numba compiles the kernels once in a process, for one kind of processor
PROGRAM = """
import sys
import numpy as np
from numba import njit
from qllmft_backends.adjoint.compiled import complex_gates, simd

target, kind = sys.argv[1:]
simd.count_pieces = lambda: 1 if kind == "wide" else 2
apply = complex_gates._apply_to_pairs
undo = complex_gates._undo_pairs
turn = complex_gates._turn_pair
turn_back = complex_gates._turn_pair_back
general = complex_gates._general_pair
add_all = complex_gates._add_all
add_k_and_turn = complex_gates._add_k_and_turn
add_nothing = complex_gates._add_nothing
add_k_before = complex_gates._add_k_before

@njit
def run(s, c, step, coefficients, sums):
    apply(turn, s, step, coefficients)
    apply(general, c, step, coefficients)
    undo(turn_back, add_k_and_turn, add_k_before, s, c, step, coefficients, sums)
    undo(general, add_all, add_nothing, s, c, step, coefficients, sums)
    return simd.count_piece_lanes(s)

results = {}
for dtype in (np.float32, np.float64):
    random = np.random.default_rng(5)
    width = simd.lanes(np.dtype(dtype).itemsize)
    row = 2 * width
    state, costate = random.normal(size=(2, 128 * row)).astype(dtype)
    coefficients = random.normal(size=8 * width).astype(dtype)
    sums = np.zeros(3 * width, dtype)
    # 64 pairs of rows, 4 rows apart: four parts of `PIECE_PAIRS`
    step = np.array([0, 0, state.size // 2, 4 * row, 1 << 62, 0, 4 * row, 0])
    lanes = run(state, costate, step, coefficients, sums)
    name = np.dtype(dtype).name
    results |= {f"{name} state": state, f"{name} costate": costate, f"{name} sums": sums}
    results[f"{name} lanes"] = lanes
np.savez(target, **results)
"""


def test_halves_of_registers_give_the_bits_of_whole_ones(tmp_path):
    wide_path, narrow_path = (tmp_path / f"{kind}.npz" for kind in ("wide", "narrow"))
    for path in (wide_path, narrow_path):
        subprocess.run([sys.executable, "-c", PROGRAM, str(path), path.stem], check=True)
    wide = np.load(wide_path)
    narrow = np.load(narrow_path)
    for dtype in ("float32", "float64"):
        assert wide[f"{dtype} lanes"] == 2 * narrow[f"{dtype} lanes"]
        for name in (f"{dtype} state", f"{dtype} costate", f"{dtype} sums"):
            assert np.ptp(wide[name]) > 1
            np.testing.assert_array_equal(narrow[name], wide[name])
