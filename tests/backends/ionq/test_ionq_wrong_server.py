"""A server, or somebody on the way to it, that mixes jobs up: no result passes for another's, nothing is paid twice."""

from __future__ import annotations

import pytest

from ionq.helpers import (
    ask,
    assert_recovers,
    assert_right,
    assert_served,
    await_jobs,
    make_problem,
    records_of,
    refused,
    write_records,
)
from qllmft_backends import UnknownBackendError, create
from qllmft_backends.ionq import CostRefusedError, IonQAuthError, IonQError, IonQJobFailedError, IonQRequestError
from qllmft_backends.ionq.answer import Answer
from qllmft_backends.ionq.mock_server import Fault, api
from qllmft_backends.ionq.token import load_token


@pytest.fixture
def change(box, monkeypatch):
    """Change each answer of one of the mock server's handlers: by a function of its number, from 0, and the answer."""

    def install(handler, changed):
        original, numbers = getattr(box.api, f"_{handler}"), iter(range(10_000))
        monkeypatch.setattr(box.api, f"_{handler}", lambda *a, **b: changed(next(numbers), original(*a, **b)))

    return install


@pytest.mark.parametrize("wrong", ["the first job's", "another program's", "nobody's"])
def test_a_wrong_id_of_a_job(box, forte, problem, folder, change, wrong):
    """The job that carries the client token is adopted."""
    ids = {"nobody's": "no-such-job", "another program's": None, "the first job's": None}
    if wrong == "another program's":
        ask(forte(ledger=folder.with_name("others"), circuits_per_job=7), make_problem(7, seed=9))
        ids[wrong] = next(job.id for job in box.store.jobs.values() if not job.parent)

    def submitted(number, answer):
        ids["the first job's"] = ids["the first job's"] or answer["id"]
        return answer | ({"id": ids[wrong]} if number == 1 else {})

    before = box.store.totals()["circuits_paid"]
    change("submit", submitted)
    assert_right(ask(forte(), problem), problem)
    assert box.store.totals()["circuits_paid"] == before + 7
    assert max(box.store.totals()["times"].values()) == 1


def test_a_job_that_carries_another_token_is_not_read(box, forte, problem, change):
    other = {"client_token": "0" * 32, "ledger": "another"}
    with pytest.MonkeyPatch.context() as patch:
        describe = api.job_description
        patch.setattr(api, "job_description", lambda *given: describe(*given) | {"metadata": other})
        with pytest.raises(IonQJobFailedError, match="is another job: it does not carry the chunk's client token"):
            ask(forte(), problem)
    assert_served(box, forte, problem)


def test_the_results_of_another_job_are_no_known_answer(box, forte, monkeypatch):
    """Its known answer is another one."""
    problem, given = make_problem(7, n_qubits=10), {"known_answer_shots": 1000, "circuits_per_job": 7}
    first = forte(**given)
    ask(first, problem)
    results, own = box.api._results, next(job for job in box.store.jobs.values() if job.children)

    def of_the_first(request, job_id, aggregated=False):
        answer = results(request, own.id, aggregated)
        return dict(zip(box.store.get(job_id).children, answer.values(), strict=True))

    monkeypatch.setattr(box.api, "_results", of_the_first)
    with pytest.raises(IonQJobFailedError, match="known answer came back wrong"):
        ask(forte(**given), make_problem(7, n_qubits=10, seed=5))


@pytest.mark.parametrize("content", [b'{"0": 0.5, "0": 0.5}', b'[{"id": "a", "id": "b"}]'])
def test_a_key_that_is_there_twice(content):
    with pytest.raises(ValueError, match="twice"):
        Answer("GET", "https://x", 200, "", {}, content, str).json()


def test_frequencies_that_are_not_of_whole_shots(box, forte, problem, monkeypatch):

    with monkeypatch.context() as patch:
        patch.setattr(box.store, "_simulate", lambda job: {"0": 0.5004, "6": 0.4996})
        with pytest.raises(IonQJobFailedError, match="no multiples of 1/1000"):
            ask(forte(), problem)
        ask(forte(error_mitigation="debiasing", repetition=1), problem)  # combined from several circuits


