"""`qllmft runs --compare` of runs with the same test texts, or some of them, whatever they were trained on."""

import json
import random
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from small_texts import write_reviews

import qllmft
from qllmft.run import RunFolder
from qllmft.run.pairing import pair_answers
from qllmft.run.predictions import Predictions
from qllmft.tasks import CLASSIFICATION, MULTILABEL, REGRESSION

pytestmark = pytest.mark.usefixtures("few_penalties")

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
    "baselines__names": ["logistic_regression_c1", "tfidf"],
    "baselines__search": "validation",
    "data__protocol": "given",
}
ABLATION = "no circuit (ablation)"
ROWS = ["logistic regression (C = 1)", "TF-IDF + logistic regression"]


def write_splits(folder, train, test):
    """A folder with train.csv and test.csv."""
    folder.mkdir()
    train.to_csv(folder / "train.csv", index=False)
    test.to_csv(folder / "test.csv", index=False)
    return folder


def flip_labels(rows, share, seed):
    """The rows with the other label for some of them."""
    rng = random.Random(seed)
    opposite = {"positive": "negative", "negative": "positive"}
    labels = [opposite[label] if rng.random() < share else label for label in rows["label"]]
    return rows.assign(label=labels)


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    """Noisy training rows, more of them without noise, and test rows in which one stands twice."""
    folder = tmp_path_factory.mktemp("reviews")
    rows = pd.read_csv(write_reviews(folder / "reviews.tsv", 60), sep="\t")
    test = flip_labels(rows[:40], 0.3, seed=3)
    return flip_labels(rows[40:80], 0.45, seed=1), rows[40:], pd.concat([test, test[:1]])


@pytest.fixture(scope="module")
def runs(splits, tiny_body, tmp_path_factory):
    """Runs before and after retraining with more training rows; the second reads the test rows in another order."""
    folder = tmp_path_factory.mktemp("retrained")
    few, many, test = splits
    sources = {
        "first": write_splits(folder / "d1", few, test),
        "second": write_splits(folder / "d2", many, test.sample(frac=1, random_state=2)),
        "part": write_splits(folder / "d3", many, test[:30]),
    }
    for name, source in sources.items():
        qllmft.train(source, body=str(tiny_body), out=folder / "runs" / name, **SMALL)
    return folder / "runs"


def right_answers(run, row, test):
    """Whether a model that was loaded anew is right, by text."""
    answers = qllmft.load(run, model=row).predict(test["text"].tolist())
    return np.array([answer.label for answer in answers]) == test["label"].to_numpy()


@pytest.mark.parametrize(("second", "size"), [("second", 41), ("part", 30)])
def test_retraining_keeps_the_paired_difference_of_each_row(cli, runs, splits, second, size):
    compared = cli.json("runs", runs, "--compare", "first", second)
    assert compared["texts"] == {"shared": size, "first": 41, "second": size}
    test = splits[2][:size]
    differences = {None: compared["difference"], **compared["rows"]}
    assert list(compared["rows"]) == [*ROWS, ABLATION]
    del differences[ABLATION]  # its model is not kept
    for row, difference in differences.items():
        right_before, right_after = (
            right_answers(runs / name, row, test) for name in ("first", second)
        )
        assert difference["value"] == pytest.approx(
            right_before.mean() - right_after.mean(), abs=1e-12
        )
        only_before = int((right_before & ~right_after).sum())
        only_after = int((right_after & ~right_before).sum())
        n = only_before + only_after
        assert difference["p"] == pytest.approx(binomtest(only_before, n).pvalue if n else 1.0)
    assert any(difference["value"] for difference in differences.values())


def test_the_best_rows_of_both_runs_are_compared_although_their_names_differ(
    cli, runs, splits, tmp_path
):
    copy = tmp_path / "runs"
    shutil.copytree(runs, copy)
    best_rows = {"first": ROWS[1], "second": ROWS[0]}
    for name, best_row in best_rows.items():
        file = copy / name / "result.json"
        record = json.loads(file.read_text())
        for model in record["models"]:
            total = model["validation"]["total"]
            model["validation"]["right"] = total if model["name"] == best_row else total // 2
        file.write_text(json.dumps(record))
    before, after = (right_answers(copy / name, row, splits[2]) for name, row in best_rows.items())
    best = cli.json("runs", copy, "--compare first second")["best"]
    assert best["names"] == [*best_rows.values()]
    assert best["value"] == pytest.approx(before.mean() - after.mean(), abs=1e-12)
    printed = cli.words("runs", copy, "--compare first second")
    assert "Best rows on validation, TF-IDF + logistic regression minus logistic" in printed


