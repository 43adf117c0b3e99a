"""Counts to expectation values: against the shots written out one by one."""

import numpy as np
import pytest
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends import BackendError
from qllmft_backends.counts import expectations_from_counts, expectations_from_frequencies
from qllmft_backends.z_observables import ZObservables

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
    values, errors = expectations_from_counts(counts, ZObservables.from_operators(OPERATORS, 4))
    np.testing.assert_allclose(values, per_shot.mean(axis=0))
    np.testing.assert_allclose(errors, per_shot.std(axis=0, ddof=1) / np.sqrt(300))


@pytest.mark.parametrize(
    "of",
    [
        expectations_from_counts,
        lambda found, sums: expectations_from_frequencies(found, sum(found.values()), sums),
    ],
)
def test_few_shots_say_what_they_can(of):
    sums = ZObservables.from_operators(OPERATORS, 4)
    values, errors = of({0b1000: 1}, sums)
    np.testing.assert_array_equal(values, [1, -1, -1, 1.5])
    assert np.isinf(errors).all()  # one shot tells nothing about its error
    for nothing in ({}, {0b1000: 0}):
        with pytest.raises(BackendError, match="counts of no shots, expected one or more"):
            of(nothing, sums)
    assert not expectations_from_counts({0b1000: 50}, sums)[1].any()


def test_bits_above_the_32nd_count_too():
    sums = ZObservables.from_operators(
        [SparsePauliOp.from_sparse_list([("ZZ", [0, 35], 1.0)], 36)], 36
    )
    assert expectations_from_counts({1 << 35: 3, (1 << 35) + 1: 1}, sums)[0] == pytest.approx(
        [-0.5]
    )


@pytest.mark.parametrize("shots", [2, 7, 300])
def test_frequencies_give_what_the_counts_behind_them_do(shots):
    drawn = np.random.default_rng(1).multinomial(shots, [0.4, 0.1, 0.2, 0.3])
    counts = dict(zip([0b0000, 0b1001, 0b0110, 0b1111], drawn.tolist(), strict=True))
    sums = ZObservables.from_operators(OPERATORS, 4)
    expected = expectations_from_counts(counts, sums)
    got = expectations_from_frequencies({o: n / shots for o, n in counts.items()}, shots, sums)
    np.testing.assert_array_equal(got, expected)
