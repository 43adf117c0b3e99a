"""The single shots of circuits: read where a job names them, held against the counts, kept in the ledger."""

from __future__ import annotations

from collections import Counter

import pytest

from ionq import TOKEN
from ionq.helpers import (
    ask,
    assert_paid_once,
    assert_recovers,
    assert_right,
    make_problem,
    records_of,
    write_records,
)
from qllmft_backends.remote import JobFailedError, Ledger, LedgerError
from qllmft_backends.sandbox import Fault, MockServer, Store
from qllmft_backends.sandbox.job import StoredJob


def frequencies(shots):
    return {state: n / len(shots) for state, n in Counter(shots).items()}


def stored(backend):
    """By chunk, its results and the counts of its shots as frequencies."""
    ledger = Ledger(backend.options.ledger)
    ledger.refresh()
    for chunk in ledger.chunks.values():
        yield chunk.results, chunk.shots and [shots and frequencies(shots) for shots in chunk.shots]


@pytest.mark.parametrize("style", ["url", "artifacts", "v2"])
@pytest.mark.parametrize("checked", [0, 1000])
def test_shots_of_jobs_that_were_paid_before(box, forte, problem, style, checked):
    box.api.results_form = style
    options = {"known_answer_shots": checked}
    before = ask(forte(**options), problem)
    assert all(shots is None for _, shots in stored(forte()))
    after = ask(forte(per_shot=True, **options), problem)
    assert (after.values == before.values).all()
    assert_paid_once(box, 7, checks=3 if checked else 0)
    for results, counted in stored(forte()):
        assert counted == results
    requests = dict(box.store.requests)
    assert requests["shots"] == 7
    ask(forte(per_shot=True, **options), problem)
    assert dict(box.store.requests) == requests, "from the ledger alone"


@pytest.mark.parametrize(
    ("kind", "on", "message"),
    [
        ("no_shots", "poll", "names no single shots"),
        ("missing", "shots", "there are 999, expected 1000"),
        ("empty", "shots", "there are 0, expected 1000"),
        ("out_of_range", "shots", r"state 8 is outside of 0\.\.7"),
        ("contradiction", "shots", r"state \d is in \d+ of 1000, and its frequency is 0"),
        ("value", "shots", "they are a JSON NoneType, expected a list"),
        ("status", "shots", "answered 404"),
    ],
)
def test_shots_that_cannot_be_used(box, forte, problem, kind, on, message):
    box.faults.arm(Fault(kind, on, times=-1, code=404))
    with pytest.raises(JobFailedError, match=rf"{message}.*Nothing is lost: .*omit per_shot"):
        ask(forte(per_shot=True), problem)
    assert_right(ask(forte(), problem), problem)
    assert_recovers(box, forte, problem, per_shot=True)
    assert all(counted == results for results, counted in stored(forte()))


def test_shots_of_a_job_that_failed_half_way(box, forte, problem):
    box.faults.arm(Fault("job_half_failed", "submit"))
    with pytest.raises(JobFailedError, match="circuits have no result"):
        ask(forte(per_shot=True), problem)
    results, counted = next(stored(forte()))
    assert [result is None for result in results] == [False, True, True]
    assert counted == results


def test_symmetry_verification_discards_shots(box, forte, monkeypatch):
    problem = make_problem(2)
    monkeypatch.setattr(box.store, "_simulate", lambda job: {"0": 0.5, "6": 0.5})
    monkeypatch.setattr(StoredJob, "single_shots", lambda job: ["0", "6"] * 400)
    ask(forte(per_shot=True, symmetry_verification=True), problem)
    with pytest.raises(JobFailedError, match="there are 800, expected 1000"):
        ask(forte(per_shot=True), problem)
    monkeypatch.setattr(StoredJob, "single_shots", lambda job: ["0"] * 500 + ["6"] * 300)
    with pytest.raises(
        JobFailedError, match=r"state 0 is in 500 of 800, and its frequency is 0\.5"
    ):
        ask(forte(per_shot=True, symmetry_verification=True, repetition=1), problem)


def test_a_record_of_shots_that_was_changed_is_told(forte, problem, folder):
    ask(forte(per_shot=True), problem)
    records = records_of(folder)
    shots = next(record for record in records if record["event"] == "shots")["shots"]
    shots[0][0], shots[0][1:] = shots[0][-1], shots[0][:-1]
    write_records(folder, records)
    with pytest.raises(LedgerError, match="shots_sha256 does not fit the shots"):
        ask(forte(), problem)


def test_where_there_are_no_shots_of_one_circuit(forte, simulator):
    with pytest.raises(ValueError, match="debiasing beside per_shot"):
        forte(per_shot=True, error_mitigation="debiasing")
    with pytest.raises(ValueError, match="per_shot without noise"):
        simulator(per_shot=True, shots=100)


def test_the_noisy_simulators_shots(simulator, problem):
    with MockServer(token=TOKEN, store=Store()) as box:
        backend = simulator(url=box.url, per_shot=True, shots=300, noise="forte1")
        ask(backend, problem)
        assert backend.resample(
            problem.circuit, problem.values, problem.observables, 2
        ).single_shots
