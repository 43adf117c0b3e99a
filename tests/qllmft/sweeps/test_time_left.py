"""Cost and time left: weighed by what a run costs, from the work that was seen."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from small_sweeps import settings

from qllmft.campaign.cost import circuit_work, epoch_cost, run_cost
from qllmft.campaign.queue import PlannedRun, QueueProgress, QueueReporter, Standing
from qllmft.campaign.search import make_plan
from qllmft.campaign.space import load_space
from qllmft.campaign.store import SearchState
from qllmft.campaign.worker import SearchStanding
from qllmft.config import RunConfig
from qllmft.config.presets import load_preset


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


class Watcher(QueueReporter):
    def stands(self, standing):
        self.last = standing


def state(plan, points, repeats=0):
    done = {i: SimpleNamespace(user_attrs={"point": point}, value=0.5) for i, point in points.items()}
    return SearchState(plan, done, repeats, {}, {})


def test_work_is_gates_times_amplitudes():
    # 28 layers of the encoder; 3 + 2 layers and 4 encodings of the head
    assert circuit_work(load_preset("single-18q").config().model) == (28 * 18 + 9 * 18) * 2**18
    assert circuit_work(load_preset("nn-head-48").config().model) == 0


def test_larger_models_cost_more_and_baselines_something():
    costs = [epoch_cost(load_preset(name).config()) for name in ("nn-head-0", "single-10q", "single-12q", "multi-14q")]
    assert costs == sorted(costs)
    # measured on one core, milliseconds a step: 1.2, 2.9 and 40
    assert costs[1:] == pytest.approx([1.2, 4.4, 33], rel=0.1)
    alone = RunConfig(baselines={"names": []})
    assert run_cost(RunConfig()) - run_cost(alone) == 210.0
    assert run_cost(alone) - run_cost(alone, read_test=False) == pytest.approx(7 * epoch_cost(alone))


def test_time_left_counts_what_was_worked_off_since_it_watches():
    clock, watcher, done = Clock(), Watcher(), [100.0]
    progress = QueueProgress(watcher, Path(), clock)
    progress.watch(lambda: Standing(9, 1, done[0], 500.0))  # done before: it says nothing of the speed
    assert (watcher.last.share, watcher.last.seconds_left) == (pytest.approx(0.2), None)
    clock.now += 120.0
    done[0] = 200.0
    progress.tell()
    assert watcher.last.seconds_left == pytest.approx(120 * 300 / 100)  # 100 in two minutes, 300 are left
    clock.now += 0.5
    done[0] = 500.0
    progress.tell()  # less than a second later
    assert watcher.last.done == 200.0
    progress.tell(at_once=True)
    assert (watcher.last.share, watcher.last.seconds_left) == (1.0, 0.0)


def test_what_is_done_of_runs_is_in_their_folders(tmp_path):
    runs = [PlannedRun(RunConfig(seed=seed), "a run") for seed in range(3)]
    progress = QueueProgress(Watcher(), tmp_path / "runs")
    assert progress.done(runs) == (0, 0.0)
    for run in runs[:2]:
        folder = run.folder(progress.runs)
        folder.path.mkdir(parents=True)
        folder.metrics_file.write_text("{}\n" * 3 + "{")
    assert progress.done(runs) == (0, pytest.approx(2 * (50.0 + 3 * epoch_cost(runs[0].config))))
    runs[0].folder(progress.runs).result_file.touch()
    assert progress.done(runs[:1]) == (1, runs[0].cost)


def test_work_that_is_lost_is_not_counted_as_slow():
    clock, watcher, done = Clock(), Watcher(), [100.0]
    progress = QueueProgress(watcher, Path(), clock)
    progress.watch(lambda: Standing(9, 1, done[0], 500.0))
    for seconds, now in ((10.0, 60.0), (10.0, 80.0)):  # the checkpoint of a killed run was older than its last epoch
        clock.now += seconds
        done[0] = now
        progress.tell()
    assert watcher.last.seconds_left == pytest.approx(10 * 420 / 20)


def test_a_search_counts_cost_and_not_trials():
    fixed = {"train.lr": 1e-3}
    plan = make_plan(load_space("table-06"), "grid", fixed, trials=None, seeds=2, grace_s=60)  # 10, 12, … 18 qubits
    clock, watcher = Clock(), Watcher()
    standing = SearchStanding(plan, QueueProgress(watcher, Path(), clock))
    points = list(plan.points.items())
    costs = [sum(run.cost for run in plan.runs(point)) for _, point in points]
    assert costs[-1] > 50 * costs[0]
    standing.update(state(plan, dict(points[:1])))
    assert (watcher.last.runs, watcher.last.finished, watcher.last.seconds_left) == (10, 2, None)
    clock.now += 60.0
    standing.update(state(plan, dict(points[:3])))
    assert watcher.last.seconds_left == pytest.approx(60 * sum(costs[3:]) / sum(costs[1:3]))
    assert watcher.last.share == pytest.approx(sum(costs[:3]) / sum(costs))
    assert watcher.last.best == 0.5


def test_a_search_by_tpe_expects_the_mean():
    plan = make_plan(load_space("table-11"), "tpe", settings(), trials=10, seeds=1, grace_s=60)
    grid = make_plan(load_space("table-11"), "grid", settings(), trials=None, seeds=1, grace_s=60)
    clock, watcher = Clock(), Watcher()
    standing = SearchStanding(plan, QueueProgress(watcher, Path(), clock))
    standing.update(state(plan, {}))
    assert watcher.last.share == 0.0
    clock.now += 30.0
    standing.update(state(plan, dict(list(grid.points.items())[:3]), repeats=2))
    assert (watcher.last.finished, watcher.last.share) == (5, pytest.approx(0.5))
    assert watcher.last.seconds_left == pytest.approx(30.0)
