"""A circuit whose answer is known goes first in each paid job; a wrong answer stops the sending."""

from __future__ import annotations

import pytest
from faulty_server import Fault, MockServer, Store, has_known_answer
from qiskit.quantum_info import Statevector

from ionq import TOKEN
from ionq.helpers import (
    ask,
    assert_fails,
    assert_paid_once,
    assert_recovers,
    assert_right,
    assert_served,
    make_problem,
    read_records,
)
from qllmft_backends.errors import CostRefusedError
from qllmft_machines import job_total, ledger_jobs
from qllmft_machines.batch import known_answer_circuit
from qllmft_machines.errors import JobFailedError, JobTimeoutError, RemoteError
from qllmft_machines.ledger.payload import known_answer_state

EACH = 1000 * (12e-6 + 6e-5)
CHECK = 1000 * (3e-6 + 2e-5)  # the mock server's prices of a circuit


@pytest.fixture
def careful(forte):
    return lambda **options: forte(**({"known_answer_shots": 1000} | options))


def sort_jobs(box):
    """Jobs in the order of their sending."""
    parents = [job for job in box.store.jobs.values() if not job.parent]
    return sorted(parents, key=lambda job: job.number)


@pytest.mark.parametrize("n_qubits", range(1, 11))
def test_the_answer_against_qiskit(n_qubits):
    states = {known_answer_state(f"token {n}", n_qubits) for n in range(20)}
    assert len(states) > 1, "another job has another answer"
    state = states.pop()
    circuit = known_answer_circuit(n_qubits, state)
    assert Statevector(circuit).probabilities()[state] == pytest.approx(1)
    assert n_qubits == 1 or f"{state:0{n_qubits}b}" != f"{state:0{n_qubits}b}"[::-1]
    assert circuit.count_ops().get("cx", 0) == n_qubits - 1


def test_why_there_is_none_is_said(careful, problem):
    few = "by default only calls of 10 circuits or more have one"
    for shots, reason in ((0, "known_answer_shots is 0"), (None, few)):
        estimate = careful(known_answer_shots=shots).estimate(problem.circuit, problem.values)
        assert estimate.known_answers == 0
        assert f"No check circuit is sent: {reason}. Set known_answer_shots = 1000" in str(estimate)


def test_a_rehearsal_sends_what_the_device_will_get(box, forte):
    """The mock server's jobs of a call of ten circuits have the check circuits that are sent to IonQ."""
    ten = make_problem(10)
    estimate = forte(circuits_per_job=5).estimate(ten.circuit, ten.values)
    assert (estimate.circuits, estimate.jobs, estimate.known_answers) == (10, 2, 2)
    ask(forte(circuits_per_job=5), ten)
    assert [len(job.circuits) for job in sort_jobs(box)] == [6, 6]
    assert all(has_known_answer(job.circuits[0]) for job in sort_jobs(box))


def test_it_is_the_first_circuit_of_each_job_and_priced(box, careful, problem, folder):
    estimate = careful().estimate(problem.circuit, problem.values)
    assert (estimate.circuits, estimate.jobs, estimate.known_answers) == (7, 3, 3)
    assert estimate.price == pytest.approx(7 * EACH + 3 * CHECK)
    assert (estimate.price_each, estimate.known_price) == pytest.approx((EACH, CHECK))
    assert "Each job begins with a check circuit" in str(estimate)
    assert_right(ask(careful(), problem), problem)
    assert [len(job.circuits) for job in sort_jobs(box)] == [4, 4, 2]
    assert all(has_known_answer(job.circuits[0]) for job in sort_jobs(box))
    rows = ledger_jobs(folder)
    assert [row.circuits for row in rows] == [3, 3, 1]
    assert {(row.known_circuits, row.note) for row in rows} == {(1, "")}
    assert str(job_total(rows)).startswith("3 jobs, 7 circuits and 3 check circuits: ")
    for amounts in ([row.price for row in rows], [row.cost for row in rows]):
        assert sum(amounts) == pytest.approx(7 * EACH + 3 * CHECK)
    # all known, however they were checked
    assert_served(box, careful, problem, checks=3, known_answer_shots=0)


def test_the_first_job_is_awaited_before_the_rest_is_sent(box, careful, problem):
    submitted = box.store.submit
    statuses = []

    def submit(*given, **named):
        statuses.append([job.status for job in sort_jobs(box)])
        return submitted(*given, **named)

    box.store.submit = submit
    careful().submit(problem.circuit, problem.values)
    assert statuses[:2] == [[], ["completed"]]
    assert len(statuses) == 3


def err(box, monkeypatch, change):
    """Each basis state of an answer becomes another one."""
    simulate = box.store._simulate

    def wrong(job):
        return {str(change(int(s))): p for s, p in simulate(job).items()}

    monkeypatch.setattr(box.store, "_simulate", wrong)


def test_a_wrong_answer_stops_the_sending(box, careful, problem, folder, monkeypatch):
    with monkeypatch.context() as patch:
        err(box, patch, lambda state: state ^ 2)
        assert_fails(
            careful(),
            problem,
            JobFailedError,
            r"job \S+\): .*wrong on the qubits \[1\]\. .*the server: none\.",
        )
        assert_paid_once(box, 3, checks=1)
        # known to be wrong: neither used nor paid again
        for options in ({}, {"known_answer_shots": 0}):
            assert_fails(
                careful(**options),
                problem,
                JobFailedError,
                r"results of 3 circuits .* are not used. No further job",
            )
        with pytest.raises(JobFailedError, match="wrong on the qubits"):
            careful().resample(problem.circuit, problem.values[:3], problem.observables, 10)
        assert_paid_once(box, 3, checks=1)
        (row,) = ledger_jobs(folder)
        assert row.state == "collected"
        assert "wrong on the qubits [1]" in row.note
    assert_right(ask(careful(retry_wrong=True), problem), problem)
    assert box.store.totals()["circuits_paid"] == 4 + 10
    assert_right(ask(careful(), problem), problem)
    assert len(sort_jobs(box)) == 4


