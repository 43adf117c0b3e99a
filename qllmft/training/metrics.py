"""What a training tells of each epoch, and of itself at the end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochMetrics:
    """One epoch's line in ``metrics.jsonl``."""

    epoch: int  # from 1
    train_loss: float  # mean cross-entropy over the epoch's batches, in nats
    validation_loss: float  # cross-entropy after the epoch, in nats
    validation_accuracy: float  # share of right answers after the epoch, in [0, 1]
    lr: float  # learning rate of the epoch; 1 in L-BFGS, whose line search finds the length of a step
    seconds: float  # wall time of the epoch, validation included
    validation_accuracy_exact: float | None = None  # without the noise of the head's circuit; None where it has none


@dataclass(frozen=True)
class Selection:
    """The epoch that validation chose, and how far training came."""

    epoch: int  # the chosen one, from 1
    validation_accuracy: float  # of it, in [0, 1]
    epochs_done: int  # epochs trained in all
    finished: bool  # False where training was interrupted
    signal: int | None = None  # number of the signal that interrupted it; None where there was none
