"""Runs that were stopped by Ctrl-C: they go on, and end as if nothing had happened."""

import os

import pytest
import torch
from stopped_runs import Stop
from tiny_runs import HashBody, assert_same, config

from qllmft.config import RunConfig
from qllmft.data import read_corpus
from qllmft.model import load_model
from qllmft.run import Outcome, RunFolder, run_experiment, vectors
from qllmft.training import loop
from qllmft_base.errors import UserError


@pytest.fixture(autouse=True)
def checkpoint_after_every_epoch(monkeypatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", -1.0)


def stopped_config(corpus) -> RunConfig:
    """The tiny configuration with one baseline, which is fitted after the training that is stopped."""
    return config(corpus, baselines__names=["logistic_regression_c1"])


@pytest.fixture(scope="module")
def straight_run(corpus, tmp_path_factory) -> Outcome:
    """The same run, never stopped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "embed", HashBody())
        patch.setattr(loop, "CHECKPOINT_EVERY_S", -1.0)
        return run_experiment(stopped_config(corpus), tmp_path_factory.mktemp("whole") / "run")


@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_ctrl_c_leaves_a_model_and_no_result_and_it_goes_on_to_the_same_bits(
    corpus, out, straight_run, epoch
):
    outcome = run_experiment(stopped_config(corpus), out, Stop(epoch))
    assert (outcome.record, outcome.epochs_done) == (None, epoch)
    assert not (out / "result.json").exists()
    assert load_model(out).classifier(torch.zeros(1, 8)).shape == (1, 2)
    assert [m.epoch for m in outcome.folder.metrics()] == list(range(1, epoch + 1))
    watcher = Stop(-1)
    outcome = run_experiment(stopped_config(corpus), out, watcher)
    assert watcher.done == epoch - 1  # the last epoch was not saved
    assert outcome.epochs_done == 4
    assert_same(outcome.folder, straight_run)
    epoch_seconds = [metrics.seconds for metrics in outcome.folder.metrics()]
    assert outcome.record.head.seconds >= sum(epoch_seconds), "of all calls"


def test_a_run_on_texts_that_changed_is_not_continued(corpus, out, tmp_path):
    copied = tmp_path / "own.tsv"
    copied.write_bytes(corpus.read_bytes())
    run_experiment(stopped_config(copied), out, Stop(2))
    copied.write_text(copied.read_text() + "good text of another day\tgood\n")
    message = f"holds an unfinished run on other texts: {copied} has changed since. Choose another"
    with pytest.raises(UserError, match=message):
        run_experiment(stopped_config(copied), out)
    copied.write_bytes(corpus.read_bytes())
    assert run_experiment(stopped_config(copied), out).record is not None


def test_a_finished_run_is_not_that_of_labels_with_other_names(out, tmp_path):
    table = tmp_path / "own.tsv"
    rows = [f"{'good' if i % 2 else 'bad'} text {i}\t{'ab'[i % 2]};c" for i in range(40)]
    table.write_text("\n".join(["text\tlabel", *rows, *(row.replace(";c", "") for row in rows)]))
    task = {"data__task": "multilabel", "data__label_separator": ";", "data__n_per_label": 48}
    several = {**task, "baselines__names": []}
    run_experiment(config(table, **several), out)
    table.write_text(table.read_text().replace(";c", ";d"))
    with pytest.raises(
        UserError, match=r"holds a finished run on other texts: .* has changed since"
    ):
        run_experiment(config(table, **several), out)


def test_a_run_on_a_body_that_changed_is_not_continued(corpus, out, body):
    run_experiment(stopped_config(corpus), out, Stop(2))
    first = body.identity
    body.identity = "other weights"
    message = "on another version of its language model: got other weights, expected the hash body. Choose"
    with pytest.raises(UserError, match=message):
        run_experiment(stopped_config(corpus), out)
    body.identity = first
    assert run_experiment(stopped_config(corpus), out).record is not None


def test_a_run_without_an_epoch_begins_with_the_texts_that_there_are(corpus, out, tmp_path):
    copied = tmp_path / "own.tsv"
    copied.write_bytes(corpus.read_bytes())
    RunFolder(out).open_for(stopped_config(copied), read_corpus(stopped_config(copied).data))
    copied.write_text(copied.read_text() + "good text of another day\tgood\n")
    assert run_experiment(stopped_config(copied), out).record is not None


@pytest.mark.public_report(
    case="raw_messages: temporary files of a killed process",
    source="own attack",
    seen="kill -9 leaves .state.safetensors.PID and the like in the run's folder for good",
    outcome="the run that is finished by the same command removes them",
)
def test_files_that_a_killed_process_was_writing_are_removed_when_the_run_ends(corpus, out):
    run_experiment(stopped_config(corpus), out, Stop(1))
    living = out / f".result.json.{os.getppid()}"
    temporary_files = [
        out / "checkpoint" / ".state.safetensors.2147483646",
        out / "model" / f".model.safetensors.{os.getpid()}",
        out / f".novelty.safetensors.{'9' * 40}",
    ]
    for path in (living, *temporary_files):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half a fi")
    run_experiment(stopped_config(corpus), out)
    assert [path for path in temporary_files if path.exists()] == []
    assert living.exists()
    temporary_files[0].parent.mkdir(exist_ok=True)
    temporary_files[0].write_bytes(b"half a fi")
    run_experiment(stopped_config(corpus), out)  # it is finished
    assert not temporary_files[0].exists()
