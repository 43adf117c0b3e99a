"""The paper's experiment: its plan, one training by two routes, and each reading from the kept counts."""

import json
import re
import tomllib
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lab.paper.experiment import page, readings, records
from lab.paper.experiment.epochs import compare_epochs
from lab.paper.experiment.figure import draw_qubits
from lab.paper.experiment.paper_figures import paper_figure
from lab.paper.experiment.plan import (
    PLAN,
    PlannedTraining,
    read_plan,
    training_config,
    trainings,
)
from lab.paper.experiment.runner import pending_trainings, plan_lines
from lab.paper.experiment.texts import Inputs
from lab.paper.experiment.training import fit_grid, train
from qllmft import UserError, read_study
from qllmft.baselines import BASELINES
from qllmft.run import run_experiment

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "results" / "paper-experiment.md"
ALL = trainings(read_plan())


def test_the_plan_has_every_row_of_the_papers_tables_once():
    assert len({training.name for training in ALL}) == len(ALL)
    rows = {(training.row, f"Table {training.table}") for training in ALL}
    for published in readings.published_rows():
        row = readings.CLASSICAL_ROWS.get(published.preset, published.preset)
        assert (row, published.sweep) in rows, published.label


def test_a_longer_draw_of_a_grid_has_the_shorter_one():
    drawn = defaultdict(list)
    for training in ALL:
        if training.table == "XIV" and training.seed == 201 and training.body == "frozen":
            drawn[training.row].append(training.settings)
    for settings in drawn.values():
        assert len(set(settings)) == len(settings) == 60


def test_no_study_has_a_seed_of_the_plan():
    studied = {
        seed
        for file in (ROOT / "docs" / "records").glob("*/study.json")
        for seed in read_study(file.parent).seeds
    }
    assert studied
    assert not studied & set(read_plan().seeds)
    plan = tomllib.loads(PLAN.read_text("utf-8"))
    assert {seed for block in plan["blocks"] for seed in block["seeds"]} <= set(plan["seeds"])


@pytest.fixture(scope="module")
def short_plan():
    return read_plan().model_copy(update={"epochs": 3})


def test_a_training_has_the_counts_of_a_run(short_plan, tmp_path):
    training = PlannedTraining("VI", "frozen", "single-10q", 201, (("train.lr", 5e-3),), every=1)
    config = training_config(short_plan, training, "reviews", "minilm")
    texts = Inputs(tmp_path).embed(config, training)
    counts = train(config, training, texts)
    result = run_experiment(config, tmp_path / "run").record.models[0]
    assert counts["epoch"] == result.settings["epoch"]
    assert counts["selected"] == round(result.test.value * len(texts.test))
    assert counts["validation"] == round(result.validation.value * len(texts.validation))
    assert counts["parameters"] == 353
    assert len(counts["between"]) == 3
    assert counts["last"] == counts["between"][-1]
    assert counts["selected"] == counts["between"][counts["epoch"] - 1]


def test_a_grid_has_the_counts_of_the_baseline(short_plan, tmp_path):
    training = PlannedTraining("VIII", "frozen", "svc", 201)
    config = training_config(short_plan, training, "reviews", "minilm")
    texts = Inputs(tmp_path).embed(config, training)
    points = fit_grid(config, training, texts)["points"]
    baseline = BASELINES["svc"].make_head(config, 0, texts.train.x.shape[1], 2)
    baseline.fit(texts.train, texts.validation)
    assert [round(score) for _, score in baseline.scores] == [point[0] for point in points]
    chosen = int(np.argmax([point[0] for point in points]))  # the first of equals
    right = (baseline.predict(texts.test.x.numpy()) == texts.test.y.numpy()).sum()
    assert points[chosen][1] == right
    assert points[chosen][2] == len(baseline.estimator.support_)


def counts_of(training, validation, loss, selected, between):
    return {
        "name": training.name,
        "validation": validation,
        "validation_loss": loss,
        "selected": selected,
        "last": between[-1],
        "between": between,
        "parameters": 353,
        "seconds": 1.0,
        "commit": "0",
    }


def test_readings_of_counts_by_hand():
    row = [t for t in ALL if (t.row, t.body) == ("single-10q", "frozen") and t.seed in (201, 202)]
    hand = {
        # two rates of equal validation: the lower loss is chosen
        201: [(70, 0.5, 8000, [7900, 8100]), (70, 0.4, 7990, [7800, 7850])],
        202: [(60, 0.5, 8200, [8200, 8150]), (61, 0.6, 8010, [8020, 8300])],
    }
    found = {
        training.name: counts_of(training, *hand[training.seed][k])
        for seed in hand
        for k, training in enumerate([t for t in row if t.seed == seed][:2])
    }
    (ours,) = [
        r
        for r in readings.read_rows(read_plan(), found, "frozen")
        if r.published.preset == "single-10q"
    ]
    percent = {
        "validation": (7990 + 8010) / 2,
        "rate": (8000 + 8200) / 2,
        "epoch": (8100 + 8300) / 2,
        "seed": 8300,
    }
    for choice, count in percent.items():
        assert ours.value(choice) == pytest.approx(100 * count / 9101)
    assert readings.distance([ours], "validation").root_mean_square == pytest.approx(
        abs(100 * 8000 / 9101 - 90.21)
    )
    assert readings.distance([ours], "validation").interval is not None
    one_seed = replace(ours, candidates={201: ours.candidates[201]})
    assert readings.distance([one_seed], "validation").interval is None


def test_the_legend_names_what_is_drawn_alone():
    rows = {body: readings.read_rows(read_plan(), {}, body) for body in readings.BODIES}
    (legend,) = draw_qubits(rows).legends
    assert [text.get_text() for text in legend.get_texts()] == ["published"]


