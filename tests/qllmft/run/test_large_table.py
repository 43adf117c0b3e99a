"""Epochs of a table with many rows."""

import pytest

from qllmft import load_preset, train
from qllmft.data import corpus_in_memory
from qllmft.events import Message
from qllmft.run import SharedInputs, large_table

LBFGS = {
    "train.optimizer": "lbfgs",
    "train.batch_size": 16,
    "train.lr": 2.5e-3,
    "train.lr_decay": 1.0,
}


def limited(n_rows, monkeypatch, most_steps, preset="sines", **settings):
    """Return the epochs for so many rows in memory, and the messages."""
    monkeypatch.setattr(large_table, "MOST_STEPS", most_steps)
    config = load_preset(preset).config(settings)
    texts = [f"text number {number}" for number in range(n_rows)]
    corpus = corpus_in_memory((texts, [number % 2 for number in range(n_rows)]), config.data)
    config = load_preset(preset).config({**settings, "data.source": corpus.source})
    events = []
    inputs = SharedInputs({config.data: corpus})
    found = large_table.limit_epochs(config, inputs, events.append)
    return found.train.epochs, [event.text for event in events if isinstance(event, Message)]


# 1,000 rows: 680 training texts, 22 steps of 32; in five folds 680, too
@pytest.mark.parametrize(
    ("settings", "most_steps", "epochs"),
    [
        ({}, 22 * 20, 20),
        ({}, 22 * 20 - 1, 19),
        ({}, 45, 2),
        ({}, 1, 1),
        ({"train.batch_size": 64}, 45, 4),
        ({"data.folds": 5}, 45, 2),
    ],
)
def test_epochs_take_at_most_so_many_steps(settings, most_steps, epochs, monkeypatch):
    found, messages = limited(1000, monkeypatch, most_steps, **settings)
    assert found == epochs
    if epochs == 20:
        assert messages == []
    else:
        words = f"the head trains for {epochs} epoch{'s' if epochs > 1 else ''} instead of 20"
        assert messages == [f"680 training texts: {words}. For another number, set train.epochs."]


def test_the_papers_heads_keep_their_epochs(monkeypatch):
    assert limited(1000, monkeypatch, 1, "single-10q") == (800, [])


def test_l_bfgs_has_iterations_and_no_steps(monkeypatch):
    epochs, messages = limited(1000, monkeypatch, 1, **LBFGS)
    assert epochs == load_preset("sines").config(LBFGS).train.epochs
    assert messages == []


def test_a_number_that_was_given_is_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(large_table, "MOST_STEPS", 26)
    settings = {"baselines__names": [], "data__n_per_label": 50}  # 68 training texts, 3 steps
    limited_run = train("reviews", out=tmp_path / "limited", **settings)
    assert limited_run.folder.read_config().train.epochs == 8
    chosen = train("reviews", out=tmp_path / "chosen", train__epochs=9, **settings)
    assert chosen.folder.read_config().train.epochs == 9
