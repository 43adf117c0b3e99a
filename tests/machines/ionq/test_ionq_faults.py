"""The fault table: the real client against the mock server. Each row ends in the right answer or in a clear error, with
every circuit paid at most once; after an error, another backend object on the same ledger finishes the work. Time and
size are bounded, whatever the server sends."""

from __future__ import annotations

import re
import sys
import time
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from faulty_server import Fault, MockServer, Store

from ionq import TOKEN
from ionq.helpers import (
    ask,
    assert_fails,
    assert_paid_once,
    assert_recovers,
    assert_refused,
    assert_right,
    assert_served,
    make_problem,
)
from qllmft_machines import cancel_ledger, job_total, ledger_jobs, server_jobs, silence, wait
from qllmft_machines.errors import (
    IonQAuthError,
    IonQQuotaError,
    JobFailedError,
    JobTimeoutError,
    NoAnswerWarning,
    RemoteError,
    RemoteRequestError,
    RemoteTransientError,
)
from qllmft_machines.ionq import transport
from qllmft_machines.sandbox import server, shapes

PASSING = [
    *(Fault("status", "submit", code=code, retry_after="0.05") for code in (429, 503)),
    *(Fault("status", "submit", **options) for options in ({"code": 500}, {"code": 429, "after": 1})),
    *(Fault("status", "poll", code=code, retry_after=text) for code, text in ((429, "0.05"), (500, None))),
    *(Fault("status", "results", code=code, times=2) for code in (429, 503)),
    *(Fault("status_after", "submit", code=code) for code in (500, 504)),
    *(Fault("status_after", "submit", code=c, after=1) for c in (302, 303, 400, 404, 409, 429, 500, 502, 503)),
    *(Fault("drop_before", on) for on in ("submit", "estimate", "backends")),
    Fault("status", "estimate", code=404),  # without a price a call needs consent alone
    Fault("drop_before", "poll", times=2),
    *(Fault("drop_after", "submit", after=skipped) for skipped in (0, 2)),
    Fault("drop_after", "results"),
    *(Fault("not_json", on) for on in ("submit", "results")),
    Fault("not_json", "poll", times=2),
    Fault("reorder", "results", times=-1),
    Fault("odd_state", "poll", times=3),
    Fault("slow", "poll", seconds=0.2),
    Fault("no_id", "submit"),
    Fault("truncated", "submit"),
    *(Fault("value", "submit", value=value) for value in (["accepted"], {"id": 7}, {"id": "", "status": "ready"})),
    Fault("huge", "submit", size=3 << 20),
    Fault("drip", "submit", seconds=0.1),
    Fault("drip", "backends", seconds=0.002),
]  # fmt: skip


def jobs_that_meet(fault):
    """A problem, and the number of its jobs: three where the fault leaves the first one alone, else two.

    The last job has a single circuit.
    """
    return (make_problem(7), 3) if fault.after else (make_problem(4), 2)


