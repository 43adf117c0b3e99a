"""The jobs that a ledger lists: their states at the server, those that go on after Ctrl-C, waiting and canceling."""

from __future__ import annotations

import pytest

from ionq.helpers import ask, assert_right, assert_served, await_jobs
from qllmft_backends.remote import (
    DuplicateJobWarning,
    IonQConnection,
    JobsInterrupt,
    JobTimeoutError,
    RemoteRequestError,
    RemoteTransientError,
    cancel,
    cancel_ledger,
    job_total,
    ledger_jobs,
    server_jobs,
    wait,
)
from qllmft_backends.sandbox import Fault


def test_jobs_of_a_ledger_and_of_the_server(box, forte, problem, folder, connection):
    with pytest.raises(RemoteRequestError, match="holds no ledger"):
        ledger_jobs(folder)
    forte().submit(problem.circuit, problem.values)
    listed = ledger_jobs(folder)
    assert [(j.chunk, j.state, j.circuits, j.shots) for j in listed] == [
        ("0001", "submitted", 3, 1000),
        ("0002", "submitted", 3, 1000),
        ("0003", "submitted", 1, 1000),
    ]
    at_server = server_jobs(connection, backend="qpu.forte-1")
    assert {j.job_id for j in at_server} == {j.job_id for j in listed}
    assert sorted(j.circuits for j in at_server) == [1, 3, 3]
    assert server_jobs(connection, backend="simulator") == []
    assert len(server_jobs(connection, limit=2)) == 2
    looks = []
    assert {
        j.state for j in wait(folder, connection, lambda chunk, status: looks.append(status))
    } == {"collected"}
    assert "completed" in looks
    requests = dict(box.store.requests)
    assert_right(ask(forte(), problem), problem)
    assert dict(box.store.requests) == requests  # all came from the ledger
    (line,) = cancel([listed[0].job_id], connection)
    assert "not canceled" in line


def test_the_server_is_asked_for_the_states(box, forte, problem, folder, connection):
    box.faults.arm(Fault("never_ends", "submit", after=1, times=-1))
    forte().submit(problem.circuit, problem.values)
    cancel([ledger_jobs(folder)[1].job_id], connection)
    rows = ledger_jobs(folder, ask=connection)
    assert [row.state for row in rows[1:]] == ["canceled", "started"]
    assert [row.state for row in ledger_jobs(folder)] == ["submitted"] * 3, "nothing is written"
    each = 1000 * (12e-6 + 6e-5)
    assert [row.price for row in rows] == [pytest.approx(n * each) for n in (3, 3, 1)]
    total = job_total(rows)
    assert (total.jobs, total.circuits, total.charged, total.unknown) == (2, 4, {}, 0)
    assert total.estimated == {"sandbox-credit": pytest.approx(4 * each)}
    assert str(total) == "2 jobs, 4 circuits: 0.29 sandbox-credit estimated"
    del box.store.jobs[rows[2].job_id]
    missing = ledger_jobs(folder, ask=connection)[2]
    assert (missing.state, "answered 404" in missing.note) == ("missing", True)
    box.faults.arm(Fault("status", "list", code=503))
    with pytest.raises(RemoteTransientError, match="503"):
        ledger_jobs(folder, ask=connection)


def test_waiting_goes_on_past_a_job_that_the_server_lacks(box, forte, problem, folder, connection):
    submission = forte().submit(problem.circuit, problem.values)
    lost = box.store.jobs.pop(submission.job_ids[0])
    rows = wait(folder, connection)
    assert [row.state for row in rows] == ["missing", "collected", "collected"]
    assert "answered 404" in rows[0].note
    with pytest.raises(RemoteRequestError, match="answered 404"):
        ask(forte(), problem)
    box.store.jobs[lost.id] = lost
    assert_served(box, forte, problem)


