"""Results over seeds: groups of runs, and the one rule that selects."""

from types import SimpleNamespace

import pytest

from qllmft.run import RunFolder
from qllmft_studies.runs import FinishedRun, best, collect, rank


def result(name, validation, loss=(0.5,), parameters=(100,)):
    return SimpleNamespace(
        name=name, compared_validation=validation, validation_loss=loss, parameters=parameters
    )


@pytest.mark.parametrize(
    ("results", "order"),
    [
        ([result("low", (0.7, 0.8), (0.1,)), result("high", (0.9, 0.8), (0.9,))], ["high", "low"]),
        # 0.7 + 0.8 and 0.75 + 0.75 differ in their last bit
        ([result("loss", (0.7, 0.8), (0.6,)), result("less", (0.75, 0.75), (0.4,))], ["less", "loss"]),
        ([result("large", (0.8,), parameters=(9,)), result("small", (0.8,), parameters=(8,))], ["small", "large"]),
        ([result("first", (0.8,)), result("second", (0.8,))], ["first", "second"]),
        ([result("large", (0.8,), (0.1,), (9,)), result("without loss", (0.8,), ())], ["large", "without loss"]),
        (
            [result("loss", (0.8,), (0.1,), (9,)), result("small, without", (0.8,), (), (8,))],
            ["small, without", "loss"],
        ),
    ],
)  # fmt: skip
def test_accuracy_then_loss_then_parameters_then_order(results, order):
    assert [result.name for result in rank(results)] == order
    assert best(results).name == order[0]


def test_runs_are_grouped_by_settings(made_run, tmp_path):
    for seed in (1, 0):
        made_run(
            "single-10q",
            800 + seed,
            60,
            seed=seed,
            curve=[(0.7, 0.5)],
            baselines=[("SVC", 300, 850, 66)],
        )
        made_run("single-10q", 900, 61, seed=seed, train__lr=5e-3)
    made_run("single-10q", 800, 60, folder="copy")
    folders = [RunFolder(file.parent) for file in sorted(tmp_path.rglob("result.json"))]
    runs = sorted(map(FinishedRun.read, folders), key=lambda run: run.config.train.lr)
    first, second = collect(runs)
    assert (first.seeds, [accuracy.right for accuracy in first.tested]) == ((0, 1), [800, 801])
    assert (first.settings["train.lr"], second.settings["train.lr"]) == (2.5e-3, 5e-3)
    assert best([first, second]) is second
    assert (first.test.mean, first.parameters) == (pytest.approx(0.8005), (353, 353))
    (svc,) = collect(runs, lambda run: {}, lambda run: run.record.model("SVC"))
    assert (svc.seeds, svc.parameters, svc.validation_loss) == ((0, 1), (300, 300), ())


def test_results_of_other_seeds_add(made_run, tmp_path):
    for seed in (2, 0, 1):
        made_run("single-10q", 800 + seed, 60, seed=seed)
    made_run("single-10q", 900, 61, seed=3, train__lr=5e-3)
    folders = [RunFolder(file.parent) for file in sorted(tmp_path.rglob("result.json"))]
    runs = sorted(map(FinishedRun.read, folders), key=lambda run: run.config.seed)
    (first,), (second,), (third,), (other_settings,) = (collect([run]) for run in runs)
    total = third + first + second
    assert total == first + (second + third) == collect(runs)[0]
    assert [accuracy.right for accuracy in total.tested] == [800, 801, 802]
    for wrong in (first, other_settings):
        with pytest.raises(ValueError, match="other settings, or a seed in common"):
            total + wrong
