"""The ledger by itself: states, torn and broken lines, locks; and the jobs that are listed from it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from ionq.helpers import (
    ask,
    assert_paid_once,
    assert_right,
    assert_served,
    await_jobs,
    records_of,
    refused,
    write_records,
)
from qllmft_backends.ionq import (
    DuplicateJobWarning,
    IonQConnection,
    IonQRequestError,
    IonQTimeoutError,
    IonQTransientError,
    JobsInterrupt,
    Ledger,
    LedgerError,
    cancel,
    cancel_ledger,
    job_total,
    ledger_jobs,
    server_jobs,
    wait,
)
from qllmft_backends.ionq.ledger import Setup
from qllmft_backends.ionq.sandbox import Fault

SETUP = Setup("https://x/v0.4", "qpu.forte-1", "ab", 3, 1000, "none", None, None, 0)
VALUES = np.array([[0.1, 0.2], [0.3, 0.4]])
RESULTS = [{0: 0.25, 5: 0.75}, {7: 1.0}]


def test_a_life(tmp_path):
    ledger = Ledger(tmp_path / "new" / "folder")
    states = []
    with ledger.lock():
        chunk = ledger.plan(SETUP, VALUES, versions={"qiskit": "x"})
        states.append(chunk.state)
        token = ledger.sending(chunk)
        states.append(chunk.state)
        ledger.refused(chunk, token, "429")
        states.append(chunk.state)
        second = ledger.sending(chunk)
        ledger.submitted(chunk, "job-1")
        states.append(chunk.state)
        ledger.collected(chunk, RESULTS)
        states.append(chunk.state)
    assert states == ["planned", "sent", "planned", "submitted", "collected"]
    assert token == second, "the server can be asked for it whatever became of the record"
    reader = Ledger(ledger.folder)
    reader.refresh()
    copy = reader.chunks["0001"]
    assert (copy.state, copy.setup, copy.job_id, copy.results) == ("collected", SETUP, "job-1", RESULTS)
    assert (copy.values == VALUES).all()
    assert [a.client_token for a in copy.attempts] == [token, second]
    records = records_of(ledger.folder)
    assert [r["event"] for r in records] == ["planned", "sent", "refused", "sent", "submitted", "collected"]
    assert len(records[0]["values_sha256"]) == 64


def test_what_is_about_to_be_sent_is_on_disk_before_it_is_sent(box, forte, problem, folder, monkeypatch):
    """Token, hashes, shots, mitigation and versions, synced before the POST."""
    synced, sync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (sync(fd), synced.append(fd)))
    submit, posts = box.store.submit, []

    def spy(payload, fate=""):
        posts.append((payload, *records_of(folder)[-2:], len(synced)))
        return submit(payload, fate)

    monkeypatch.setattr(box.store, "submit", spy)
    ask(forte(error_mitigation="debiasing"), problem)
    assert len(posts) == 3
    for payload, planned, sent, syncs in posts:
        assert (planned["event"], sent["event"]) == ("planned", "sent")
        assert sent["client_token"] == payload["metadata"]["client_token"]
        assert planned["setup"]["error_mitigation"] == "debiasing"
        assert planned["setup"]["shots"] == 1000
        assert set(planned["versions"]) == {"qiskit", "qiskit-ionq"}
        assert syncs >= 2


def test_a_torn_line_is_forgotten(tmp_path):
    ledger = Ledger(tmp_path)
    with ledger.lock():
        chunk = ledger.plan(SETUP, VALUES)
        ledger.sending(chunk)
    whole = ledger.path.read_bytes()
    for cut in (1, 5, 30):
        ledger.path.write_bytes(whole[:-cut])
        reader = Ledger(tmp_path)
        reader.refresh()  # without the lock: the line is left alone
        assert reader.chunks["0001"].state == "planned"
        assert ledger.path.read_bytes() == whole[:-cut]
        with reader.lock():
            reader.sending(reader.chunks["0001"])
        again = Ledger(tmp_path)
        again.refresh()
        assert again.chunks["0001"].state == "sent"


@pytest.mark.parametrize("line", ["not json", '{"event": "planned"}', '{"event": "sung", "chunk": "0001"}', "[]"])
def test_a_broken_line_is_told(tmp_path, line):
    with full_ledger(tmp_path).path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(LedgerError, match=r"cannot be read near byte \d+.*Restore the file"):
        Ledger(tmp_path).refresh()


def test_a_full_disk_stops_before_the_post(box, forte, problem, monkeypatch):
    def full(fd):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with refused(box, LedgerError, "No space left"):
            ask(forte(), problem)
    assert_served(box, forte, problem)


@pytest.mark.parametrize("name", ["ledger.id", "ledger.count"])
def test_a_full_disk_leaves_nothing_half_written_beside_the_ledger(box, forte, problem, folder, monkeypatch, name):
    sync = os.fsync

    def full(descriptor):
        if (folder / f"{name}.new").exists():
            raise OSError(28, "No space left on device")
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(LedgerError, match=rf"{name} cannot be written: .*No space left.* Make room and run again"):
            ask(forte(), problem)
    assert list(folder.glob("*.new")) == []
    assert_served(box, forte, problem)


def test_a_ledger_that_cannot_be_made(forte, problem, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="cannot be opened"):
        ask(forte(ledger=tmp_path / "file" / "ledger"), problem)


def test_one_writer_at_a_time(box, forte, problem, folder):
    other = Ledger(folder)
    with other.lock(), pytest.raises(LedgerError, match=f"in use by process {os.getpid()} on .*Nothing was sent"):
        ask(forte(), problem)
    assert box.store.till()["requests"] == {}
    assert_right(ask(forte(), problem), problem)


def test_another_process_has_the_ledger_and_dies(forte, problem, folder):
    """A killed owner leaves no lock behind."""
    code = (
        "import sys, pathlib; from qllmft_backends.ionq.ledger import Ledger\n"
        "with Ledger(pathlib.Path(sys.argv[1])).lock(): print('mine', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert process.stdout.readline() == "mine\n"
        with pytest.raises(LedgerError, match=f"in use by process {process.pid}"):
            ask(forte(), problem)
        with pytest.raises(IonQRequestError, match="holds no ledger"):
            ledger_jobs(folder)
    finally:
        process.kill()
        process.communicate()
    assert_right(ask(forte(), problem), problem)


def test_threads_of_one_backend_take_turns(box, forte, problem):
    """Qiskit's primitives run in threads."""
    backend, answers = forte(), []
    threads = [threading.Thread(target=lambda: answers.append(ask(backend, problem))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 3
    assert_paid_once(box, 7)


def test_writing_needs_the_lock(tmp_path):
    with pytest.raises(LedgerError, match="only inside lock"):
        Ledger(tmp_path).plan(SETUP, VALUES)


def test_jobs_of_a_ledger_and_of_the_server(box, forte, problem, folder, connection):
    with pytest.raises(IonQRequestError, match="holds no ledger"):
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
    assert {j.state for j in wait(folder, connection, lambda chunk, status: looks.append(status))} == {"collected"}
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
    with pytest.raises(IonQTransientError, match="503"):
        ledger_jobs(folder, ask=connection)


def test_waiting_goes_on_past_a_job_that_the_server_lacks(box, forte, problem, folder, connection):
    submission = forte().submit(problem.circuit, problem.values)
    lost = box.store.jobs.pop(submission.job_ids[0])
    rows = wait(folder, connection)
    assert [row.state for row in rows] == ["missing", "collected", "collected"]
    assert "answered 404" in rows[0].note
    with pytest.raises(IonQRequestError, match="answered 404"):
        ask(forte(), problem)
    box.store.jobs[lost.id] = lost
    assert_served(box, forte, problem)


def test_a_job_that_was_accepted_late_is_listed_waited_for_and_canceled(box, forte, problem, folder, connection):
    box.faults.arm(Fault("slow", "submit", seconds=1.0))
    box.faults.arm(Fault("never_ends", "submit", times=-1))
    forte(request_timeout_s=0.3, settle_s=0.1).submit(problem.circuit, problem.values)
    await_jobs(box, 4)
    rows = ledger_jobs(folder, ask=connection)
    assert [(row.state, row.chunk) for row in rows].count(("duplicate", "0001")) == 1
    assert str(job_total(rows)).startswith("4 jobs, 10 circuits: 0.72 ")
    hasty = connection.model_copy(update={"deadline_s": 0.1})
    with pytest.warns(DuplicateJobWarning, match="again"), pytest.raises(IonQTimeoutError):
        wait(folder, hasty)
    assert [row.state for row in ledger_jobs(folder)] == ["submitted", "duplicate", "submitted", "submitted"]
    lines = cancel_ledger(folder, connection)
    assert [line.partition(": ")[2] for line in lines[:3]] == ["canceled"] * 3
    assert "not canceled" in lines[3], "the late one has run"
    assert sorted(row.state for row in wait(folder, connection)) == ["duplicate", "failed", "failed", "failed"]
    assert str(job_total(ledger_jobs(folder))) == "1 jobs, 3 circuits: 0.22 sandbox-credit estimated"
    for job in box.store.jobs.values():
        job.status = "canceled"
    assert [row.state for row in wait(folder, connection)] == ["failed"] * 3
    assert str(job_total(ledger_jobs(folder))) == "0 jobs, 0 circuits: free"


def test_interrupted_after_sending(box, forte, problem, folder, monkeypatch):
    """Ctrl-C while jobs are under way: which, what they cost, how to collect them."""
    from qllmft_backends.ionq import collector

    def interrupt(seconds):
        raise KeyboardInterrupt

    box.faults.arm(Fault("never_ends", "submit", times=-1))
    with monkeypatch.context() as patch:
        patch.setattr(collector.time, "sleep", interrupt)
        with pytest.raises(JobsInterrupt) as caught:
            ask(forte(), problem)
    ids = [row.job_id for row in ledger_jobs(folder)]
    assert [job.job_id for job in caught.value.jobs] == ids
    assert str(caught.value).splitlines() == [
        "interrupted. 3 job(s) go on at the server, and are paid:",
        *(f"  {i}: {n} circuits, about {n * 0.072:.2f} sandbox-credit" for i, n in zip(ids, (3, 3, 1), strict=True)),
        f"collect them: qllmft jobs wait --ledger {folder}",
        f"stop them: qllmft jobs cancel --ledger {folder}",
    ]


def test_interrupted_while_sending(box, forte, problem, monkeypatch):
    from qllmft_backends.ionq import sender

    post = sender.post

    def accepted_and_interrupted(*arguments):
        post(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sender, "post", accepted_and_interrupted)
        with pytest.raises(JobsInterrupt, match=r"chunk 0001 \(perhaps accepted"):
            ask(forte(), problem)
    assert_served(box, forte, problem)
    monkeypatch.setattr(sender, "post", accepted_and_interrupted)
    assert ask(forte(), problem).values.shape == (7, 3), "nothing to send, nothing to interrupt"


def test_waiting_settles_a_doubtful_job(box, forte, problem, folder, connection):
    box.faults.arm(Fault("drop_after", "submit"))
    box.faults.arm(Fault("status", "list", code=503, times=-1))
    with pytest.raises(IonQTransientError, match="may have been accepted"):
        ask(forte(retry_s=0.3), problem)
    box.faults.clear()
    assert [j.state for j in wait(folder, connection)] == ["collected"]
    assert_served(box, forte, problem)


def test_the_key_goes_to_no_server_that_a_file_names(box, forte, problem, folder):
    forte().submit(problem.circuit, problem.values)
    with pytest.raises(IonQRequestError, match=r"was sent to http://127.*and the options name https://other"):
        wait(folder, IonQConnection(url="https://other.example/v0.4"))


def test_matching_prefers_what_has_a_result(tmp_path):
    ledger = Ledger(tmp_path)
    with ledger.lock():
        failed = ledger.plan(SETUP, VALUES)
        ledger.sending(failed)
        ledger.submitted(failed, "a")
        ledger.failed(failed, "failed", [None, RESULTS[1]])
        assert ledger.find(SETUP, VALUES) == [(failed, 0), (failed, 1)]
        assert ledger.find(SETUP, VALUES, retry_failed=True) == [None, (failed, 1)]
        again = ledger.plan(SETUP, VALUES[:1])
        assert ledger.find(SETUP, VALUES, retry_failed=True) == [None, (failed, 1)]  # planned is not sent
        ledger.sending(again)
        ledger.submitted(again, "b")
        ledger.collected(again, RESULTS[:1])
        assert ledger.find(SETUP, VALUES) == [(again, 0), (failed, 1)]


@pytest.mark.parametrize(
    ("event", "change", "match"),
    [
        ("planned", {"values": [[0.1, 0.2], [0.3, 0.5]]}, "values_sha256 does not fit the values"),
        ("planned", {"values": [[0.1, 0.2], [0.3, float("nan")]]}, "NaN in the place of a number"),
        ("planned", {"values": []}, "values are empty"),
        ("planned", {"format": 2}, "format 2, expected 1"),
        ("planned", {"price_each": -1.0}, "price_each is -1.0"),
        ("planned", {"price_each": "much"}, "price_each is 'much'"),
        ("submitted", {"job_id": ""}, "the job's id is ''"),
        ("submitted", {"job_id": 7}, "the job's id is 7"),
        ("collected", {"results": [{"7": 1.0}, {"0": 0.25, "5": 0.75}]}, "results_sha256 does not fit the results"),
        ("collected", {"results": [{"7": 1.0}]}, "1 results of 2 circuits"),
        ("collected", {"results": [{"7": 1.0}, None]}, "does not fit the results"),
    ],
)
def test_what_is_read_is_what_was_written(tmp_path, event, change, match):
    full_ledger(tmp_path)
    write_records(tmp_path, [r | change if r["event"] == event else r for r in records_of(tmp_path)])
    with pytest.raises(LedgerError, match=f"cannot be read near byte .*{match}.*Restore the file"):
        Ledger(tmp_path).refresh()


@pytest.mark.parametrize(
    ("results", "match"),
    [
        ([{"0": 0.25}, {"7": 1.0}], "sum to 0.25, expected 1"),
        ([{"0": 0.25, "9": 0.75}, {"7": 1.0}], r"outside of 0\.\.7"),
        ([{"0": 0.25, "5": float("inf")}, {"7": 1.0}], "Infinity in the place of a number"),
        ([{"0": 0.25, "x": 0.75}, {"7": 1.0}], "not a mapping"),
        ([[1.0], {"7": 1.0}], "not a mapping"),
        ([{"7": 1.0}, None], "a circuit has no result"),
        (None, "NoneType"),
    ],
)
def test_results_of_an_earlier_version_are_checked_too(tmp_path, results, match):
    """Those have no hash of the results."""
    full_ledger(tmp_path)
    *others, collected = records_of(tmp_path)
    del collected["results_sha256"]
    write_records(tmp_path, [*others, collected | {"results": results}])
    with pytest.raises(LedgerError, match=match):
        Ledger(tmp_path).refresh()


def full_ledger(folder):
    ledger = Ledger(folder)
    with ledger.lock():
        chunk = ledger.plan(SETUP, VALUES)
        ledger.sending(chunk)
        ledger.submitted(chunk, "a")
        ledger.collected(chunk, RESULTS)
    return ledger


@pytest.mark.parametrize("name", ["ledger.id", "ledger.count"])
@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"id": 7, "jobs": "x"}'])
def test_what_lies_beside_the_ledger_is_checked(tmp_path, name, content):
    full_ledger(tmp_path)
    (tmp_path / name).write_text(content)
    again = Ledger(tmp_path)
    with pytest.raises(LedgerError, match=rf"{name} cannot be read: .*Nothing was sent"), again.lock():
        again.tokens(SETUP, [VALUES])


def test_a_chunk_that_was_not_accepted_is_planned_again_under_its_name(tmp_path):
    ledger = Ledger(tmp_path)
    with ledger.lock():
        first = ledger.plan(SETUP, VALUES)
        token = ledger.sending(first)
        ledger.refused(first, token, "429")
        again = ledger.plan(SETUP, VALUES, price_each=2.0)
        assert (again.id, again.tokens, again.state, again.price_each) == (first.id, {token}, "planned", 2.0)
        assert ledger.plan(SETUP, VALUES[:1]).id == "0002"
        assert ledger.sending(again) == token
        ledger.submitted(again, "a")
        other = ledger.plan(SETUP, VALUES)
        assert other.id == "0003"
        assert ledger.sending(other) != token, "another job of the same content"
