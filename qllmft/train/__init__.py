"""Train: the loop, its checkpoints and what it learns from."""

from qllmft.train.checkpoint import Checkpoint, State
from qllmft.train.examples import Examples
from qllmft.train.loop import (
    PAPER_STEPS,
    EpochMetrics,
    Selection,
    evaluate,
    exact_accuracy,
    fit,
    learning_rate,
    logits_of,
    one_torch_thread,
)

__all__ = [
    "PAPER_STEPS",
    "Checkpoint",
    "EpochMetrics",
    "Examples",
    "Selection",
    "State",
    "evaluate",
    "exact_accuracy",
    "fit",
    "learning_rate",
    "logits_of",
    "one_torch_thread",
]
