"""Results of each epoch, and of a training as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qllmft.tasks import CLASSIFICATION, TASKS
from qllmft.tasks.measure import ScoreName


@dataclass(frozen=True)
class EpochMetrics:
    """Line of one epoch in ``metrics.jsonl``."""

    epoch: int  # from 1
    # mean loss over the epoch's batches, of the task: cross-entropy in nats, scaled squared error
    train_loss: float
    validation_loss: float  # the same after the epoch
    # score of the task after the epoch: accuracy or macro-F1 in [0, 1], R² of at least -1
    score: float
    # learning rate of the epoch; 1 in L-BFGS, whose line search determines the length of a step
    lr: float
    seconds: float  # wall time of the epoch, validation included
    # without noise of the head's circuit; None if there is no noise
    score_exact: float | None = None
    measure: ScoreName = "accuracy"  # name of the score

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> EpochMetrics:
        """Return the metrics of a line, also of versions that wrote every score as an accuracy.

        Raises:
            KeyError: if its task is unknown.
            TypeError: if a field is missing or unknown.
        """
        found = dict(line)
        if "validation_accuracy" in found:
            found["score"] = found.pop("validation_accuracy")
            found["score_exact"] = found.pop("validation_accuracy_exact", None)
            found["measure"] = TASKS[found.pop("task", CLASSIFICATION.name)].measure.name
        return cls(**found)


@dataclass(frozen=True)
class Selection:
    """Epoch that validation selected, and the end of the training."""

    epoch: int  # selected epoch, from 1
    score: float  # of the selected epoch
    epochs_done: int  # number of trained epochs
    finished: bool  # False if training was interrupted
    signal: int | None = None  # number of the signal that interrupted it, or None
