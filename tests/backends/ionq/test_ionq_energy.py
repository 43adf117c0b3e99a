"""Energy and time that the server measured for paid jobs, the rates of its price, and the limit on a request's size."""

from __future__ import annotations

import pytest

from ionq.helpers import ask, assert_paid_once, assert_right, make_problem, records_of, refused
from qllmft_backends.remote import RemoteRequestError, ledger_jobs
from qllmft_backends.remote.ionq import route
from qllmft_backends.sandbox import Fault, shapes

# of a circuit, by hand: 12 gates on one qubit and 6 on two, 1000 shots
SECONDS = 1000 * (12 * 130e-6 + 6 * 970e-6)


def test_the_measured_energy_of_each_job_is_in_the_ledger(box, forte, problem, folder):
    assert_right(ask(forte(), problem), problem)
    rows = ledger_jobs(folder)
    assert [row.kwh for row in rows] == pytest.approx([n * SECONDS * 20 / 3600 for n in (3, 3, 1)])
    assert [row.billed_us for row in rows] == pytest.approx([1e6 * n * SECONDS for n in (3, 3, 1)])
    assert {
        (row.machine_kw, row.qubits, row.one_qubit_gates, row.two_qubit_gates) for row in rows
    } == {(20.0, 3, 12, 6)}
    collected = [record for record in records_of(folder) if record["event"] == "collected"]
    assert [record["kwh"] for record in collected] == [row.kwh for row in rows]


def test_a_server_that_measures_nothing(box, forte, problem, folder, monkeypatch):
    monkeypatch.setattr(
        shapes, "_stats", lambda job: {"kwh": -1, "billed_quantum_compute_time_us": "x"}
    )
    assert_right(ask(forte(), problem), problem)
    assert {(row.kwh, row.billed_us, row.machine_kw) for row in ledger_jobs(folder)} == {
        (None, None, None)
    }


def test_results_do_not_wait_for_the_power_of_the_machine(box, forte, problem, folder):
    box.faults.arm(Fault("status", "backends", code=500, after=1, times=-1))
    assert_right(ask(forte(retry_s=0.0), problem), problem)
    assert all(row.kwh is not None and row.machine_kw is None for row in ledger_jobs(folder))
    assert_paid_once(box, 7)


def test_simulations_have_no_energy(simulator, problem, folder):
    ask(simulator(), problem)
    assert {row.kwh for row in ledger_jobs(folder)} == {None}


def test_the_price_names_its_rates(box, forte, problem, monkeypatch):
    assert "not binding; billed by gates" in str(forte().estimate(problem.circuit, problem.values))
    monkeypatch.setattr(shapes, "_RATE", {"sku": "a", "unit": "compute_second", "unit_cost": 2.0})
    answer = shapes.estimate
    timed = {"estimated_quantum_compute_time_us": 7_380_000}
    monkeypatch.setattr(shapes, "estimate", lambda *a, **b: answer(*a, **b) | timed)
    text = str(forte().estimate(problem.circuit, problem.values))
    assert "billed by compute_second; 7.38 s of quantum compute time per circuit" in text


def test_a_request_that_is_too_long_is_not_sent(box, forte, monkeypatch):
    problem = make_problem(3)
    monkeypatch.setattr(route, "JOB_MAX_BYTES", 1000)
    with refused(
        box,
        RemoteRequestError,
        r"bytes, and IonQ takes up to 1,000\. Nothing was sent.*circuits_per_job",
    ):
        ask(forte(), problem)
    monkeypatch.setattr(route, "JOB_MAX_BYTES", 10_000_000)
    assert_right(ask(forte(), problem), problem)
    assert_paid_once(box, 3)
