"""A budget of settings: every row has as many, validation chooses, and the test texts are read for what it chose."""

import json
import tomllib
from dataclasses import replace

import pytest
from small_texts import write_reviews
from tiny_studies import COMMAND, STUDY, settings
from tiny_studies import record as made_up
from tiny_studies import row as made_up_row

from qllmft.events import RunEnded
from qllmft_base.errors import UserError
from qllmft_studies import local
from qllmft_studies.executors import Executor
from qllmft_studies.file import Study, load_study
from qllmft_studies.record import read_study
from qllmft_studies.study import run_study
from qllmft_studies.study_plan import study_runs, tuning_runs
from qllmft_studies.verdict import verdict

BUDGET = STUDY.model_copy(update={"budget": 4})


def settings_without_rate(texts, body):
    common = settings(texts, body)
    del common["train.lr"]  # it is what is tried
    return common


@pytest.fixture(scope="module")
def tuned_study(tmp_path_factory, tiny_body):
    folder = tmp_path_factory.mktemp("tuned")
    common = settings_without_rate(write_reviews(folder / "texts.tsv", 35), tiny_body)
    record = run_study(BUDGET, folder, common, COMMAND)
    return folder, record, common


def found_runs(folder):
    """(settings, record, selected epoch's loss, folder) of every run, read from its files alone."""
    for run in (folder / "runs").iterdir():
        content = tomllib.loads((run / "config.toml").read_text())
        tested = run / "result.json"
        record = json.loads((tested if tested.exists() else run / "validation.json").read_text())
        lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
        yield (
            content,
            record,
            {m["epoch"]: m["validation_loss"] for m in lines}[record["selected_epoch"]],
            run,
        )


def test_the_tested_run_of_a_seed_is_the_best_on_validation_of_four(tuned_study):
    folder, record, _ = tuned_study
    for row in (row for row in record.rows if row.epochs):
        for seed, identity in enumerate(row.runs):
            chosen_config = tomllib.loads((folder / "runs" / identity / "config.toml").read_text())
            tried = [
                (
                    result["models"][0]["validation"]["value"],
                    -loss,
                    content["train"],
                    content["model"].get("batch_norm"),
                )
                for content, result, loss, _ in found_runs(folder)
                if content["seed"] == seed
                and content["baselines"]["names"] == []
                and {**content["model"], "batch_norm": 0}
                == {**chosen_config["model"], "batch_norm": 0}
            ]
            assert len(tried) == row.tried == 4
            best = max(tried, key=lambda trial: trial[:2])
            assert best[2:] == (chosen_config["train"], chosen_config["model"].get("batch_norm"))
            assert row.chosen[seed]["train.lr"] == best[2]["lr"]
            assert row.validation[seed] == best[0]


def test_the_test_texts_are_read_for_the_chosen_runs_alone(tuned_study):
    folder, record, _ = tuned_study
    chosen_runs = {identity for row in record.rows for identity in row.runs}
    assert len(chosen_runs) == 3 * 2
    for _, result, _, run in found_runs(folder):
        is_tested = [name for name in ("result.json", "predictions.json") if (run / name).exists()]
        assert len(is_tested) == (2 if run.name in chosen_runs else 0)
        assert all(("test" in model) == (run.name in chosen_runs) for model in result["models"])
    # the baselines' run is one of its own
    assert len(list((folder / "runs").iterdir())) == 3 * 2 * 4 + 2


def test_the_table_says_how_many_settings_each_row_had(tuned_study):
    folder, record, _ = tuned_study
    assert {row.label: row.tried for row in record.rows} == {
        **dict.fromkeys(("Single", "Short", "NN head", "Logistic regression"), 4),
        "SVC": 3,  # the small grid has no more
    }
    table = (folder / "table.md").read_text()
    assert "| SVC | 3 |" in table
    assert "| Single | 4 |" in table
    assert "a budget of 4 settings with each seed" in table
    assert (
        '<th scope="col" class="n wide-only">settings</th>' in (folder / "report.html").read_text()
    )
    assert read_study(folder) == record


