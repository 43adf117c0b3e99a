"""A study of uneven labels selects and compares by balanced accuracy, and says so."""

import re
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from tiny_studies import record, row

from qllmft.report import style
from qllmft.report.pages import render_template
from qllmft.run import RunFolder
from qllmft_studies.comparison import compare, find_leaders, trends
from qllmft_studies.executors import Executor
from qllmft_studies.file import Study
from qllmft_studies.predictions import StudyPredictions
from qllmft_studies.record import read_study
from qllmft_studies.report import finish_from_predictions
from qllmft_studies.report.figures import draw_trends
from qllmft_studies.report.table import page_variables
from qllmft_studies.runs import FinishedRun, best
from qllmft_studies.study import run_study

WORDS = {"good": ("fine", "great", "superb"), "bad": ("dull", "poor", "bleak")}
ROWS = [
    {"label": "Three", "side": "subject", "settings": {"model": {"n_qubits": 3}}},
    {"label": "Four", "side": "subject", "settings": {"model": {"n_qubits": 4}}},
    {
        "label": "SVC",
        "side": "baseline",
        "classical": "svc",
        "settings": {"model": {"n_qubits": 3}},
    },
]
PLAN = {"name": "uneven", "title": "T", "subject": "head", "baseline": "baseline", "seeds": 2}


def uneven_rows():
    """Rows whose validation accuracy prefers the constant one, and balanced accuracy the other one."""
    constant = replace(
        row("Constant", "subject", (0.80, 0.81), validation=(0.9, 0.9)),
        balanced=(0.5, 0.5),
        validation_balanced=(0.5, 0.5),
    )
    head = replace(
        row("Head", "subject", (0.75, 0.76), validation=(0.7, 0.7)),
        balanced=(0.70, 0.72),
        validation_balanced=(0.7, 0.7),
    )
    svc = replace(
        row("SVC", "baseline", (0.78, 0.77)), balanced=(0.6, 0.65), validation_balanced=(0.6, 0.6)
    )
    return constant, head, svc


def test_balanced_validation_accuracy_selects():
    rows = uneven_rows()
    study = record(*rows)
    assert [leader.label for leader in find_leaders(study)] == ["Head", "SVC"]
    assert {c.subject for c in compare(study)} == {"Head"}
    # earlier records have no balanced validation accuracy
    earlier = [replace(row, validation_balanced=()) for row in rows]
    assert best(earlier[:2]).label == "Constant"


def test_tables_and_figures_name_the_balanced_accuracy():
    on_a_line = [
        replace(row, series="line", qubits=qubits)
        for row, qubits in zip(uneven_rows(), (3, 4, 5), strict=True)
    ]
    study = record(*on_a_line)
    table = render_template("qllmft_studies.report", "study.md.j2", **page_variables(study))
    assert "## Balanced accuracy per qubit" in table
    assert "| balanced points per qubit |" in table
    assert "difference, balanced points" in table
    assert "MDE, balanced points" in table
    assert "| 90.0 ± 0.0 (balanced 50.0 ± 0.0) |" in table
    with style.figure_style():
        (axes,) = draw_trends(study, trends(study)).axes
    assert axes.get_ylabel() == "test balanced accuracy (%)"
    heights = axes.containers[0].lines[0].get_ydata().astype(float)
    assert heights == pytest.approx([50, 71, 62.5])
    slope = float(re.search(r"\| line \| 3, 4, 5 \| 2 \| \+([\d.]+) \|", table)[1])
    assert slope == pytest.approx(np.polyfit([3, 4, 5], heights, 1)[0], abs=0.01)


@pytest.fixture(scope="module")
def uneven_study(tmp_path_factory, tiny_body):
    """The folder and the record of a study of texts, four fifths of which have one label."""
    folder = tmp_path_factory.mktemp("uneven")
    rng = np.random.default_rng(3)
    lines = ["text\tlabel"]
    for i in range(100):
        label = "bad" if i % 5 == 0 else "good"
        # every third text has the words of the other label
        words = WORDS[label if i % 3 else {"good": "bad", "bad": "good"}[label]]
        lines.append(f"a {' '.join(rng.choice(words, 3))} film of {i} minutes\t{label}")
    (folder / "texts.tsv").write_text("\n".join(lines))
    study = Study.model_validate(
        PLAN | {"epochs": 4, "rows": [{"preset": "single-10q", **plan_row} for plan_row in ROWS]}
    )
    settings = {
        "data.source": str(folder / "texts.tsv"),
        "data.protocol": "split",
        "body.model": str(tiny_body),
        "model.encoder_qubits": 5,
        "model.encoder_layers": 2,
        "baselines.grid": "small",
    }
    record = run_study(study, folder, settings, "qllmft study uneven", Executor())
    return folder, record


def test_balanced_scores_are_scikit_learns(uneven_study, tmp_path):
    folder, record = uneven_study
    predictions = StudyPredictions.from_folder(folder)
    for result in record.rows:
        for split, values in (
            ("validation", result.validation_balanced),
            ("test", result.balanced),
        ):
            direct = [
                balanced_accuracy_score(answers.labels, answers.answers[result.label])
                for answers in (predictions.answers[split, seed] for seed in record.seeds)
            ]
            assert values == pytest.approx(direct)
        runs = [FinishedRun.read(RunFolder(folder / "runs" / name)) for name in result.runs]
        models = [run.record.model(result.model) for run in runs]
        assert [model.validation_balanced for model in models] == pytest.approx(
            result.validation_balanced
        )
    assert read_study(folder) == record
    second_record, _ = finish_from_predictions(folder, tmp_path)
    assert second_record == record