@pytest.mark.parametrize("fault", PASSING, ids=str)
def test_passing_faults_end_in_the_right_answer(box, forte, fault):
    """An accepted job is found at the server for any status and any body of the answer."""
    problem, jobs = jobs_that_meet(fault)
    box.faults.arm(fault)
    options = {"max_answer_bytes": 1 << 20, "request_timeout_s": 2.0}
    assert_served(box, forte, problem, jobs=jobs, **options)
    assert fault.times <= 0, "the fault was not met"


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
        (status(429, retry_after="3600"), IonQQuotaError, "The server asks to wait 3,600 s."),
        (status(503, retry_after="3600"), RemoteTransientError, "The server asks to wait 3,600 s."),
        (status(500), RemoteTransientError, "costs nothing"),
        (status(503, "any"), RemoteTransientError, "answered 503"),
        (status(503, "poll", after=1), RemoteTransientError, "Run again later"),
        (Fault("drop_before", "submit", times=-1), RemoteTransientError, "not accepted and costs nothing"),
        (Fault("drop_before", "poll", times=-1), RemoteTransientError, "got no answer"),
        (Fault("drop_after", "results", times=-1), RemoteTransientError, "got no answer"),
        (Fault("not_json", "poll", times=-1), RemoteTransientError, "not JSON.*please log in"),
        (Fault("missing", "results"), JobFailedError, r"of chunk 000[1-3] .*expected (one for each of|1)"),
        (Fault("empty", "results"), JobFailedError, r"sum to 0, expected 1"),
        (Fault("not_a_number", "results"), JobFailedError, r"outside of 0\.\.1"),
        (Fault("value", "results", value=[1]), JobFailedError, r"are a JSON list, expected an object with one"),
        *((Fault("value", "results", value=value, after=2), JobFailedError, "cannot be read") for value in (
            {"8": 1.0}, [1.0])),  # of a job of one circuit
        (Fault("value", "results"), JobFailedError, r"are a JSON NoneType, expected an object"),
        (Fault("value", "poll", value={"id": "another"}), RemoteError, "job 'another' instead"),
        (Fault("value", "poll", value={"status": "completed"}), RemoteError, "answered job 'None' instead"),
        (Fault("value", "poll"), RemoteError, "answered null, expected a JSON object"),
    ],
    ids=str,
)  # fmt: skip
def test_lasting_faults_end_in_a_clear_error(box, forte, fault, error, match):
    problem, _ = jobs_that_meet(fault)
    box.faults.arm(fault)
    assert_fails(forte(retry_s=0.2), problem, error, match)
    assert max(box.store.totals()["times"].values(), default=0) <= 1
    assert_recovers(box, forte, problem)


def test_a_lost_answer_is_not_sent_again_while_the_server_cannot_be_asked(
    box, forte, problem, folder
):
    box.faults.arm(Fault("drop_after", "submit"))
    box.faults.arm(Fault("drop_before", "list", times=-1))
    assert_fails(
        forte(retry_s=0.3),
        problem,
        RemoteTransientError,
        "may have been accepted before. It is not sent again",
    )
    (job,) = rows = ledger_jobs(folder)
    assert job.state == "sent"
    assert box.store.totals()["jobs"] == 1
    assert str(job_total(rows)) == (
        "1 job, 3 circuits: 0.22 sandbox-credit estimated. 1 job has no answer yet"
    )
    estimate = forte().estimate(problem.circuit, problem.values)
    assert (estimate.circuits, estimate.known, estimate.unanswered) == (4, 0, 3)
    assert "3 circuits were sent without an answer." in str(estimate)
    assert_recovers(box, forte, problem, jobs=3)


def test_a_server_slower_than_the_request_timeout_is_asked_before_anything_is_sent_again(
    box, forte, problem
):
    box.faults.arm(Fault("slow", "submit", seconds=1.6))
    patience = {"request_timeout_s": 0.8, "settle_s": 3.0, "retry_s": 5.0, "poll_interval_s": 0.1}
    assert_served(box, forte, problem, jobs=3, **patience)
    assert box.store.requests["submit"] == 3


@pytest.mark.public_report(
    case="raw_messages: an address that does not answer",
    source="own attack",
    seen="a refused connection is repeated for 120 s without a word",
    outcome="the address is named on the standard error before the third second",
)
def test_an_address_that_does_not_answer_is_named_before_the_end(box, forte, problem, monkeypatch):
    monkeypatch.setattr(silence, "QUIET_S", 0.0)
    with MockServer() as gone:
        away = forte(url=gone.url, retry_s=0.2)
    address = re.escape(gone.url)
    with (
        pytest.warns(
            NoAnswerWarning,
            match=rf"^{address}/\S+ does not answer\. The request is repeated for up to 0 s\.$",
        ) as caught,
        pytest.raises(RemoteTransientError, match="The server was not reached"),
    ):
        ask(away, problem)
    assert len([warning for warning in caught if warning.category is NoAnswerWarning]) == 1
    assert_recovers(box, forte, problem)


def test_a_server_that_is_slow_is_named_before_the_end(box, forte, problem, monkeypatch):
    monkeypatch.setattr(transport, "_SLOW_S", 0.05)
    box.faults.arm(Fault("slow", "submit", seconds=0.3))
    with pytest.warns(NoAnswerWarning, match=rf"{re.escape(box.url)}/\S+ has not answered for"):
        assert_right(ask(forte(), problem), problem)


