"""Jobs of a ledger: their states at the server, those that go on after Ctrl-C, waiting, canceling; and their sessions,
whose caps the server keeps: opened for the jobs of a call, ended with the last of them."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import numpy as np
import pytest
from faulty_server import Fault, MockServer, Store

from ionq import TOKEN
from ionq.helpers import (
    ask,
    assert_fails,
    assert_paid_once,
    assert_refused,
    assert_right,
    assert_served,
    await_jobs,
    make_problem,
    read_records,
)
from qllmft_backends.errors import CostRefusedError
from qllmft_base.text import format_count
from qllmft_machines import (
    IonQConnection,
    JobsInterrupt,
    cancel,
    cancel_ledger,
    collect,
    job_total,
    ledger_jobs,
    server_jobs,
    wait,
)
from qllmft_machines.errors import (
    DuplicateJobWarning,
    IonQAuthError,
    JobFailedError,
    JobTimeoutError,
    RemoteError,
    RemoteRequestError,
    RemoteTransientError,
    SessionWarning,
)
from qllmft_machines.ionq.route import IonQRoute
from qllmft_machines.sandbox.job import Session

CAPS = {"session_max_cost": 5.0, "session_max_minutes": 30}


def states(rows):
    return [row.state for row in rows]


def submit(backend, problem):
    return backend.submit(problem.circuit, problem.values)


def test_jobs_of_a_ledger_and_of_the_server(box, forte, problem, folder, connection):
    with pytest.raises(RemoteRequestError, match="holds no ledger"):
        ledger_jobs(folder)
    submit(forte(), problem)
    listed = ledger_jobs(folder)
    assert [(j.chunk, j.circuits) for j in listed] == [("0001", 3), ("0002", 3), ("0003", 1)]
    assert {(j.state, j.shots) for j in listed} == {("submitted", 1000)}
    at_server = server_jobs(connection, backend="qpu.forte-1")
    assert {j.job_id for j in at_server} == {j.job_id for j in listed}
    assert sorted(j.circuits for j in at_server) == [1, 3, 3]
    assert server_jobs(connection, backend="simulator") == []
    assert len(server_jobs(connection, limit=2)) == 2
    looks = []
    waited = wait(folder, connection, lambda chunk, status: looks.append(status))
    assert states(waited) == ["collected"] * 3
    assert "completed" in looks
    requests = dict(box.store.requests)
    assert_right(ask(forte(), problem), problem)
    assert dict(box.store.requests) == requests  # all came from the ledger
    (line,) = cancel([listed[0].job_id], connection)
    assert "not canceled" in line


def test_the_server_is_asked_for_the_states(box, forte, problem, folder, connection):
    box.faults.arm(Fault("never_ends", "submit", after=1, times=-1))
    submit(forte(), problem)
    cancel([ledger_jobs(folder)[1].job_id], connection)
    for _ in range(500):  # a job is submitted for some time before it starts
        rows = ledger_jobs(folder, ask=connection)
        if states(rows[2:]) != ["submitted"]:
            break
        time.sleep(0.01)
    assert states(rows[1:]) == ["canceled", "started"]
    assert states(ledger_jobs(folder)) == ["submitted"] * 3, "nothing is written"
    assert [row.price for row in rows] == pytest.approx([3 * 0.072, 0.0, 0.072])
    total = job_total(rows)
    assert (total.jobs, total.circuits, total.charged, total.unknown) == (2, 4, {}, 0)
    assert total.estimated == {"sandbox-credit": pytest.approx(4 * 0.072)}
    assert str(total) == "2 jobs, 4 circuits: 0.29 sandbox-credit estimated"
    del box.store.jobs[rows[2].job_id]
    missing = ledger_jobs(folder, ask=connection)[2]
    assert (missing.state, "answered 404" in missing.note) == ("missing", True)
    box.faults.arm(Fault("status", "list", code=503))
    with pytest.raises(RemoteTransientError, match="503"):
        ledger_jobs(folder, ask=connection)


def test_waiting_goes_on_past_a_job_that_the_server_lacks(box, forte, problem, folder, connection):
    submission = submit(forte(), problem)
    lost = box.store.jobs.pop(submission.job_ids[0])
    rows = wait(folder, connection)
    assert states(rows) == ["missing", "collected", "collected"]
    assert "answered 404" in rows[0].note
    assert_fails(forte(), problem, RemoteRequestError, "answered 404")
    box.store.jobs[lost.id] = lost
    assert_served(box, forte, problem)


def test_a_job_that_was_accepted_late_is_listed_waited_for_and_canceled(
    box, forte, problem, folder, connection
):
    box.faults.arm(Fault("slow", "submit", seconds=2.5))
    box.faults.arm(Fault("never_ends", "submit", times=-1))
    submit(forte(request_timeout_s=0.8, settle_s=0.1), problem)
    await_jobs(box, 4)
    rows = ledger_jobs(folder, ask=connection)
    assert [(row.state, row.chunk) for row in rows].count(("duplicate", "0001")) == 1
    assert str(job_total(rows)).startswith("4 jobs, 10 circuits: 0.72 ")
    hasty = connection.model_copy(update={"deadline_s": 0.5, "poll_interval_s": 0.1})
    with pytest.warns(DuplicateJobWarning, match="again"), pytest.raises(JobTimeoutError):
        wait(folder, hasty)
    assert states(ledger_jobs(folder)) == ["submitted", "duplicate", "submitted", "submitted"]
    lines = cancel_ledger(folder, connection)
    assert [line.partition(": ")[2] for line in lines[:3]] == ["canceled"] * 3
    assert "not canceled" in lines[3], "the late one has run"
    rows = wait(folder, connection)
    assert sorted(states(rows)) == ["duplicate", *["failed"] * 3]
    assert [row.amount_text for row in rows] == ["0.00", "~0.22", "0.00", "0.00"]
    total = str(job_total(ledger_jobs(folder)))
    assert total == "1 job, 3 circuits: 0.22 sandbox-credit estimated"
    for job in box.store.jobs.values():
        job.status = "canceled"
    assert states(wait(folder, connection)) == ["failed"] * 3
    assert str(job_total(ledger_jobs(folder))) == "0 jobs, 0 circuits: free"


@pytest.fixture
def interrupted_send():
    """In the place of `IonQRoute.send`: the job is accepted, and then the request is interrupted."""
    send = IonQRoute.send

    def accept_and_interrupt(*arguments):
        send(*arguments)
        raise KeyboardInterrupt

    return accept_and_interrupt


@pytest.fixture
def unanswered_job(box, forte, problem, monkeypatch, interrupted_send):
    """Id of a job that was accepted before the request was interrupted, and that does not end."""
    box.faults.arm(Fault("never_ends", "submit", times=-1))
    with monkeypatch.context() as patch:
        patch.setattr(IonQRoute, "send", interrupted_send)
        assert_fails(forte(), problem, JobsInterrupt)
    (job_id,) = box.store.totals()["statuses"]
    return job_id


def test_a_job_that_was_sent_without_an_answer_is_canceled(
    box, forte, problem, folder, unanswered_job, connection
):
    records = read_records(folder)
    assert cancel_ledger(folder, connection) == [f"{unanswered_job}: canceled"]
    assert box.store.totals()["statuses"] == {unanswered_job: "canceled"}
    assert cancel_ledger(folder, connection) == []
    assert read_records(folder) == records, "who waits writes"
    box.faults.clear()
    assert_fails(forte(), problem, JobFailedError, "3 of 7 circuits have no result")
    assert_served(box, forte, problem, retry_failed=True)


def test_a_job_without_an_answer_is_canceled_by_its_id(box, unanswered_job, folder, connection):
    assert cancel_ledger(folder, connection, [unanswered_job]) == [f"{unanswered_job}: canceled"]
    assert box.store.totals()["statuses"] == {unanswered_job: "canceled"}


def test_a_job_that_may_still_be_accepted_is_named(box, forte, folder, problem, connection):
    box.faults.arm(Fault("drop_before", "submit"))
    box.faults.arm(Fault("status", "list", code=503, times=-1))
    assert_fails(forte(retry_s=0.0), problem, RemoteTransientError, "may have been accepted")
    box.faults.clear()
    (line,) = cancel_ledger(folder, connection)
    assert line.startswith("chunk 0001: sent without an answer. IonQ does not list its job, which")
    assert line.endswith("may still be accepted. Run the command again later.")


def late_duplicate(box, forte, problem):
    """Return the ids of a job whose answer was a refusal, and of the ones that were sent after it; none ends."""
    box.store._latency_s = 60.0
    box.faults.arm(Fault("status_after", "submit", code=429))
    box.faults.arm(Fault("value", "list", value={"jobs": [], "next": None}, times=-1))
    submit(forte(), problem)
    box.faults.clear()
    late, *repeated_ids = box.store.totals()["statuses"]
    return late, repeated_ids


def test_a_duplicate_that_nobody_recorded_is_canceled(box, forte, problem, folder, connection):
    late, repeated_ids = late_duplicate(box, forte, problem)
    assert states(ledger_jobs(folder)) == ["submitted"] * 3
    assert cancel_ledger(folder, connection) == [
        f"{job_id}: canceled" for job_id in (*repeated_ids, late)
    ]
    assert set(box.store.totals()["statuses"].values()) == {"canceled"}
    assert states(ledger_jobs(folder, ask=connection)) == ["canceled"] * 3


def test_a_duplicate_that_nobody_recorded_is_canceled_by_its_id(
    box, forte, problem, folder, connection
):
    late, repeated_ids = late_duplicate(box, forte, problem)
    assert cancel_ledger(folder, connection, [repeated_ids[0], late]) == [
        f"{repeated_ids[0]}: canceled",
        f"{late}: canceled",
    ]
    statuses = box.store.totals()["statuses"]
    assert {job_id for job_id in statuses if statuses[job_id] == "canceled"} == {
        late,
        repeated_ids[0],
    }


def test_a_server_that_does_not_list_its_jobs_hides_no_cancellation(
    box, forte, problem, folder, connection, unanswered_job
):
    box.faults.insert(0, Fault("status", "list", code=503, times=-1))
    match = r"IonQ did not list its jobs: .*503.* Run the command again later"
    with pytest.raises(RemoteTransientError, match=match):
        cancel_ledger(folder, connection)
    box.faults.pop(0)
    submit(forte(), problem)
    box.faults.insert(0, Fault("status", "list", code=503, times=-1))
    *lines, last = cancel_ledger(folder, connection)
    assert [line.partition(": ")[2] for line in lines] == ["canceled"] * 3
    assert re.search(match, last)


def test_interrupted_after_sending(box, forte, problem, folder, monkeypatch):
    """Ctrl-C while jobs are under way: which, what they cost, how to collect them."""

    def interrupt(seconds):
        raise KeyboardInterrupt

    box.faults.arm(Fault("never_ends", "submit", times=-1))
    with monkeypatch.context() as patch:
        patch.setattr(collect.time, "sleep", interrupt)
        error = assert_fails(forte(), problem, JobsInterrupt)
    ids = [row.job_id for row in ledger_jobs(folder)]
    assert [job.job_id for job in error.jobs] == ids
    named = [
        f"  {i}: {format_count(n, 'circuit')}, about {n * 0.072:.2f} sandbox-credit"
        for i, n in zip(ids, (3, 3, 1), strict=True)
    ]
    assert str(error).splitlines() == [
        "interrupted. 3 jobs continue at the server, and are paid:",
        *named,
        f"collect them: qllmft jobs wait --ledger {folder}",
        f"stop them: qllmft jobs cancel --ledger {folder}",
    ]


def test_interrupted_while_sending(box, forte, problem, monkeypatch, interrupted_send):
    with monkeypatch.context() as patch:
        patch.setattr(IonQRoute, "send", interrupted_send)
        assert_fails(forte(), problem, JobsInterrupt, r"chunk 0001 \(perhaps accepted")
    assert_served(box, forte, problem)
    monkeypatch.setattr(IonQRoute, "send", interrupted_send)
    assert ask(forte(), problem).values.shape == (7, 3), "nothing to send, nothing to interrupt"


def test_the_key_goes_to_no_server_that_a_file_names(forte, problem, folder):
    submit(forte(), problem)
    with pytest.raises(
        RemoteRequestError, match=r"was sent to http://127.*and the options name https://other"
    ):
        wait(folder, IonQConnection(url="https://other.example/v0.4"))


def test_jobs_of_two_servers_in_one_ledger_are_reached_one_server_at_a_time(
    box, forte, problem, folder, connection
):
    """A rehearsal with the mock server leaves its jobs in the ledger of the real ones."""
    box.faults.arm(Fault("never_ends", "submit", times=-1))
    submit(forte(), problem)
    with MockServer(token=TOKEN, store=Store(qpu_noise="ideal")) as other_box:
        other_box.faults.arm(Fault("never_ends", "submit", times=2))
        submit(forte(url=other_box.url), problem)
        other_connection = connection.model_copy(update={"url": other_box.url})
        elsewhere = f"was sent to {box.url}, and the options name {other_box.url}. Name that server"
        first_id, *_, kept_id, last_id = [row.job_id for row in ledger_jobs(folder)]
        await_status(other_box, last_id, "completed")
        rows = ledger_jobs(folder, ask=other_connection)
        assert states(rows) == [*["submitted"] * 3, "started", "started", "completed"]
        assert [elsewhere in row.note for row in rows] == [True] * 3 + [False] * 3
        assert cancel_ledger(folder, other_connection, [kept_id]) == [f"{kept_id}: canceled"]
        with pytest.raises(RemoteRequestError, match="was sent to"):
            cancel_ledger(folder, other_connection, [first_id])
        lines = cancel_ledger(folder, other_connection)
        assert [elsewhere in line for line in lines] == [True] * 3 + [False] * 3
        rows = wait(folder, other_connection)
        assert states(rows) == [*["submitted"] * 3, "failed", "failed", "collected"]
        assert [elsewhere in row.note for row in rows] == [True] * 3 + [False] * 3
    statuses = {job.status for job in box.store.jobs.values() if not job.parent}
    assert statuses == {"started"}, "those of the other server go on"
    assert [line.endswith(": canceled") for line in cancel_ledger(folder, connection)] == [True] * 3


def await_status(box, job_id, status):
    """Wait until a server's job has a status."""
    give_up = time.monotonic() + 20
    while box.store.jobs[job_id].status != status:
        assert time.monotonic() < give_up, box.store.totals()
        time.sleep(0.02)


