"""The fault table: the real client against the mock server. Each row ends in the right answer or in a clear error, with
every circuit paid at most once; after an error, another backend object on the same ledger finishes the work."""

from __future__ import annotations

import pytest

from ionq import TOKEN
from ionq.helpers import (
    ask,
    assert_paid_once,
    assert_recovers,
    assert_right,
    assert_served,
    make_problem,
)
from qllmft_backends.remote import (
    IonQAuthError,
    IonQQuotaError,
    JobFailedError,
    JobTimeoutError,
    RemoteError,
    RemoteRequestError,
    RemoteTransientError,
    cancel_ledger,
    ledger_jobs,
    wait,
)
from qllmft_backends.sandbox import Fault, MockServer, Store


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", "submit", code=429, retry_after="0.1"),
        Fault("status", "submit", code=429, after=1),
        Fault("status", "poll", code=429, retry_after="0.05"),
        Fault("status", "results", code=429, times=2),
        Fault("status", "submit", code=500),
        Fault("status_after", "submit", code=500),
        Fault("status", "poll", code=500),
        Fault("status", "submit", code=503, retry_after="0.05"),
        Fault("status_after", "submit", code=503, after=1),
        Fault("status", "results", code=503, times=2),
        Fault("status_after", "submit", code=504),
        Fault("drop_before", "submit"),
        Fault("drop_after", "submit"),
        Fault("drop_after", "submit", after=2),
        Fault("drop_before", "poll", times=2),
        Fault("drop_after", "results"),
        Fault("drop_before", "estimate"),
        Fault("drop_before", "backends"),
        Fault("not_json", "submit"),
        Fault("not_json", "poll", times=2),
        Fault("not_json", "results"),
        Fault("reorder", "results", times=-1),
        Fault("odd_state", "poll", times=3),
        Fault("slow", "poll", seconds=0.2),
        *(
            Fault("status_after", "submit", code=code, after=1)
            for code in (302, 303, 400, 404, 409, 429, 500, 502)
        ),
        Fault("no_id", "submit"),
        Fault("truncated", "submit"),
        Fault("value", "submit", value=["accepted"]),
        Fault("value", "submit", value={"id": 7, "status": "ready"}),
        Fault("value", "submit", value={"id": "", "status": "ready"}),
        Fault("huge", "submit", size=3 << 20),
        Fault("drip", "submit", seconds=0.1),
        Fault("drip", "backends", seconds=0.002),
    ],
    ids=lambda f: f"{f.kind}-{f.on}-{f.code}-after{f.after}-x{f.times}-{f.value}",
)
def test_passing_faults_end_in_the_right_answer(box, forte, problem, fault):
    """An accepted job is found at the server for any status and any body of the answer."""
    box.faults.arm(fault)
    assert_right(ask(forte(max_answer_bytes=1 << 20, request_timeout_s=2.0), problem), problem)
    assert fault.times <= 0, "the fault was not met"
    assert_paid_once(box, 7, jobs=3)


def status(code, on="submit", **more):
    """A status that stays."""
    return Fault("status", on, code=code, **({"times": -1} | more))


@pytest.mark.parametrize(
    ("fault", "error", "match"),
    [
        (status(401, "any"), IonQAuthError, "API key was not accepted"),
        (status(401, after=1), IonQAuthError, r"Chunk 0002 \(3 circuits\) was not"),
        (status(403), IonQAuthError, "QISKIT_IONQ_API_TOKEN"),
        (status(402), IonQQuotaError, "No credit is left"),
        (status(404), RemoteRequestError, "answered 404"),
        (status(404, "poll"), RemoteRequestError, "answered 404"),
        (status(400), RemoteRequestError, "a fault of the mock server"),
        (status(429), IonQQuotaError, "no more requests for now"),
        (status(429, "poll"), IonQQuotaError, "run again"),
        (status(429, retry_after="3600"), IonQQuotaError, "not accepted and costs"),
        (status(500), RemoteTransientError, "costs nothing"),
        (status(503, "any"), RemoteTransientError, "answered 503"),
        (status(503, "poll", after=1), RemoteTransientError, "run again later"),
        (Fault("drop_before", "submit", times=-1), RemoteTransientError, "not accepted and costs nothing"),
        (Fault("drop_before", "poll", times=-1), RemoteTransientError, "got no answer"),
        (Fault("drop_after", "results", times=-1), RemoteTransientError, "got no answer"),
        (Fault("not_json", "poll", times=-1), RemoteTransientError, "not JSON.*please log in"),
        (Fault("missing", "results"), JobFailedError, r"results of chunk 0001 .* expected one for each of"),
        (Fault("empty", "results"), JobFailedError, r"sum to 0, expected 1"),
        (Fault("not_a_number", "results"), JobFailedError, r"outside of 0\.\.1"),
        (Fault("value", "results", value=[1]), JobFailedError, r"are a JSON list, expected an object with one"),
        (Fault("value", "results"), JobFailedError, r"are a JSON NoneType, expected an object"),
        (Fault("value", "poll", value={"id": "another"}), RemoteError, "job 'another' instead"),
        (Fault("value", "poll", value={"status": "completed"}), RemoteError, "answered job 'None' instead"),
        (Fault("value", "poll"), RemoteError, "answered null; expected a JSON object"),
    ],
    ids=str,
)  # fmt: skip
def test_lasting_faults_end_in_a_clear_error(box, forte, problem, fault, error, match):
    box.faults.arm(fault)
    with pytest.raises(error, match=match):
        ask(forte(retry_s=0.2), problem)
    assert max(box.store.totals()["times"].values(), default=0) <= 1
    assert_recovers(box, forte, problem)


