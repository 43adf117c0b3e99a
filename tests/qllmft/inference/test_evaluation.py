"""A trained model against labelled texts: its own test set, a file, a split; labels by their names."""

from pathlib import Path

import numpy as np
import pytest
import torch
from run_fixtures import evaluate_run
from tiny_runs import LABELS, config, vector, write_corpus

from qllmft.config import DataConfig
from qllmft.inference import labelled_texts
from qllmft.model import load_model
from qllmft.run import run_experiment
from qllmft.training import compute_logits
from qllmft_base.errors import UserError


@pytest.fixture
def run(corpus, out, body) -> Path:
    run_experiment(config(corpus, baselines__names=[]), out)
    body.calls.clear()
    return out


def confusion_by_hand(run: Path, rows: list[tuple[str, str]], names=LABELS) -> list[list[int]]:
    x = torch.from_numpy(np.stack([vector(text) for text, _ in rows]))
    predicted = compute_logits(load_model(run).classifier, x).argmax(dim=1).tolist()
    counts = [[0] * len(names) for _ in names]
    for (_, label), answer in zip(rows, predicted, strict=True):
        counts[names.index(label)][answer] += 1
    return counts


def read_rows(path: Path) -> list[tuple[str, str]]:
    return [tuple(line.split("\t")) for line in path.read_text(encoding="utf-8").splitlines()[1:]]


def test_texts_that_changed_since_have_no_test_set(run, corpus, body):
    """Another split of other texts would put what was learned from among what is tested on."""
    write_corpus(corpus, per_label=36)
    with pytest.raises(UserError, match=f"{corpus} has changed since the run, .* with --data"):
        evaluate_run(run)
    assert body.calls == []
    assert evaluate_run(run, DataConfig(source=str(corpus))).accuracy.total == 72


def test_labels_are_matched_by_name_whatever_their_order_in_the_file(run, tmp_path):
    """Only one of the model's labels in the file: index 0 there is index 1 of the model."""
    model = load_model(run)
    assert model.label_names == ("bad", "good")
    corpus = labelled_texts.Corpus("here", ("good",), {})
    table = labelled_texts.Table(["good a", "good b"], np.array([0, 0]))
    names = labelled_texts._match_label_names(corpus, table, model.label_names)
    labels = labelled_texts._model_labels(corpus, table, model.label_names, names)
    assert labels.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("split", "split_name"), [(None, "test"), ("validation", "validation"), ("train", "train")]
)
def test_a_split_of_a_folder(run, corpus, tmp_path, split, split_name):
    folder = tmp_path / "splits"
    folder.mkdir()
    for n, name in enumerate(("train", "validation", "test")):
        write_corpus(folder / f"{name}.tsv", per_label=3 + n)
    evaluation = evaluate_run(run, DataConfig(source=str(folder)), split)
    assert evaluation.confusion == confusion_by_hand(run, read_rows(folder / f"{split_name}.tsv"))
    assert evaluation.source == f"{folder}, split {split_name}"
    with pytest.raises(UserError, match=r"has no split 'test'. It has all. Choose with --split"):
        evaluate_run(run, DataConfig(source=str(corpus)), "test")


def test_unknown_labels_are_refused_before_anything_is_embedded(run, tmp_path, body):
    unknown_labels = write_corpus(tmp_path / "other.tsv", labels=("good", "ugly"))
    refusal = (
        r"the model has no label 'ugly' \(\d+ texts\). Its labels are 'bad', 'good'\. Evaluate on"
    )
    with pytest.raises(UserError, match=refusal):
        evaluate_run(run, DataConfig(source=str(unknown_labels)))
    assert body.calls == []
