"""Studies and sweeps of real targets, of several labels per text and of pairs, each score by a second route."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr, ttest_rel
from sklearn.metrics import average_precision_score, f1_score, mean_absolute_error, r2_score
from small_texts import BAD, GOOD
from tiny_studies import record, row

from qllmft.run import RunFolder, SharedInputs
from qllmft.tasks import REGRESSION
from qllmft.tasks.measure import MACRO_F1, R2
from qllmft_base.errors import UserError
from qllmft_studies.checks import check_feasible
from qllmft_studies.commands.study import study_table
from qllmft_studies.commands.sweep import search_baselines_grid
from qllmft_studies.executors import Executor
from qllmft_studies.file import Study, load_study
from qllmft_studies.predictions import StudyPredictions
from qllmft_studies.record import read_study, write_record
from qllmft_studies.report import finish_from_predictions
from qllmft_studies.report.sweep import winner_sentences
from qllmft_studies.search_space import Space, load_space
from qllmft_studies.study import run_study
from qllmft_studies.study_plan import study_runs
from qllmft_studies.sweep import make_sweep
from qllmft_studies.sweep_run import run_sweep
from qllmft_studies.verdict import verdict

pytestmark = pytest.mark.usefixtures("few_samples", "drawn_figures")

FILES = ("study.json", "predictions.npz", "table.md", "report.html")
BASELINES = {"regression": ("ridge", "linear"), "multilabel": ("logistic_regression_ovr",)}
SMALL = {
    "model.n_qubits": 4,
    "model.encoder_qubits": 5,
    "model.encoder_layers": 2,
    "train.epochs": 3,
    "train.lr": 0.05,
    "data.n_per_label": 60,
}


def write_texts(path):
    """Texts of a number of stars by their words, two labels, and a second text."""
    rng = random.Random(0)
    lines = []
    for i in range(90):
        words = rng.choices([*GOOD, *BAD], k=3) + rng.choices(["film", "plot"], k=1)
        stars = sum((word in GOOD) - (word in BAD) for word in words) + rng.random()
        labels = ["good"] * (words[0] in GOOD) + ["film"] * ("film" in words)
        content = {"text": f"{' '.join(words)} {i}", "other": rng.choice(GOOD), "stars": stars}
        lines.append(json.dumps(content | {"labels": labels, "label": str(words[0] in GOOD)}))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


TWO_ENCODERS = {"two": load_space("two-encoders").presets["two-encoders"]}


def tiny_study(task, **changes):
    common = {"preset": "two"}
    rows = [{**common, "label": "Head", "side": "subject"}]
    rows += [
        {**common, "label": name, "side": "baseline", "classical": name} for name in BASELINES[task]
    ]
    values = {"name": "tiny", "title": "T", "subject": "quantum head", "baseline": "baseline"}
    values["presets"] = TWO_ENCODERS
    return Study.model_validate(values | {"seeds": 2, "rows": rows} | changes)


@pytest.fixture(scope="module")
def task_settings(tmp_path_factory, tiny_body):
    """A function from a task to the settings of all its runs."""
    file = write_texts(tmp_path_factory.mktemp("tasks") / "texts.jsonl")

    def settings(task):
        column = {"regression": "stars", "multilabel": "labels"}.get(task, "label")
        data = {"data.source": str(file), "data.task": task, "data.label_column": column}
        return SMALL | data | {"body.model": str(tiny_body)}

    return settings


@pytest.fixture(scope="module", params=BASELINES)
def task_study(request, task_settings, tmp_path_factory):
    """(task, folder, record, page) of a study."""
    folder = tmp_path_factory.mktemp("study")
    task = request.param
    record = run_study(
        tiny_study(task), folder, task_settings(task), "qllmft study tiny", Executor()
    )
    return task, folder, record, folder / "report.html"


def by_scikit_learn(task, true, answers):
    if task == "regression":
        return {
            "R²": r2_score(true, answers),
            "mean absolute error": mean_absolute_error(true, answers),
            "rank correlation": spearmanr(true[:, 0], answers[:, 0]).statistic,
        }
    return {
        "macro-F1": f1_score(true, answers >= 0, average="macro"),
        "micro-F1": f1_score(true, answers >= 0, average="micro"),
        "average precision": average_precision_score(true, answers, average="macro"),
        "subset accuracy": ((answers >= 0) == true).all(axis=1).mean(),
        "Hamming loss": ((answers >= 0) != true).mean(),
    }


def test_the_scores_are_scikit_learns_on_the_answers_of_the_runs(task_study):
    task, folder, record, _ = task_study
    for study_row in record.rows:
        for seed in record.seeds:
            content = json.loads(
                (folder / "runs" / study_row.runs[seed] / "predictions.json").read_text()
            )
            true = np.array(content["labels"])
            answers = np.array(content["answers"][study_row.model])
            # as they are kept: values that differ in double precision may be equal in single
            direct = by_scikit_learn(task, true, answers.astype(np.float32))
            assert study_row.test[seed] == pytest.approx(direct.pop(record.score), abs=1e-6)
            assert {
                name: values[seed] for name, values in study_row.others.items()
            } == pytest.approx(direct, abs=1e-6)
            result = RunFolder(folder / "runs" / study_row.runs[seed]).read_result()
            model = result.model(study_row.model)
            assert study_row.validation[seed] == pytest.approx(model.validation.value, abs=1e-6)


def test_the_same_files_come_from_the_answers(task_study, tmp_path):
    _, folder, record, _ = task_study
    second_record, _ = finish_from_predictions(folder, tmp_path)
    assert second_record == record == read_study(folder)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_every_answer_is_kept_in_single_precision(task_study):
    task, folder, record, _ = task_study
    predictions = StudyPredictions.from_folder(folder)
    test = predictions.answers["test", 0]
    assert test.answers.keys() == {result.label for result in record.rows}
    for answers in test.answers.values():
        assert (answers.dtype, answers.shape) == (np.float32, test.labels.shape)
    assert test.labels.shape == (30, 1 if task == "regression" else 2)
    assert test.labels.dtype == (np.float64 if task == "regression" else np.int64)
    with pytest.raises(UserError, match=r"seeds \(0, 1\) and .*, and the record of"):
        predictions.recompute(replace(record, score="accuracy"))


@pytest.mark.parametrize("odd", [np.nan, np.zeros((30, 1, 1)), np.zeros((30, 3), np.int64)])
def test_odd_arrays_are_refused(task_study, tmp_path, odd):
    with np.load(task_study[1] / "predictions.npz") as arrays:
        content = dict(arrays)
    content["test-0"] = np.full_like(content["test-0"], odd) if np.isscalar(odd) else odd
    np.savez(tmp_path / "predictions.npz", **content)
    with pytest.raises(UserError, match="cannot be read: its array 'test-0' has"):
        StudyPredictions.from_folder(tmp_path)


def test_tables_page_and_verdict_name_the_score(task_study):
    task, folder, record, page = task_study
    measure = record.measure
    html = page.read_text("utf-8")
    assert (measure, record.margin) == ((R2 if task == "regression" else MACRO_F1), 0.01)
    table = (folder / "table.md").read_text("utf-8")
    assert (
        f"| test {measure.name} (± 95 % interval) | {next(iter(record.rows[0].others))} |" in table
    )
    assert f"difference, {measure.scale}" in table
    for text in (table, html):
        assert "accuracy of" not in text
        assert " points" not in text
        assert f"within 0.01 {measure.name}" in text
    assert f"difference of test {measure.name}</text>" in html  # of an axis
    assert "of 1,000 bootstrap samples" in html
    assert "McNemar" not in html
    content = json.loads((folder / "study.json").read_text("utf-8"))
    assert content["score"] == measure.name
    assert [line["seed"] for line in content["bootstrap"]] == [0, 1]
    test = ttest_rel(record.rows[0].test, record.rows[1].test)
    assert content["comparisons"][0]["difference"]["p"] == pytest.approx(test.pvalue)
    assert f" {measure.name}, 95 % CI [" in verdict(record).facts["difference"]
    assert [column.header for column in study_table(record).columns][2] == f"test {measure.name}"


def test_a_sweep_selects_by_the_score_of_the_task(task_settings, tmp_path):
    settings = {key: value for key, value in SMALL.items() if key != "train.lr"}
    space = Space.model_validate(
        {
            "name": "own",
            "title": "ours",
            "presets": TWO_ENCODERS,
            "preset": "two",
            "settings": settings,
            "parameters": [{"setting": "train.lr", "values": [0.01, 0.1]}],
        }
    )
    for task, measure in (("regression", R2), ("multilabel", MACRO_F1)):
        overrides = {key: value for key, value in task_settings(task).items() if key not in SMALL}
        plan = make_sweep(space, "grid", overrides)
        result = run_sweep(plan, tmp_path / task, Executor())
        means = [np.mean(result.validation) for result in result.ranking]
        assert means == sorted(means, reverse=True)
        assert result.measure.name == measure.name
        tests = []
        for run in result.winner.runs:
            file = tmp_path / task / "runs" / run.config.identity / "predictions.json"
            content = json.loads(file.read_text())
            true = np.array(content["labels"])
            answers = np.array(content["answers"]["quantum head"])
            tests.append(by_scikit_learn(task, true, answers)[measure.name])
        assert result.winner.test.mean == pytest.approx(np.mean(tests))
        words = " ".join(winner_sentences(result.record))
        mean = measure.percent(result.winner.test.mean)
        assert f"Its test {measure.name}: {mean} [95 % interval " in words
        assert "%" not in words.replace("95 %", "")


def test_a_study_reads_pairs(task_settings, tmp_path):
    pair_settings = {"data.text_column": ["text", "other"], "data.n_per_label": 20}
    small = task_settings("classification") | pair_settings
    settings = small | {"model.encoder_qubits": 6}
    rows = [
        {"label": "Head", "preset": "two", "side": "subject"},
        {"label": "SVC", "preset": "two", "side": "baseline", "classical": "svc"},
    ]
    study = tiny_study("regression", rows=rows, seeds=1)
    planned = {run.label: run.config for run in study_runs(study, small)}
    with pytest.raises(UserError, match="embedding has 32 values and a constant"):
        check_feasible(planned, SharedInputs())
    record = run_study(study, tmp_path, settings, "", Executor())
    assert (record.body.dimension, record.score, record.margin) == (32, "accuracy", 0.5)
    content = json.loads((tmp_path / "study.json").read_text("utf-8"))
    assert content["score"] == "accuracy"
    assert content["rows"][0]["others"] == {}
    assert "mcnemar" in content


def test_the_difference_of_two_models_has_the_interval_of_the_jackknife(monkeypatch):
    monkeypatch.setattr("qllmft.tasks.statistics.BOOTSTRAP_SAMPLES", 1000)
    random = np.random.default_rng(0)
    y = random.normal(size=(300, 1))
    first = y + 0.5 * random.normal(size=y.shape)
    second = y + 0.6 * random.normal(size=y.shape)
    difference = REGRESSION.paired_difference(y, first, second)
    assert difference.value == pytest.approx(r2_score(y, first) - r2_score(y, second))
    jackknife = [
        r2_score(*(np.delete(part, i, 0) for part in (y, first)))
        - r2_score(*(np.delete(part, i, 0) for part in (y, second)))
        for i in range(300)
    ]
    half = 1.96 * np.sqrt(299 * np.var(jackknife))
    ends = (difference.value - half, difference.value + half)
    assert difference.interval == pytest.approx(ends, abs=0.15 * half)


def test_the_margin_is_in_the_unit_of_the_score():
    values = (0.512, 0.514, 0.511, 0.513, 0.512)
    equal = record(
        row("Head", "subject", values),
        row("Ridge", "baseline", (0.514, 0.513, 0.514, 0.511, 0.513)),
        score="R²",
        margin=0.01,
    )
    assert verdict(equal).headline == "Equivalent within 0.01 R²: Head, Ridge"
    assert verdict(equal).facts["difference"].startswith("−0.001 R², 95 % CI [")
    inconclusive = verdict(replace(equal, margin=0.0015)).headline
    assert inconclusive == "Inconclusive, no difference established: Head, Ridge"
    low = record(row("A", "subject", (-0.2, -0.21)), row("B", "baseline", (0.2, 0.25)), score="R²")
    assert verdict(low).headline == "A is 0.430 R² worse than B"


@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        (
            "regression",
            {"x": "texts"},
            "x is 'texts', and maps and gains of language models are in points",
        ),
        (
            "multilabel",
            {"rows": [{"label": "Odd", "preset": "odd", "side": "subject"}]},
            "row 'Odd': .*data.task is 'multilabel', and train.optimizer 'lbfgs' without a head minimises",
        ),
        (
            "regression",
            {"rows": [{"label": "SVC", "preset": "two", "side": "subject", "classical": "svc"}]},
            "row 'SVC': baselines.names has 'svc', which is not for regression, expected some of ",
        ),
    ],
)
def test_parts_of_a_study_that_are_for_labels_are_refused(task, changes, message):
    study = tiny_study(task)
    rows_of_plan = study.rows if "x" in changes else [*changes["rows"], *study.rows[1:]]
    rows = [
        dict(plan_row) | ({"series": "a"} if "x" in changes else {}) for plan_row in rows_of_plan
    ]
    with pytest.raises(UserError, match=message):
        study_runs(tiny_study(task, **(changes | {"rows": rows})), {"data.task": task})


def test_a_grid_of_labels_is_refused_for_real_targets(task_settings):
    space = Space.model_validate({"name": "g", "title": "g", "grid_of": "svc"})
    with pytest.raises(UserError, match="'svc', which is not for regression"):
        search_baselines_grid(space, task_settings("regression"), 1)


@pytest.mark.parametrize(
    ("score", "value", "message"),
    [
        ("R²", 1.5, "less than or equal to 1"),
        ("macro-F1", -0.5, "has the macro-F1 -0.5, expected 0"),
    ],
)
def test_a_record_with_an_impossible_score_is_refused(tmp_path, score, value, message):
    impossible = record(
        row("A", "subject", (0.5, value)), row("B", "baseline", (0.4, 0.5)), score=score
    )
    write_record(tmp_path, impossible, {})
    with pytest.raises(UserError, match=f"study.json cannot be read: (?s:.*){message}"):
        read_study(tmp_path)


@pytest.mark.parametrize("task", BASELINES)
def test_the_studies_of_the_package(task):
    runs = study_runs(load_study(task), {"data.source": "texts"})
    assert {run.config.data.task for run in runs} == {task}
    assert len(runs) == 10  # two heads with five seeds, baselines beside the first
