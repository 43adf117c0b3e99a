"""The study's book and the workers' loop, with trainings that are pretended: nothing lost, nothing done twice."""

import threading
import time
import warnings
from collections import Counter
from contextlib import contextmanager

import pytest
from small_sweeps import settings

from qllmft.errors import UserError
from qllmft.experiments.search import study as study_module
from qllmft.experiments.search import worker as loop
from qllmft.experiments.search.liveness import Presence
from qllmft.experiments.search.outcome import ranking
from qllmft.experiments.search.plan import make_plan
from qllmft.experiments.search.space import load_space
from qllmft.experiments.search.storage import Storage
from qllmft.experiments.search.study import StudyBook
from qllmft.experiments.search.trials import TrialResult
from qllmft.experiments.search.worker import SweepReporter, Worker
from qllmft.statistics import Accuracy


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(loop, "POLL_S", 0.05)


class Pretended:
    """Stands for training: an accuracy that depends on the configuration, and a count of the trainings."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.trained: Counter = Counter()
        self.seconds = seconds

    def __call__(self, config):
        self.trained[config.identity] += 1
        time.sleep(self.seconds)
        right = 10 * config.model.main_layers + config.model.reupload_layers + config.seed
        return TrialResult(config.identity, Accuracy(right, 100), 1.0, 7, 0.5, 0, None)


def plan_of(sampler="grid", trials=None, seeds=1, grace_s=60, **more):
    return make_plan(load_space("table-11"), sampler, settings(**more), trials=trials, seeds=seeds, grace_s=grace_s)


@contextmanager
def opened(tmp_path, plan, execute, name="study"):
    """A worker on the study, and its book."""
    book = StudyBook.create(Storage.in_folder(tmp_path), name, plan)
    with Presence(tmp_path / ".workers") as presence:
        yield Worker(book, presence, execute, SweepReporter()), book
    book.close()


def taken(book):
    """A trial that somebody took, and does nothing with."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # optuna: heartbeats come from `optimize`
        return book.study().ask()


def states(book):
    return Counter(trial.state.name for trial in book.trials())


def test_a_grid_is_done_once_each_and_ranked(tmp_path):
    execute = Pretended()
    with opened(tmp_path, plan_of(seeds=2), execute) as (worker, book):
        worker.work()
        board = book.board()
        rows = ranking(board)
    assert board.finished
    assert len(execute.trained) == 18  # two seeds each
    assert set(execute.trained.values()) == {1}
    assert [tuple(row.point.values()) for row in rows[:2]] == [(6, 4), (6, 2)]
    assert rows[0].validation == (0.64, 0.65)
    assert rows[0].mean == pytest.approx(0.645)
    assert rows[0].seconds == 1.0


def test_equals_are_told_apart_by_loss_then_by_parameters(tmp_path):
    def equal(config):
        layers = config.model.main_layers
        loss = 0.3 if layers == 2 else 0.2
        parameters = {4: 9, 6: 5}.get(layers, 1)
        return TrialResult(config.identity, Accuracy(1, 2), loss, parameters, 0.0, 0, None)

    with opened(tmp_path, plan_of(**{"model.reupload_layers": 1}), equal) as (worker, book):
        worker.work()
        assert [row.point["model.main_layers"] for row in ranking(book.board())] == [6, 4, 2]


def test_a_finished_study_is_not_done_again(tmp_path):
    for _ in range(2):
        execute = Pretended()
        with opened(tmp_path, plan_of(), execute) as (worker, book):
            worker.work()
            assert states(book) == {"COMPLETE": 9}
    assert not execute.trained


def test_what_ctrl_c_interrupted_is_done_by_the_next(tmp_path):
    pretended = Pretended()

    def interrupted(config):
        if len(pretended.trained) == 3:
            raise KeyboardInterrupt
        return pretended(config)

    with opened(tmp_path, plan_of(), interrupted) as (worker, _), pytest.raises(KeyboardInterrupt):
        worker.work()
    with opened(tmp_path, plan_of(), pretended) as (worker, book):
        worker.work()
        assert states(book) == {"COMPLETE": 9, "FAIL": 1}
    assert len(pretended.trained) == 9
    assert set(pretended.trained.values()) == {1}


def test_an_error_stops_and_is_tried_again_by_the_next_sweep_only(tmp_path):
    def faulty(config):
        raise UserError("the disk is full.")

    with opened(tmp_path, plan_of(), faulty) as (worker, book):
        with pytest.raises(UserError, match=r"the disk is full\."):
            worker.work()
        board = book.board()
        assert [trial.user_attrs["error"] for trial in board.failed.values()] == ["the disk is full."]
        assert not board.missing
        joined = StudyBook.join(book.storage, "study")  # a worker does the others, and leaves this one
        execute = Pretended()
        Worker(joined, worker.presence, execute, SweepReporter()).work()
        joined.close()
        assert len(execute.trained) == 8
        assert book.board().finished
    with opened(tmp_path, plan_of(), execute) as (worker, book):
        worker.work()
        assert len(book.board().done) == 9
    assert set(execute.trained.values()) == {1}


