"""Results of each epoch, and of a training as a whole."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochMetrics:
    """Line of one epoch in ``metrics.jsonl``."""

    epoch: int  # from 1
    train_loss: float  # mean cross-entropy over the epoch's batches, in nats; of scaled real targets the squared error
    validation_loss: float  # the same after the epoch
    validation_accuracy: float  # share of correct labels after the epoch, in [0, 1]; of real targets R², at least -1
    lr: float  # learning rate of the epoch; 1 in L-BFGS, whose line search determines the length of a step
    seconds: float  # wall time of the epoch, validation included
    validation_accuracy_exact: float | None = None  # without noise of the head's circuit; None if there is no noise
    real: bool = False  # the targets are real


@dataclass(frozen=True)
class Selection:
    """Epoch that validation selected, and the end of the training."""

    epoch: int  # selected epoch, from 1
    validation_accuracy: float  # accuracy, or R², of the selected epoch
    epochs_done: int  # number of trained epochs
    finished: bool  # False if training was interrupted
    signal: int | None = None  # number of the signal that interrupted it, or None
