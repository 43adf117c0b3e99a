"""A service, or an intruder between it and qllmft, that mixes jobs up: no result passes for another's, nothing is paid
twice. Its answers do not say that they are a mock server's, so the rules for paid machines hold."""

from __future__ import annotations

import json

import pytest
from faulty_server import Fault, MockServer, Store

from ionq import FAST
from ionq.helpers import (
    ask,
    assert_fails,
    assert_paid_once,
    assert_right,
    assert_served,
    fill_a_page,
    make_problem,
    times_paid,
)
from qllmft_backends import create
from qllmft_backends.errors import CostRefusedError
from qllmft_machines.errors import IonQAuthError, JobFailedError, RemoteError, RemoteRequestError
from qllmft_machines.ionq.backend import IonQForte, IonQForteOptions
from qllmft_machines.ionq.token import load_token
from qllmft_machines.sandbox import server

KNOWN = {"known_answer_shots": 1000}


@pytest.fixture
def service(monkeypatch, _simulated_once, _library_named_once):
    monkeypatch.setattr(server, "MOCK_HEADER", "X-Nothing")
    with MockServer(store=Store(qpu_noise="ideal")) as running:
        yield running


@pytest.fixture
def forte(service, folder, prompt_lists):
    """Make an `IonQForte` on the service: 3 circuits a job, none with a known answer."""

    usual = {"circuits_per_job": 3, "known_answer_shots": 0}
    return lambda **options: plain(service, folder, **(usual | options))


def plain(service, folder, **options):
    """An `IonQForte` on the service, by the defaults of jobs and known answers."""
    usual = {"url": service.url, "ledger": folder, "yes": True, **FAST}
    return IonQForte(IonQForteOptions(**(usual | options)))


def test_a_patience_below_the_lag_of_the_list_is_refused(service, problem, folder):
    """The list hides all jobs, and the answer of the first is lost."""
    service.changes["list"] = lambda *_: {"jobs": [], "next": None}
    service.faults.arm(Fault("drop_after", "submit"))
    assert_fails(
        plain(service, folder),
        problem,
        RemoteRequestError,
        r"settle_s is 0\.15 s, expected 60 s or more",
    )
    assert not service.store.jobs
    free = create("ionq_simulator", {"url": service.url, "ledger": folder / "free", **FAST})
    assert_right(ask(free, problem), problem)


@pytest.mark.parametrize("wrong", ["the first job's", "another program's", "nobody's"])
def test_a_wrong_id_of_a_job(service, forte, problem, folder, wrong):
    """The job that carries the client token is adopted."""
    if wrong == "another program's":
        ask(forte(ledger=folder.with_name("others"), circuits_per_job=7), make_problem(7, seed=9))
    n_submitted = service.store.requests["submit"]
    ids = list(service.store.jobs)

    def answer_submission(number, answer):
        ids.append(answer["id"])
        told = "no-such-job" if wrong == "nobody's" else ids[0]
        return answer | ({"id": told} if number == n_submitted + 1 else {})

    service.changes["submit"] = answer_submission
    assert_right(ask(forte(), problem), problem)
    assert_paid_once(service, 7 + 7 * n_submitted)


@pytest.mark.parametrize(
    ("route", "change", "error", "match"),
    [
        (
            "poll",
            lambda number, job: job | {"metadata": {"client_token": "0" * 32}, "name": "another"},
            JobFailedError,
            "is another job: it does not carry the chunk's client token",
        ),
        (
            "estimate",
            lambda number, answer: answer | {"estimated_unit": ("usd", "kusd")[number % 2]},
            RemoteRequestError,
            "is in 'usd', and of a check circuit in 'kusd'",
        ),
        (
            "results",
            lambda number, results: {child: {"0": 0.5004, "6": 0.4996} for child in results},
            JobFailedError,
            "no multiples of 1/1000",
        ),
    ],
    ids=["another token", "two units", "whole_shots"],
)
def test_an_answer_that_cannot_be_right_is_not_used(
    service, forte, problem, route, change, error, match
):
    service.changes[route] = change
    options = KNOWN if route == "estimate" else {}
    assert_fails(forte(**options), problem, error, match)
    assert bool(service.store.jobs) == (route != "estimate")
    service.changes.clear()
    assert_served(service, forte, problem, checks=3 if options else 0, **options)


def test_the_results_of_another_job_are_no_known_answer(service, forte):
    """Its known answer is another one."""
    options = KNOWN | {"circuits_per_job": 7}
    answers = []

    def first_answer(_, results):
        answers.append(results)
        return dict(zip(results, answers[0].values(), strict=True))

    service.changes["results"] = first_answer
    ask(forte(**options), make_problem(7, n_qubits=10))
    with pytest.raises(JobFailedError, match="check circuit came back wrong"):
        ask(forte(**options), make_problem(7, n_qubits=10, seed=5))


@pytest.mark.parametrize("job", [0, 1])
@pytest.mark.parametrize(
    "lie",
    [
        lambda state: state ^ 0b1111111111,
        lambda state: int(f"{state:010b}"[::-1], 2),
        lambda state: state ^ 1,
        lambda state: 0,
    ],
    ids=["flipped", "mirrored", "a qubit", "nothing"],
)
def test_a_lie_about_a_small_job_of_a_call_is_found_out(service, folder, prompt_lists, job, lie):
    """12 circuits in jobs of 6, by the defaults of known answers."""

    def lie_about_states(number, results):
        if number < job:
            return results
        lied = {}
        for child, probabilities in results.items():
            lied[child] = {}
            for state, p in probabilities.items():
                to = str(lie(int(state)))
                lied[child][to] = lied[child].get(to, 0.0) + p
        return lied

    service.changes["results"] = lie_about_states
    backend = plain(service, folder, circuits_per_job=6)
    assert_fails(
        backend, make_problem(12, n_qubits=10), JobFailedError, "check circuit came back wrong"
    )
    assert service.store.totals()["jobs"] == job + 1