@pytest.mark.parametrize("value", [{"8": 1.0}, [1.0]])
def test_a_single_circuit_whose_result_cannot_be_read(box, forte, value):
    problem = make_problem(1)
    box.faults.arm(Fault("value", "results", value=value))
    with pytest.raises(JobFailedError, match="cannot be read"):
        ask(forte(), problem)
    assert_served(box, forte, problem)


def test_a_lost_answer_is_not_sent_again_while_the_server_cannot_be_asked(
    box, forte, problem, folder
):
    box.faults.arm(Fault("drop_after", "submit"))
    box.faults.arm(Fault("drop_before", "list", times=-1))
    with pytest.raises(
        RemoteTransientError, match="may have been accepted before; it is not sent again"
    ):
        ask(forte(retry_s=0.3), problem)
    assert [job.state for job in ledger_jobs(folder)] == ["sent"]
    assert box.store.totals()["jobs"] == 1
    assert_recovers(box, forte, problem, jobs=3)


def test_a_server_slower_than_the_request_timeout_is_asked_before_anything_is_sent_again(
    box, forte, problem
):
    box.faults.arm(Fault("slow", "submit", seconds=0.8))
    assert_served(box, forte, problem, jobs=3, request_timeout_s=0.3, settle_s=2.0, retry_s=5.0)


def test_a_refused_connection_is_known_to_have_had_no_effect(box, forte, problem):
    with MockServer() as gone:
        url = gone.url
    with pytest.raises(RemoteTransientError, match="The server was not reached"):
        ask(forte(url=url, retry_s=0.2), problem)
    assert_recovers(box, forte, problem)


def test_reordered_children_are_keyed_by_id_in_every_form_of_the_results(box, forte, problem):
    box.faults.arm(Fault("reorder", "results", times=-1))
    for repetition, style in enumerate(("url", "artifacts", "none")):
        box.api.results_form = style
        assert_right(ask(forte(repetition=repetition), problem), problem)


def test_a_failed_job_is_told_and_sent_again_only_on_demand(box, forte, problem, folder):
    box.faults.arm(Fault("job_failed", "submit", after=1))
    with pytest.raises(
        JobFailedError, match=r"3 of 7 circuits have no result: chunk 0002.*SimulationError"
    ):
        ask(forte(), problem)
    assert [job.state for job in ledger_jobs(folder)] == ["collected", "failed", "collected"]
    with pytest.raises(JobFailedError, match="retry_failed"):
        ask(forte(), problem)
    assert box.store.totals()["jobs"] == 3
    assert_served(box, forte, problem, retry_failed=True)
    assert_right(ask(forte(), problem), problem)  # the failure is history
    assert box.store.totals()["jobs"] == 4


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", "results", code=401),
        Fault("status", "results", code=404),
        Fault("not_a_number", "results"),
        Fault("value", "results", value=[]),
        Fault("status", "poll", code=404, after=1),
        Fault("value", "poll", value={}, after=1),
    ],
    ids=lambda f: f"{f.kind}-{f.on}-{f.code}-{f.value}",
)
def test_what_a_failed_job_measured_is_kept_though_it_could_not_be_read_at_once(
    box, forte, fault, folder
):
    problem = make_problem(6)
    box.faults.arm(Fault("job_half_failed", "submit"))
    box.faults.arm(fault)
    with pytest.raises(RemoteError):
        ask(forte(circuits_per_job=6), problem)
    assert [job.state for job in ledger_jobs(folder)] == ["submitted"]
    with pytest.raises(JobFailedError, match="3 of 6 circuits have no result"):
        ask(forte(circuits_per_job=6), problem)
    assert_served(box, forte, problem, circuits_per_job=6, retry_failed=True)
    assert box.store.totals()["circuits_submitted"] == 9  # 6, and 3 again


def test_a_job_that_never_ends_meets_the_deadline_and_can_be_canceled(
    box, forte, problem, folder, connection
):
    box.faults.arm(Fault("never_ends", "submit"))
    with pytest.raises(
        JobTimeoutError, match=r"after 0\.5 s 1 job\(s\) have not ended: .*\(started\)"
    ):
        ask(forte(deadline_s=0.5), problem)
    assert sorted(job.state for job in ledger_jobs(folder)) == [
        "collected",
        "collected",
        "submitted",
    ]
    assert [line.split(": ")[1] for line in cancel_ledger(folder, connection)] == ["canceled"]
    assert sorted(job.state for job in wait(folder, connection)) == [
        "collected",
        "collected",
        "failed",
    ]
    with pytest.raises(JobFailedError, match="canceled"):
        ask(forte(), problem)
    assert_served(box, forte, problem, retry_failed=True)


def test_a_deadline_in_the_middle_loses_nothing(forte, problem, tmp_path):
    with MockServer(token=TOKEN, store=Store(qpu_noise="ideal", latency_s=0.15)) as box:
        with pytest.raises(JobTimeoutError):
            ask(forte(url=box.url, deadline_s=0.2), problem)
        assert_right(ask(forte(url=box.url), problem), problem)
        assert_paid_once(box, 7)
        assert box.store.totals()["jobs"] == 3