def test_the_page_is_that_of_the_records_and_its_numbers_come_from_the_counts():
    found = records.read_records()
    text = PAGE.read_text("utf-8")
    assert text == page.render_page(read_plan(), found), (
        "make it again: python -m lab.paper readings docs/results/paper-experiment.md"
    )
    assert found.keys() <= {training.name for training in ALL}
    # by another route: lines of JSON, without the plan
    by_seed = defaultdict(list)
    file = records.FOLDER / "table-VI-frozen.jsonl"
    for record in map(json.loads, file.read_text("utf-8").splitlines()):
        table, body, preset, seed, _ = record["name"].split(" ", 4)
        assert (table, body) == ("VI", "frozen")
        if preset == "single-10q":
            by_seed[seed].append(record)
    by_seed = {seed: runs for seed, runs in by_seed.items() if len(runs) == 6}
    honest = np.mean(
        [
            min(runs, key=lambda run: (-run["validation"], run["validation_loss"]))["selected"]
            for runs in by_seed.values()
        ]
    )
    best = [max(max(run["between"]) for run in runs) for runs in by_seed.values()]
    best = np.maximum(best, [max(run["selected"] for run in runs) for runs in by_seed.values()])
    (line,) = [line for line in text.splitlines() if line.startswith("| Single sQE 10Q |")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[3] == f"{len(by_seed)} × 6"
    for cell, count in ((4, honest), (6, np.mean(best)), (7, max(best))):
        assert float(cells[cell]) == pytest.approx(100 * count / 9101, abs=0.006)


def test_epochs_are_compared_by_seed_over_all_settings():
    row = [t for t in ALL if (t.row, t.body, t.table) == ("single-10q", "frozen", "VI")]
    between = [0, 0, 0, 8000, 0]  # epochs 10 to 50
    last = {201: (8001, 8003), 202: (8006, 8008), 203: (7999, 8001)}
    found = {}
    for seed, counts in last.items():
        rates = [training for training in row if training.seed == seed]
        for training, count in zip(rates, counts, strict=False):
            found[training.name] = counts_of(training, 70, 0.5, 8000, [*between, count])
    (pair,) = compare_epochs(read_plan(), found)
    differences = 100 * np.array([2, 7, 0]) / 9101
    assert pair.few == pytest.approx(100 * 8000 / 9101)
    assert pair.difference.value == pytest.approx(differences.mean())
    # Student's t of two degrees of freedom
    half_width = 4.302653 * differences.std(ddof=1) / np.sqrt(3)
    assert pair.difference.interval[1] == pytest.approx(differences.mean() + half_width)
    assert "are not significantly different" in pair.sentence
    one_seed = {name: record for name, record in found.items() if " 201 " in name}
    (pair,) = compare_epochs(read_plan(), one_seed)
    assert pair.sentence is None
    assert pair.cells[-2:] == ["—", "—"]


def test_figures_of_layers_and_noise_by_hand():
    plan = read_plan()
    layers = [t for t in ALL if t.table == "X" and dict(t.settings)["model.reuploads"] == 6][:2]
    found = {t.name: counts_of(t, 70, 0.5, 8000 + k, [0]) for k, t in enumerate(layers)}
    figure = paper_figure(plan, found, "9")
    assert [(point.curve, point.x) for point in figure.points] == [("$R$ = 6", 2), ("$R$ = 6", 3)]
    assert [point.accuracy.mean for point in figure.points] == [8000 / 9101, 8001 / 9101]
    assert paper_figure(plan, found, "10") is None
    noisy = [t for t in ALL if t.row == "noise-low-10q"]
    first, second = (t for t in noisy if t.seed == 201 and dict(t.settings)["train.lr"] < 2e-3)
    found = {first.name: counts_of(first, 70, 0.5, 7000, [0])}
    found |= {second.name: counts_of(second, 71, 0.9, 6000, [0])}
    exact = [t for t in ALL if (t.table, t.body, t.row) == ("VI", "frozen", "single-10q")]
    found |= {t.name: counts_of(t, 70, 0.5, 8100, [0]) for t in exact}
    figure = paper_figure(plan, found, "11")
    (quiet,) = [point for point in figure.points if point.curve == "no gate noise"]
    (loud,) = [point for point in figure.points if point is not quiet]
    assert quiet.accuracy.n == 1  # seeds without noise alone are left out
    assert (loud.x, loud.accuracy.mean, loud.others) == (10, 6000 / 9101, (7000 / 9101,))
    assert figure.published == ((10, 90.21),)


def test_the_readme_has_the_distances_of_the_page():
    line = r"^\| validation \| ([\d.]+) .*?\| ([\d.]+)"
    frozen, tuned = map(float, re.search(line, PAGE.read_text("utf-8"), re.M).groups())
    sentence = (
        f"{tuned:.1f} points from the published ones on a fine-tuned language model, "
        f"and {frozen:.1f} on a frozen one"
    )
    assert sentence in (ROOT / "README.md").read_text("utf-8")


def test_the_next_call_does_what_has_no_record(tmp_path):
    first, second = ALL[:2]
    records.write_record(tmp_path, first, {"seconds": 36.0}, {"commit": "0"})
    assert list(pending_trainings([first, second], tmp_path)) == [second]
    assert next(iter(plan_lines([first], tmp_path))).endswith("1 of 1 finished, 0.01 h")
    (file,) = tmp_path.iterdir()
    file.write_text(file.read_text("utf-8") + '{"na', "utf-8")
    with pytest.raises(UserError, match=r"line 2 is no record of a training.*Delete the line"):
        records.read_records(tmp_path)
