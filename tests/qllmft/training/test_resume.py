"""A training that was stopped, however it was stopped, ends in the bits of one that was not."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from small_training import SETTINGS, STRUCTURES, examples, model
from stopped_runs import same_bits

from qllmft.training import Checkpoint, EpochMetrics, Selection, fit, loop
from qllmft.training.evaluation import evaluate

TRAIN = examples(21)
VALIDATION = examples(9, seed=1)
SEED = 5
EPOCHS = SETTINGS.epochs
AT_ONCE = -1.0
NEVER = 1e9


def fit_until(
    structure: str,
    path: Path | None = None,
    *,
    stop_at: int | None = None,
    seed: int = 0,
    config=SETTINGS,
) -> tuple[Selection, dict[str, torch.Tensor], list[EpochMetrics]]:
    """A fit that Ctrl-C stops after epoch ``stop_at``, before that epoch is saved; and its metrics without seconds."""
    head = model(structure, seed)
    metrics = []

    def on_epoch(line: EpochMetrics) -> None:
        metrics.append(replace(line, seconds=0.0))
        if line.epoch == stop_at:
            raise KeyboardInterrupt

    selection = fit(
        head,
        TRAIN,
        VALIDATION,
        config,
        SEED,
        checkpoint=Checkpoint(path) if path else None,
        on_epoch=on_epoch,
    )
    return selection, head.state_dict(), metrics


@pytest.fixture(scope="module", params=STRUCTURES)
def structure(request) -> str:
    return request.param


class Whole(NamedTuple):
    """A training that nothing stopped, and its checkpoint."""

    selection: Selection
    weights: dict[str, torch.Tensor]
    metrics: list[EpochMetrics]
    checkpoint: bytes


@pytest.fixture(scope="module")
def full_fit(structure, tmp_path_factory) -> Whole:
    path = tmp_path_factory.mktemp("whole") / "state.safetensors"
    return Whole(*fit_until(structure, path), path.read_bytes())


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "checkpoint" / "state.safetensors"


@pytest.fixture
def every_epoch(monkeypatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", AT_ONCE)


@pytest.mark.usefixtures("every_epoch")
@pytest.mark.parametrize("done", range(EPOCHS))
def test_continued_from_any_epoch_it_ends_in_the_same_bits(structure, full_fit, file, done):
    stopped, _, metrics_at_stop = fit_until(structure, file, stop_at=done + 1)
    assert stopped.epochs_done == done + 1
    assert Checkpoint(file).epochs_done() == done
    # other initial weights: all that counts is in the file
    selection, weights, metrics_after_resume = fit_until(structure, file, seed=99 if done else 0)
    assert [m.epoch for m in metrics_after_resume] == list(range(done + 1, EPOCHS + 1))
    assert (selection, [*metrics_at_stop[:done], *metrics_after_resume]) == (
        full_fit.selection,
        full_fit.metrics,
    )
    assert same_bits(weights, full_fit.weights)
    assert file.read_bytes() == full_fit.checkpoint  # Adam's moments too


@pytest.mark.parametrize("stop_at", range(1, EPOCHS + 1))
@pytest.mark.parametrize("select", ["accuracy", "last"])
def test_ctrl_c_ends_cleanly_with_the_best_so_far(structure, full_fit, stop_at, select):
    config = SETTINGS.model_copy(update={"select": select})
    selection, weights, metrics = fit_until(structure, stop_at=stop_at, config=config)
    assert metrics == full_fit.metrics[:stop_at]
    best = (
        metrics[-1]
        if select == "last"
        else min(metrics, key=lambda m: (-m.score, m.validation_loss, m.epoch))
    )
    assert selection == Selection(best.epoch, best.score, stop_at, finished=False)
    # the weights are those with which that epoch was validated
    head = model(structure, seed=3)
    head.load_state_dict(weights)
    assert evaluate(head, VALIDATION) == (best.validation_loss, best.score)


def test_ctrl_c_before_the_first_epoch_leaves_the_initial_weights(structure, file):
    head = model(structure)
    first = head.encoder or head
    first.register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    selection = fit(head, TRAIN, VALIDATION, SETTINGS, SEED, checkpoint=Checkpoint(file))
    assert (selection.epoch, selection.epochs_done, selection.finished) == (0, 0, False)
    assert same_bits(head.state_dict(), model(structure).state_dict())
    assert not file.exists()


def test_a_finished_training_is_not_trained_again(structure, full_fit, file):
    file.parent.mkdir()
    file.write_bytes(full_fit.checkpoint)
    selection, weights, metrics = fit_until(structure, file, seed=4)
    assert metrics == []
    assert selection == full_fit.selection
    assert same_bits(weights, full_fit.weights)
    assert file.read_bytes() == full_fit.checkpoint


def test_the_checkpoint_is_written_every_five_seconds_and_at_the_end(file, monkeypatch):
    now = [100.0]
    saved = []
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(Checkpoint, "save", lambda self, state, *_: saved.append(state.epoch))
    config = SETTINGS.model_copy(update={"epochs": 11})

    def two_seconds(_: EpochMetrics) -> None:
        now[0] += 2.0

    fit(model(), TRAIN, VALIDATION, config, SEED, checkpoint=Checkpoint(file), on_epoch=two_seconds)
    assert saved == [3, 6, 9, 11]
