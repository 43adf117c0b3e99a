"""kill -9 at every event of the ledger, and a new process: every circuit is paid once, no answer is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ionq import TOKEN
from ionq.helpers import ask, make_problem, times_paid

KILLED = Path(__file__).with_name("killed.py")


@pytest.mark.skipif(os.name != "posix", reason="kill -9 and fork are POSIX")
@pytest.mark.parametrize(("checked", "ways"), [(0, 3), (1000, 2)])
def test_killed_at_every_event_of_the_ledger(box, tmp_path, checked, ways):
    # forks: no threads
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "QLLMFT_THREADS": "1"}
    environment |= {"QISKIT_IONQ_API_TOKEN": TOKEN, "XDG_STATE_HOME": str(tmp_path / "state")}
    command = [sys.executable, "-W", "error", KILLED, box.url, tmp_path / "sweep", str(checked)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    # two chunks: planned, sent, submitted and collected twice: 8 events, 2 or 3 ways to die at each
    assert (done.stdout, done.stderr) == (str(8 * ways), "")
    own, known = times_paid(box, checked=checked)
    assert set(own) == {1}
    assert known == (2 * 9 * ways if checked else 0), (
        "the circuit with a known answer: in each job of 9 requests a way"
    )


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