@pytest.mark.parametrize(("sampler", "queue"), [("grid", 64), ("grid", 2), ("tpe", 64)])
def test_many_workers_share_a_study(tmp_path, monkeypatch, sampler, queue):
    """Four at a time, each with a connection and a presence of its own; they may fill a short queue at once."""
    monkeypatch.setattr(study_module, "QUEUE", queue)
    execute = Pretended(seconds=0.02)
    plan = plan_of(sampler, trials=12 if sampler == "tpe" else None)
    with opened(tmp_path, plan, execute) as (_, book):
        errors = []

        def work():
            try:
                mine = StudyBook.join(Storage.in_folder(tmp_path), "study")
                with Presence(tmp_path / ".workers") as presence:
                    Worker(mine, presence, execute, SweepReporter()).work()
                mine.close()
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        board = book.board()
    assert board.finished
    assert set(execute.trained.values()) == {1}
    assert len(board.done) + board.repeats == plan.size
    assert execute.trained.keys() == board.done.keys()


def test_tpe_repeats_cost_nothing_and_more_trials_go_on(tmp_path):
    execute = Pretended()
    with opened(tmp_path, plan_of("tpe", trials=14), execute) as (worker, book):
        worker.work()
        board = book.board()
        assert len(board.done) + board.repeats == 14
        assert board.repeats >= 5  # there are nine configurations
        for trial in book.trials():
            if "reused" in trial.user_attrs:
                assert trial.value == book.trials()[trial.user_attrs["reused"]].value
    with opened(tmp_path, plan_of("tpe", trials=16), execute) as (worker, book):
        worker.work()
        board = book.board()
        assert len(board.done) + board.repeats == 16
    assert set(execute.trained.values()) == {1}


def test_tpe_draws_between_the_values_and_finds_the_better_end(tmp_path):
    """Accuracy falls with the distance of the learning rate from 1e-3, on a scale from 0.5e-3 to 5e-3."""
    import math

    def execute(config):
        right = 1000 - round(400 * abs(math.log10(config.train.lr / 1e-3)))
        return TrialResult(config.identity, Accuracy(right, 1000), 1.0, 7, 0.5, 0, None)

    overrides = {k: v for k, v in settings().items() if k != "train.lr"} | {"model.final_linear": True}
    plan = make_plan(load_space("table-12"), "tpe", overrides, trials=24, seeds=1, grace_s=60)
    with opened(tmp_path, plan, execute) as (worker, book):
        worker.work()
        rows = ranking(book.board())
    assert len(rows) == 24
    assert abs(math.log10(rows[0].point["train.lr"] / 1e-3)) < 0.05
    first = [row.mean for row in rows]
    assert first[0] > 0.97


def test_a_dead_process_of_the_same_folder_is_noticed_at_once(tmp_path):
    """Its trial is running and its heartbeats are fresh, but its lock is free."""
    plan = plan_of()
    with opened(tmp_path, plan, Pretended()) as (worker, book):
        trial = taken(book)
        trial.set_user_attr("worker", "dead-1")
        (tmp_path / ".workers" / "dead-1.lock").touch()
        worker.work()
        assert states(book) == {"COMPLETE": 9, "FAIL": 1}
        assert set(worker.execute.trained.values()) == {1}


def test_a_living_process_keeps_its_trial(tmp_path):
    plan = plan_of()
    with opened(tmp_path, plan, Pretended()) as (worker, book), Presence(tmp_path / ".workers") as other:
        trial = taken(book)
        trial.set_user_attr("worker", other.name)
        worker._recover()
        assert states(book)["RUNNING"] == 1
        assert worker.presence.dead([other.name, worker.presence.name, "elsewhere-3"]) == set()


def test_a_process_elsewhere_is_dead_after_the_time_of_grace(tmp_path):
    plan = plan_of(grace_s=2)
    with opened(tmp_path, plan, Pretended()) as (worker, book):
        trial = taken(book)
        trial.set_user_attr("worker", "elsewhere-3")
        book._opened.record_heartbeat(trial._trial_id)
        nameless = taken(book)  # it died before it could say who it was
        began = time.monotonic()
        worker._recover()
        assert states(book)["RUNNING"] == 2
        worker.work()
        assert time.monotonic() - began > 2
        assert states(book) == {"COMPLETE": 9, "FAIL": 2}
        assert [book.trials()[number].state.name for number in (trial.number, nameless.number)] == ["FAIL", "FAIL"]
        assert set(worker.execute.trained.values()) == {1}


def test_a_trial_that_others_gave_up_meanwhile_is_not_told_twice(tmp_path):
    """As when a machine sleeps for longer than the time of grace in the middle of a training."""
    said = []

    class Reporter(SweepReporter):
        def message(self, text):
            said.append(text)

    with opened(tmp_path, plan_of(), Pretended()) as (worker, book):
        pretended = Pretended()

        def slept(config):
            if not said and not pretended.trained:
                book.give_up(0)
            return pretended(config)

        Worker(book, worker.presence, slept, Reporter()).work()
        assert states(book) == {"COMPLETE": 9, "FAIL": 1}
    assert said == ["a trial was given up by others, because this process had not been heard of"]


def test_another_plan_under_the_same_name_is_refused(tmp_path):
    with (
        opened(tmp_path, plan_of(), Pretended()),
        pytest.raises(UserError, match=r"'study' in sqlite.* something else"),
    ):
        StudyBook.create(Storage.in_folder(tmp_path), "study", plan_of(**{"train.epochs": 9}))


def test_a_study_that_is_not_there_lists_those_that_are(tmp_path):
    with (
        opened(tmp_path, plan_of(), Pretended()),
        pytest.raises(UserError, match=r"no study 'other' in .*; it has study"),
    ):
        StudyBook.join(Storage.in_folder(tmp_path), "other")
