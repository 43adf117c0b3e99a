"""A study in several processes of one command: the same bits as in one, and what Ctrl-C, errors and kills do to it."""

import json
import multiprocessing
import os
import signal
import threading
import time

import pytest
from test_study_run import bits
from tiny_studies import COMMAND, STUDY, settings

from qllmft.config import RunConfig
from qllmft.errors import UserError
from qllmft.experiments.compare import run_study
from qllmft.experiments.queue import QueueReporter, Standing
from qllmft.experiments.together import processes_for, together
from qllmft.report import finish_study

PATIENCE_S = 600  # a child first imports torch


class Pair(QueueReporter):
    """Its own first run waits until a child has begun one."""

    def __init__(self):
        self.began, self.elsewhere, self.messages, self.shares = [], [], [], []
        self.children_at_work = threading.Event()

    def message(self, text):
        self.messages.append(text)

    def stands(self, standing):
        self.shares.append(standing.share)

    def run_begins(self, label):
        assert self.children_at_work.wait(PATIENCE_S)
        self.began.append(label)

    def run_begins_elsewhere(self, label):
        self.elsewhere.append(label)
        self.children_at_work.set()


def without_seconds(value):
    if isinstance(value, dict):
        return {key: without_seconds(each) for key, each in value.items() if key != "seconds"}
    return [without_seconds(each) for each in value] if isinstance(value, list) else value


def results(folder):
    found = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("runs/*/result.json")}
    return without_seconds(found)


@pytest.fixture
def run(finished, tiny_body):
    def call(folder, reporter, jobs):
        given = settings(finished[0] / "texts.tsv", tiny_body)
        record = run_study(STUDY, folder, given, COMMAND, reporter, jobs=jobs)
        finish_study(folder, record)
        return record

    yield call
    assert multiprocessing.active_children() == []
    assert "QLLMFT_THREADS" not in os.environ


def test_two_processes_that_were_interrupted_end_in_the_bits_of_one(finished, run, tmp_path):
    class Interrupted(Pair):
        def run_ends(self, label, validation):
            raise KeyboardInterrupt

    whole, record, _ = finished
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "study", Interrupted(), 2)
    done = len(results(tmp_path / "study"))
    assert 1 <= done < 6
    watcher = Pair()
    assert run(tmp_path / "study", watcher, 2) == record
    assert bits(tmp_path / "study") == bits(whole)
    assert results(tmp_path / "study") == results(whole)
    assert watcher.elsewhere
    assert len(watcher.began) + len(watcher.elsewhere) == len({*watcher.began, *watcher.elsewhere}) == 6 - done
    assert watcher.shares[-1] == 1.0
    assert not [text for text in watcher.messages if "has died" in text]


def test_a_killed_process_costs_its_time_alone(finished, run, tmp_path):
    class Killing(Pair):
        def run_begins_elsewhere(self, label):
            os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
            super().run_begins_elsewhere(label)

    watcher = Killing()
    assert run(tmp_path / "study", watcher, 2) == finished[1]
    assert bits(tmp_path / "study") == bits(finished[0])
    assert [text for text in watcher.messages if "has died; the others take its run over" in text]


def fail(reporter):
    raise UserError("the label 'x' is missing")


def test_an_error_of_a_helper_ends_the_work_here():
    def work():
        with together(2, fail, (), QueueReporter()) as combined:
            while True:
                combined.stands(Standing(1, 0))
                time.sleep(0.01)

    with pytest.raises(UserError, match="the label 'x' is missing"):
        work()


def test_how_many_processes(monkeypatch):
    monkeypatch.setenv("QLLMFT_THREADS", "3")
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("", (), {"available": 2**40}))
    plain, learns = RunConfig(), RunConfig.model_validate({"body": {"trainable": True}})
    assert [processes_for([plain], runs, None) for runs in (0, 2, 15, 16, 99)] == [1, 1, 1, 2, 3]
    assert [processes_for([plain, learns], 9, asked) for asked in (None, 5)] == [1, 5]
    with pytest.raises(UserError, match="--jobs is 0"):
        processes_for([plain], 9, 0)
