"""Groups of gates on whole registers and on halves: the same bits on processors with either."""

import numpy as np
import pytest
from numba import njit

from qllmft_backends.adjoint.compiled import fused
from qllmft_backends.adjoint.compiled.simd import lanes, load, store
from qllmft_backends.adjoint.program.schedule import GROUP_GATES, HALF

STRIDES = (4, 16, 2, 64)  # of the group's qubits, in registers


def group_results(gates, dtype, monkeypatch, *, wide: bool) -> list[np.ndarray]:
    """Return the state after a group, and state, co-state and sums after it is undone again."""
    monkeypatch.setattr(fused, "count_pieces", lambda: 1 if wide else 2)
    apply = fused.forward_group(gates)
    undo = fused.backward_group(gates)
    width = lanes(np.dtype(dtype).itemsize)
    n_gates = len(gates)
    n_sums = 2 * n_gates
    strides = tuple(width * stride for stride in STRIDES[: fused.count_outside_qubits(gates)])
    rng = np.random.default_rng(7)
    state, costate = rng.normal(size=(2, width * 2 * max(STRIDES))).astype(dtype)
    tangents = rng.normal(size=(3, width)).astype(dtype)
    for gate, (_, target) in enumerate(gates):
        if target == HALF:  # both halves hold the same samples
            tangents[gate, : width // 2] = -tangents[gate, width // 2 :]
    sums = np.zeros(4 * width, dtype)

    @njit
    def apply_once(s, t):
        group_tangents = (load(t, 0), load(t, width), load(t, 2 * width))
        apply(s, 0, strides, group_tangents[:n_gates])

    @njit
    def undo_once(s, c, t, sums):
        group_tangents = (load(t, 0), load(t, width), load(t, 2 * width))
        zero = load(sums, 0)
        totals = (zero, zero, zero, zero)
        totals = undo(s, c, 0, strides, group_tangents[:n_gates], totals[:n_sums])
        for i, total in enumerate(totals):
            store(sums, i * width, total)

    apply_once(state, tangents.reshape(-1))
    results = [state.copy()]
    if n_gates < 3:
        undo_once(state, costate, tangents.reshape(-1), sums)
        results += [state, costate, sums]
    return results


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", GROUP_GATES, ids=lambda shape: shape.name)
def test_halves_of_registers_give_the_bits_of_whole_ones(shape, dtype, monkeypatch):
    gates = GROUP_GATES[shape]
    whole, halves = (group_results(gates, dtype, monkeypatch, wide=wide) for wide in (True, False))
    for expected, values in zip(whole, halves, strict=True):
        np.testing.assert_array_equal(values, expected)