def sessions(box):
    return list(box.store.sessions.values())


def session_ids(box):
    return {job.payload.get("session_id") for job in box.store.jobs.values()}


def test_the_jobs_of_a_call_are_in_a_session_with_its_caps(box, forte, problem, folder):
    assert_right(ask(forte(**CAPS, known_answer_shots=1000), problem), problem)
    (session,) = sessions(box)
    session_ids_sent = [
        record["session"] for record in read_records(folder) if record["event"] == "sent"
    ]
    assert session_ids_sent == [session.id] * 3
    assert session.backend == "qpu.forte-1"
    cost = {"unit": "sandbox-credit", "value": 5.0}
    assert session.caps == {"cost_limit": cost, "duration_limit_min": 30}
    assert session.ended_at
    assert session_ids(box) == {session.id}
    totals = box.store.totals()
    assert (totals["jobs"], totals["requests"]["sessions"]) == (3, 2), "opened and ended once"
    ask(forte(**CAPS), problem)
    assert len(sessions(box)) == 1, "nothing to send, no session"
    ask(forte(session_max_minutes=2), make_problem(2, seed=3))
    assert sessions(box)[1].caps == {"duration_limit_min": 2}


def test_without_caps_there_is_no_session(box, forte, problem):
    ask(forte(), problem)
    assert session_ids(box) == {None}
    assert "sessions" not in box.store.totals()["requests"]


