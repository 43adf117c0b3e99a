"""Words counted by TF-IDF: in every default table, best where product names decide, and named first there."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from small_bodies import run_config
from tickets import write_tickets

from qllmft.baselines import (
    BASELINES,
    as_classifier,
    calibrate_baseline,
    compute_stored_logits,
)
from qllmft.config import parse_config
from qllmft.config.presets import load_preset
from qllmft.data import read_corpus, split_corpus
from qllmft.embed import pair_vectors
from qllmft.embed.words import WordEncoder, find_terms, pair_matrix, word_body
from qllmft.inference import Predictor
from qllmft.run import run_experiment
from qllmft.run.verdict import advice, next_step, verdict
from qllmft.training import Examples

NAME = "TF-IDF + logistic regression"


@pytest.fixture(scope="module")
def tickets(tiny_bert, tmp_path_factory):
    place = tmp_path_factory.mktemp("tickets")
    table = write_tickets(place / "tickets.csv", 500)
    names = load_preset("sines").config().baselines.names
    config = run_config(
        table,
        tiny_bert,
        data__protocol="split",
        data__n_per_label=None,
        train__epochs=1,
        train__calibration="auto",
        baselines__names=list(names),
        baselines__grid="small",
        baselines__search="folds",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QLLMFT_CACHE", str(place / "cache"))
        return config, run_experiment(config, place / "run")


def test_words_win_on_tickets_and_are_named_first(tickets):
    config, outcome = tickets
    models = outcome.record.models
    head, *others = models
    words = outcome.record.model(NAME)
    assert words.tested.value > 0.7 > head.tested.value
    assert all(model.tested.value < words.tested.value for model in models if model is not words)
    assert len(others) == 4
    lines = verdict(models)
    assert lines.headline == f"{NAME} is better than the quantum head"
    stored = outcome.folder.stored_rows(outcome.record)
    run = str(outcome.folder.path)
    step = next_step(outcome.record, config, run, stored)
    assert step.startswith(f"Next: qllmft predict {run} --model '{NAME}' ")
    assert advice(models, stored)[1] == NAME
    assert outcome.folder.find_model("best")[1] == NAME


def calibration_error(probabilities, labels):
    """Return the expected calibration error in ten bins, counted bin by bin."""
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    error = 0.0
    for low in np.arange(10) / 10:
        inside = (sure >= low) & (sure < low + 0.1)
        if inside.any():
            error += abs(right[inside].mean() - sure[inside].mean()) * inside.mean()
    return error


def test_the_best_row_answers_with_the_probabilities_of_its_temperature(tickets):
    config, outcome = tickets
    settings = outcome.record.model(NAME).settings
    splits = split_corpus(read_corpus(config.data), config.data, config.seed)
    vectors = TfidfVectorizer(analyzer=lambda text: list(find_terms(text)))
    fitted = LogisticRegression(C=settings["C"], max_iter=1000)
    fitted.fit(vectors.fit_transform(splits.train.texts), splits.train.labels)
    logits = fitted.decision_function(vectors.transform(splits.test.texts))
    expected = softmax(logits / settings["temperature"], axis=1)
    row = Predictor.load(outcome.folder.path, model="best")
    answers = row.predict(splits.test.texts)
    probabilities = [[*answer.probabilities.values()] for answer in answers]
    np.testing.assert_allclose(probabilities, expected, atol=2e-3)
    truths = softmax(
        fitted.decision_function(vectors.transform(splits.validation.texts))
        / settings["temperature"],
        axis=1,
    )[np.arange(len(splits.validation)), splits.validation.labels]
    np.testing.assert_allclose(row.model.true_probabilities, np.sort(truths), atol=2e-3)
    error = calibration_error(expected, splits.test.labels)
    assert outcome.record.model(NAME).test_calibration.error == pytest.approx(error, abs=0.02)


@pytest.mark.skipif("QLLMFT_SST2" not in os.environ, reason="needs SST-2 in QLLMFT_SST2")
def test_calibration_lowers_the_error_on_held_out_sentences(tmp_path):
    parts = {name: read_sentences(name) for name in ("train", "validation", "test")}
    texts = [text for rows, _ in parts.values() for text in rows]
    n = len(parts["train"][0])
    word_body(texts[:n], tmp_path / "body")
    head = BASELINES["tfidf"].make_head(load_preset("sines").config(), 9, 4, 2)
    head.read(WordEncoder.from_folder(tmp_path / "body").compute_matrix(texts))
    ends = np.cumsum([len(rows) for rows, _ in parts.values()])
    numbers = np.split(np.arange(len(texts), dtype=np.float32)[:, None], ends[:-1])
    train, validation, test = (
        Examples.from_arrays(x, np.array(y))
        for x, (_, y) in zip(numbers, parts.values(), strict=True)
    )
    head.grid = [{"C": 0.1, "max_iter": 200}]  # so strong a penalty that answers are unsure
    head.strength = None
    head.fit(train, validation)
    labels = test.y.numpy()
    raw = head.probabilities(test.x.numpy())
    calibrate_baseline(head, validation, 2)
    calibrated = head.probabilities(test.x.numpy())
    assert calibration_error(calibrated, labels) < 0.05 < 0.1 < calibration_error(raw, labels)
    stored = as_classifier(head, validation, 2)
    logits = compute_stored_logits(head, stored, test.x)
    np.testing.assert_allclose(logits.softmax(dim=1).numpy(), calibrated, atol=1e-6)


def read_sentences(name, limit=1500):
    """Return sentences of SST-2 with their labels, evenly spaced."""
    lines = Path(os.environ["QLLMFT_SST2"], f"{name}.tsv").read_text("utf-8").splitlines()
    rows = [dict(zip(lines[0].split("\t"), line.split("\t"), strict=True)) for line in lines[1:]]
    rows = rows[:: max(1, len(rows) // limit)][:limit]
    return [row["text"] for row in rows], [int(row["label"]) for row in rows]


def test_words_are_a_default_row_of_every_task_and_of_no_paper_preset():
    for task in ("classification", "regression", "multilabel"):
        settings = {"data.task": task, "data.protocol": "split"}
        config = load_preset("sines").config(settings)
        assert config.baselines.names[-1] == "tfidf"
        assert task in BASELINES["tfidf"].tasks
    for preset in ("single-10q", "odd", "logistic-regression"):
        assert "tfidf" not in load_preset(preset).config().baselines.names


@pytest.mark.parametrize(
    ("task", "name"),
    [("regression", "TF-IDF + ridge regression"), ("multilabel", f"{NAME}, one-versus-rest")],
)
def test_numbers_and_several_labels_are_read_off_words(task, name):
    config = parse_config(
        {"data": {"task": task, "protocol": "split"}, "baselines": {"names": ["tfidf"]}}, "test"
    )
    head = BASELINES["tfidf"].make_head(config, 9, 4, 2)
    texts = [f"{'great' if i % 2 else 'awful'} {'plot' if i % 3 else 'cast'}" for i in range(60)]
    assert head.name == name
    counts = np.array([["great" in text, "plot" in text] for text in texts], np.int64)
    head.read(csr_array(counts.astype(np.float64)))
    y = counts if task == "multilabel" else counts @ [[2.0, 0.0], [1.0, -3.0]]
    examples = Examples.from_arrays(np.arange(60, dtype=np.float32)[:, None], y)
    head.fit(examples, examples)
    answers = head.predict(examples.x.numpy())
    if task == "multilabel":
        assert ((answers >= 0) == counts).all()
    else:
        np.testing.assert_allclose(answers, y, atol=0.1)
    weight, bias = head.find_linear_layer(2)
    logits = torch.from_numpy(counts.astype(np.float64) @ weight.T + bias)
    assert torch.equal(
        logits, torch.from_numpy(head.compute_logits(weight, bias, examples.x.numpy()))
    )


@pytest.mark.parametrize("features", ["difference", "product", "both", "all"])
def test_pairs_of_sparse_vectors_are_those_of_dense_ones(tmp_path, features):
    first = ["a good film", "a dull plot", "nothing known"]
    second = ["a good cast", "dull dull film", "a plot"]
    word_body([*first[:2], *second], tmp_path / "body")
    encoder = WordEncoder.from_folder(tmp_path / "body")
    sparse = pair_matrix(encoder.compute_matrix(first), encoder.compute_matrix(second), features)
    dense = pair_vectors(encoder.encode(first), encoder.encode(second), features)
    np.testing.assert_allclose(sparse.toarray(), dense, atol=1e-6)
