"""Counts to expectation values: against the shots written out one by one."""

import numpy as np
import pytest
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends import BackendError
from qllmft_backends.observables import ZObservables, expectations, expectations_from_counts

OPERATORS = [
    SparsePauliOp("IIIZ"),
    SparsePauliOp("ZIII"),
    SparsePauliOp("ZZIZ"),
    SparsePauliOp(["IIII", "IZZI", "IIIZ"], [0.5, 2.0, -1.0]),
]


def test_every_observable_is_the_mean_over_the_same_shots():
    rng = np.random.default_rng(0)
    shots = rng.integers(0, 2, (300, 4))  # column q: bit of qubit q
    outcomes = shots @ [1, 2, 4, 8]
    counts = {int(o): int((outcomes == o).sum()) for o in np.unique(outcomes)}
    s = 1 - 2 * shots
    per_shot = np.stack(
        [s[:, 0], s[:, 3], s[:, 3] * s[:, 2] * s[:, 0], 0.5 + 2 * s[:, 2] * s[:, 1] - s[:, 0]],
        axis=1,
    )
    sums = ZObservables.from_operators(OPERATORS, 4)
    answer = expectations_from_counts([counts], sums)
    np.testing.assert_allclose(answer.values, [per_shot.mean(axis=0)])
    np.testing.assert_allclose(
        answer.standard_errors, [per_shot.std(axis=0, ddof=1) / np.sqrt(300)]
    )
    frequencies = {outcome: n / 300 for outcome, n in counts.items()}
    of_machine = expectations([frequencies], 300, sums)
    np.testing.assert_allclose(of_machine.values, answer.values, atol=1e-12)
    np.testing.assert_allclose(of_machine.standard_errors, answer.standard_errors, atol=1e-12)


def test_few_shots_say_what_they_can():
    sums = ZObservables.from_operators(OPERATORS, 4)
    answer = expectations_from_counts([{0b1000: 1}, {0b1000: 50}], sums)
    np.testing.assert_array_equal(answer.values, [[1, -1, -1, 1.5]] * 2)
    # one shot tells nothing about its error
    np.testing.assert_array_equal(answer.standard_errors, [[np.inf] * 4, [0] * 4])
    for nothing in ({}, {0b1000: 0}):
        with pytest.raises(BackendError, match="counts of no shots, expected one or more"):
            expectations_from_counts([nothing], sums)


def test_bits_above_the_32nd_count_too():
    string = SparsePauliOp.from_sparse_list([("ZZ", [0, 35], 1.0)], 36)
    sums = ZObservables.from_operators([string], 36)
    answer = expectations_from_counts([{1 << 35: 3, (1 << 35) + 1: 1}], sums)
    assert answer.values == pytest.approx(-0.5)