def test_a_server_that_takes_no_jobs_is_named_before_the_end(box, forte, problem, monkeypatch):
    monkeypatch.setattr(silence, "QUIET_S", 0.0)
    box.faults.arm(Fault("status", "submit", code=503))
    with pytest.warns(NoAnswerWarning, match=r"does not accept .* \(answer 503\)\. The request is"):
        assert_right(ask(forte(), problem), problem)


def test_reordered_children_are_keyed_by_id_in_every_form_of_the_results(box, forte, problem):
    box.faults.arm(Fault("reorder", "results", times=-1))
    for repetition, style in enumerate(("url", "artifacts")):
        box.api.results_form = style
        assert_right(ask(forte(repetition=repetition), problem), problem)
    box.faults.arm(Fault("unnamed", "poll", times=-1))
    assert_right(ask(forte(repetition=2), problem), problem)


def test_a_failed_job_is_told_and_sent_again_only_on_demand(box, forte, problem, folder):
    box.faults.arm(Fault("job_failed", "submit", after=1))
    match = r"3 of 7 circuits have no result: chunk 0002.*SimulationError.*retry_failed"
    for _ in range(2):
        assert_fails(forte(), problem, JobFailedError, match)
        assert [job.state for job in ledger_jobs(folder)] == ["collected", "failed", "collected"]
    assert box.store.totals()["jobs"] == 3
    assert_served(box, forte, problem, retry_failed=True)
    assert_right(ask(forte(), problem), problem)  # the failure is history
    assert box.store.totals()["jobs"] == 4


@pytest.mark.parametrize(
    "fault",
    [
        *(Fault("status", "results", code=code) for code in (401, 404)),
        Fault("not_a_number", "results"),
        Fault("value", "results", value=[]),
        Fault("status", "poll", code=404, after=1),
        Fault("value", "poll", value={}, after=1),
    ],
    ids=str,
)
def test_what_a_failed_job_measured_is_kept_though_it_could_not_be_read_at_once(
    box, forte, fault, folder
):
    problem = make_problem(6)
    options = {"circuits_per_job": 6}
    box.faults.arm(Fault("job_half_failed", "submit"))
    box.faults.arm(fault)
    assert_fails(forte(**options), problem, RemoteError)
    assert [job.state for job in ledger_jobs(folder)] == ["submitted"]
    assert_fails(
        forte(**options),
        problem,
        JobFailedError,
        r"3 of 6 circuits have no result: .*The others are in the ledger\. IonQ may charge a failed job with some "
        r"results\. Set retry_failed=true to send the circuits without a result again\.",
    )
    total = str(job_total(ledger_jobs(folder)))
    assert total == "1 job, 6 circuits: 0.43 sandbox-credit estimated", "as max_cost counts it"
    assert_served(box, forte, problem, retry_failed=True, **options)
    assert box.store.totals()["circuits_submitted"] == 9  # 6, and 3 again


def test_nothing_is_paid_in_a_call_that_a_failed_job_would_end(box, forte, problem, folder):
    """Circuits of the failed job and new ones: a dry run refuses them, and so does the call before it sends."""
    box.faults.arm(Fault("job_failed", "submit"))
    few = replace(problem, values=problem.values[:3], exact=problem.exact[:3])
    match = r"3 of \d circuits have no result: .*Failed jobs are not charged by IonQ\."
    assert_fails(forte(), few, JobFailedError, match)
    refusal = forte().estimate(problem.circuit, problem.values).refusal
    assert re.search(match, refusal)
    with assert_refused(box, JobFailedError, "Nothing of this call was sent"):
        ask(forte(), problem)
    assert_served(box, forte, problem, retry_failed=True)


def test_a_message_names_the_jobs_that_failed_circuits_of_the_call(box, forte, folder):
    """The first half of a job ended well: a call for it alone has results, and one for both halves one failure."""
    problem = make_problem(6)
    options = {"circuits_per_job": 6}
    box.faults.arm(Fault("job_half_failed", "submit"))
    assert_fails(forte(**options), problem, JobFailedError, "3 of 6 circuits")
    half = replace(problem, values=problem.values[:3], exact=problem.exact[:3])
    assert_right(ask(forte(**options), half), half)
    new_problem = make_problem(2, seed=5)
    box.faults.arm(Fault("job_failed", "submit"))
    joined_problem = replace(new_problem, values=np.concatenate([half.values, new_problem.values]))
    error = assert_fails(
        forte(**options), joined_problem, JobFailedError, "2 of 5 circuits have no result"
    )
    assert "chunk 0001" not in str(error)
    assert "Failed jobs are not charged by IonQ." in str(error)


