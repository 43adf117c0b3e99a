"""The ledger: states, torn and broken lines, what it holds when it is read again, one writer, full disks."""

from __future__ import annotations

import json
import os
import signal
import threading
import warnings
from hashlib import sha256

import numpy as np
import pytest

from ionq.helpers import (
    ask,
    assert_fails,
    assert_paid_once,
    assert_right,
    assert_served,
    make_problem,
    read_records,
    write_records,
)
from qllmft_backends.errors import LedgerError
from qllmft_machines import Ledger, ledger_jobs
from qllmft_machines.errors import DamagedRecordWarning, RemoteRequestError
from qllmft_machines.ledger.chunk import Setup

SETUP = Setup("https://x/v0.4", "qpu.forte-1", "ab", 3, 1000, 0)
VALUES = np.array([[0.1, 0.2], [0.3, 0.4]])
RESULTS = [{0: 0.25, 5: 0.75}, {7: 1.0}]


def reread(folder):
    """The ledger in ``folder`` as another process finds it."""
    ledger = Ledger(folder)
    ledger.refresh()
    return ledger


def record_accepted_job(ledger, values, job_id):
    chunk = ledger.plan(SETUP, values)
    ledger.record_submission(chunk, job_id, ledger.record_sending(chunk))
    return chunk


def full_ledger(folder):
    """A job that was collected, and another one that was planned."""
    ledger = Ledger(folder)
    with ledger.lock():
        ledger.record("collected", record_accepted_job(ledger, VALUES, "a").id, results=RESULTS)
        ledger.plan(SETUP, VALUES + 1)
    return ledger


def test_a_life(tmp_path):
    ledger = Ledger(tmp_path / "new" / "folder")
    states = []
    with ledger.lock():
        chunk = ledger.plan(SETUP, VALUES, versions={"qiskit": "x"})
        states.append(chunk.state)
        token = ledger.record_sending(chunk)
        states.append(chunk.state)
        ledger.record("refused", chunk.id, client_token=token, reason="429")
        states.append(chunk.state)
        second = ledger.record_sending(chunk)
        ledger.record_submission(chunk, "job-1", second)
        states.append(chunk.state)
        ledger.record("collected", chunk.id, results=RESULTS)
        states.append(chunk.state)
    assert states == ["planned", "sent", "planned", "submitted", "collected"]
    assert token == second, "the server can be asked for it whatever became of the record"
    copy = reread(ledger.folder).chunks["0001"]
    facts = (copy.state, copy.setup, copy.job_id, copy.results)
    assert facts == ("collected", SETUP, "job-1", RESULTS)
    assert (copy.values == VALUES).all()
    assert [a.client_token for a in copy.attempts] == [token, second]
    events = ["planned", "sent", "refused", "sent", "submitted", "collected"]
    records = read_records(ledger.folder)
    assert [record["event"] for record in records] == events
    facts = records[0]["versions"], len(records[0]["values_sha256"]), records[4]["client_token"]
    assert facts == ({"qiskit": "x"}, 64, second)


def test_what_is_about_to_be_sent_is_on_disk_before_it_is_sent(
    box, forte, problem, folder, monkeypatch
):
    """Token, hashes, shots, mitigation and versions, synced before the POST."""
    synced = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (sync(fd), synced.append(fd)))
    submit = box.store.submit
    posts = []

    def spy(payload, *more):
        posts.append((payload, *read_records(folder)[-2:], len(synced)))
        return submit(payload, *more)

    monkeypatch.setattr(box.store, "submit", spy)
    ask(forte(error_mitigation="debiasing"), problem)
    assert len(posts) == 3
    for payload, planned, sent_record, syncs in posts:
        assert (planned["event"], sent_record["event"]) == ("planned", "sent")
        assert sent_record["client_token"] == payload["metadata"]["client_token"]
        setup = planned["setup"]
        assert (setup["error_mitigation"], setup["shots"]) == ("debiasing", 1000)
        assert set(planned["versions"]) == {"qiskit", "qiskit-ionq"}
        assert syncs >= 2


