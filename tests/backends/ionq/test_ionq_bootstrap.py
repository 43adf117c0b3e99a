"""The bootstrap over shots against the analytic standard errors, which know nothing of it."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.quantum_info import SparsePauliOp

pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install 'qllmft[ionq]'")

from ionq.helpers import ask, make_problem
from qllmft_backends.ionq import IonQRequestError

REPEATS = 4000  # the standard error of a standard deviation is its 1/sqrt(2 R), 1.1 %


@pytest.mark.parametrize("n_qubits", [3, 4])
def test_standard_errors_by_two_routes(box, forte, n_qubits):
    """Also those of sums, which hold the correlations between qubits."""
    problem = make_problem(4, n_qubits=n_qubits)
    sums = [problem.observables[0] + 0.5 * problem.observables[1], SparsePauliOp("Z" * n_qubits)]
    problem.observables = [*problem.observables, *sums]
    backend = forte(shots=500)
    answer = backend.expectations(problem.circuit, problem.values, problem.observables)
    requests = dict(box.store.requests)
    drawn = backend.resample(problem.circuit, problem.values, problem.observables, REPEATS, seed=1)
    assert drawn.shape == (REPEATS, 4, n_qubits + 2)
    assert dict(box.store.requests) == requests, "from the ledger alone"
    np.testing.assert_allclose(drawn.mean(axis=0), answer.values, atol=5 * answer.standard_errors.max() / REPEATS**0.5)
    np.testing.assert_allclose(drawn.std(axis=0, ddof=1), answer.standard_errors, rtol=0.06)
    again = backend.resample(problem.circuit, problem.values, problem.observables, REPEATS, seed=1)
    assert (again == drawn).all()
    assert (backend.resample(problem.circuit, problem.values, problem.observables, REPEATS) != drawn).any()


def test_the_simulators_shots_too(simulator, problem):
    backend = simulator(shots=800)
    answer = ask(backend, problem)
    drawn = backend.resample(problem.circuit, problem.values, problem.observables, REPEATS)
    np.testing.assert_allclose(drawn.std(axis=0, ddof=1), answer.standard_errors, rtol=0.06)


def test_what_was_never_sent_or_has_no_shots(simulator, forte, problem):
    with pytest.raises(IonQRequestError, match="7 of 7 samples are not in the ledger"):
        forte().resample(problem.circuit, problem.values, problem.observables, 10)
    ask(simulator(), problem)
    with pytest.raises(IonQRequestError, match="exact probabilities have no shots"):
        simulator().resample(problem.circuit, problem.values, problem.observables, 10)
