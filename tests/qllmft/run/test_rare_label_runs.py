"""Runs with rare labels: what is scored as missed, what the files say, and how such models are evaluated."""

import numpy as np
import pytest
from run_fixtures import evaluate_run
from tiny_runs import config

from qllmft.config import DataConfig
from qllmft.model import load_model
from qllmft.run import RunFolder, run_experiment
from qllmft_audit.verification import verify_run

SETTINGS = {"data__n_per_label": None, "data__protocol": "split", "train__epochs": 2}


def write_table(path, **counts):
    """Write a table with so many rows of each label."""
    labels = [label for label, count in counts.items() for _ in range(count)]
    rows = [f"{label}\t{label} text {path.stem} {i}" for i, label in enumerate(labels)]
    path.write_text("\n".join(["label\ttext", *rows]) + "\n", "utf-8")
    return path


@pytest.fixture
def unseen_run(tmp_path, out, body):
    """A run whose own test has a label that no training text has, the first by alphabet."""
    folder = tmp_path / "splits"
    folder.mkdir()
    write_table(folder / "train.tsv", bad=16, good=16)
    write_table(folder / "test.tsv", bad=8, good=8, a_new=4)
    run_experiment(config(folder, data__rare_labels="train", **SETTINGS), out)
    return out


def test_texts_of_a_label_that_never_trains_are_missed_by_every_model(unseen_run):
    record = RunFolder(unseen_run).require_record()
    assert record.data.labels == ("bad", "good", "a_new")
    assert (record.data.unseen, record.data.n_learned) == (1, 2)
    assert "4 texts count as missed" in record.data.findings.rare_labels
    assert load_model(unseen_run).label_names == ("bad", "good")
    predictions = RunFolder(unseen_run).read_predictions()
    assert np.bincount(predictions.labels).tolist() == [8, 8, 4]
    for model in record.models:
        answers = predictions.model_answers(model.name)
        assert {*answers.tolist()} <= {0, 1}
        right = int((answers == predictions.labels).sum())
        assert (model.test.right, model.test.total) == (right, 20)
        assert model.test_classes.right[2] == 0


def test_the_same_texts_are_missed_when_the_model_is_evaluated(unseen_run):
    evaluation = evaluate_run(unseen_run)
    record = RunFolder(unseen_run).require_record()
    assert evaluation.names == ("bad", "good", "a_new")
    assert evaluation.accuracy == record.head.test
    assert np.array(evaluation.confusion).sum(axis=1).tolist() == [8, 8, 4]
    assert np.array(evaluation.confusion)[:, 2].tolist() == [0, 0, 0]


def test_such_a_run_is_verified(unseen_run):
    assert all(check.sound for check in verify_run(unseen_run))


def test_labels_that_the_model_does_not_know_are_read_as_other(tmp_path, out, body):
    table = write_table(tmp_path / "table.tsv", bad=16, good=16, odd=2, rare=2)
    run_experiment(config(table, data__rare_labels="other", baselines__names=[], **SETTINGS), out)
    assert load_model(out).label_names == ("bad", "good", "other")
    new = write_table(tmp_path / "new.tsv", bad=3, odd=2, strange=1)
    evaluation = evaluate_run(out, DataConfig(source=str(new)))
    assert np.array(evaluation.confusion).sum(axis=1).tolist() == [3, 0, 3]