def test_a_torn_line_is_forgotten(tmp_path):
    ledger = Ledger(tmp_path)
    with ledger.lock():
        ledger.record_sending(ledger.plan(SETUP, VALUES))
    content = ledger.path.read_bytes()
    for cut in (1, 5, 30):
        ledger.path.write_bytes(content[:-cut])
        reader = reread(tmp_path)  # without the lock: the line is left alone
        assert reader.chunks["0001"].state == "planned"
        assert ledger.path.read_bytes() == content[:-cut]
        with reader.lock():
            reader.record_sending(reader.chunks["0001"])
        assert reread(tmp_path).chunks["0001"].state == "sent"


def test_a_torn_line_on_a_disk_that_fails(tmp_path, monkeypatch):
    (tmp_path / "ledger.jsonl").write_text('{"event": "pla')

    def fails(descriptor):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with (
            pytest.raises(
                LedgerError,
                match=r"cannot be opened: .*Input/output error.* Nothing was sent\. Make room",
            ),
            Ledger(tmp_path).lock(),
        ):
            pass
    with Ledger(tmp_path).lock():  # nobody holds it
        pass


def test_writing_needs_the_lock(tmp_path):
    with pytest.raises(LedgerError, match="only inside lock"):
        Ledger(tmp_path).plan(SETUP, VALUES)


def test_matching_prefers_what_has_a_result(tmp_path):
    ledger = Ledger(tmp_path)
    with ledger.lock():
        failed = record_accepted_job(ledger, VALUES, "a")
        ledger.record("failed", failed.id, reason="failed", results=[None, RESULTS[1]])
        assert ledger.find(SETUP, VALUES) == [(failed, 0), (failed, 1)]
        assert ledger.find(SETUP, VALUES, retry_failed=True) == [None, (failed, 1)]
        retried_chunk = ledger.plan(SETUP, VALUES[:1])
        # planned is not sent
        assert ledger.find(SETUP, VALUES, retry_failed=True) == [None, (failed, 1)]
        ledger.record_submission(retried_chunk, "b", ledger.record_sending(retried_chunk))
        ledger.record("collected", retried_chunk.id, results=RESULTS[:1])
        assert ledger.find(SETUP, VALUES) == [(retried_chunk, 0), (failed, 1)]


@pytest.mark.parametrize(
    "line", ["not json", '{"event": "planned"}', '{"event": "sung", "chunk": "0001"}', "[]"]
)
def test_a_broken_line_is_told(tmp_path, line):
    path = full_ledger(tmp_path).path
    *first_lines, last = path.read_text().splitlines()
    path.write_text("\n".join([*first_lines, line, last, ""]))
    with pytest.raises(LedgerError, match=r"cannot be read near byte \d+.*Restore the file"):
        reread(tmp_path)


