"""Epochs for a table with many rows: as many steps as settle the default head, and no more."""

from __future__ import annotations

from qllmft.baselines import check_baselines
from qllmft.config import DataConfig, RunConfig
from qllmft.events import Message, OnEvent
from qllmft.run.setup import SharedInputs
from qllmft_base.text import format_count

MOST_STEPS = 5_000  # of all epochs; chosen on validation texts: docs/decisions/0034


def limit_epochs(config: RunConfig, inputs: SharedInputs, on_event: OnEvent) -> RunConfig:
    """Return the configuration with fewer epochs if those of a large table have more than `MOST_STEPS` steps.

    This is for a head that starts at sines, whose start is a linear model, and which Adam trains.

    Args:
        config: of the run, whose number of epochs is the preset's.
        inputs: texts of the run; they are read here.
        on_event: receives a message if there are fewer epochs.

    Raises:
        UserError: if a baseline is unknown or not for the task, or the texts cannot be read.
    """
    if config.model.start != "sines" or config.train.optimizer != "adam":
        return config
    check_baselines(config.baselines.names, config.data.task)
    n_texts = inputs.splits(_one_split(config, inputs), config.seed).sizes["train"]
    steps_per_epoch = -(-n_texts // config.train.batch_size)
    epochs = max(1, MOST_STEPS // steps_per_epoch)
    if epochs >= config.train.epochs:
        return config
    on_event(
        Message(
            f"{n_texts:,} training texts: the head trains for {format_count(epochs, 'epoch')} instead of "
            f"{config.train.epochs}. For another number, set train.epochs."
        )
    )
    train = config.train.model_copy(update={"epochs": epochs})
    return config.model_copy(update={"train": train})


def _one_split(config: RunConfig, inputs: SharedInputs) -> DataConfig:
    """Return the settings of the texts of a run, those of the first fold if there are folds."""
    data = config.data
    if data.folds is None or data.fold is not None:
        return data
    first_fold = data.model_copy(update={"fold": 0})
    inputs.add(first_fold, inputs.corpus(data))
    return first_fold
