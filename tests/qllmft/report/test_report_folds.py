"""Report of the folds of a cross-validation, for tasks other than one label per text."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, f1_score

import qllmft

N = 60
WORDS = ("good", "bad")
SETTINGS = {
    "data__folds": 2,
    "data__protocol": "split",
    "train__epochs": 1,
    "train__ridge_c": 1.0,
    "baselines__names": [],
}


def rows_of(task):
    texts = [f"{WORDS[i % 2]} film {i}" for i in range(N)]
    if task == "regression":
        return pd.DataFrame({"text": texts, "label": np.arange(N) % 2 + 0.5})
    return pd.DataFrame(
        {"text": texts, "label": [[WORDS[i % 2], "film"][: 1 + i % 3 // 2] for i in range(N)]}
    )


@pytest.mark.parametrize(
    ("task", "section"),
    [
        ("multilabel", "Each fold has thresholds of its own, which its report lists."),
        ("regression", '<h2 id="values">Values</h2>'),
    ],
)
def test_all_folds_have_a_page_with_the_errors_of_their_task(task, section, tiny_body, tmp_path):
    folder = qllmft.train(
        rows_of(task), body=str(tiny_body), out=tmp_path / "run", data__task=task, **SETTINGS
    ).folder
    page = folder.report_file.read_text()
    assert section in page
    assert f"{N} test texts" in page
    links = re.findall(r'href="([^"#]+)"', page)
    assert links == ["fold-1/report.html", "fold-2/report.html"]
    assert "thresholds of its own" not in folder.fold(0).report_file.read_text()


def test_average_precision_of_all_folds_ranks_probabilities(tiny_body, tmp_path):
    """Each fold has thresholds of its own, on which average precision does not depend."""
    random = np.random.default_rng(0)
    texts = [f"{WORDS[i % 2]} film {'fine' * (i % 3)} {i}" for i in range(90)]
    several = (random.random((90, 2)) < np.array([[0.3, 0.6], [0.7, 0.2]])[np.arange(90) % 2]) * 1
    rows = pd.DataFrame({"text": texts, "a": several[:, 0], "b": several[:, 1]})
    names = {"baselines__names": ["logistic_regression_ovr"], "data__label_column": ["a", "b"]}
    folder = qllmft.train(
        rows, body=str(tiny_body), out=tmp_path / "run", data__task="multilabel", **SETTINGS | names
    ).folder
    pooled = json.loads(folder.folds_file.read_text())
    for model in pooled["models"]:
        labels, probabilities, leads = [], [], []
        thresholds = set()
        for fold in range(2):
            kept = json.loads(folder.fold(fold).predictions_file.read_text())
            record = json.loads(folder.fold(fold).result_file.read_text())
            (own,) = (each for each in record["models"] if each["name"] == model["name"])
            thresholds.add(tuple(own["settings"]["thresholds"]))
            labels += kept["labels"]
            leads += kept["answers"][model["name"]]
            probabilities += (
                np.array(kept["answers"][model["name"]]) + own["settings"]["thresholds"]
            ).tolist()
        assert len(thresholds) == 2
        assert 0 < np.min(probabilities) < np.max(probabilities) < 1
        found = model["test"]["average_precision"]
        assert found == pytest.approx(average_precision_score(labels, probabilities))
        assert found != pytest.approx(average_precision_score(labels, leads))
        low, high = model["test"]["average_precision_interval"]
        assert low < found < high
        assert model["test"]["macro_f1"] == pytest.approx(
            f1_score(labels, np.array(leads) >= 0, average="macro")
        )
