"""Weights of labels, calibrated probabilities, early ends, thresholds and margins by the command line."""

import numpy as np
import pytest
from command_line import metrics_of, result_of
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_sample_weight

from qllmft.inference import Predictor
from qllmft.inference.labelled_texts import LabelledTexts
from qllmft.inference.run_texts import texts_of_run
from qllmft.run.setup import SharedInputs
from qllmft.run.vectors import embed_tables

pytestmark = pytest.mark.usefixtures("few_penalties")

TEXTS = [
    "a good and lovely film",
    "an awful , dull plot",
    "the cast is great",
    "the film has a plot",
]


def embedded_splits(run):
    config, _, splits = texts_of_run(run)
    _, parts = embed_tables(splits.tables, config.body, lambda _: None, inputs=SharedInputs())
    return dict(zip(splits.tables, parts, strict=True))


def test_balanced_labels_weigh_head_and_baselines(run, cli, tmp_path):
    rows = run.data.read_text().splitlines()
    uneven = tmp_path / "uneven.tsv"
    uneven_rows = [row for i, row in enumerate(rows[1:]) if row.startswith("pos") or i % 5 == 1]
    uneven.write_text("\n".join([rows[0], *uneven_rows]))
    baseline = "--set 'baselines.names=[\"logistic_regression_c1\"]'"
    arguments = [*run.arguments(tmp_path / "run"), f"--data {uneven}", baseline]
    cli(*arguments, "--set train.class_weight=balanced")
    parts = embedded_splits(tmp_path / "run")
    train = parts["train"]
    test = parts["test"]
    weights = compute_sample_weight("balanced", train.y.numpy())
    assert len(set(weights)) == 2
    direct = LogisticRegression(C=1.0, max_iter=500)
    direct.fit(train.x.numpy(), train.y.numpy(), sample_weight=weights)
    right = (direct.predict(test.x.numpy()) == test.y.numpy()).sum()
    assert result_of(tmp_path / "run")["models"][1]["test"]["right"] == right
    cli(*arguments, f"--out {tmp_path / 'other'}")
    losses = {metrics_of(tmp_path / name)[0]["train_loss"] for name in ("run", "other")}
    assert len(losses) == 2


def test_a_patient_run_ends_early_and_is_finished(run, cli, tmp_path):
    patient = "--epochs 40 --lr 0.5 --set train.select=accuracy --set train.patience=2"
    arguments = [*run.arguments(tmp_path / "run"), "--no-baselines", patient]
    cli(*arguments)
    epochs = len(metrics_of(tmp_path / "run"))
    assert epochs == result_of(tmp_path / "run")["selected_epoch"] + 2 < 40
    cli("verify", tmp_path / "run")  # fewer epochs than the configuration has are no fault
    assert "finished already" in cli.words(*arguments)


def test_a_threshold_moves_labels_and_a_margin_leaves_texts(run, cli):
    answers = cli.records("predict", run.path, *TEXTS)
    second = [answer["probabilities"]["positive"] for answer in answers]
    threshold = sum(sorted(second)[-2:]) / 2
    moved = cli.records("predict", run.path, *TEXTS, f"--threshold {threshold}")
    expected = ["positive" if p >= threshold else "negative" for p in second]
    assert [answer["label"] for answer in moved] == expected
    leads = sorted(abs(2 * p - 1) for p in second)
    margin = (leads[0] + leads[1]) / 2
    output, messages = cli("predict", run.path, *TEXTS, "--margin", margin)
    assert [line.split("\t")[0] for line in output.splitlines()].count("?") == 1
    assert "Abstained on 1 of 4 texts (25.0 %)" in messages
    records = cli.records("predict", run.path, *TEXTS, "--margin", margin)
    assert sum(record.get("unsure", False) for record in records) == 1


def test_evaluation_of_sure_answers_is_that_of_a_loop(run, cli):
    predictor = Predictor.load(run.path)
    texts = LabelledTexts.load(predictor, run.path)
    p = predictor.answer(texts.vectors).probabilities
    lead = abs(p[:, 1] - p[:, 0])
    margin = float(np.median(lead))
    evaluation = cli.json("evaluate", run.path, "--margin", margin)
    is_sure = lead >= margin
    assert evaluation["unsure"] == int((~is_sure).sum()) > 0
    assert evaluation["sure"]["right"] == int((p.argmax(axis=1) == texts.labels)[is_sure].sum())
    text = cli.words("evaluate", run.path, "--margin", margin)
    assert f"Abstained on {evaluation['unsure']} of 40 texts" in text
    assert "Expected calibration error:" in text
    moved = cli.json("evaluate", run.path, "--threshold 0.999")
    assert moved["accuracy"]["right"] == int(((p[:, 1] >= 0.999).astype(int) == texts.labels).sum())
