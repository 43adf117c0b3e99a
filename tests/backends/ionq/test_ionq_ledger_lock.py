"""One writer of a ledger at a time, and disks that are full or closed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from ionq.helpers import ask, assert_paid_once, assert_right, assert_served
from qllmft_backends.remote import Ledger, LedgerError, RemoteRequestError, ledger_jobs


@pytest.mark.parametrize("name", ["ledger.jsonl", "ledger.id", "ledger.count"])
def test_a_full_disk_leaves_nothing_half_written(box, forte, problem, folder, monkeypatch, name):
    sync = os.fsync

    def full(descriptor):
        if name == "ledger.jsonl" or (folder / f"{name}.new").exists():
            raise OSError(28, "No space left on device")
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(LedgerError, match=r"cannot be written: .*No space left"):
            ask(forte(), problem)
    assert box.store.totals()["jobs"] == (name == "ledger.count"), "it stops before the POST"
    assert list(folder.glob("*.new")) == []
    assert_served(box, forte, problem)


def test_a_ledger_that_cannot_be_made(forte, problem, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="cannot be opened"):
        ask(forte(ledger=tmp_path / "file" / "ledger"), problem)


def test_one_writer_at_a_time(box, forte, problem, folder):
    other = Ledger(folder)
    with (
        other.lock(),
        pytest.raises(LedgerError, match=f"in use by process {os.getpid()} on .*Nothing was sent"),
    ):
        ask(forte(), problem)
    assert box.store.totals()["requests"] == {}
    assert_right(ask(forte(), problem), problem)


def test_another_process_has_the_ledger_and_dies(forte, problem, folder):
    """A killed owner leaves no lock behind."""
    code = (
        "import sys, pathlib; from qllmft_backends.remote.ledger.ledger import Ledger\n"
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
        with pytest.raises(RemoteRequestError, match="holds no ledger"):
            ledger_jobs(folder)
    finally:
        process.kill()
        process.communicate()
    assert_right(ask(forte(), problem), problem)


def test_threads_of_one_backend_take_turns(box, forte, problem):
    """Qiskit's primitives run in threads."""
    backend, answers = forte(), []
    threads = [
        threading.Thread(target=lambda: answers.append(ask(backend, problem))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 3
    assert_paid_once(box, 7)
