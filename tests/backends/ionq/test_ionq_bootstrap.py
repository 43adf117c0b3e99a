"""The bootstrap over shots against the analytic standard errors, which know nothing of it."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.quantum_info import SparsePauliOp

from ionq.helpers import ask, make_problem
from qllmft_backends.remote import RemoteRequestError

REPEATS = 1500  # the standard error of a standard deviation is its 1/sqrt(2 R), 1.8 %


@pytest.mark.parametrize("per_shot", [False, True])
def test_standard_errors_by_two_routes(box, forte, per_shot):
    """Also those of sums, which hold the correlations between qubits."""
    n_qubits = 4
    problem = make_problem(4, n_qubits=n_qubits)
    sums = [problem.observables[0] + 0.5 * problem.observables[1], SparsePauliOp("Z" * n_qubits)]
    problem.observables = [*problem.observables, *sums]
    backend = forte(shots=500, per_shot=per_shot)
    answer = backend.expectations(problem.circuit, problem.values, problem.observables)
    requests = dict(box.store.requests)
    found = backend.resample(problem.circuit, problem.values, problem.observables, REPEATS, seed=1)
    assert found.single_shots == per_shot
    drawn = found.values
    assert drawn.shape == (REPEATS, 4, n_qubits + 2)
    assert dict(box.store.requests) == requests, "from the ledger alone"
    np.testing.assert_allclose(
        drawn.mean(axis=0), answer.values, atol=5 * answer.standard_errors.max() / REPEATS**0.5
    )
    np.testing.assert_allclose(drawn.std(axis=0, ddof=1), answer.standard_errors, rtol=0.09)
    again = backend.resample(problem.circuit, problem.values, problem.observables, REPEATS, seed=1)
    assert (again.values == drawn).all()
    assert (
        backend.resample(problem.circuit, problem.values, problem.observables, REPEATS).values
        != drawn
    ).any()


def test_of_the_shots_and_of_their_counts(forte, problem):
    """The same paid jobs: their shots are read afterwards."""

    def drawn(backend):
        return backend.resample(problem.circuit, problem.values, problem.observables, REPEATS)

    ask(forte(), problem)
    counts = drawn(forte())
    ask(forte(per_shot=True), problem)
    shots = drawn(forte())
    assert (counts.single_shots, shots.single_shots) == (False, True)
    errors = counts.values.std(axis=0, ddof=1)
    apart = np.abs(shots.values.mean(axis=0) - counts.values.mean(axis=0))
    assert apart.max() < 5 * errors.max() * (2 / REPEATS) ** 0.5
    np.testing.assert_allclose(shots.values.std(axis=0, ddof=1), errors, rtol=0.11)


def test_the_simulators_shots_too(simulator, problem):
    backend = simulator(shots=800)
    answer = ask(backend, problem)
    drawn = backend.resample(problem.circuit, problem.values, problem.observables, REPEATS).values
    np.testing.assert_allclose(drawn.std(axis=0, ddof=1), answer.standard_errors, rtol=0.09)


def test_what_was_never_sent_or_has_no_shots(simulator, forte, problem):
    with pytest.raises(RemoteRequestError, match="7 of 7 samples are not in the ledger"):
        forte().resample(problem.circuit, problem.values, problem.observables, 10)
    ask(simulator(), problem)
    with pytest.raises(RemoteRequestError, match="exact probabilities have no shots"):
        simulator().resample(problem.circuit, problem.values, problem.observables, 10)
