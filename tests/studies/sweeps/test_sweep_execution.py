"""Execution of sweeps without training: nothing is lost or done twice, and proposals can be repeated."""

import json
import math
import os
import random
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from small_sweeps import arguments, settings

from qllmft.cli.finished import report as report_command
from qllmft.run import RunFolder, RunRecord, Tracking
from qllmft.run.lock import sole_use
from qllmft.run.record import BodyRecord, DataRecord, ModelResult
from qllmft.tasks.accuracy import Accuracy
from qllmft.training import EpochMetrics
from qllmft_base.errors import UserError
from qllmft_studies import local
from qllmft_studies.executors import Executor
from qllmft_studies.report.sweep import winner_sentences
from qllmft_studies.runs import FinishedRuns
from qllmft_studies.search_space import load_space
from qllmft_studies.sweep import make_sweep
from qllmft_studies.sweep_record import read_sweep
from qllmft_studies.sweep_run import run_sweep

SIZES = {"train": 1, "validation": 1, "test": 1}
FEW = {"model.reupload_layers": 1}  # leaves three configurations of nine


def layers(config):
    """Number of right answers of 100."""
    return 10 * config.model.main_layers + config.model.reupload_layers + config.seed


class Trainings:
    """Replacement of `run_tracked` that writes a run's files; the accuracy depends on the configuration."""

    def __init__(self, right=layers, total=100, seconds=0.0):
        self.right = right
        self.total = total
        self.seconds = seconds
        self.trained: Counter = Counter()

    def __call__(self, config, out, on_event, tracking, *, read_test, wait, inputs):
        folder = RunFolder(out)
        with sole_use(out, None):
            record = folder.read_validation()
            if record is None:
                self.trained[config.identity] += 1
                time.sleep(random.uniform(0, 2 * self.seconds))
                accuracy = Accuracy(self.right(config), self.total)
                model = ModelResult("head", accuracy, 7, test=accuracy)
                data = DataRecord("s", "f", ("a", "b"), SIZES)
                body = BodyRecord("m", "i", 8)
                record = RunRecord(config.identity, config.seed, data, body, 1, (model,))
                folder.open_for(config)
                folder.write_metrics(EpochMetrics(1, 0.5, 0.4, 0.6, 0.01, 0.0))
                folder.write_result(record.without_test())
            if read_test:
                model = record.head
                folder.write_result(
                    RunRecord(
                        **{
                            **vars(record),
                            "models": (ModelResult(**{**vars(model), "test": model.validation}),),
                        }
                    )
                )
        return SimpleNamespace(record=record)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(local, "POLL_INTERVAL_S", 0.02)


@pytest.fixture
def trainings(monkeypatch):
    def install(*arguments, **options):
        stand_in = Trainings(*arguments, **options)
        monkeypatch.setattr(local, "run_tracked", stand_in)
        return stand_in

    return install


def small_sweep(sampler="grid", trials=None, seeds=1, in_flight=1, **overrides):
    space = load_space("table-11")
    return make_sweep(
        space, sampler, settings(**overrides), trials=trials, seeds=seeds, in_flight=in_flight
    )


def planned_identities(sweep, folder):
    """Identities in the order of the plan."""
    return [run.identity for run in sweep.plan().runs(FinishedRuns(folder / "runs"))]


def report(result):
    """What a sweep tells: the ranking, and the tests of the winner and of each row's best."""
    ranking = [
        (
            result_row.settings,
            result_row.validation,
            result_row.validation_loss,
            result_row.parameters,
        )
        for result_row in result.ranking
    ]
    rows = [(row.row, row.best.settings, row.best.tested, row.published) for row in result.rows]
    return ranking, result.winner.settings, result.winner.tested, rows, result.repeats


def test_a_grid_is_done_once_each_and_ranked_and_not_done_again(tmp_path, trainings):
    stand_in = trainings()
    result = run_sweep(small_sweep(seeds=2), tmp_path, Executor())
    assert len(stand_in.trained) == 18  # two seeds each
    assert [tuple(ranked.settings.values()) for ranked in result.ranking[:2]] == [(6, 4), (6, 2)]
    assert result.ranking[0].validation == (0.64, 0.65)
    assert result.winner.test.mean == pytest.approx(0.645)
    repetition = run_sweep(small_sweep(seeds=2), tmp_path, Executor())
    assert set(stand_in.trained.values()) == {1}
    assert report(repetition) == report(result)