def test_a_cap_below_the_estimate_is_refused_before_anything_is_sent(box, forte, problem):
    """Each session has the jobs of one call: two calls may cost more than the cap together."""
    match = (
        r"price is 0\.50 sandbox-credit, above session_max_cost = 0\.45\. .*Nothing of this call was sent\. "
        r".*raise session_max_cost to 0\.51\."
    )
    backend = forte(session_max_cost=0.45)
    with assert_refused(box, CostRefusedError, match):
        ask(backend, problem)
    estimate = backend.estimate(problem.circuit, problem.values)
    assert re.search(match, estimate.refusal)
    assert re.search(match, backend.merge_estimates([replace(estimate, refusal="")]).refusal)
    with (
        assert_refused(box, CostRefusedError, match),
        backend.consent(backend.merge_estimates([estimate, estimate])),
    ):
        pass
    parts = [backend.estimate(problem.circuit, part) for part in np.split(problem.values, [4])]
    with backend.consent(backend.merge_estimates(parts)):
        for part in np.split(problem.values, [4]):
            backend.expectations(problem.circuit, part, problem.observables)
    assert_paid_once(box, 7)


def test_the_server_refuses_what_goes_past_the_cap(box, forte, problem):
    """A chunk of three circuits costs 0.216: two fit, the third does not. The estimate is too low."""
    box.faults.arm(Fault("price", "estimate", value=0.05, times=-1))
    assert_fails(
        forte(session_max_cost=0.45),
        problem,
        RemoteRequestError,
        r"would cost more than 0\.45 .*Chunk 0003 \(1 circuits\) was not accepted",
    )
    assert box.store.totals()["circuits_paid"] == 6
    assert not sessions(box)[0].ended_at, "jobs are under way in it"
    assert_served(box, forte, problem, session_max_cost=0.45)
    assert all(session.ended_at for session in sessions(box))
    assert len(sessions(box)) == 2


