"""kill -9 at the worst moments, and a new process that goes on: every circuit is paid once, no answer is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ionq import TOKEN
from ionq.helpers import ask, assert_paid_once, assert_right, assert_served, make_problem
from qllmft_backends.ionq import ledger_jobs
from qllmft_backends.ionq.mock_server import MockServer, Store

KILLED = Path(__file__).with_name("killed.py")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="kill -9 and fork are POSIX")


class Children:
    """The process of killed.py, as a list of commands."""

    def __init__(self, process):
        self.process = process

    def start(self, command, *arguments):
        """Give a command; the words of the first answer."""
        self.process.stdin.write(json.dumps([command, *map(str, arguments)]) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self):
        words = self.process.stdout.readline().split()
        assert words, "the process has ended: its errors are in the output of pytest"
        return words

    def die(self, *arguments):
        """A child that kills itself."""
        self.start("one", *arguments)
        assert self.answer() == ["exit", str(-signal.SIGKILL)]


@pytest.fixture(scope="module")
def children(tmp_path_factory):
    errors = tmp_path_factory.mktemp("killed") / "errors"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "QLLMFT_THREADS": "1"}  # forks: no threads
    environment |= {"QISKIT_IONQ_API_TOKEN": TOKEN, "XDG_STATE_HOME": str(errors.parent / "state")}
    with (
        errors.open("w") as file,
        subprocess.Popen(
            [sys.executable, "-W", "error", str(KILLED)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        ) as process,
    ):
        yield Children(process)
        process.stdin.close()
        assert process.wait(timeout=60) == 0, errors.read_text()
    assert errors.read_text() == ""


@pytest.mark.parametrize(
    ("event", "moment", "n", "states", "jobs_before"),
    [
        ("sent", "after", 1, ["sent"], 0),  # before the POST
        ("submitted", "before", 1, ["sent"], 1),  # between the POST and its record
        ("submitted", "after", 1, ["submitted"], 1),  # between chunks
        ("collected", "before", 2, ["submitted"] * 2 + ["collected"], 3),  # with results that nobody has
    ],
    ids=["before the POST", "between POST and record", "between chunks", "between result and record"],
)
def test_killed_and_resumed(children, box, forte, problem, event, moment, n, states, jobs_before, folder):
    children.die(box.url, folder, event, moment, n)
    assert sorted(j.state for j in ledger_jobs(folder)) == sorted(states)
    assert box.store.totals()["jobs"] == jobs_before
    assert_right(ask(forte(), problem), problem)  # this process is a new one
    assert_paid_once(box, 7, jobs=3)


def test_killed_while_waiting(children, forte, problem, folder):
    with MockServer(token=TOKEN, store=Store(qpu_noise="ideal", latency_s=1.5)) as box:
        _, pid = children.start("one", box.url, folder, "never", "-", 0)
        give_up = time.monotonic() + 60
        while box.store.requests["poll"] < 2 and time.monotonic() < give_up:
            time.sleep(0.01)
        os.kill(int(pid), signal.SIGKILL)
        assert children.answer() == ["exit", str(-signal.SIGKILL)]
        assert {j.state for j in ledger_jobs(folder)} == {"submitted"}
        box.store._latency_s = 0.0
        assert_right(ask(forte(url=box.url), problem), problem)
        assert_paid_once(box, 7)
        assert box.store.totals()["jobs"] == 3


def test_a_resumed_process_is_killed_too(children, box, forte, problem, folder):
    for event, moment in (("submitted", "before"), ("submitted", "before"), ("collected", "torn")):
        children.die(box.url, folder, event, moment, 1)
    assert_served(box, forte, problem)


@pytest.mark.parametrize(("checked", "ways"), [(0, 3), (1000, 2)])
def test_killed_at_every_event_of_the_ledger(children, box, tmp_path, checked, ways):
    # two chunks: planned, sent, submitted and collected twice: 8 events, 2 or 3 ways to die at each
    assert children.start("sweep", box.url, tmp_path / "sweep", checked) == ["deaths", str(8 * ways)]
    *own, most = sorted(box.store.totals()["times"].values())
    assert set(own) == {1}
    assert most == (2 * 9 * ways if checked else 1), "the circuit with a known answer: in each job of 9 requests a way"


def test_the_same_answer_comes_from_the_ledger_without_a_server(box, forte, problem, tmp_path):
    first = ask(forte(), problem)
    requests = dict(box.store.requests)
    again = ask(forte(token_file=tmp_path / "no such file"), problem)  # not even a key is needed
    assert (first.values == again.values).all()
    assert (first.standard_errors == again.standard_errors).all()
    assert dict(box.store.requests) == requests
    half = make_problem(7)
    half.values, half.exact = half.values[2:5], half.exact[2:5]
    assert (ask(forte(), half).values == first.values[2:5]).all()