def test_a_finished_sweep_leaves_its_record_table_and_page(
    tmp_path, trainings, monkeypatch, undrawn_figures
):
    trainings()
    monkeypatch.setattr("qllmft.report.style.as_svg", undrawn_figures)
    result = run_sweep(small_sweep(seeds=2), tmp_path, Executor())
    record = read_sweep(tmp_path)
    assert record == result.record
    best = result.winner
    assert record.winner.settings == best.settings
    assert record.winner.test == (0.64, 0.65)
    assert record.winner.test_interval == pytest.approx(best.test.interval)
    assert len(record.ranking) == len(record.row_bests) == 9
    rows = [record.ranking[place].settings for place in record.row_bests]
    assert rows == [row.best.settings for row in result.rows]
    words = " ".join(winner_sentences(record))
    assert "Its test accuracy: 64.50 % [95 % interval 58.1, 70.9], mean of 2 seeds." in words
    table = (tmp_path / "table.md").read_text()
    assert "| validation | loss | parameters | main_layers | reupload_layers |" in table
    assert "| 64.50 % | 0.4000 | 7 | 6 | 4 |" in table
    page = (tmp_path / "report.html").read_text()
    assert "main_layers 6, reupload_layers</text>" in page  # of the figure, in two lines
    (tmp_path / "report.html").unlink()
    (tmp_path / "copy.md").write_text("")
    report_command(tmp_path)
    assert (tmp_path / "report.html").read_text() == page
    report_command(tmp_path, table=tmp_path / "copy.md")
    assert (tmp_path / "copy.md").read_text() == table


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "it has format 2, and this version reads 1"),
        ({"ranking": []}, "its ranking lacks the winner"),
        ({"row_bests": [99]}, "its ranking lacks the winner"),
        ({"seeds": 3}, r"has \[1\] values, expected 3"),
        ({"sweep": "../a"}, "folders and figures are named by it"),
        ({"parameters": []}, "expected one value a parameter"),
    ],
)
def test_a_record_of_another_form_is_refused(tmp_path, trainings, change, message):
    trainings()
    run_sweep(small_sweep(**FEW), tmp_path, Executor())
    content = json.loads((tmp_path / "sweep.json").read_text())
    (tmp_path / "sweep.json").write_text(json.dumps(content | change))
    with pytest.raises(UserError, match=message):
        read_sweep(tmp_path)


def test_a_sweep_that_is_not_finished_has_no_page(tmp_path):
    with pytest.raises(UserError, match=r"there is no finished sweep in .* command continues it"):
        read_sweep(tmp_path)
    (tmp_path / "sweep.json").write_text("{}")
    with pytest.raises(UserError, match=r"--explain is about the texts of a run, .* a sweep"):
        report_command(tmp_path, explain=3)
    with pytest.raises(UserError, match=r"the table of a sweep is in Markdown"):
        report_command(tmp_path, table=tmp_path / "a.tex")


@pytest.mark.parametrize("name", [".lock-holder", "config.toml", "validation.json", "result.json"])
def test_a_full_disk_ends_a_sweep_and_the_next_call_does_the_rest(
    tmp_path, trainings, monkeypatch, name
):
    stand_in = trainings()
    sync = os.fsync

    def full(descriptor):
        if name in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(28, "No space left on device")
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(
            (OSError, UserError), match=r"(written: No space|No space left on device: '.*/)"
        ):
            run_sweep(small_sweep(**FEW), tmp_path / "full", Executor())
    hidden = [path for path in tmp_path.rglob(".*") if path.name != ".started"]
    assert not [path for path in hidden if path.name[1:2] != "l"], "no part of a file is left"
    full = run_sweep(small_sweep(**FEW), tmp_path / "full", Executor())
    assert report(full) == report(run_sweep(small_sweep(**FEW), tmp_path / "sound", Executor()))
    if name == "result.json":
        assert set(stand_in.trained.values()) == {2}, "nothing is trained again"


