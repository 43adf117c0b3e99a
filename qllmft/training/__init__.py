"""Train: the loop, its checkpoints and what it learns from."""

from qllmft.training.checkpoint import Checkpoint, State
from qllmft.training.examples import Examples
from qllmft.training.loop import (
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
