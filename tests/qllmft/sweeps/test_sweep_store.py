"""A search's store and the workers' loop, with trainings that are pretended: nothing lost, nothing done twice."""

import math
import threading
import time
import warnings
from collections import Counter
from contextlib import contextmanager

import pytest
from small_sweeps import settings

from qllmft.campaign import store as store_module
from qllmft.campaign import worker as loop
from qllmft.campaign.liveness import Liveness
from qllmft.campaign.outcome import ranking
from qllmft.campaign.queue import QueueProgress, QueueReporter
from qllmft.campaign.search import make_plan
from qllmft.campaign.space import load_space
from qllmft.campaign.storage import Storage
from qllmft.campaign.store import SearchStore
from qllmft.campaign.worker import TrialResult, Worker
from qllmft.errors import UserError
from qllmft.statistics import Accuracy


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(loop, "POLL_S", 0.05)


class Pretended:
    """Stands for training: an accuracy that depends on the configuration, and a count of the trainings."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.trained: Counter = Counter()
        self.seconds = seconds

    def __call__(self, run):
        config = run.config
        self.trained[config.identity] += 1
        time.sleep(self.seconds)
        right = 10 * config.model.main_layers + config.model.reupload_layers + config.seed
        return TrialResult(config.identity, Accuracy(right, 100), 1.0, 7, 0.5, 0)


FEW = {"model.reupload_layers": 1}  # leaves three configurations of nine


def plan_of(sampler="grid", trials=None, seeds=1, grace_s=60, **more):
    return make_plan(load_space("table-11"), sampler, settings(**more), trials=trials, seeds=seeds, grace_s=grace_s)


@contextmanager
def opened(tmp_path, plan, execute, name="study"):
    """A worker on a search, and its store."""
    store = SearchStore.create(Storage.in_folder(tmp_path), name, plan)
    with Liveness(tmp_path / ".workers") as liveness:
        yield Worker(store, liveness, execute, QueueProgress(QueueReporter(), tmp_path)), store
    store.close()


def taken(store):
    """A trial that somebody took, and does nothing with."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # optuna: heartbeats come from `optimize`
        return store.study().ask()


def states(store):
    return Counter(trial.state.name for trial in store.trials())


def test_a_grid_is_done_once_each_and_ranked_and_not_done_again(tmp_path):
    execute = Pretended()
    with opened(tmp_path, plan_of(seeds=2), execute) as (worker, store):
        worker.work()
        state = store.state()
        rows = ranking(state)
    assert state.finished
    assert len(execute.trained) == 18  # two seeds each
    assert set(execute.trained.values()) == {1}
    assert [tuple(row.point.values()) for row in rows[:2]] == [(6, 4), (6, 2)]
    assert rows[0].validation == (0.64, 0.65)
    assert rows[0].mean == pytest.approx(0.645)
    assert rows[0].seconds == 1.0
    with opened(tmp_path, plan_of(seeds=2), execute) as (worker, store):
        worker.work()
        assert states(store) == {"COMPLETE": 9}
    assert set(execute.trained.values()) == {1}


def test_equals_are_told_apart_by_loss_then_by_parameters(tmp_path):
    def equal(run):
        config = run.config
        layers = config.model.main_layers
        loss = 0.3 if layers == 2 else 0.2
        parameters = {4: 9, 6: 5}.get(layers, 1)
        return TrialResult(config.identity, Accuracy(1, 2), loss, parameters, 0.0, 0)

    with opened(tmp_path, plan_of(**FEW), equal) as (worker, store):
        worker.work()
        assert [row.point["model.main_layers"] for row in ranking(store.state())] == [6, 4, 2]


def test_what_ctrl_c_interrupted_is_done_by_the_next(tmp_path):
    pretended = Pretended()

    def interrupted(run):
        if len(pretended.trained) == 1:
            raise KeyboardInterrupt
        return pretended(run)

    with opened(tmp_path, plan_of(**FEW), interrupted) as (worker, _), pytest.raises(KeyboardInterrupt):
        worker.work()
    with opened(tmp_path, plan_of(**FEW), pretended) as (worker, store):
        worker.work()
        assert states(store) == {"COMPLETE": 3, "FAIL": 1}
    assert sorted(pretended.trained.values()) == [1, 1, 1]


def test_an_error_stops_and_is_tried_again_by_the_next_sweep_only(tmp_path):
    def faulty(run):
        raise UserError("the disk is full.")

    with opened(tmp_path, plan_of(**FEW), faulty) as (worker, store):
        with pytest.raises(UserError, match=r"the disk is full\."):
            worker.work()
        state = store.state()
        assert [trial.user_attrs["error"] for trial in state.failed.values()] == ["the disk is full."]
        assert not state.missing
        joined = SearchStore.join(store.storage, "study")  # a worker does the others, and leaves this one
        execute = Pretended()
        Worker(joined, worker.liveness, execute, QueueProgress(QueueReporter(), tmp_path)).work()
        joined.close()
        assert len(execute.trained) == 2
        assert store.state().finished
    with opened(tmp_path, plan_of(**FEW), execute) as (worker, store):
        worker.work()
        assert len(store.state().done) == 3
    assert set(execute.trained.values()) == {1}