@pytest.mark.parametrize(
    ("fault", "error", "match"),
    [
        (Fault("status", "sessions", code=404), RemoteRequestError, "answered 404.*No circuit was sent.*beta"),
        (Fault("status", "sessions", code=403), RemoteRequestError, "answered 403.*in beta and IonQ opens them to"),
        (Fault("status", "sessions", code=401), IonQAuthError, "API key was not accepted"),
        (Fault("status", "sessions", code=500), RemoteError, "no session was opened: .*answered 500"),
        (Fault("drop_before", "sessions"), RemoteError, "no session was opened: .*got no answer"),
        (Fault("value", "sessions", value=["x"]), RemoteRequestError, "without a session's id"),
        (Fault("value", "sessions", value={"id": "../x"}), RemoteRequestError, "without a session's id"),
    ],
    ids=str,
)  # fmt: skip
def test_a_service_without_sessions_is_sent_nothing(box, forte, problem, fault, error, match):
    box.faults.arm(fault)
    with assert_refused(box, error, match):
        ask(forte(**CAPS), problem)
    assert_served(box, forte, problem)


@pytest.mark.parametrize("unit", ["usd", None])
def test_caps_that_the_server_does_not_confirm_are_none(box, forte, problem, unit, monkeypatch):
    settings = (
        {"cost_limit": {"unit": unit, "value": 5.0}, "duration_limit_min": 30} if unit else None
    )
    describe = Session.describe

    def describe_settings(session, now):
        return describe(session, now) | {"settings": settings}

    monkeypatch.setattr(Session, "describe", describe_settings)
    with assert_refused(
        box, RemoteRequestError, r"without the caps that were asked for \(cost_limit"
    ):
        ask(forte(**CAPS), problem)
    assert sessions(box)[0].ended_at


