"""Runs of an experiment, the selected setting, and the interval over the seeds."""

import pytest

from lab.paper.measured import Experiment, measure
from lab.paper.runs import read_runs
from qllmft.tasks.statistics import MeanInterval


@pytest.fixture
def measure_experiments(tmp_path):
    def ask(preset, **overrides):
        settings = {name.replace("__", "."): value for name, value in overrides.items()}
        return measure(Experiment(preset, settings), read_runs([tmp_path]))

    return ask


def test_seeds_are_one_point(made_run, measure_experiments):
    for seed, right in enumerate((800, 820, 870)):
        made_run("single-10q", right, seed=seed)
    (experiment,) = measure_experiments("single-10q")
    assert experiment.chosen.test == MeanInterval.from_values([0.8, 0.82, 0.87])


def test_validation_chooses_the_learning_rate_and_the_test_set_does_not(
    made_run, measure_experiments
):
    for seed in (0, 1):
        made_run("single-10q", 800, 65, seed=seed, train__lr=1e-3)
        made_run("single-10q", 900, 60, seed=seed, train__lr=5e-3)
    (experiment,) = measure_experiments("single-10q")
    assert len(experiment.candidates) == 2
    assert (experiment.chosen.settings["train.lr"], experiment.chosen.test.mean) == (1e-3, 0.8)


def test_other_heads_noise_and_training_do_not_belong(made_run, measure_experiments):
    made_run("single-10q", 801)
    made_run("single-12q", 802)
    made_run("noise-low-10q", 803)
    made_run("single-10q", 804, train__embedding_noise=0.08)
    made_run("single-10q", 805, model__pad="bias")
    made_run("nn-head-0", 806)
    made_run("upper-bound", 807)
    (experiment,) = measure_experiments("single-10q")
    assert [accuracy.right for accuracy in experiment.chosen.tested] == [801]
    for preset, mean in (("noise-low-10q", 0.803), ("nn-head-0", 0.806), ("upper-bound", 0.807)):
        (noisy,) = measure_experiments(preset)
        assert noisy.chosen.test.mean == mean
    assert not measure_experiments("multi-10q")


def test_exact_values_are_circumstances_of_their_own_and_come_after_the_papers_shots(
    made_run, measure_experiments
):
    made_run("single-10q", 801, noise__shots=0, train__epochs=900)
    (experiment,) = measure_experiments("single-10q")
    assert (
        str(experiment.circumstances)
        == "sst2, body minilm (384-d), 900 epochs, exact values in place of shots"
    )
    made_run("single-10q", 802)
    assert [
        experiment_measured.chosen.test.mean
        for experiment_measured in measure_experiments("single-10q")
    ] == [0.802, 0.801]


def test_epochs_data_and_body_are_circumstances_the_longest_training_first(
    made_run, measure_experiments
):
    made_run("single-10q", 801, train__epochs=100)
    made_run("single-10q", 802, seed=1, train__epochs=100)
    made_run("single-10q", 803, train__epochs=300)
    made_run("single-10q", 804, train__epochs=100, data="other")
    experiments = measure_experiments("single-10q")
    assert [str(m.circumstances) for m in experiments] == [
        "sst2, body minilm (384-d), 300 epochs",
        "sst2, body minilm (384-d), 100 epochs",
        "other, body minilm (384-d), 100 epochs",
    ]
    assert [m.chosen.test.n for m in experiments] == [1, 2, 1]


def test_the_same_run_in_two_folders_counts_once(made_run, measure_experiments):
    for folder in ("a", "b"):
        made_run("single-10q", 801, folder=folder)
    (experiment,) = measure_experiments("single-10q")
    assert experiment.chosen.test.n == 1


def test_a_baseline_is_taken_from_any_head_s_run_of_the_same_grid(made_run, measure_experiments):
    made_run("single-10q", baselines=[("SVC", 300, 850, 66), ("logistic regression", 385, 860, 66)])
    made_run("multi-14q", seed=1, baselines=[("SVC", 340, 870, 66)])
    made_run("multi-14q", seed=2, baselines=[("SVC", 340, 900, 66)], baselines__grid="small")
    paper, small = measure_experiments("svc")
    assert (paper.chosen.test.mean, paper.chosen.test.n, small.chosen.test.mean) == (
        pytest.approx(0.86),
        2,
        0.9,
    )
    assert paper.chosen.parameters == (300, 340)
    (lr,) = measure_experiments("logistic-regression")
    assert lr.chosen.test.mean == 0.86


def test_settings_on_top_of_a_preset_are_an_experiment_of_their_own_with_its_command(
    made_run, measure_experiments
):
    made_run("single-14q", 811, model__main_layers=5)
    made_run("single-14q", 812)
    (measured_experiment,) = measure_experiments("single-14q", model__main_layers=5)
    assert measured_experiment.chosen.test.mean == 0.811
    experiment = Experiment("single-14q", {"model.main_layers": 5, "model.final_linear": False})
    assert experiment.command("--seed 1") == (
        "qllmft train --preset single-14q --set model.main_layers=5 --set model.final_linear=false --seed 1"
    )
