"""Runs that were stopped by Ctrl-C: they go on, and end as if nothing had happened."""

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