def test_a_job_that_was_accepted_late_is_listed_waited_for_and_canceled(
    box, forte, problem, folder, connection
):
    box.faults.arm(Fault("slow", "submit", seconds=1.0))
    box.faults.arm(Fault("never_ends", "submit", times=-1))
    forte(request_timeout_s=0.3, settle_s=0.1).submit(problem.circuit, problem.values)
    await_jobs(box, 4)
    rows = ledger_jobs(folder, ask=connection)
    assert [(row.state, row.chunk) for row in rows].count(("duplicate", "0001")) == 1
    assert str(job_total(rows)).startswith("4 jobs, 10 circuits: 0.72 ")
    hasty = connection.model_copy(update={"deadline_s": 0.1})
    with pytest.warns(DuplicateJobWarning, match="again"), pytest.raises(JobTimeoutError):
        wait(folder, hasty)
    assert [row.state for row in ledger_jobs(folder)] == [
        "submitted",
        "duplicate",
        "submitted",
        "submitted",
    ]
    lines = cancel_ledger(folder, connection)
    assert [line.partition(": ")[2] for line in lines[:3]] == ["canceled"] * 3
    assert "not canceled" in lines[3], "the late one has run"
    assert sorted(row.state for row in wait(folder, connection)) == [
        "duplicate",
        "failed",
        "failed",
        "failed",
    ]
    assert (
        str(job_total(ledger_jobs(folder))) == "1 jobs, 3 circuits: 0.22 sandbox-credit estimated"
    )
    for job in box.store.jobs.values():
        job.status = "canceled"
    assert [row.state for row in wait(folder, connection)] == ["failed"] * 3
    assert str(job_total(ledger_jobs(folder))) == "0 jobs, 0 circuits: free"


def test_interrupted_after_sending(box, forte, problem, folder, monkeypatch):
    """Ctrl-C while jobs are under way: which, what they cost, how to collect them."""
    from qllmft_backends.remote import collect

    def interrupt(seconds):
        raise KeyboardInterrupt

    box.faults.arm(Fault("never_ends", "submit", times=-1))
    with monkeypatch.context() as patch:
        patch.setattr(collect.time, "sleep", interrupt)
        with pytest.raises(JobsInterrupt) as caught:
            ask(forte(), problem)
    ids = [row.job_id for row in ledger_jobs(folder)]
    assert [job.job_id for job in caught.value.jobs] == ids
    assert str(caught.value).splitlines() == [
        "interrupted. 3 job(s) continue at the server, and are paid:",
        *(
            f"  {i}: {n} circuits, about {n * 0.072:.2f} sandbox-credit"
            for i, n in zip(ids, (3, 3, 1), strict=True)
        ),
        f"collect them: qllmft jobs wait --ledger {folder}",
        f"stop them: qllmft jobs cancel --ledger {folder}",
    ]


def test_interrupted_while_sending(box, forte, problem, monkeypatch):
    from qllmft_backends.remote.ionq.route import IonQRoute

    post = IonQRoute.post

    def accepted_and_interrupted(*arguments):
        post(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(IonQRoute, "post", accepted_and_interrupted)
        with pytest.raises(JobsInterrupt, match=r"chunk 0001 \(perhaps accepted"):
            ask(forte(), problem)
    assert_served(box, forte, problem)
    monkeypatch.setattr(IonQRoute, "post", accepted_and_interrupted)
    assert ask(forte(), problem).values.shape == (7, 3), "nothing to send, nothing to interrupt"


def test_waiting_settles_a_doubtful_job(box, forte, problem, folder, connection):
    box.faults.arm(Fault("drop_after", "submit"))
    box.faults.arm(Fault("status", "list", code=503, times=-1))
    with pytest.raises(RemoteTransientError, match="may have been accepted"):
        ask(forte(retry_s=0.3), problem)
    box.faults.clear()
    assert [j.state for j in wait(folder, connection)] == ["collected"]
    assert_served(box, forte, problem)


def test_the_key_goes_to_no_server_that_a_file_names(box, forte, problem, folder):
    forte().submit(problem.circuit, problem.values)
    with pytest.raises(
        RemoteRequestError, match=r"was sent to http://127.*and the options name https://other"
    ):
        wait(folder, IonQConnection(url="https://other.example/v0.4"))
