"""Every run of these tests: a body that loads nothing."""

from pathlib import Path

import pytest
from tiny_runs import HashBody, LoadedHashBody, write_corpus

from qllmft.inference import Predictor, items
from qllmft.inference.evaluation import Evaluation, evaluate
from qllmft.inference.labelled_texts import LabelledTexts
from qllmft.run import vectors
from qllmft_machines.trust import MeasuredModel


@pytest.fixture(autouse=True)
def body(monkeypatch) -> HashBody:
    """Replacement of `embed`; loading a real body fails."""
    stub = HashBody()
    monkeypatch.setattr(vectors, "embed", stub)
    return stub


@pytest.fixture
def loaded(monkeypatch) -> type[LoadedHashBody]:
    """Replacement of a loaded body."""
    monkeypatch.setattr(LoadedHashBody, "loaded", 0)
    monkeypatch.setattr(items, "Body", LoadedHashBody)
    monkeypatch.setattr(items, "body_identity", lambda _, location: location.identity)
    return LoadedHashBody


@pytest.fixture
def corpus(tmp_path) -> Path:
    return write_corpus(tmp_path / "corpus.tsv")


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "run"


def evaluate_run(run, data=None, split=None, *, backend=None, subset=None) -> Evaluation:
    """The evaluation of a run's model of one label per text, by default on the run's own test set."""
    predictor = Predictor.load(run)
    texts = LabelledTexts.load(predictor, run, data, split, subset)
    measured_model = None if backend is None else MeasuredModel(predictor, backend)
    return evaluate(predictor, texts, measured_model=measured_model)