@pytest.mark.parametrize("twice", ["state", "circuit"])
def test_a_key_that_is_there_twice(service, forte, problem, twice):
    def repeat_key(_, results):
        text = json.dumps(results)
        circuit_id = min(results)
        half = '{"0": 0.5, "1": 0.5}'
        first = json.dumps(results[circuit_id])
        repeated_key = (
            f'{half[:-1]}, "0": 0.5}}' if twice == "state" else f'{first}, "{circuit_id}": {half}'
        )
        return text.replace(first, repeated_key, 1).encode()

    service.changes["results"] = repeat_key
    assert_fails(forte(retry_s=0.1), problem, RemoteError)
    service.changes.clear()
    assert_served(service, forte, problem)


def test_frequencies_of_combined_circuits_need_not_be_of_whole_shots(service, forte):
    service.changes["results"] = lambda _, results: {
        child: {"0": 0.5004, "6": 0.4996} for child in results
    }
    ask(forte(error_mitigation="debiasing"), make_problem(6))


@pytest.mark.parametrize(("wrong", "refusals"), [(1, 0), (2, 1), (3, 2)])
def test_a_wrong_reading_condemns_no_paid_job(service, forte, problem, wrong, refusals):
    """The results are wrong for the first readings; they are read again before the verdict, and at later calls."""

    def misread(number, results):
        if number >= wrong:
            return results
        return {
            c: {str(int(s) ^ 7): p for s, p in probabilities.items()}
            for c, probabilities in results.items()
        }

    service.changes["results"] = misread
    for _ in range(refusals):
        assert_fails(forte(**KNOWN), problem, JobFailedError, "wrong on the qubits")
    assert_served(service, forte, problem, checks=3, **KNOWN, retry_wrong=True)


def test_times_in_the_list_that_are_behind_the_clock(service, forte, problem):
    """The list is read to its end before a second POST."""

    def list_old_jobs(_, answer):
        old = {"submitted_at": "2020-01-01T00:00:00Z"}
        return answer | {"jobs": [job | old for job in answer["jobs"]]}

    ask(forte(), make_problem(2, seed=3))
    service.changes["list"] = list_old_jobs
    service.faults.arm(Fault("status", "list", code=503, after=1))
    service.faults.arm(Fault("drop_after", "submit"))
    assert_fails(forte(retry_s=0.0), problem, RemoteError, "may have been accepted")
    fill_a_page(service)
    assert_right(ask(forte(), problem), problem)
    assert set(times_paid(service, checked=False)[0]) == {1}


@pytest.mark.parametrize("left_out", [("metadata",), ("metadata", "name")], ids=str)
def test_a_list_without_metadata(service, forte, problem, left_out):
    """The name holds the beginning of the client token; without both nothing is sent."""

    def list_without_metadata(_, answer):
        jobs = [{k: v for k, v in job.items() if k not in left_out} for job in answer["jobs"]]
        return answer | {"jobs": jobs}

    service.changes["list"] = list_without_metadata
    service.faults.arm(Fault("drop_after", "submit"))
    if "name" in left_out:
        assert_fails(forte(), problem, RemoteError, "without metadata and name")
        assert service.store.totals()["jobs"] == 1
        service.changes.clear()
    assert_served(service, forte, problem)


def test_the_price_is_asked_at_each_call(service, forte, problem):
    backend = forte(max_cost=20)
    ask(backend, problem)
    service.changes["estimate"] = lambda _, answer: answer | {"estimated_total_cost": 100.0}
    assert_fails(
        backend,
        make_problem(2, seed=3),
        CostRefusedError,
        r"estimated price is 200\.00 sandbox-credit on top of 0\.50",
    )
    assert_paid_once(service, len(problem.values))


@pytest.mark.parametrize(
    "number", [10**400, 1e308, float("nan"), -1], ids=lambda number: str(number)[:5]
)
@pytest.mark.parametrize(
    "field", ["estimated_total_cost", "current_predicted_queue_time", "cost", "probability"]
)
def test_numbers_without_a_meaning(service, forte, problem, field, number):
    """Of 400 digits, for example, which have no float."""
    if field == "cost":
        service.changes["cost"] = lambda _, answer: {"cost": {"value": number, "unit": "usd"}}
    elif field == "probability":
        service.changes["results"] = lambda _, results: {
            c: {"0": number, "6": 0.5} for c in results
        }
    else:
        service.changes["estimate"] = lambda _, answer: answer | {field: number}
    priced = field == "estimated_total_cost" and number != 1e308
    if not (priced or field == "probability"):
        assert_served(service, forte, problem)
        return
    assert_fails(forte(retry_s=0.1, max_cost=20), problem, RemoteError)
    service.changes.clear()
    assert_served(service, forte, problem)


def test_a_token_file_without_end(tmp_path):
    (tmp_path / "long").write_text("a b\n" * 10_000)
    for path in (tmp_path / "long", type(tmp_path)("/dev/zero")):
        with pytest.raises(IonQAuthError, match="does not hold an API key"):
            load_token(path)