def test_a_job_that_never_ends_meets_the_deadline_and_can_be_canceled(
    box, forte, problem, folder, connection
):
    box.faults.arm(Fault("never_ends", "submit"))
    assert_fails(
        forte(deadline_s=1.0, poll_interval_s=0.1),
        problem,
        JobTimeoutError,
        r"after 1 s 1 job has not ended: .*\(started\)",
    )
    done = ["collected"] * 2
    assert sorted(job.state for job in ledger_jobs(folder)) == [*done, "submitted"]
    assert [line.split(": ")[1] for line in cancel_ledger(folder, connection)] == ["canceled"]
    assert sorted(job.state for job in wait(folder, connection)) == [*done, "failed"]
    assert_fails(forte(), problem, JobFailedError, "canceled")
    assert_served(box, forte, problem, retry_failed=True)


def test_a_deadline_in_the_middle_loses_nothing(forte, problem):
    with MockServer(token=TOKEN, store=Store(qpu_noise="ideal", latency_s=0.4)) as box:
        usual = {"url": box.url, "poll_interval_s": 0.1}
        assert_fails(forte(**usual, deadline_s=0.3), problem, JobTimeoutError, "not ended")
        assert_right(ask(forte(**usual), problem), problem)
        assert_paid_once(box, 7, jobs=3)


def peak_memory():
    """Bytes that this process has held at most; 0 where the system does not tell."""
    with suppress(ImportError):
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return 0


@pytest.mark.parametrize("route", ["estimate", "backends", "poll", "results", "submit"])
def test_a_byte_now_and_then_holds_no_request_longer_than_its_time(box, forte, problem, route):
    """A job that was accepted is found by its client token, whether or not the call had the time to."""
    box.faults.arm(Fault("drip", route, seconds=0.2, times=-1))
    began = time.monotonic()
    late = pytest.raises(RemoteError, match=r"was not answered whole within 0\.\d+ s")
    with suppress(RemoteError) if route == "submit" else late:
        ask(forte(request_timeout_s=0.4, retry_s=0.5, deadline_s=3.0, settle_s=0.1), problem)
    assert time.monotonic() - began < 10
    assert_recovers(box, forte, problem)


@pytest.mark.parametrize("route", ["estimate", "poll", "results"])
def test_a_body_without_end_is_not_read_to_its_end(box, forte, problem, route):
    box.faults.arm(Fault("huge", route, size=1 << 30))
    memory_before = peak_memory()
    assert_fails(
        forte(max_answer_bytes=1 << 20),
        problem,
        RemoteRequestError,
        r"answered more than 1,048,576 bytes.*Raise max_answer_bytes",
    )
    assert peak_memory() - memory_before < 100 << 20
    assert_served(box, forte, problem)


@pytest.mark.parametrize(
    "address",
    [
        *("https://elsewhere.example/v0.4/x", "//elsewhere.example/x", "/v0.4/../../x"),
        *("/v0.4/jobs/a?b=c", "/v0.3/x"),
    ],
)
def test_results_are_read_from_the_server_that_the_options_name(
    forte, problem, address, monkeypatch
):
    describe = shapes.job_description
    named = {"results": {"probabilities": {"url": address}}}

    def elsewhere(job, style):
        told = describe(job, style)
        return told | named if told["results"] else told

    monkeypatch.setattr(shapes, "job_description", elsewhere)
    assert_fails(
        forte(),
        problem,
        JobFailedError,
        r"as the address of its results, expected one below /v0\.4/",
    )


def test_nested_beyond_reason(monkeypatch, connection):
    with monkeypatch.context() as patch:
        patch.setattr(server.json, "dumps", lambda value: "[" * 200_000)
        with pytest.raises(RemoteError, match="a body that is not JSON"):
            server_jobs(connection)
