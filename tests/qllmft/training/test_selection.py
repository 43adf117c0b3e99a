"""Which epoch a run keeps: validation accuracy, then lower validation loss, then the earlier; or the last."""

import pytest
import torch
from small_training import Recorder, examples
from stopped_runs import same_bits

from qllmft.config import TrainConfig
from qllmft.training import EpochMetrics, Examples, Selection, fit, loop

# (loss, accuracy) of every epoch, and the epoch that wins
SCRIPTS = [
    ([(0.7, 0.5), (0.6, 0.8), (0.5, 0.6)], 2),  # the highest accuracy, not the lowest loss
    ([(0.7, 0.8), (0.6, 0.8), (0.5, 0.7)], 2),  # of equals the lower loss
    ([(0.6, 0.8), (0.7, 0.8), (0.6, 0.8)], 1),  # of equals in both the earlier
    ([(0.6, 0.8), (0.6, 0.8), (0.5, 0.8), (0.5, 0.8)], 3),
    ([(9.0, 0.0), (8.0, 0.0)], 2),  # nothing right at all
    ([(0.1, 0.9), (0.1, 0.8), (0.05, 0.1)], 1),
]


Weights = dict[str, torch.Tensor]


def run(
    script, monkeypatch, **settings
) -> tuple[Selection, Recorder, list[Weights], list[EpochMetrics]]:
    """A fit whose validation gives the script's values; the weights after every epoch."""
    answers = iter(script)
    monkeypatch.setattr(loop, "evaluate", lambda *_: next(answers))
    model = Recorder()
    epoch_weights = []
    metrics = []

    def on_epoch(line: EpochMetrics) -> None:
        metrics.append(line)
        epoch_weights.append({k: v.clone() for k, v in model.state_dict().items()})

    config = TrainConfig(epochs=len(script), **settings)
    return (
        fit(model, examples(12), examples(4), config, 0, on_epoch=on_epoch),
        model,
        epoch_weights,
        metrics,
    )


@pytest.mark.parametrize(("script", "winner"), SCRIPTS)
def test_the_model_holds_the_weights_of_the_selected_epoch(script, winner, monkeypatch):
    selection, model, epoch_weights, metrics = run(script, monkeypatch)
    assert selection == Selection(winner, script[winner - 1][1], len(script), finished=True)
    assert same_bits(model.state_dict(), epoch_weights[winner - 1])
    assert not any(
        same_bits(epoch_weights[i], epoch_weights[winner - 1])
        for i in range(len(epoch_weights))
        if i != winner - 1
    )
    assert [m.epoch for m in metrics] == list(range(1, len(script) + 1))
    assert [m.score for m in metrics] == [accuracy for _, accuracy in script]
    assert [m.validation_loss for m in metrics] == [loss for loss, _ in script]


@pytest.mark.parametrize(("script", "winner"), SCRIPTS)
def test_or_the_last_epoch_wins_whatever_validation_says(script, winner, monkeypatch):
    selection, model, epoch_weights, _ = run(script, monkeypatch, select="last")
    assert selection == Selection(len(script), script[-1][1], len(script), finished=True)
    assert same_bits(model.state_dict(), epoch_weights[-1])


def test_no_validation_label_reaches_the_weights():
    """With the last epoch kept, other validation labels change the metrics and not one bit of the model."""
    train = examples(20)
    validation = examples(10, seed=1)
    config = TrainConfig(epochs=3, select="last", lr=0.1)
    results = []
    for labels in (validation.y, 1 - validation.y):
        model = Recorder()
        selection = fit(model, train, Examples(validation.x, labels), config, 0)
        results.append((model.state_dict(), selection.score))
    assert same_bits(results[0][0], results[1][0])
    assert results[0][1] + results[1][1] == pytest.approx(1.0)
