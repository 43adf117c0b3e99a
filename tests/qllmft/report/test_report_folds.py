"""Report of the folds of a cross-validation, for tasks other than one label per text."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, f1_score

import qllmft

pytestmark = pytest.mark.usefixtures("few_samples")

N = 90
WORDS = ("good", "bad")
SETTINGS = {
    "data__folds": 2,
    "data__protocol": "split",
    "model__encoder_qubits": 5,
    "model__encoder_layers": 4,
    "train__epochs": 1,
    "train__ridge_c": 1.0,
}


@pytest.fixture(scope="module", autouse=True)
def pages_with_figures():
    """Here figures are placeholders: pages of folds are asked for their words."""


@pytest.fixture(scope="module")
def folder_of_several_labels(few_samples, tiny_body, tmp_path_factory):
    random = np.random.default_rng(0)
    texts = [f"{WORDS[i % 2]} film {'fine' * (i % 3)} {i}" for i in range(N)]
    several = (random.random((N, 2)) < np.array([[0.3, 0.6], [0.7, 0.2]])[np.arange(N) % 2]) * 1
    return qllmft.train(
        pd.DataFrame({"text": texts, "a": several[:, 0], "b": several[:, 1]}),
        body=str(tiny_body),
        out=tmp_path_factory.mktemp("several labels") / "run",
        data__task="multilabel",
        data__label_column=["a", "b"],
        baselines__names=["logistic_regression_ovr"],
        **SETTINGS,
    ).folder


@pytest.fixture(scope="module")
def folder_of_targets(few_samples, tiny_body, tmp_path_factory):
    texts = [f"{WORDS[i % 2]} film {i}" for i in range(N)]
    return qllmft.train(
        pd.DataFrame({"text": texts, "label": np.arange(N) % 2 + 0.5}),
        body=str(tiny_body),
        out=tmp_path_factory.mktemp("targets") / "run",
        data__task="regression",
        baselines__names=[],
        **SETTINGS,
    ).folder


@pytest.mark.parametrize(
    ("fixture", "section"),
    [
        (
            "folder_of_several_labels",
            "Each fold has thresholds of its own, which its report lists.",
        ),
        ("folder_of_targets", '<h2 id="values">Values</h2>'),
    ],
)
def test_all_folds_have_a_page_with_the_errors_of_their_task(fixture, section, request):
    folder = request.getfixturevalue(fixture)
    page = folder.report_file.read_text()
    assert section in page
    assert f"{N} test texts" in page
    assert re.findall(r'href="([^"#]+)"', page) == ["fold-1/report.html", "fold-2/report.html"]
    assert "thresholds of its own" not in folder.fold(0).report_file.read_text()


def test_average_precision_of_all_folds_ranks_probabilities(folder_of_several_labels):
    """Each fold has thresholds of its own, on which average precision does not depend."""
    folder = folder_of_several_labels
    for model in json.loads(folder.folds_file.read_text())["models"]:
        labels = []
        probabilities = []
        leads = []
        thresholds = set()
        for fold in range(2):
            predictions = json.loads(folder.fold(fold).predictions_file.read_text())
            record = json.loads(folder.fold(fold).result_file.read_text())
            (model_record,) = (row for row in record["models"] if row["name"] == model["name"])
            thresholds.add(tuple(model_record["settings"]["thresholds"]))
            labels += predictions["labels"]
            leads += predictions["answers"][model["name"]]
            probabilities += (
                np.array(predictions["answers"][model["name"]])
                + model_record["settings"]["thresholds"]
            ).tolist()
        assert len(thresholds) == 2
        assert 0 < np.min(probabilities) < np.max(probabilities) < 1
        precision = model["test"]["average_precision"]
        assert precision == pytest.approx(average_precision_score(labels, probabilities))
        assert precision != pytest.approx(average_precision_score(labels, leads))
        low, high = model["test"]["average_precision_interval"]
        assert low < precision < high
        assert model["test"]["macro_f1"] == pytest.approx(
            f1_score(labels, np.array(leads) >= 0, average="macro")
        )