def test_the_verdict_says_among_how_many_settings_the_pair_was_chosen():
    rows = [
        made_up_row("Q", "subject", (0.6, 0.61, 0.63)),
        made_up_row("C", "baseline", (0.7, 0.72, 0.7)),
    ]
    for tried, words in (
        ((4, 4), "4 and 4"),
        ((4, 3), "4 and 3"),
    ):
        outcome = verdict(
            made_up(
                *(replace(row_result, tried=n) for row_result, n in zip(rows, tried, strict=True)),
                budget=4,
            )
        )
        assert outcome.facts["settings tried"] == words
    assert "settings tried" not in verdict(made_up(*rows)).facts


class Impatient:
    def __init__(self, n_runs):
        self.left = n_runs

    def __call__(self, event):
        self.left -= isinstance(event, RunEnded)
        if not self.left:
            raise KeyboardInterrupt


def runs_with_results(folder):
    return {file.parent.name for file in folder.glob("runs/*/result.json")}


def test_interrupted_while_trying_and_while_testing_it_ends_in_the_same_files(
    tuned_study, tmp_path
):
    *_, common = tuned_study
    rows = [row for row in BUDGET.rows if row.label in {"Single", "SVC", "NN head"}]
    study = BUDGET.model_copy(update={"rows": rows, "seeds": (0,), "budget": 2})
    full_folder = tmp_path / "whole"
    folder = tmp_path / "interrupted"
    run_study(study, full_folder, common, COMMAND)
    for n_runs in (3, 2):  # of four trials; the first of the tested runs
        with pytest.raises(KeyboardInterrupt):
            run_study(study, folder, common, COMMAND, Executor(Impatient(n_runs)))
    assert len(runs_with_results(folder)) == 1
    run_study(study, folder, common, COMMAND)
    assert runs_with_results(folder) == runs_with_results(full_folder)
    for name in ("study.json", "predictions.npz", "table.md", "report.html"):
        assert (folder / name).read_bytes() == (full_folder / name).read_bytes()


def test_a_larger_budget_holds_the_smaller_one_and_what_is_given_is_not_drawn():
    def points(budget, *rows, **fixed):
        plan = (
            load_study("table2").in_small().model_copy(update={"budget": budget, "seeds": range(2)})
        )
        planned = [run for run in study_runs(plan, fixed) if not rows or run.rows in rows]
        runs = tuning_runs(plan, planned, fixed)
        return {(run.rows, run.config.seed, tuple(sorted(run.point.items()))) for run in runs}

    some = points(5)
    assert points(2) < some < points(20)
    assert len(some) == 10 * 2 * 5
    rates = {value for *_, point in points(400, (3,)) for _, value in point}
    assert rates == {1e-3, 1.5e-3, 2.5e-3, 3e-3, 5e-3}  # table VII; two encoders
    assert not any("train.lr" in dict(point) for _, _, point in points(5, **{"train.lr": 1e-3}))
    # table XIV
    assert len({point for *_, point in points(400, (8,))}) == 2 * 10 * 3 * 5


def test_settings_of_the_studys_file_stay_and_are_not_tried():
    plan = BUDGET.model_copy(update={"settings": {"train.lr": 0.123}})
    runs = tuning_runs(plan, study_runs(plan, {}), {})
    assert runs
    assert not any("train.lr" in run.point for run in runs)
    heads_of_circuits = [run for run in runs if run.config.model.head == "quantum"]
    assert {run.config.train.lr for run in heads_of_circuits} == {0.123}


def test_a_baseline_without_settings_of_its_own_and_a_budget_of_nothing_are_refused(
    texts, tiny_body, tmp_path, monkeypatch
):
    monkeypatch.setattr(local, "run_tracked", None)
    rows = [
        *(row.model_dump() for row in BUDGET.rows),
        {"label": "MLP", "preset": "single-10q", "classical": "mlp"},
    ]
    study = Study.model_validate(
        {**BUDGET.model_dump(), "rows": [*rows[:-1], {**rows[-1], "side": "baseline"}]}
    )
    with pytest.raises(
        UserError, match=r"row 'MLP': the baseline 'mlp' .* has none of its own to try"
    ):
        run_study(study, tmp_path / "out", settings_without_rate(texts, tiny_body), COMMAND)
    with pytest.raises(UserError, match="Choose their number with --budget"):
        study_runs(BUDGET, {"baselines.points": 3})
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        Study.model_validate({**STUDY.model_dump(), "budget": 0})
    assert not (tmp_path / "out").exists()
