"""The ledger by itself: states, torn and broken lines, locks; and the jobs that are listed from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install 'qllmft[ionq]'")

from ionq.helpers import ask, assert_paid_once, assert_right
from qllmft_backends.ionq import (
    IonQConnection,
    IonQRequestError,
    IonQTransientError,
    Ledger,
    LedgerError,
    cancel,
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
    records = [json.loads(line) for line in ledger.path.read_text().splitlines()]
    assert [r["event"] for r in records] == ["planned", "sent", "refused", "sent", "submitted", "collected"]
    assert len(records[0]["values_sha256"]) == 64


def test_what_is_about_to_be_sent_is_on_disk_before_it_is_sent(box, forte, problem, monkeypatch):
    """Token, hashes, shots, mitigation and versions, synced before the POST."""
    synced, sync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (sync(fd), synced.append(fd)))
    submit, path = box.store.submit, forte().options.ledger / "ledger.jsonl"
    posts = []

    def spy(payload, fate=""):
        records = [json.loads(line) for line in path.read_text().splitlines()]
        posts.append((payload, records[-2], records[-1], len(synced)))
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
    ledger = Ledger(tmp_path)
    with ledger.lock():
        ledger.plan(SETUP, VALUES)
    with ledger.path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(LedgerError, match=r"cannot be read near byte \d+.*Restore the file"):
        Ledger(tmp_path).refresh()


def test_another_format_is_told(tmp_path):
    ledger = Ledger(tmp_path)
    with ledger.lock():
        ledger.plan(SETUP, VALUES)
    ledger.path.write_text(ledger.path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(LedgerError, match="format 2, expected 1"):
        Ledger(tmp_path).refresh()


def test_a_full_disk_stops_before_the_post(box, forte, problem, monkeypatch):
    def full(fd):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(LedgerError, match="No space left"):
            ask(forte(), problem)
    assert box.store.till()["jobs"] == 0
    assert_right(ask(forte(), problem), problem)
    assert_paid_once(box, 7)


def test_a_ledger_that_cannot_be_made(forte, problem, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="cannot be opened"):
        ask(forte(ledger=tmp_path / "file" / "ledger"), problem)


def test_one_writer_at_a_time(box, forte, problem):
    other = Ledger(forte().options.ledger)
    with other.lock(), pytest.raises(LedgerError, match=f"in use by process {os.getpid()} on .*Nothing was sent"):
        ask(forte(), problem)
    assert box.store.till()["requests"] == {}
    assert_right(ask(forte(), problem), problem)


def test_another_process_has_the_ledger_and_dies(box, forte, problem):
    """A killed owner leaves no lock behind."""
    code = (
        "import sys, pathlib; from qllmft_backends.ionq.ledger import Ledger\n"
        "with Ledger(pathlib.Path(sys.argv[1])).lock(): print('mine', flush=True); sys.stdin.read()"
    )
    folder = forte().options.ledger
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
        assert ledger_jobs_or_none(folder) is None
    finally:
        process.kill()
        process.communicate()
    assert_right(ask(forte(), problem), problem)


def ledger_jobs_or_none(folder):
    try:
        return ledger_jobs(folder)
    except IonQRequestError:
        return None


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


def test_jobs_of_a_ledger_and_of_the_server(box, forte, problem):
    folder, connection = forte().options.ledger, IonQConnection(url=box.url)
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


def test_waiting_settles_a_doubtful_job(box, forte, problem):
    box.faults.arm(Fault("drop_after", "submit"))
    box.faults.arm(Fault("status", "list", code=503, times=-1))
    with pytest.raises(IonQTransientError, match="may have been accepted"):
        ask(forte(retry_s=0.3), problem)
    box.faults.clear()
    connection = IonQConnection(url=box.url, poll_interval_s=0.02, settle_s=0.1)
    assert [j.state for j in wait(forte().options.ledger, connection)] == ["collected"]
    assert_right(ask(forte(), problem), problem)
    assert_paid_once(box, 7)


def test_the_key_goes_to_no_server_that_a_file_names(box, forte, problem):
    forte().submit(problem.circuit, problem.values)
    with pytest.raises(IonQRequestError, match=r"was sent to http://127.*and the options name https://other"):
        wait(forte().options.ledger, IonQConnection(url="https://other.example/v0.4"))


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
