"""What is sent: in how many jobs, from which object, and what is refused before anything is sent."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from ionq.helpers import ask, assert_paid_once, assert_right, make_problem, refused
from qllmft_backends import BackendError, UnsupportedGateError
from qllmft_backends.remote import Ledger, RemoteRequestError
from qllmft_backends.sandbox import Fault


def test_submit_and_collect_from_two_objects(forte, problem):
    submission = forte().submit(problem.circuit, problem.values)
    assert len(submission.job_ids) == 3
    assert submission.estimate.circuits == 7
    again = forte().submit(problem.circuit, problem.values)
    assert (again.job_ids, again.estimate.circuits, again.estimate.known) == (
        submission.job_ids,
        0,
        7,
    )
    assert_right(forte().collect(problem.circuit, problem.values, problem.observables), problem)


def test_a_call_searches_the_ledger_once(forte, problem, monkeypatch):
    searches, find = [], Ledger.find
    monkeypatch.setattr(
        Ledger, "find", lambda *given, **options: searches.append(given) or find(*given, **options)
    )
    for known in (1, 2):  # first all circuits are sent, then none
        ask(forte(), problem)
        assert len(searches) == known


def test_collecting_what_was_never_submitted(box, forte, problem):
    with refused(box, RemoteRequestError, "7 of 7 samples are not in the ledger"):
        forte().collect(problem.circuit, problem.values, problem.observables)


def test_chunks_of_one_and_of_all(box, forte, problem):
    assert_right(ask(forte(circuits_per_job=1), problem), problem)
    assert {j.payload["type"] for j in box.store.jobs.values()} == {"ionq.circuit.v1"}
    assert_right(ask(forte(circuits_per_job=50, repetition=1), problem), problem)
    assert box.store.totals()["jobs"] == 8


def test_the_jobs_of_a_full_project_are_searched_page_by_page(box, forte, problem):
    """More jobs than a page holds, and children among them."""
    ask(forte(circuits_per_job=1), make_problem(30, seed=7))
    box.faults.arm(Fault("drop_after", "submit"))
    ask(forte(circuits_per_job=50), make_problem(30, seed=8))
    assert box.store.totals()["jobs"] == 31
    assert_paid_once(box, 60)


@pytest.mark.parametrize(
    ("build", "error", "match"),
    [
        (lambda c: c.ccx(0, 1, 2), UnsupportedGateError, "gate 0 .* is 'ccx'.*aer_statevector"),
        (lambda c: c.p(0.1, 0), UnsupportedGateError, "is 'p'"),
        (lambda c: c.measure_all(), RemoteRequestError, "Remove the measurements"),
    ],
)
def test_circuits_that_cannot_be_sent(box, forte, build, error, match):
    circuit = QuantumCircuit(3)
    build(circuit)
    with pytest.raises(error, match=match):
        forte().expectations(circuit, np.empty((1, 0)), [SparsePauliOp("ZII")])
    assert box.store.totals()["requests"] == {}


@pytest.mark.parametrize(
    ("values", "observable", "error", "match"),
    [
        (np.zeros((7, 3)), "ZII", BackendError, r"have shape \(7, 3\), expected \(B, "),
        (np.diag([0, np.nan]) @ np.ones((2, 9)), "ZII", BackendError, "in row 1 is nan"),
        (np.zeros((7, 9)), "XII", UnsupportedGateError, "expected strings of I and Z"),
    ],
)
def test_values_and_observables_that_do_not_fit(
    box, forte, problem, values, observable, error, match
):
    with refused(box, error, match):
        forte().expectations(problem.circuit, values, [SparsePauliOp(observable)])


@pytest.mark.parametrize(("name", "limit"), [("forte", 36), ("simulator", 29)])
def test_limits_are_checked_before_anything_is_sent(box, request, name, limit):
    backend = request.getfixturevalue(name)()
    with refused(box, RemoteRequestError, f"{limit + 1} qubits and ionq_{name} takes {limit}"):
        backend.expectations(QuantumCircuit(limit + 1), np.empty((1, 0)), [])
    assert backend.capabilities.paid == (name == "forte")
    assert backend.capabilities.max_shots == (10_000 if name == "forte" else None)


def test_a_machine_smaller_than_its_name_promises(box, forte, problem, monkeypatch):
    from qllmft_backends.sandbox import store

    monkeypatch.setitem(store.BACKENDS, "qpu.forte-1", 2)
    with refused(box, RemoteRequestError, r"3 qubits and qpu\.forte-1 has 2"):
        ask(forte(), problem)


def test_the_list_of_machines_is_the_servers(box, forte, problem):
    backend = forte(target="tempo-1")
    assert backend.capabilities.max_qubits is None
    assert_right(ask(backend, problem), problem)
    assert {job.backend for job in box.store.jobs.values()} == {"qpu.tempo-1"}
    with refused(
        box,
        RemoteRequestError,
        r"no machine qpu\.unknown-9.*target: forte-1, forte-enterprise-1, tempo-1",
    ):
        ask(forte(target="unknown-9"), problem)
