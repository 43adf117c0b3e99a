"""Sessions, whose caps the server keeps: opened for the jobs of a call, ended with the last of them."""

from __future__ import annotations

import pytest

from ionq.helpers import (
    ask,
    assert_paid_once,
    assert_right,
    assert_served,
    make_problem,
    records_of,
    refused,
)
from qllmft_backends.remote import (
    IonQAuthError,
    JobFailedError,
    JobTimeoutError,
    RemoteError,
    RemoteRequestError,
    SessionWarning,
    cancel_ledger,
    wait,
)
from qllmft_backends.sandbox import Fault
from qllmft_backends.sandbox.job import Session

CAPS = {"session_max_cost": 5.0, "session_max_minutes": 30}


def sessions(box):
    return list(box.store.sessions.values())


def session_ids(box):
    return {job.payload.get("session_id") for job in box.store.jobs.values()}


def test_the_jobs_of_a_call_are_in_a_session_with_its_caps(box, forte, problem, folder):
    assert_right(ask(forte(**CAPS, known_answer_shots=1000), problem), problem)
    (session,) = sessions(box)
    assert [record["session"] for record in records_of(folder) if record["event"] == "sent"] == [
        session.id
    ] * 3
    assert session.backend == "qpu.forte-1"
    assert session.caps == {
        "cost_limit": {"unit": "sandbox-credit", "value": 5.0},
        "duration_limit_min": 30,
    }
    assert session.ended_at
    assert session_ids(box) == {session.id}
    assert box.store.totals()["jobs"] == 3
    assert box.store.totals()["requests"]["sessions"] == 2, "opened once and ended once"
    ask(forte(**CAPS), problem)
    assert len(sessions(box)) == 1, "nothing to send, no session"
    ask(forte(session_max_minutes=2), make_problem(2, seed=3))
    assert sessions(box)[1].caps == {"duration_limit_min": 2}


def test_without_caps_there_is_no_session(box, forte, problem):
    ask(forte(), problem)
    assert session_ids(box) == {None}
    assert "sessions" not in box.store.totals()["requests"]


def test_the_server_refuses_what_goes_past_the_cap(box, forte, problem):
    """A chunk of three circuits costs 0.216: two fit, the third does not."""
    with pytest.raises(
        RemoteRequestError,
        match=r"would cost more than 0\.45 .*Chunk 0003 \(1 circuits\) was not accepted",
    ):
        ask(forte(session_max_cost=0.45), problem)
    assert box.store.totals()["circuits_paid"] == 6
    assert not sessions(box)[0].ended_at, "jobs are under way in it"
    assert_right(ask(forte(session_max_cost=0.45), problem), problem)
    assert all(session.ended_at for session in sessions(box))
    assert_paid_once(box, 7)


@pytest.mark.parametrize(
    ("fault", "error", "match"),
    [
        (Fault("status", "sessions", code=404), RemoteRequestError, "answered 404.*No circuit was sent.*beta"),
        (
            Fault("status", "sessions", code=403),
            RemoteRequestError,
            "answered 403.*in beta and IonQ opens them to some",
        ),
        (Fault("status", "sessions", code=401), IonQAuthError, "API key was not accepted"),
        (Fault("status", "sessions", code=500), RemoteError, "no session was opened: .*answered 500"),
        (Fault("drop_before", "sessions"), RemoteError, "no session was opened: .*got no answer"),
        (Fault("value", "sessions", value=["x"]), RemoteRequestError, "without a session's id"),
        (Fault("value", "sessions", value={"id": "../x"}), RemoteRequestError, "without a session's id"),
    ],
    ids=lambda f: f"{f.kind}-{f.code}-{f.value}" if isinstance(f, Fault) else None,
)  # fmt: skip
def test_a_service_without_sessions_is_sent_nothing(box, forte, problem, fault, error, match):
    box.faults.arm(fault)
    with refused(box, error, match):
        ask(forte(**CAPS), problem)
    assert_served(box, forte, problem)


@pytest.mark.parametrize(
    "settings", [None, {}, {"cost_limit": {"unit": "usd", "value": 5.0}, "duration_limit_min": 30}]
)
def test_caps_that_the_server_does_not_confirm_are_none(box, forte, problem, settings, monkeypatch):
    describe = Session.describe
    monkeypatch.setattr(
        Session, "describe", lambda self, now: describe(self, now) | {"settings": settings}
    )
    with refused(box, RemoteRequestError, r"without the caps that were asked for \(cost_limit"):
        ask(forte(**CAPS), problem)
    assert sessions(box)[0].ended_at


def test_another_process_ends_the_session_of_jobs_that_it_collects(
    box, forte, problem, folder, connection
):
    forte(**CAPS).submit(problem.circuit, problem.values)
    assert not sessions(box)[0].ended_at
    assert_right(ask(forte(), problem), problem)
    assert sessions(box)[0].ended_at
    more = make_problem(2, seed=5)
    forte(**CAPS).submit(more.circuit, more.values)
    wait(folder, connection)
    assert sessions(box)[1].ended_at


def test_a_session_with_jobs_under_way_is_left_open_until_they_are_canceled(
    box, forte, problem, folder, connection
):
    box.faults.arm(Fault("never_ends", "submit", times=-1))
    with pytest.raises(JobTimeoutError):
        ask(forte(**CAPS, deadline_s=0.1), problem)
    (session,) = sessions(box)
    assert not session.ended_at
    lines = cancel_ledger(folder, connection)
    assert lines[-1] == f"session {session.id}: ended"
    assert session.ended_at


def test_a_session_in_which_nothing_is_under_way_is_ended_after_an_error(box, forte, problem):
    box.faults.arm(Fault("job_failed", "submit"))
    with pytest.raises(JobFailedError, match="known answer was waited for, failed"):
        ask(forte(**CAPS, known_answer_shots=1000), problem)
    assert sessions(box)[0].ended_at


def test_no_session_is_opened_for_what_the_server_had(box, forte, problem):
    """The first call is refused, and its job shows up later."""
    problem.values, problem.exact = problem.values[:3], problem.exact[:3]
    box.faults.arm(Fault("status_after", "submit", code=404))
    box.faults.arm(Fault("value", "list", value={"jobs": [], "next": None}, times=-1))
    with pytest.raises(RemoteError, match="answered 404"):
        ask(forte(), problem)
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
