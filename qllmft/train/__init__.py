"""Train: the loop, its checkpoints and what it learns from."""

from qllmft.train.checkpoint import Checkpoint, State
from qllmft.train.examples import Examples
from qllmft.train.loop import EpochMetrics, Selection, evaluate, exact_accuracy, fit, learning_rate, logits_of

__all__ = [
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
]