def test_another_process_ends_the_session_of_jobs_that_it_collects(
    box, forte, problem, folder, connection
):
    submit(forte(**CAPS), problem)
    assert not sessions(box)[0].ended_at
    assert_right(ask(forte(), problem), problem)
    assert sessions(box)[0].ended_at
    submit(forte(**CAPS), make_problem(2, seed=5))
    wait(folder, connection)
    assert sessions(box)[1].ended_at


def test_a_session_with_jobs_under_way_is_left_open_until_they_are_canceled(
    box, forte, problem, folder, connection
):
    box.faults.arm(Fault("never_ends", "submit", times=-1))
    hasty = forte(**CAPS, deadline_s=0.5, poll_interval_s=0.1)
    assert_fails(hasty, problem, JobTimeoutError)
    (session,) = sessions(box)
    assert not session.ended_at
    lines = cancel_ledger(folder, connection)
    assert lines[-1] == f"session {session.id}: ended"
    assert session.ended_at


def test_a_session_in_which_nothing_is_under_way_is_ended_after_an_error(box, forte, problem):
    box.faults.arm(Fault("job_failed", "submit"))
    assert_fails(
        forte(**CAPS, known_answer_shots=1000),
        problem,
        JobFailedError,
        "check circuit was awaited, failed",
    )
    assert sessions(box)[0].ended_at


def test_no_session_is_opened_for_what_the_server_had(box, forte):
    """The first call is refused, and its job shows up later."""
    problem = make_problem(3)
    box.faults.arm(Fault("status_after", "submit", code=404))
    box.faults.arm(Fault("value", "list", value={"jobs": [], "next": None}, times=-1))
    assert_fails(forte(), problem, RemoteError, "answered 404")
    box.faults.clear()
    assert_right(ask(forte(**CAPS), problem), problem)
    assert sessions(box) == []
    assert_paid_once(box, 3)


def test_a_session_that_cannot_be_ended_loses_no_answer(box, forte, problem):
    box.faults.arm(Fault("status", "sessions", code=500, after=1))
    with pytest.warns(
        SessionWarning, match=r"could not be ended: .*answered 500.*ends by itself at its caps"
    ):
        assert_right(ask(forte(**CAPS), problem), problem)


def test_a_session_whose_time_is_up_takes_no_job():
    session = Session("a", "qpu.forte-1", {"duration_limit_min": 1}, 1000.0)
    assert [session.describe(now)["status"] for now in (1030.0, 1061.0)] == ["created", "ended"]