def test_a_later_job_is_judged_when_it_is_collected(box, careful, problem, monkeypatch):
    """The second job errs while the third never ends; the jobs of the first call stop the second call's sending."""
    right = box.store._simulate
    err(box, monkeypatch, lambda state: state ^ 4)
    wrong = box.store._simulate
    monkeypatch.setattr(
        box.store, "_simulate", lambda job: (wrong if job.number in range(5, 10) else right)(job)
    )
    box.faults.arm(Fault("never_ends", "submit", after=2))
    assert_fails(careful(deadline_s=1.0, poll_interval_s=0.1), problem, JobTimeoutError)
    larger_problem = make_problem(9)
    assert_fails(
        careful(),
        larger_problem,
        JobFailedError,
        rf"wrong on the qubits \[2\].*1 job: {sort_jobs(box)[2].id}\. To stop them",
    )
    assert len(sort_jobs(box)) == 3
    first = careful().expectations(problem.circuit, problem.values[:3], problem.observables)
    assert first.values.shape == (3, 3)


def test_noise_is_no_wrong_answer(careful):
    problem = make_problem(2, n_qubits=8)
    with MockServer(token=TOKEN, store=Store(qpu_noise="forte-1")) as box:
        assert ask(careful(url=box.url), problem).values.shape == (2, 8)
        assert box.store.totals()["jobs"] == 1


def test_interrupted_while_it_is_under_way(box, careful, problem):
    box.faults.arm(Fault("never_ends", "submit"))
    for _ in range(2):
        assert_fails(careful(deadline_s=0.5, poll_interval_s=0.1), problem, JobTimeoutError)
    (job,) = sort_jobs(box)  # still awaited
    job.outcome = ""
    box.store._worker.submit(box.store._work, job).result()
    assert_served(box, careful, problem, checks=3)


@pytest.mark.parametrize("fate", ["job_failed", "job_half_failed"])
def test_a_first_job_that_failed_stops_too(box, careful, problem, fate):
    box.faults.arm(Fault(fate, "submit"))
    assert_fails(
        careful(),
        problem,
        JobFailedError,
        r"whose check circuit was awaited, failed: .*No further job was",
    )
    assert len(sort_jobs(box)) == 1
    assert_served(box, careful, problem, checks=3, retry_failed=True)


def test_ceilings_count_it(box, careful, problem):
    with pytest.raises(CostRefusedError, match="7 more circuits and 3 check circuits make 10"):
        ask(careful(circuit_budget=9), problem)
    with pytest.raises(CostRefusedError, match="above max_cost"):
        ask(careful(max_cost=7 * EACH + 2 * CHECK), problem)
    assert sort_jobs(box) == []
    backend = careful(circuit_budget=10, max_cost=7 * EACH + 3 * CHECK + 1e-9)
    ask(backend, problem)
    assert_fails(backend, make_problem(1, seed=2), CostRefusedError, "make 12")


@pytest.mark.usefixtures("prompt_lists")
def test_real_machines_get_one_in_calls_of_ten_circuits_or_more(careful, folder, monkeypatch):
    """A server that does not say that it is the mock server."""
    from qllmft_machines.sandbox import server

    monkeypatch.setattr(server, "MOCK_HEADER", "X-Other")
    with MockServer(token=TOKEN, store=Store(qpu_noise="ideal")) as box:
        cases = [(10, None, 1000), (10, 0, 1000), (10, None, 10), (9, None, 1000)]
        cases += [(1, None, 1000), (1, 1000, 1000), (12, None, 1000)]
        for seed, (samples, known_answer_shots, shots) in enumerate(cases):
            size = {"circuits_per_job": 6 if samples == 12 else 50, "shots": shots}
            backend = careful(url=box.url, known_answer_shots=known_answer_shots, **size)
            ask(backend, make_problem(samples, seed=seed))
        for number, shots in enumerate((19, 20)):  # of a job, whatever those of the call
            usual = careful(url=box.url, known_answer_shots=None, circuits_per_job=50)
            ask(usual.in_round(shots, number), make_problem(10))
        assert [len(job.circuits) for job in sort_jobs(box)] == [11, 10, 10, 9, 1, 2, 7, 7, 10, 11]
        assert [row.known_circuits for row in ledger_jobs(folder)] == [1, 0, 0, 0, 0, 1, 1, 1, 0, 1]


@pytest.mark.usefixtures("prompt_lists")
def test_a_job_that_may_be_accepted_late_is_sent_again_as_it_was(forte, folder, monkeypatch):
    """The second job of a call was refused: the next call, of less than ten circuits, sends it with its answer."""
    from qllmft_machines.sandbox import server

    monkeypatch.setattr(server, "MOCK_HEADER", "X-Other")
    problem = make_problem(12)
    with MockServer(token=TOKEN, store=Store(qpu_noise="ideal")) as box:
        usual = {"url": box.url, "circuits_per_job": 10, "retry_s": 0.0}
        box.faults.arm(Fault("status", "submit", code=500, after=1, times=-1))
        assert_fails(forte(**usual), problem, RemoteError)
        assert_recovers(box, forte, problem, checks=2, **usual)
        assert [len(job.circuits) for job in sort_jobs(box)] == [11, 3]
        sent_records = [record for record in read_records(folder) if record["event"] == "sent"]
        assert len({record["client_token"] for record in sent_records}) == 2
