"""A trial for real: it trains up to validation, leaves the test set closed, and trains nothing when it is opened."""

import json

import pytest
from small_sweeps import settings

from qllmft.config import RunConfig
from qllmft.config.presets import load_preset
from qllmft.events import StageStarted, ignore
from qllmft.model import load_model
from qllmft.run import RunFolder, Tracking, run_experiment, vectors
from qllmft_studies.local import execute_run
from qllmft_studies.runs import FinishedRuns, PlannedRun


@pytest.fixture
def config(texts, tiny_body) -> RunConfig:
    common = {"data.source": str(texts), "body.model": str(tiny_body), "baselines.names": []}
    return load_preset("single-10q").config(settings() | common)


@pytest.fixture
def embedding_calls(monkeypatch):
    """How many texts each call of `embed` was given."""
    calls = []
    original = vectors.embed

    def count_texts(texts, *arguments, **options):
        calls.append(len(texts))
        return original(texts, *arguments, **options)

    monkeypatch.setattr(vectors, "embed", count_texts)
    return calls


def trial(config, runs, on_event=ignore):
    """Do the run as a trial, and return all of its folder."""
    run = PlannedRun(config, "a run", read_test=False)
    execute_run(run, runs, on_event, Tracking())
    return FinishedRuns(runs).load_run(run)


def keys(content) -> set[str]:
    """Of all objects in JSON."""
    if isinstance(content, dict):
        return content.keys() | set().union(*(keys(value) for value in content.values()))
    return set().union(*(keys(value) for value in content)) if isinstance(content, list) else set()


def test_nothing_of_the_test_set_is_read_or_written_and_the_figures_are_the_selected_epochs(
    config, tmp_path, embedding_calls
):
    result = trial(config, tmp_path)
    assert embedding_calls == [40]  # training and validation; the other 40 are the test set
    folder = RunFolder(tmp_path / config.identity)
    assert folder.read_result() is None
    assert folder.read_predictions() is None
    record = json.loads(folder.validation_file.read_text())
    assert not keys(record["models"]) & {"test", "test_exact"}
    outcome = run_experiment(config, folder.path, read_test=False)
    assert outcome.record.to_json() == record
    assert record["data"]["sizes"]["test"] == 40  # how large it is, no more
    best = max(folder.metrics(), key=lambda m: (m.score, -m.validation_loss, -m.epoch))
    assert result.record.head.validation.value == pytest.approx(best.score)
    assert result.validation_loss == best.validation_loss
    assert (
        result.record.head.parameters
        == load_model(tmp_path / config.identity).classifier.n_parameters
    )


def test_the_winner_is_tested_without_being_trained_again(config, tmp_path, monkeypatch):
    first = trial(config, tmp_path / "a")
    folder = tmp_path / "a" / config.identity
    weights = (folder / "model" / "model.safetensors").read_bytes()
    metrics = (folder / "metrics.jsonl").read_bytes()

    def forbidden(*arguments, **options):
        raise AssertionError("an epoch was trained")

    with monkeypatch.context() as patch:
        patch.setattr("qllmft.training.loop.shuffled_batches", forbidden)
        winner = run_experiment(config, folder).record.head
    assert winner.tested.total == 40
    assert (winner.validation, winner.seconds) == (
        first.record.head.validation,
        first.record.head.seconds,
    )
    assert trial(config, tmp_path / "a").record.without_test() == first.record
    assert (folder / "model" / "model.safetensors").read_bytes() == weights
    assert (folder / "metrics.jsonl").read_bytes() == metrics

    joint_head = run_experiment(config, tmp_path / "b").record.head  # the other route: all at once
    assert (joint_head.test, joint_head.validation) == (winner.test, winner.validation)


def test_a_run_that_was_tested_before_still_keeps_it_to_itself(config, tmp_path):
    run_experiment(config, tmp_path / config.identity)
    trial(config, tmp_path)
    outcome = run_experiment(config, tmp_path / config.identity, read_test=False)
    assert not keys(outcome.record.to_json()["models"]) & {"test", "test_exact"}


def test_an_interrupted_training_is_an_interruption(config, tmp_path):
    def stop(event):
        if isinstance(event, StageStarted) and event.stage == "training":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trial(config, tmp_path, stop)
    assert trial(config, tmp_path).record.head.validation.total == 6