@pytest.mark.parametrize(("sampler", "in_flight"), [("grid", 1), ("tpe", 1), ("tpe", 3)])
def test_many_workers_share_a_sweep(tmp_path, trainings, sampler, in_flight):
    """Four workers at a time find the same runs from the folders, and what one alone finds."""
    sweep = small_sweep(sampler, trials=14 if sampler == "tpe" else None, in_flight=in_flight)
    stand_in = trainings(seconds=0.02)
    errors = []

    def work():
        try:
            local.execute_plan(sweep.plan(), tmp_path / "four" / "runs", lambda _: None, Tracking())
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert set(stand_in.trained.values()) == {1}
    trainings()
    run_sweep(sweep, tmp_path / "one", Executor())
    assert planned_identities(sweep, tmp_path / "four") == planned_identities(
        sweep, tmp_path / "one"
    )
    assert stand_in.trained.keys() == set(planned_identities(sweep, tmp_path / "one"))


def test_tpe_repeats_cost_nothing(tmp_path, trainings):
    stand_in = trainings()
    result = run_sweep(small_sweep("tpe", trials=14), tmp_path, Executor())
    first = planned_identities(small_sweep("tpe", trials=14), tmp_path)
    assert len(first) == 14
    assert result.repeats == 14 - len(set(first)) >= 5  # there are nine configurations
    assert set(stand_in.trained.values()) == {1}


def test_a_much_longer_search_by_tpe_contains_the_shorter_one(tmp_path, trainings):
    stand_in = trainings(lambda config: 500 + 10 * config.model.main_layers, total=1000)
    plans = []
    for trials in (14, 20, 40):
        sweep = small_sweep("tpe", trials=trials)
        run_sweep(sweep, tmp_path, Executor())
        plans.append(planned_identities(sweep, tmp_path))
    short, longer, longest = plans
    assert longer[:14] == short
    assert longest[:20] == longer
    assert set(stand_in.trained.values()) == {1}


def test_tpe_continues_with_the_same_proposals_after_an_interruption(tmp_path, trainings):
    sweep = small_sweep("tpe", trials=12, in_flight=3)

    def interrupt_sixth(config):
        if len(stand_in.trained) == 5:
            raise KeyboardInterrupt
        return layers(config)

    stand_in = trainings(interrupt_sixth)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(sweep, tmp_path / "twice", Executor())
    reports = []
    for folder in ("twice", "once"):
        trainings()
        reports.append(report(run_sweep(sweep, tmp_path / folder, Executor())))
    twice, once = reports
    assert twice == once


def test_tpe_draws_between_the_values_and_finds_the_better_end(tmp_path, trainings):
    """Accuracy falls with the distance of the learning rate from 1e-3, on a scale from 0.5e-3 to 5e-3."""
    trainings(
        lambda config: 1000 - round(400 * abs(math.log10(config.train.lr / 1e-3))), total=1000
    )
    overrides = {k: v for k, v in settings().items() if k != "train.lr"} | {
        "model.final_linear": True
    }
    sweep = make_sweep(load_space("table-12"), "tpe", overrides, trials=24)
    ranking = run_sweep(sweep, tmp_path, Executor()).ranking
    assert len(ranking) == 24
    assert abs(math.log10(ranking[0].settings["train.lr"] / 1e-3)) < 0.05
    assert ranking[0].validation[0] > 0.97


def test_the_texts_and_labels_are_said_once_for_all_trials(
    trainings, cli, texts, tiny_body, tmp_path
):
    done = trainings()
    few = [word for name, value in FEW.items() for word in ("--set", f"{name}={value}")]
    output = "\n".join(cli(*arguments(texts, tiny_body, tmp_path / "sweep", *few)))
    assert sum(done.trained.values()) == 3
    lines = [line.split() for line in output.splitlines()]
    heading = ["label", "rows", "training", "validation", "test"]
    assert lines.count(heading) == 1
    place = lines.index(heading)
    assert [line[0] for line in lines[place + 1 : place + 3]] == ["negative", "positive"]
    assert output.count("texts.tsv: 80 rows") == 1
    assert output.count("80 rows: ") == 1