@pytest.mark.parametrize(("wrong", "refusals"), [(1, 0), (2, 1), (3, 2)])
def test_a_wrong_reading_condemns_no_paid_job(box, forte, problem, change, wrong, refusals):
    """The results are wrong for the first readings; they are read again before the verdict, and at later calls."""

    def results(number, answer):
        flipped = {child: {str(int(s) ^ 7): p for s, p in each.items()} for child, each in answer.items()}
        return answer if number >= wrong else flipped

    change("results", results)
    for _ in range(refusals):
        with pytest.raises(IonQJobFailedError, match="wrong on the qubits"):
            ask(forte(known_answer_shots=1000), problem)
    assert_served(box, forte, problem, checks=3, known_answer_shots=1000, retry_wrong=True)


def test_a_job_accepted_late_while_our_clock_jumps(box, forte, problem, folder, monkeypatch):
    """Killed while a POST hangs; then this machine's clock is a day ahead: the server's clock counts."""
    from qllmft_backends.ionq import send

    box.faults.arm(Fault("slow", "submit", seconds=2.0))
    with monkeypatch.context() as patch:
        patch.setattr(send, "settle", lambda *given: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            ask(forte(request_timeout_s=0.3), problem)
    records = records_of(folder)
    write_records(folder, [record | {"at": record["at"] - 86_400} for record in records])
    assert_served(box, forte, problem, jobs=3, settle_s=6.0)


def test_times_in_the_list_that_are_behind_the_clock(box, forte, problem, folder, monkeypatch):
    """The list is read to its end before a second POST."""
    monkeypatch.setattr(box.store, "_timestamp", lambda: "2020-01-01T00:00:00Z")
    ask(forte(), make_problem(2, seed=3))
    box.faults.arm(Fault("drop_after", "submit"))
    box.faults.arm(Fault("status", "list", code=503, times=-1, after=1))
    with pytest.raises(IonQError, match="may have been accepted"):
        ask(forte(retry_s=0.1), problem)
    box.faults.clear()
    await_jobs(box, 2)
    ask(forte(ledger=folder.with_name("others"), circuits_per_job=1), make_problem(30, seed=4))
    assert_right(ask(forte(), problem), problem)
    assert max(box.store.totals()["times"].values()) == 1


@pytest.mark.parametrize("left_out", [("metadata",), ("metadata", "name")], ids=str)
def test_a_list_without_metadata(box, forte, problem, change, left_out):
    """The name holds the beginning of the client token; without both nothing is sent."""

    def listed(number, answer):
        jobs = [{key: value for key, value in job.items() if key not in left_out} for job in answer["jobs"]]
        return answer | {"jobs": jobs}

    change("list", listed)
    box.faults.arm(Fault("drop_after", "submit"))
    if "name" not in left_out:
        assert_served(box, forte, problem, jobs=3)
        return
    with pytest.raises(IonQError, match="without metadata and name"):
        ask(forte(), problem)
    assert box.store.totals()["jobs"] == 1
    assert_recovers_after(change, box, forte, problem)


def assert_recovers_after(change, box, forte, problem):
    change("list", lambda number, answer: api.Api._list(box.api, api.Request("GET", "/v0.4/jobs", {}, b"")))
    assert_recovers(box, forte, problem)


def test_the_price_is_asked_at_each_call(box, forte, problem):
    box.faults.arm(Fault("price", "estimate", value=100.0, after=1, times=-1))
    backend = forte(max_cost=20)
    ask(backend, problem)
    with refused(box, CostRefusedError, "estimated price is 200.00 sandbox-credit on top of 0.50"):
        ask(backend, make_problem(2, seed=3))


def test_prices_in_two_units_are_not_added(box, forte, problem, change):
    change("estimate", lambda number, answer: answer | {"estimated_unit": ("usd", "kusd")[number % 2]})
    with refused(box, IonQRequestError, r"is in 'usd', and that of the circuit with a known answer in 'kusd'"):
        ask(forte(known_answer_shots=1000), problem)


@pytest.mark.parametrize("name", ["shots", "settle_s", "circuits_per_job", "max_cost"])
def test_a_truth_value_is_no_number(name):
    with pytest.raises(UnknownBackendError, match=f"option {name} = True.*true is no value of this option"):
        create("ionq_forte", {name: True})


def test_a_token_file_without_end(tmp_path):
    (tmp_path / "long").write_text("a b\n" * 10_000)
    for path in (tmp_path / "long", "/dev/zero"):
        with pytest.raises(IonQAuthError, match="does not hold an API key"):
            load_token(type(tmp_path)(path))


def test_the_ledger_has_the_token_of_each_accepted_job(forte, problem, folder):
    ask(forte(), problem)
    records = records_of(folder)
    sent = [record["client_token"] for record in records if record["event"] == "sent"]
    assert sent == [record["client_token"] for record in records if record["event"] == "submitted"]
