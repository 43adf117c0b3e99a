"""A study in several processes of one command: the same bits as in one, and what Ctrl-C, errors and kills do to it."""

import json
import multiprocessing
import os
import signal
import time

import pytest
from test_study_run import bits
from tiny_studies import COMMAND, STUDY, Watcher, settings

from qllmft.config import RunConfig
from qllmft.events import Message, RunEnded, RunStarted
from qllmft_base.errors import UserError
from qllmft_studies import executors
from qllmft_studies.executors import Executor
from qllmft_studies.local import count_processes
from qllmft_studies.runs import PlannedRun
from qllmft_studies.study import run_study

# pages are compared with those of `finished`, which have their figures
pytestmark = pytest.mark.usefixtures("drawn_figures")

PATIENCE_S = 600  # a child first imports torch


class Pair(Watcher):
    """Its own first run waits until a child is at work on another."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def __call__(self, event):
        if isinstance(event, RunStarted) and event.in_this_process:
            until = time.monotonic() + PATIENCE_S
            while not self.began and not self.child_at_work() and time.monotonic() < until:
                time.sleep(0.02)
        super().__call__(event)

    def child_at_work(self):
        holders = [path.read_text() for path in self.folder.glob("runs/*/.lock-holder")]
        return any(holder and f"process {os.getpid()} " not in holder for holder in holders)


def without_seconds(value):
    if isinstance(value, dict):
        times = {"seconds", "started"}
        return {key: without_seconds(element) for key, element in value.items() if key not in times}
    return [without_seconds(element) for element in value] if isinstance(value, list) else value


def results(folder):
    results = {
        path.parent.name: json.loads(path.read_text()) for path in folder.glob("runs/*/result.json")
    }
    return without_seconds(results)


def children():
    """Return the child processes but for those that joblib keeps after a test of scikit-learn's searches."""
    processes = multiprocessing.active_children()
    return [child for child in processes if type(child).__name__ != "LokyProcess"]


@pytest.fixture
def run(tiny_outcome, tiny_body):
    def call(folder, listener, jobs):
        common = settings(tiny_outcome[0] / "texts.tsv", tiny_body)
        return run_study(STUDY, folder, common, COMMAND, Executor(listener, jobs=jobs))

    thread_setting = os.environ.get("QLLMFT_THREADS")
    yield call
    assert children() == []
    assert os.environ.get("QLLMFT_THREADS") == thread_setting


@pytest.mark.usefixtures("forked_workers")
def test_two_processes_that_were_interrupted_end_in_the_bits_of_one(
    tiny_outcome, run, tmp_path, monkeypatch
):
    class Interrupted(Pair):
        def __call__(self, event):
            super().__call__(event)
            if isinstance(event, RunEnded) and event.label in self.began:
                raise KeyboardInterrupt

    single_folder, record, _ = tiny_outcome
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "study", Interrupted(tmp_path / "study"), 2)
    done = len(results(tmp_path / "study"))
    assert 1 <= done < 6
    monkeypatch.undo()  # the second process is now a fresh interpreter
    watcher = Pair(tmp_path / "study")
    assert run(tmp_path / "study", watcher, 2) == record
    assert bits(tmp_path / "study") == bits(single_folder)
    assert results(tmp_path / "study") == results(single_folder)
    assert sorted([*watcher.began, *watcher.elsewhere]) == sorted(watcher.ended)
    assert len(set(watcher.ended)) == len(watcher.ended) == 6 - done
    assert watcher.began
    assert watcher.elsewhere
    assert watcher.looks[0].finished == done
    assert (watcher.looks[-1].finished, watcher.looks[-1].share) == (6, 1.0)
    assert not [text for text in watcher.messages if "has died" in text]


@pytest.mark.usefixtures("forked_workers")
def test_a_killed_process_costs_its_time_alone(tiny_outcome, run, tmp_path):
    class Killing(Pair):
        def __call__(self, event):
            super().__call__(event)
            if isinstance(event, RunStarted) and self.began == [event.label]:
                os.kill(children()[0].pid, signal.SIGKILL)

    watcher = Killing(tmp_path / "study")
    assert run(tmp_path / "study", watcher, 2) == tiny_outcome[1]
    assert bits(tmp_path / "study") == bits(tiny_outcome[0])
    assert [text for text in watcher.messages if "has died. The others took its runs over" in text]


class Faulty:
    """Plan of two runs that fails in a child."""

    size = 2
    selects = False

    def runs(self, finished):
        if multiprocessing.parent_process():
            raise UserError("the label 'x' is missing")
        return [PlannedRun(RunConfig(seed=seed), "a run") for seed in range(2)]


@pytest.mark.usefixtures("forked_workers")
@pytest.mark.parametrize("at_once", [True, False])
def test_an_error_of_a_child_ends_the_work_here_or_is_raised_after_it(
    tmp_path, monkeypatch, at_once
):
    def work_here(plan, runs, on_event, tracking, inputs, others_at_work):
        while others_at_work():
            time.sleep(0.02)
        while at_once:
            on_event(Message("an epoch"))

    monkeypatch.setattr(executors, "execute_plan", work_here)
    watcher = Pair(tmp_path)
    with pytest.raises(UserError, match="the label 'x' is missing"):
        Executor(watcher, jobs=2).execute(Faulty(), tmp_path)
    assert watcher.messages == []


def test_how_many_processes(monkeypatch):
    monkeypatch.setenv("QLLMFT_THREADS", "3")
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("", (), {"available": 2**40}))
    plain = RunConfig()
    learns = RunConfig.model_validate({"body": {"trainable": True}})
    assert [count_processes([plain] * runs, None) for runs in (0, 2, 15, 16, 99)] == [1, 1, 1, 2, 3]
    assert [count_processes([plain] * 98 + [learns], jobs) for jobs in (None, 5)] == [1, 5]
    with pytest.raises(UserError, match="--jobs got 0"):
        count_processes([plain], 0)
