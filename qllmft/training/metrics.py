"""What a training tells of each epoch, and of itself at the end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochMetrics:
    """One epoch's line in ``metrics.jsonl``.

    Attributes:
        epoch: from 1.
        train_loss: mean cross-entropy over the epoch's batches, in nats.
        validation_loss: cross-entropy after the epoch, in nats.
        validation_accuracy: share of right answers after the epoch, in [0, 1].
        lr: learning rate of the epoch; 1 in L-BFGS, whose line search finds the length of a step.
        seconds: wall time of the epoch, validation included.
        validation_accuracy_exact: without the noise of the head's circuit; None where it has none.
    """

    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    lr: float
    seconds: float
    validation_accuracy_exact: float | None = None


@dataclass(frozen=True)
class Selection:
    """The epoch that validation chose, and how far training came.

    Attributes:
        epoch: the chosen one, from 1.
        validation_accuracy: of it, in [0, 1].
        epochs_done: epochs trained in all.
        finished: False where training was interrupted.
        signal: number of the signal that interrupted it; None where there was none.
    """

    epoch: int
    validation_accuracy: float
    epochs_done: int
    finished: bool
    signal: int | None = None
