"""Runs that were stopped by Ctrl-C: they go on, and end as if nothing had happened."""

import os

import pytest
import torch
from stopped_runs import Stop
from tiny_runs import assert_same, config

from qllmft.model import load_model
from qllmft.run import Outcome, run_experiment
from qllmft.training import loop


@pytest.fixture(autouse=True)
def checkpoint_after_every_epoch(monkeypatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", -1.0)


@pytest.fixture
def whole(corpus, tmp_path) -> Outcome:
    """The same run, never stopped."""
    return run_experiment(config(corpus), tmp_path / "whole")


@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_ctrl_c_leaves_a_model_and_no_result_and_it_goes_on_to_the_same_bits(
    corpus, out, whole, epoch
):
    outcome = run_experiment(config(corpus), out, Stop(epoch))
    assert (outcome.record, outcome.epochs_done) == (None, epoch)
    assert not (out / "result.json").exists()
    assert load_model(out).classifier(torch.zeros(1, 8)).shape == (1, 2)
    assert [m.epoch for m in outcome.folder.metrics()] == list(range(1, epoch + 1))
    watcher = Stop(-1)
    outcome = run_experiment(config(corpus), out, watcher)
    assert watcher.done == epoch - 1  # the last epoch was not saved
    assert outcome.epochs_done == 4
    assert_same(outcome.folder, whole)
    epoch_seconds = [metrics.seconds for metrics in outcome.folder.metrics()]
    assert outcome.record.head.seconds >= sum(epoch_seconds), "of all calls"


@pytest.mark.public_report(
    case="raw_messages: temporary files of a killed process",
    source="own attack",
    seen="kill -9 leaves .state.safetensors.PID and the like in the run's folder for good",
    outcome="the run that is finished by the same command removes them",
)
def test_files_that_a_killed_process_was_writing_are_removed_when_the_run_ends(corpus, out):
    run_experiment(config(corpus), out, Stop(1))
    living = out / f".result.json.{os.getppid()}"
    left = [
        out / "checkpoint" / ".state.safetensors.2147483646",
        out / "model" / f".model.safetensors.{os.getpid()}",
        out / f".novelty.safetensors.{'9' * 40}",
    ]
    for path in (living, *left):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half a fi")
    run_experiment(config(corpus), out)
    assert [path for path in left if path.exists()] == []
    assert living.exists()
    left[0].parent.mkdir(exist_ok=True)
    left[0].write_bytes(b"half a fi")
    run_experiment(config(corpus), out)  # it is finished
    assert not left[0].exists()
