"""Runs that were stopped, by Ctrl-C or by a kill: they go on, and end as if nothing had happened."""

import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_runs import config, without_seconds

from qllmft.run import Outcome, Reporter, RunFolder, load_model, run_experiment
from qllmft.training import loop


class Stop(Reporter):
    """Ctrl-C after an epoch of the training, or when a rival's turn comes."""

    def __init__(self, at: int | str) -> None:
        self.at = at

    @contextmanager
    def training(self, epochs, done):
        self.done = done

        def report(metrics):
            if metrics.epoch == self.at:
                raise KeyboardInterrupt

        yield report

    def fitting(self, name):
        if name == self.at:
            raise KeyboardInterrupt
        return super().fitting(name)


@pytest.fixture(autouse=True)
def checkpoint_after_every_epoch(monkeypatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", -1.0)


@pytest.fixture
def whole(corpus, tmp_path) -> Outcome:
    """The same run, never stopped."""
    return run_experiment(config(corpus), tmp_path / "whole")


def assert_same(ours: RunFolder, whole: Outcome) -> None:
    """Every bit of the model, every figure of the record, every line of the metrics; the seconds aside."""
    assert without_seconds(ours.read_result().to_json()) == without_seconds(whole.record.to_json())
    for file in ("model/model.safetensors", "model/model.json", "checkpoint/state.safetensors", "config.toml"):
        assert (ours.path / file).read_bytes() == (whole.folder.path / file).read_bytes()
    lines = [[replace(m, seconds=0.0) for m in folder.metrics()] for folder in (ours, whole.folder)]
    assert lines[0] == lines[1]
    assert [m.epoch for m in lines[0]] == [1, 2, 3, 4]


@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_ctrl_c_leaves_a_model_and_no_result(corpus, out, epoch):
    outcome = run_experiment(config(corpus), out, Stop(epoch))
    assert outcome.record is None
    assert outcome.epochs_done == epoch
    assert not (out / "result.json").exists()
    assert load_model(out).classifier(torch.zeros(1, 8)).shape == (1, 2)
    assert [m.epoch for m in outcome.folder.metrics()] == list(range(1, epoch + 1))


@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_after_ctrl_c_it_goes_on_to_the_same_bits(corpus, out, whole, epoch):
    run_experiment(config(corpus), out, Stop(epoch))
    watcher = Stop(-1)
    outcome = run_experiment(config(corpus), out, watcher)
    assert watcher.done == epoch - 1  # the last epoch was not saved
    assert outcome.epochs_done == 4
    assert_same(outcome.folder, whole)


def test_ctrl_c_while_the_rivals_are_fitted_keeps_the_training(corpus, out, whole):
    with pytest.raises(KeyboardInterrupt):
        run_experiment(config(corpus), out, Stop("SVC"))
    assert not (out / "result.json").exists()
    watcher = Stop(-1)
    outcome = run_experiment(config(corpus), out, watcher)
    assert watcher.done == 4
    assert_same(outcome.folder, whole)


def test_killed_it_goes_on_to_the_same_bits_and_no_epoch_is_written_twice(corpus, out, whole):
    script = Path(__file__).with_name("killed_run.py")
    with subprocess.Popen(
        [sys.executable, str(script), str(corpus), str(out), "3"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        said = process.stdout.readline()
        process.kill()
        assert said == b"now\n", process.stderr.read().decode()
    assert process.returncode == -9
    folder = RunFolder(out)
    assert [m.epoch for m in folder.metrics()] == [1, 2, 3]
    assert folder.checkpoint.epochs_done() == 2
    with folder.metrics_file.open("a") as file:
        file.write('{"epoch": 4, "train_lo')  # as if it had been killed within the next line
    outcome = run_experiment(config(corpus), out)
    assert_same(outcome.folder, whole)