@pytest.mark.parametrize(("sampler", "waiting"), [("grid", 64), ("grid", 2), ("tpe", 64)])
def test_many_workers_share_a_search(tmp_path, monkeypatch, sampler, waiting):
    """Four at a time, each with a connection and a sign of life of its own; they may add trials at once."""
    monkeypatch.setattr(store_module, "MOST_WAITING", waiting)
    execute = Pretended(seconds=0.02)
    plan = plan_of(sampler, trials=12 if sampler == "tpe" else None)
    with opened(tmp_path, plan, execute) as (_, store):
        errors = []

        def work():
            try:
                mine = SearchStore.join(Storage.in_folder(tmp_path), "study")
                with Liveness(tmp_path / ".workers") as liveness:
                    Worker(mine, liveness, execute, QueueProgress(QueueReporter(), tmp_path)).work()
                mine.close()
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        state = store.state()
    assert state.finished
    assert set(execute.trained.values()) == {1}
    assert len(state.done) + state.repeats == plan.size
    assert execute.trained.keys() == state.done.keys()


def test_tpe_repeats_cost_nothing_and_more_trials_go_on(tmp_path):
    execute = Pretended()
    with opened(tmp_path, plan_of("tpe", trials=14), execute) as (worker, store):
        worker.work()
        state = store.state()
        assert len(state.done) + state.repeats == 14
        assert state.repeats >= 5  # there are nine configurations
        for trial in store.trials():
            if "reused" in trial.user_attrs:
                assert trial.value == store.trials()[trial.user_attrs["reused"]].value
    with opened(tmp_path, plan_of("tpe", trials=16), execute) as (worker, store):
        worker.work()
        state = store.state()
        assert len(state.done) + state.repeats == 16
    assert set(execute.trained.values()) == {1}


def test_tpe_draws_between_the_values_and_finds_the_better_end(tmp_path):
    """Accuracy falls with the distance of the learning rate from 1e-3, on a scale from 0.5e-3 to 5e-3."""

    def execute(run):
        config = run.config
        right = 1000 - round(400 * abs(math.log10(config.train.lr / 1e-3)))
        return TrialResult(config.identity, Accuracy(right, 1000), 1.0, 7, 0.5, 0)

    overrides = {k: v for k, v in settings().items() if k != "train.lr"} | {"model.final_linear": True}
    plan = make_plan(load_space("table-12"), "tpe", overrides, trials=24, seeds=1, grace_s=60)
    with opened(tmp_path, plan, execute) as (worker, store):
        worker.work()
        rows = ranking(store.state())
    assert len(rows) == 24
    assert abs(math.log10(rows[0].point["train.lr"] / 1e-3)) < 0.05
    assert rows[0].mean > 0.97


def test_a_dead_process_of_the_same_folder_is_noticed_at_once(tmp_path):
    """Its trial is running and its heartbeats are fresh, but its lock is free; a living one keeps its trial."""
    with opened(tmp_path, plan_of(**FEW), Pretended()) as (worker, store):
        with Liveness(tmp_path / ".workers") as other:
            taken(store).set_user_attr("worker", other.name)
            worker._recover()
            assert states(store)["RUNNING"] == 1
            assert worker.liveness.dead([other.name, worker.liveness.name, "elsewhere-3"]) == set()
        (tmp_path / ".workers" / f"{other.name}.lock").touch()  # as a kill leaves it
        worker.work()
        assert states(store) == {"COMPLETE": 3, "FAIL": 1}
        assert set(worker.execute.trained.values()) == {1}


def test_a_process_elsewhere_is_dead_after_the_time_of_grace(tmp_path):
    with opened(tmp_path, plan_of(grace_s=2, **FEW), Pretended()) as (worker, store):
        trial = taken(store)
        trial.set_user_attr("worker", "elsewhere-3")
        store._opened.record_heartbeat(trial._trial_id)
        nameless = taken(store)  # it died before it could say who it was
        began = time.monotonic()
        worker._recover()
        assert states(store)["RUNNING"] == 2
        worker.work()
        assert time.monotonic() - began > 2
        assert states(store) == {"COMPLETE": 3, "FAIL": 2}
        assert [store.trials()[number].state.name for number in (trial.number, nameless.number)] == ["FAIL", "FAIL"]
        assert set(worker.execute.trained.values()) == {1}


def test_a_trial_that_others_gave_up_meanwhile_is_not_told_twice(tmp_path):
    """As when a machine sleeps for longer than the time of grace in the middle of a training."""
    said = []

    class Reporter(QueueReporter):
        def message(self, text):
            said.append(text)

    with opened(tmp_path, plan_of(**FEW), Pretended()) as (worker, store):
        pretended = Pretended()

        def slept(run):
            if not said and not pretended.trained:
                store.give_up(0)
            return pretended(run)

        Worker(store, worker.liveness, slept, QueueProgress(Reporter(), tmp_path)).work()
        assert states(store) == {"COMPLETE": 3, "FAIL": 1}
    assert said == ["a trial was given up by others, because this process was not heard of"]


def test_another_plan_of_the_same_name_and_a_name_that_is_not_there_are_refused(tmp_path):
    with opened(tmp_path, plan_of(**FEW), Pretended()) as (_, store):
        with pytest.raises(UserError, match=r"'study' in sqlite.* something else"):
            SearchStore.create(store.storage, "study", plan_of(**{"train.epochs": 9}))
        with pytest.raises(UserError, match=r"no search 'other' in .*; it has study"):
            SearchStore.join(store.storage, "other")