def test_the_printed_comparison_has_the_rows_and_says_which_texts_count(cli, runs):
    whole_text = cli.words("runs", runs, "--compare first second")
    assert "First minus second on the same 41 texts:" in whole_text
    assert "The runs share" not in whole_text
    assert "TF-IDF" in whole_text
    part = cli.words("runs", runs, "--compare first part")
    assert "share 30 test texts with the same label. The first has 41, the second 30." in part
    assert "First minus second on the same 30 texts:" in part


def test_a_changed_label_and_other_texts_are_left_out(cli, runs, tmp_path):
    copy = tmp_path / "runs"
    shutil.copytree(runs, copy)
    file = copy / "second" / "predictions.json"
    content = json.loads(file.read_text())
    content["labels"][0] = 1 - content["labels"][0]
    file.write_text(json.dumps(content))
    assert cli.json("runs", copy, "--compare first second")["texts"]["shared"] == 40
    content["text_hashes"] = content["text_hashes"][:5] + [f"{i:016x}" for i in range(36)]
    file.write_text(json.dumps(content))
    compared = cli.json("runs", copy, "--compare first second")
    assert compared["difference"] is None
    assert "share 4 of 41 and 41 test texts with the same label, expected 10" in compared["reason"]
    content["text_hashes"] = content["text_hashes"][:7]
    file.write_text(json.dumps(content))
    assert "7 texts have a hash, expected 41" in cli.refused("runs", copy, "--compare first second")
    del content["text_hashes"]
    file.write_text(json.dumps(content))
    assert "text_hashes" in cli.refused("runs", copy, "--compare first second")


def predictions(task, names, labels, answers, hashes):
    """Predictions of one model."""
    arrays = np.array(labels), {"head": np.array(answers)}
    return Predictions(task, *arrays, tuple(names), text_hashes=tuple(hashes))


def test_labels_of_another_order_or_number_are_matched_by_name():
    labels = [0, 1, 1, 0] * 5
    hashes = list(range(20))
    first = predictions(CLASSIFICATION, "ab", labels, labels, hashes)
    renamed = [(2, 0)[label] for label in labels]
    second = predictions(
        CLASSIFICATION, "bca", renamed[::-1], [1] * 10 + renamed[9::-1], hashes[::-1]
    )
    paired = pair_answers(first, second)
    assert paired.is_whole
    (difference,) = paired.differences(("head", "head")).values()
    counts = [difference[name] for name in ("only_first", "only_second", "total")]
    assert counts == [10, 0, 20]


def test_several_labels_and_targets_are_matched_by_name():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (30, 2))
    leads = np.where(labels, 1.0, -1.0)
    first = predictions(MULTILABEL, "ab", labels, leads, range(30))
    wider = np.insert(labels[:, ::-1], 1, 0, axis=1)
    second = predictions(MULTILABEL, "bca", wider, np.where(wider, 1.0, -1.0), range(30))
    (difference,) = pair_answers(first, second).differences(("head", "head")).values()
    assert difference["value"] == 0.0
    targets = rng.normal(size=(30, 2))
    first = predictions(REGRESSION, "ab", targets, targets, range(30))
    second = predictions(REGRESSION, "ba", targets[:, ::-1], targets[:, ::-1], range(30))
    (difference,) = pair_answers(first, second).differences(("head", "head")).values()
    assert difference["value"] == 0.0
    renamed = replace(second, label_names=("a", "c"))
    assert pair_answers(first, renamed) == "the runs have other targets: a, b and a, c"


def test_folds_are_compared_with_a_run_on_their_texts(cli, runs, splits, tiny_body, tmp_path):
    pd.concat([splits[1], splits[2][:40]]).to_csv(tmp_path / "all.csv", index=False)
    settings = SMALL | {"data__protocol": "split", "data__folds": 2}
    folds = qllmft.train(
        tmp_path / "all.csv", body=str(tiny_body), out=tmp_path / "folds", **settings
    )
    assert len(RunFolder(folds.folder.path).folds) == 2
    compared = cli.json("runs", runs, "--compare", "first", tmp_path / "folds")
    assert compared["texts"] == {"shared": 40, "first": 41, "second": 120}
