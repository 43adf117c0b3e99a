"""Weights of rows: they count in training alone, a weight of 0 is as no row, and what takes none says so."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from small_texts import write_reviews

import qllmft
from qllmft.baselines.classical import OneVersusRest, ScaledSVR
from qllmft.baselines.grid import GridBaseline
from qllmft.config import DataConfig
from qllmft.data import read_corpus
from qllmft.training import Examples
from qllmft.training.examples import weigh_rows
from qllmft_base.errors import UserError

SMALL = {
    "model__n_qubits": 3,
    "model__n_encoders": 1,
    "model__start": "random",
    "model__encoder_qubits": 5,
    "model__encoder_layers": 2,
    "train__ridge": False,
    "train__ridge_c": 1.0,
    "train__epochs": 3,
    "train__lr": 0.05,
    "baselines__names": ["logistic_regression_c1"],
    "baselines__search": "validation",
    "data__protocol": "split",
    "data__split_column": "part",
}


def write_rows(folder, weights):
    """Reviews with a column of splits and one of weights of the 60 training rows."""
    rows = pd.read_csv(write_reviews(folder / "reviews.tsv", 60), sep="\t")
    rows["part"] = ["train"] * 60 + ["dev"] * 20 + ["test"] * 40
    rows["weight"] = [*weights, *[9.0] * 60]
    rows.to_csv(folder / "rows.csv", index=False)
    return rows, folder / "rows.csv"


def test_a_weight_of_0_is_as_no_row_and_others_are_those_of_scikit_learn(tiny_body, tmp_path):
    weights = np.where(np.arange(60) % 3, 0.5 + np.arange(60) % 5, 0.0)
    rows, file = write_rows(tmp_path, weights)
    settings = SMALL | {"body": str(tiny_body), "data__weight_column": "weight"}
    first = qllmft.train(file, out=tmp_path / "first", **settings)
    (tmp_path / "kept").mkdir()
    rows[rows["weight"] > 0].to_csv(tmp_path / "kept" / "rows.csv", index=False)
    second = qllmft.train(tmp_path / "kept" / "rows.csv", out=tmp_path / "second", **settings)
    answers = [run.folder.read_predictions().answers for run in (first, second)]
    assert all(np.array_equal(answers[0][name], answers[1][name]) for name in answers[0])
    assert first.record.data.sizes == {"train": 40, "validation": 20, "test": 40}
    assert first.record.data.findings.weights == (
        "Weights of training rows are 0.5 to 4.5. They do not count in validation and test. 20 training rows have a "
        "weight of 0 and are left out."
    )
    predictor = qllmft.load(first.folder.path)
    train, test = rows[:60], rows[80:]
    vectors = predictor.embed(rows["text"].tolist())
    labels = (rows["label"] == "positive").to_numpy().astype(int)
    relative = weights / weights[weights > 0].mean()
    fitted = LogisticRegression(C=1.0, max_iter=500).fit(
        vectors[: len(train)], labels[: len(train)], relative
    )
    row = qllmft.load(first.folder.path, model="logistic regression (C = 1)")
    probabilities = [
        answer.probabilities["positive"] for answer in row.predict(test["text"].tolist())
    ]
    expected = fitted.predict_proba(vectors[80:])[:, 1]
    np.testing.assert_allclose(probabilities, expected, atol=1e-4)
    assert np.abs(expected - 0.5).max() > 0.01


def test_regression_and_several_labels_take_weights():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)).astype(np.float32)
    kept = np.arange(60) % 2 == 0
    weights = kept * 1.5
    targets = x @ rng.normal(size=(3, 2)) + rng.normal(size=(60, 2))
    whole = ScaledSVR(C=1.0, epsilon=0.1, gamma=0.5).fit(x, targets, weights).predict(x)
    part = (
        ScaledSVR(C=1.0, epsilon=0.1, gamma=0.5)
        .fit(x[kept], targets[kept], weights[kept])
        .predict(x)
    )
    np.testing.assert_allclose(whole, part, atol=1e-6)
    labels = (targets > 0).astype(np.int64)
    classifier = OneVersusRest(LogisticRegression()).fit(x, labels, weights)
    for label in range(2):
        fitted = LogisticRegression().fit(x[kept], labels[kept, label], weights[kept])
        np.testing.assert_allclose(
            classifier.scores(x)[:, label], fitted.predict_proba(x)[:, 1], atol=1e-4
        )


def test_an_estimator_that_takes_no_weights_says_so():
    x = torch.eye(6)
    examples = Examples(x, torch.tensor([0, 1, 0, 1, 0, 1]))
    baseline = GridBaseline("neighbours", KNeighborsClassifier, [{"n_neighbors": 1}])
    baseline.fit(weigh_rows(examples, np.arange(6.0)), examples)
    assert baseline.settings == {"n_neighbors": 1, "sample_weight": "not used"}
    baseline.fit(examples, examples)
    assert baseline.settings == {"n_neighbors": 1}


REFUSALS = [
    ("-1", "row 3: the weight in the column 'weight' is '-1', expected a number of 0 or more."),
    ("nan", "row 3: the weight in the column 'weight' is 'nan', expected"),
    ("inf", "row 3: the weight in the column 'weight' is 'inf', expected"),
    ("", "row 3: the weight in the column 'weight' is missing, expected"),
    ("much", "row 3: the weight in the column 'weight' is 'much', expected"),
]


@pytest.mark.parametrize(("weight", "message"), REFUSALS)
def test_a_weight_that_is_none_is_refused_by_its_row(tmp_path, weight, message):
    (tmp_path / "mine.csv").write_text(f"text,label,weight\na,0,1\nb,1,{weight}\n")
    with pytest.raises(UserError) as error:
        read_corpus(DataConfig(source=str(tmp_path / "mine.csv"), weight_column="weight"))
    assert message in str(error.value)


def test_training_needs_a_weight_above_0(tiny_body, tmp_path):
    _, file = write_rows(tmp_path, np.zeros(60))
    with pytest.raises(
        UserError, match="the weights of all 60 training rows in the column 'weight' are 0"
    ):
        qllmft.train(
            file, out=tmp_path / "run", body=str(tiny_body), data__weight_column="weight", **SMALL
        )