@pytest.mark.parametrize(
    ("event", "change", "match"),
    [
        ("planned", {"values": [[0.1, 0.2], [0.3, 0.5]]}, "values_sha256 does not fit the values"),
        ("planned", {"values": [[0.1, 0.2], [0.3, float("nan")]]}, "NaN in the place of a number"),
        ("planned", {"values": []}, "values are empty"),
        ("planned", {"format": 2}, "format 2, expected 1"),
        ("planned", {"price_each": -1.0}, "price_each is -1.0"),
        ("planned", {"price_each": "much"}, "price_each is 'much'"),
        ("planned", {"known_price": -1}, "known_price is -1"),
        ("planned", {"checked": 1}, "checked is 1, expected true or false"),
        ("submitted", {"job_id": ""}, "the job's id is ''"),
        ("submitted", {"job_id": 7}, "the job's id is 7"),
        ("collected", {"results": [{"7": 1.0}, {"0": 0.25, "5": 0.75}]}, "results_sha256 does not fit the results"),
        ("collected", {"results": [{"7": 1.0}]}, "1 results of 2 circuits"),
        ("collected", {"results": [{"7": 1.0}, None]}, "does not fit the results"),
        *(("sent", {"server_at": time}, "(server_at is|NaN in the place)") for time in
          (10**400, -1, float("nan"), True, "soon", [])),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_what_is_read_is_what_was_written(tmp_path, event, change, match):
    full_ledger(tmp_path)
    records = [r | change if r["event"] == event else r for r in read_records(tmp_path)]
    write_records(tmp_path, records)
    with pytest.raises(LedgerError, match=f"cannot be read near byte .*{match}.*Restore the file"):
        reread(tmp_path)


@pytest.mark.parametrize(
    ("results", "match"),
    [
        ([{"0": 0.25, "5": float("inf")}, {"7": 1.0}], "Infinity in the place of a number"),
        ([[1.0], {"7": 1.0}], "not a mapping"),
        ([{"7": 1.0}, None], "a circuit has no result"),
        (None, "NoneType"),
    ],
)
def test_results_with_a_right_hash_are_checked_too(tmp_path, results, match):
    full_ledger(tmp_path)
    *first_records, collected, last = read_records(tmp_path)
    digest = sha256(json.dumps(results).encode()).hexdigest()
    changed = collected | {"results": results, "results_sha256": digest}
    write_records(tmp_path, [*first_records, changed, last])
    with pytest.raises(LedgerError, match=match):
        reread(tmp_path)


DAMAGES = {
    "no JSON": lambda line: b"\xff\x00 not json\n",
    "cut": lambda line: line[: len(line) // 2] + b"\n",
    "a letter": lambda line: line.replace(b'"chunk": "0', b'"chunk": "9', 1),
    "empty": lambda line: b"{}\n",
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("event", ["planned", "sent", "refused", "submitted", "collected"])
def test_a_damaged_last_record_is_set_aside(tmp_path, event, damage):
    """It is kept beside the ledger, and the rest is read; what may have been sent counts as sent."""
    ledger = Ledger(tmp_path)
    with ledger.lock():
        ledger.record("collected", record_accepted_job(ledger, VALUES, "a").id, results=RESULTS)
        chunk = ledger.plan(SETUP, VALUES + 1)
        if event != "planned":
            token = ledger.record_sending(chunk)
        if event == "refused":
            ledger.record("refused", chunk.id, client_token=token, reason="429")
        if event in ("submitted", "collected"):
            ledger.record_submission(chunk, "b", token)
        if event == "collected":
            ledger.record("collected", chunk.id, results=RESULTS)
    *first_lines, last = ledger.path.read_bytes().splitlines(keepends=True)
    broken = DAMAGES[damage](last) if (event, damage) != ("planned", "a letter") else b"[]\n"
    ledger.path.write_bytes(b"".join([*first_lines, broken]))
    told = (
        rf"last record of the ledger {ledger.path}, {len(broken)} bytes .*is damaged .*ledger\.da"
    )
    with pytest.warns(DamagedRecordWarning, match=told):
        reader = reread(tmp_path)
    assert ledger.path.read_bytes() == b"".join([*first_lines, broken]), (
        "no reader changes the file"
    )
    assert reader.chunks["0001"].results == RESULTS
    with pytest.warns(DamagedRecordWarning), Ledger(tmp_path).lock():
        pass
    assert (tmp_path / "ledger.damaged").read_bytes() == broken
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reopened = Ledger(tmp_path)
        with reopened.lock():
            first, *later_chunks = reopened.chunks.values()
            assert reopened.find(SETUP, VALUES) == [(first, 0), (first, 1)]
    later_states = {"planned": [], "collected": ["submitted"]}.get(event, ["sent"])
    assert [chunk.state for chunk in (first, *later_chunks)] == ["collected", *later_states]


def test_after_damage_to_the_last_record_nothing_is_paid_twice(box, forte, folder):
    """The process ended, or the disk failed, after any event of two jobs."""
    problem = make_problem(4)
    ask(forte(), problem)
    lines = (folder / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    for number in range(1, len(lines) + 1):
        part = [*lines[: number - 1], DAMAGES["cut"](lines[number - 1])]
        (folder / "ledger.jsonl").write_bytes(b"".join(part))
        jobs = sum(b'"event": "submitted"' in line for line in lines[:number])
        (folder / "ledger.count").write_text(json.dumps({"jobs": jobs}))
        with pytest.warns(DamagedRecordWarning):
            assert_right(ask(forte(), problem), problem)
        assert box.store.totals()["jobs"] == 2, number
    assert len((folder / "ledger.damaged").read_bytes().splitlines()) == len(lines)


@pytest.mark.parametrize("name", ["ledger.id", "ledger.count"])
@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"id": 7, "jobs": "x"}'])
def test_what_lies_beside_the_ledger_is_checked(tmp_path, name, content):
    full_ledger(tmp_path)
    (tmp_path / name).write_text(content)
    reopened = Ledger(tmp_path)
    with (
        pytest.raises(LedgerError, match=rf"{name} cannot be read: .*Nothing was sent"),
        reopened.lock(),
    ):
        reopened.tokens(SETUP, [VALUES])


@pytest.mark.parametrize("value", [10**400, -1, float("nan"), True, "soon", []], ids=repr)
def test_a_time_of_creation_that_is_none(tmp_path, value):
    (tmp_path / "ledger.id").write_text(json.dumps({"id": "x", "created_at": value}))
    with pytest.raises(LedgerError, match=r"ledger\.id cannot be read"):
        _ = Ledger(tmp_path).identity.created_at


def test_a_chunk_that_was_not_accepted_is_planned_again_under_its_name(tmp_path):
    ledger = Ledger(tmp_path)
    with ledger.lock():
        first = ledger.plan(SETUP, VALUES)
        token = ledger.record_sending(first)
        ledger.record("refused", first.id, client_token=token, reason="429")
        replanned = ledger.plan(SETUP, VALUES, price_each=2.0)
        facts = (replanned.id, replanned.tokens, replanned.state, replanned.price_each)
        assert facts == (first.id, {token}, "planned", 2.0)
        assert ledger.plan(SETUP, VALUES[:1]).id == "0002"
        assert ledger.record_sending(replanned) == token
        ledger.record_submission(replanned, "a", token)
        equal_chunk = ledger.plan(SETUP, VALUES)
        assert equal_chunk.id == "0003"
        assert ledger.record_sending(equal_chunk) != token, "another job of the same content"


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "zeros"]
)
@pytest.mark.parametrize("name", ["ledger.jsonl", "ledger.id", "ledger.count", "ledger.owner"])
def test_a_pipe_or_a_device_in_the_place_of_a_file(tmp_path, make, name):
    full_ledger(tmp_path)
    (tmp_path / name).unlink(missing_ok=True)
    make(tmp_path / name)

    def use():
        with Ledger(tmp_path).lock():
            return Ledger(tmp_path).identity.id

    if name == "ledger.owner":
        assert use()
        return
    with pytest.raises((OSError, LedgerError), match=r"is a pipe or a device|is a link"):
        use()


def test_a_line_without_end_is_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("qllmft_machines.ledger.ledger.MAX_LEDGER_LINE_BYTES", 100_000)
    path = full_ledger(tmp_path).path
    size = path.stat().st_size
    with path.open("ab") as file:
        file.truncate(size + 10**12)  # a hole, which takes no space on the disk
    with (
        pytest.raises(
            LedgerError, match=r"has a line of more than 100,000 bytes\. Nothing was sent"
        ),
        Ledger(tmp_path).lock(),
    ):
        pass
    assert path.stat().st_size == size + 10**12


def test_the_job_of_another_chunk_is_not_recorded(tmp_path):
    ledger = Ledger(tmp_path)
    with ledger.lock():
        record_accepted_job(ledger, VALUES, "job-1")
        second = ledger.plan(SETUP, VALUES + 1)
        token = ledger.record_sending(second)
        with pytest.raises(LedgerError, match="the id job-1 of another job, that of chunk 0001"):
            ledger.record_submission(second, "job-1", token)
        assert second.state == "sent", "it is looked up by its token"


@pytest.mark.parametrize(
    "results",
    [[{0: 1.5, 1: -0.5}, {7: 1.0}], [{0: 1.0}], [{9: 1.0}, {7: 1.0}], [{0: float("nan")}, None]],
)
def test_a_record_that_could_not_be_read_again_is_not_written(tmp_path, results):
    ledger = Ledger(tmp_path)
    with ledger.lock():
        chunk = ledger.plan(SETUP, VALUES)
        token = ledger.record_sending(chunk)
        with pytest.raises(
            LedgerError, match=r"'submitted' of chunk 0001 cannot be recorded: .*id is ''"
        ):
            ledger.record_submission(chunk, "", token)
        ledger.record_submission(chunk, "job-1", token)
        with pytest.raises(LedgerError, match="'collected' of chunk 0001 cannot be recorded"):
            ledger.record("collected", chunk.id, results=results)
        assert chunk.state == "submitted"
    reopened = Ledger(tmp_path)
    with reopened.lock():
        reopened.record("collected", "0001", results=RESULTS)
    assert reopened.chunks["0001"].state == "collected"


OWN = ["jsonl", "damaged", "id", "count", "lock", "id.new"]


@pytest.mark.parametrize("name", [f"ledger.{suffix}" for suffix in OWN])
def test_a_link_in_the_place_of_a_file_leads_nothing_elsewhere(tmp_path, name):
    target = tmp_path / "other"
    ledger = Ledger(tmp_path / "ledger")
    target.write_text("precious")
    ledger.folder.mkdir()
    (ledger.folder / name).symlink_to(target)
    if name == "ledger.id.new":  # written and renamed
        with ledger.lock():
            ledger.plan(SETUP, VALUES)
    else:
        match = rf"{name} is a link, expected a file of the ledger's own"
        with pytest.raises(LedgerError, match=match), ledger.lock():
            pass
    assert target.read_text() == "precious"


@pytest.mark.parametrize("name", ["ledger.jsonl", "ledger.id", "ledger.count"])
def test_a_full_disk_leaves_nothing_half_written(box, forte, problem, folder, monkeypatch, name):
    sync = os.fsync

    def full(descriptor):
        if name == "ledger.jsonl" or (folder / f"{name}.new").exists():
            raise OSError(28, "No space left on device")
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert_fails(forte(), problem, LedgerError, r"cannot be written: .*No space left")
    assert box.store.totals()["jobs"] == (name == "ledger.count"), "it stops before the POST"
    assert list(folder.glob("*.new")) == []
    assert_served(box, forte, problem)


def test_a_ledger_that_cannot_be_made(forte, problem, tmp_path):
    (tmp_path / "file").write_text("")
    backend = forte(ledger=tmp_path / "file" / "ledger")
    assert_fails(backend, problem, LedgerError, "cannot be opened")


def test_one_writer_at_a_time(box, forte, problem, folder):
    with Ledger(folder).lock():
        assert_fails(
            forte(), problem, LedgerError, f"in use by process {os.getpid()} on .*Nothing was sent"
        )
    assert box.store.totals()["requests"] == {}
    assert_right(ask(forte(), problem), problem)


def test_another_process_has_the_ledger_and_dies(forte, problem, folder):
    """A killed owner leaves no lock behind."""
    reader, writer = os.pipe()
    if (owner := os.fork()) == 0:
        try:
            signal.alarm(60)
            with Ledger(folder).lock():
                os.write(writer, b"mine")
                signal.pause()
        finally:
            os._exit(1)
    os.close(writer)
    try:
        assert os.read(reader, 10) == b"mine"
        assert_fails(forte(), problem, LedgerError, f"in use by process {owner}")
        with pytest.raises(RemoteRequestError, match="holds no ledger"):
            ledger_jobs(folder)
    finally:
        os.kill(owner, signal.SIGKILL)
        os.waitpid(owner, 0)
        os.close(reader)
    assert_right(ask(forte(), problem), problem)


def test_threads_of_one_backend_take_turns(box, forte, problem):
    """Qiskit's primitives run in threads."""
    backend = forte()
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(ask(backend, problem))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 3
    assert_paid_once(box, 7)


def test_the_same_answer_comes_from_the_ledger_without_a_server(box, forte, problem, tmp_path):
    first = ask(forte(), problem)
    requests = dict(box.store.requests)
    repetition = ask(
        forte(token_file=tmp_path / "no such file"), problem
    )  # not even a key is needed
    assert (first.values == repetition.values).all()
    assert (first.standard_errors == repetition.standard_errors).all()
    assert dict(box.store.requests) == requests
    half = make_problem(7)
    half.values = half.values[2:5]
    assert (ask(forte(), half).values == first.values[2:5]).all()
