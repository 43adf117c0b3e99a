"""Groups of gates on whole registers and on halves: the same bits on processors with either."""

from unittest import mock

import numpy as np
import pytest
from numba import from_dtype, njit, types
from numba.core import config

from qllmft_engine.compiled import fused, fused_undo
from qllmft_engine.compiled.simd import (
    count_lanes,
    has_fused_multiply_add,
    lanes,
    load,
    multiply_add,
    multiply_subtract,
    store,
)
from qllmft_engine.program.schedule import GROUP_GATES, HALF

STRIDES = (4, 16, 2, 64)  # of the group's qubits, in registers


def compile_groups(dtype, *, wide: bool):
    """Return a function that applies a group of any shape, keeps the state, and undoes the group again."""
    pieces = 1 if wide else 2
    with (
        mock.patch.object(fused, "count_pieces", return_value=pieces),
        mock.patch.object(fused_undo, "count_pieces", return_value=pieces),
    ):
        apply = fused.make_apply_group(GROUP_GATES)
        undo = fused_undo.make_undo_group(GROUP_GATES)

        @njit
        def apply_and_undo(s, c, shape, strides, t, applied, sums):
            width = count_lanes(s)
            tangents = load(t, 0), load(t, width), load(t, 2 * width)
            apply(s, shape, strides, tangents)
            for i in range(0, s.size, width):
                store(applied, i, load(s, i))
            zero = load(sums, 0)
            totals = undo(s, c, shape, strides, tangents, (zero, zero, zero, zero, zero, zero))
            for i, total in enumerate(totals):
                store(sums, i * width, total)

        numbers = types.Array(from_dtype(np.dtype(dtype)), 1, "C")
        strides = types.UniTuple(types.intp, len(STRIDES))
        apply_and_undo.compile((numbers, numbers, types.intp, strides, numbers, numbers, numbers))
    apply_and_undo.disable_compile()
    return apply_and_undo


@pytest.fixture(scope="module")
def whole_and_halves():
    """By dtype, the functions that take whole registers and halves of them: each has the groups of all shapes."""
    return {
        dtype: [compile_groups(dtype, wide=wide) for wide in (True, False)]
        for dtype in ("float32", "float64")
    }


def group_results(apply_and_undo, shape, dtype) -> list[np.ndarray]:
    """Return the state after a group, and state, co-state and sums after it is undone again."""
    gates = GROUP_GATES[shape]
    width = lanes(np.dtype(dtype).itemsize)
    strides = tuple(width * stride for stride in STRIDES)
    rng = np.random.default_rng(7)
    state, costate = rng.normal(size=(2, width * 2 * max(STRIDES))).astype(dtype)
    tangents = rng.normal(size=(3, width)).astype(dtype)
    for gate, (_, target) in enumerate(gates):
        if target == HALF:  # both halves hold the same samples
            tangents[gate, : width // 2] = -tangents[gate, width // 2 :]
    applied = np.empty_like(state)
    sums = np.zeros(6 * width, dtype)
    apply_and_undo(state, costate, int(shape), strides, tangents.reshape(-1), applied, sums)
    return [applied, state, costate, sums]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", GROUP_GATES, ids=lambda shape: shape.name)
def test_halves_of_registers_give_the_bits_of_whole_ones(shape, dtype, whole_and_halves):
    by_whole_registers, by_halves = (
        group_results(apply_and_undo, shape, dtype) for apply_and_undo in whole_and_halves[dtype]
    )
    for expected, values in zip(by_whole_registers, by_halves, strict=True):
        np.testing.assert_array_equal(values, expected)


@pytest.mark.skipif(not has_fused_multiply_add(), reason="the processor rounds twice")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_product_and_a_sum_are_rounded_once(dtype):
    """Half a unit in the last place of x·x is lost by two roundings, and kept by one."""
    width = lanes(np.dtype(dtype).itemsize)
    step = np.finfo(dtype).eps
    x = np.full(width, 1 + step, dtype)
    rounded_square = x * x
    remainder = np.full(width, step**2, dtype)  # (1 + e)² = 1 + 2e + e²
    results = np.empty((2, width), dtype)

    @njit
    def compute(x, z, negative_z, results):
        a = load(x, 0)
        store(results, 0, multiply_subtract(a, a, load(z, 0)))
        store(results, a_width, multiply_add(a, a, load(negative_z, 0)))

    a_width = width
    compute(x, rounded_square, -rounded_square, results.reshape(-1))
    np.testing.assert_array_equal(results, [remainder, remainder])


def test_a_processor_is_asked_for_what_it_has(monkeypatch):
    """``NUMBA_CPU_NAME=generic`` gives "", with which no x86-64 processor rounds once."""
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    answers = []
    for features in ("", "+avx2,+fma", "+avx2,-fma"):
        monkeypatch.setattr(config, "CPU_FEATURES", features)
        answers.append(has_fused_multiply_add.__wrapped__())
    assert answers == [False, True, False]
