"""Suspicious labels: the rules by a second route, and the rows of a run by models that were not trained on them."""

import json

import numpy as np
import pandas as pd
import pytest
from small_texts import write_reviews

import qllmft
from qllmft.answers.label_errors import confident_joint, prune_by_class
from qllmft.inference.suspects import find_suspects
from qllmft_base.errors import UserError

SMALL = {
    "model__n_qubits": 3,
    "model__n_encoders": 1,
    "model__start": "random",
    "model__encoder_qubits": 5,
    "model__encoder_layers": 2,
    "train__ridge": False,
    "train__ridge_c": 1.0,
    "train__epochs": 2,
    "train__lr": 0.05,
    "baselines__names": ["logistic_regression_c1"],
    "baselines__search": "validation",
    "data__protocol": "split",
}


def noisy_probabilities(seed, n=300, k=3):
    """Labels of which some are wrong, and probabilities that know the right ones."""
    rng = np.random.default_rng(seed)
    true = rng.integers(k, size=n)
    labels = np.where(rng.random(n) < 0.1, rng.integers(k, size=n), true)
    logits = rng.normal(size=(n, k))
    logits[np.arange(n), true] += 3.0
    weights = np.exp(logits)
    return weights / weights.sum(axis=1, keepdims=True), labels, true


def joint_by_loops(probabilities, labels):
    k = probabilities.shape[1]
    thresholds = [probabilities[labels == j, j].mean() for j in range(k)]
    counts = np.zeros((k, k))
    for p, label in zip(probabilities, labels, strict=True):
        reached = [j for j in range(k) if p[j] >= thresholds[j]]
        if reached:
            counts[label, max(reached, key=lambda j: p[j])] += 1
    sizes = np.bincount(labels)
    return np.array([counts[i] / counts[i].sum() * sizes[i] for i in range(k)])


@pytest.mark.parametrize("seed", range(3))
def test_the_estimated_errors_are_those_of_confident_learning(seed):
    probabilities, labels, true = noisy_probabilities(seed)
    joint = joint_by_loops(probabilities, labels)
    np.testing.assert_allclose(confident_joint(probabilities, labels), joint)
    flagged = prune_by_class(probabilities, labels)
    for label in range(3):
        rows = [row for row in range(300) if labels[row] == label]
        rows.sort(key=lambda row: probabilities[row, label])
        count = round(joint[label].sum() - joint[label, label])
        assert {*np.flatnonzero(flagged & (labels == label))} == {*rows[:count]}
    assert (labels != true)[flagged].mean() > 0.5


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Reviews in a table, in whose file each has a number."""
    folder = tmp_path_factory.mktemp("rows")
    table = pd.read_csv(write_reviews(folder / "reviews.tsv", 40), sep="\t")
    table.to_csv(folder / "rows.csv", index=False)
    return table, folder / "rows.csv"


def test_folds_cover_each_row_by_the_model_that_did_not_see_it(rows, tiny_body, tmp_path, cli):
    table, file = rows
    out = tmp_path / "folds"
    qllmft.train(file, body=str(tiny_body), out=out, data__folds=2, **SMALL)
    found = find_suspects(out, "logistic regression (C = 1)")
    assert sorted(suspect.row for suspect in found.found) == list(range(2, 2 + len(table)))
    own = [suspect.probability_of_label for suspect in found.found]
    assert own == sorted(own)
    assert found.coverage == "80 of 80 texts are covered: the test texts of 2 folds."
    first = found.found[0]
    assert (first.text, first.label) == tuple(table.loc[first.row - 2, ["text", "label"]])
    fold = out / f"fold-{first.part[-1]}"
    (answer,) = qllmft.load(fold, model="logistic regression (C = 1)").predict([first.text])
    assert answer.probabilities[first.label] == pytest.approx(first.probability_of_label, abs=1e-5)
    trained_on_all = cli.words("suspects", out, "--show 3")
    assert "80 of 80 texts are covered: the test texts of 2 folds." in trained_on_all
    cli("suspects", out, "--out", tmp_path / "suspects.csv")
    written = pd.read_csv(tmp_path / "suspects.csv")
    assert len(written) == 80
    assert written["probability_of_label"].is_monotonic_increasing


def test_a_run_covers_its_test_and_validation_texts(rows, tiny_body, tmp_path, cli):
    _, file = rows
    run = qllmft.train(file, body=str(tiny_body), out=tmp_path / "run", **SMALL)
    result = json.loads(cli("suspects", run.folder.path, "--json --show 5")[0])
    sizes = run.record.data.sizes
    assert result["covered"] == sizes["test"] + sizes["validation"]
    assert result["total"] == 80
    assert {suspect["part"] for suspect in result["suspects"]} <= {"test", "validation"}
    output = cli.words("suspects", run.folder.path)
    assert (
        f"test ({sizes['test']}), validation ({sizes['validation']}). To cover all texts" in output
    )


def test_a_run_without_texts_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"there is no config.toml"):
        find_suspects(tmp_path)
