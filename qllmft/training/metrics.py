"""Results of each epoch, and of a training as a whole."""

from __future__ import annotations

from dataclasses import dataclass

from qllmft.config.data import Task


@dataclass(frozen=True)
class EpochMetrics:
    """Line of one epoch in ``metrics.jsonl``."""

    epoch: int  # from 1
    # mean loss over the epoch's batches, of the task: cross-entropy in nats, scaled squared error
    train_loss: float
    validation_loss: float  # the same after the epoch
    # score of the task after the epoch: accuracy or macro-F1 in [0, 1], R² of at least -1
    validation_accuracy: float
    # learning rate of the epoch; 1 in L-BFGS, whose line search determines the length of a step
    lr: float
    seconds: float  # wall time of the epoch, validation included
    # without noise of the head's circuit; None if there is no noise
    validation_accuracy_exact: float | None = None
    task: Task = "classification"


@dataclass(frozen=True)
class Selection:
    """Epoch that validation selected, and the end of the training."""

    epoch: int  # selected epoch, from 1
    validation_accuracy: float  # score of the selected epoch
    epochs_done: int  # number of trained epochs
    finished: bool  # False if training was interrupted
    signal: int | None = None  # number of the signal that interrupted it, or None
