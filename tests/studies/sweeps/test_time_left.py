"""Cost and time left: weighed by what a run costs, from the work that was seen."""

import pytest

from qllmft.config import BaselinesConfig, RunConfig
from qllmft.config.presets import load_preset
from qllmft_studies.progress import CampaignProgress
from qllmft_studies.runs import FinishedRuns, Plan, PlannedRun
from qllmft_studies.search_space import load_space
from qllmft_studies.sweep import make_sweep


class Looks:
    """Progress of a plan whose runs this test calls begun or finished, at times that it sets."""

    def __init__(self, plan, folder):
        self.now = 100.0
        self.folder = folder
        self.seen = []
        self.progress = CampaignProgress(
            plan, FinishedRuns(folder), self.seen.append, lambda: self.now
        )

    def begin(self, run, epochs):
        folder = run.folder(self.folder)
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.metrics_file.write_text("{}\n" * epochs + "{")

    def finish(self, *runs):
        for run in runs:
            self.begin(run, 0)
            run.folder(self.folder).result_file.touch()

    def after(self, seconds, *, at_once=False):
        self.now += seconds
        self.progress.report(at_once=at_once)
        return self.seen[-1]


def cost(config):
    return PlannedRun(config, "a run").cost()


def epoch_cost(config):
    return PlannedRun(config, "a run").epoch_cost


def test_work_is_gates_times_amplitudes():
    # 28 layers of the encoder; 3 + 2 layers and 4 encodings of the head; 2.2 ms a million amplitudes
    work = (28 * 18 + 9 * 18) * 2**18
    assert epoch_cost(load_preset("single-18q").config()) == pytest.approx(0.4 + 2.2e-6 * work)
    assert epoch_cost(load_preset("nn-head-48").config()) == 0.2


def test_larger_models_cost_more_and_baselines_something():
    costs = [
        epoch_cost(load_preset(name).config())
        for name in ("nn-head-0", "single-10q", "single-12q", "multi-14q")
    ]
    assert costs == sorted(costs)
    # measured on one core, milliseconds a step: 1.2, 2.9 and 40
    assert costs[1:] == pytest.approx([1.2, 4.4, 33], rel=0.1)
    alone = RunConfig(baselines={"names": []})
    assert cost(RunConfig()) - cost(alone) == 210.0
    untested = PlannedRun(alone, "a run", read_test=False).cost()
    assert cost(alone) - untested == pytest.approx(7 * epoch_cost(alone))


def test_three_epochs_of_a_body_take_longer_than_forty_of_a_head():
    frozen = load_preset("single-10q").config({"train.epochs": 40})
    moving = load_preset("single-10q").config({"train.epochs": 3, "body.trainable": True})
    none = BaselinesConfig(names=())
    alone = [config.model_copy(update={"baselines": none}) for config in (frozen, moving)]
    assert cost(alone[1]) > 20 * cost(alone[0])


RUNS = [PlannedRun(RunConfig(seed=seed), "a run") for seed in range(5)]


def test_time_left_counts_the_work_since_the_first_look(tmp_path):
    looks = Looks(Plan(RUNS), tmp_path)
    looks.finish(RUNS[0])  # before: it says nothing about the speed
    first = looks.after(0.0)
    assert (first.runs, first.finished, first.share, first.seconds_left) == (
        5,
        1,
        pytest.approx(0.2),
        None,
    )
    looks.finish(RUNS[1])
    assert looks.after(120.0).seconds_left == pytest.approx(120 * 3)
    looks.finish(*RUNS[2:])
    assert looks.after(0.5).finished == 2  # less than a second later
    last = looks.after(0.0, at_once=True)
    assert (last.finished, last.share, last.seconds_left) == (5, 1.0, 0.0)


def test_epochs_of_runs_in_progress_count_and_lost_work_is_not_slow_work(tmp_path):
    looks = Looks(Plan(RUNS), tmp_path)
    looks.begin(RUNS[0], 300)
    assert looks.after(0.0).share == pytest.approx(
        (50 + 300 * epoch_cost(RunConfig())) / (5 * RUNS[0].cost())
    )
    looks.begin(RUNS[0], 100)  # the checkpoint of a killed run is older than its last epoch
    assert looks.after(10.0).seconds_left is None
    looks.begin(RUNS[0], 200)
    looked = looks.after(10.0)
    gained = 100 * epoch_cost(RunConfig()) / (5 * RUNS[0].cost())
    assert looked.seconds_left == pytest.approx(10 * (1 - looked.share) / gained)


def test_a_search_counts_cost_and_not_trials(tmp_path, monkeypatch):
    # 10, 12, … 18 qubits
    sweep = make_sweep(load_space("table-06"), "grid", {"train.lr": 1e-3}, seeds=2)
    plan = sweep.plan()
    monkeypatch.setattr(FinishedRuns, "mean_validation", lambda *_: 0.5)
    looks = Looks(plan, tmp_path)
    costs = [run.cost() for run in plan.planned]
    assert costs[-1] > 50 * costs[0]
    looks.finish(*plan.planned[:2])
    first = looks.after(0.0)
    assert (first.runs, first.finished, first.seconds_left, first.best) == (10, 2, None, 0.5)
    looks.finish(*plan.planned[2:6])
    looked = looks.after(60.0)
    assert looked.seconds_left == pytest.approx(60 * sum(costs[6:]) / sum(costs[2:6]))
    assert looked.share == pytest.approx(sum(costs[:6]) / sum(costs))


def test_runs_that_are_not_planned_yet_cost_the_mean(tmp_path):
    plan = Plan(RUNS[:2])
    monkey = type("Growing", (), {"size": 10, "selects": False, "runs": plan.runs})()
    looks = Looks(monkey, tmp_path)
    looks.finish(RUNS[0])
    assert looks.after(0.0).share == pytest.approx(0.1)
