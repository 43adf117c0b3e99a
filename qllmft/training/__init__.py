"""Train: the loop, its checkpoints and what it learns from."""

from qllmft.training.checkpoint import Checkpoint, State
from qllmft.training.contrastive import contrastive_steps, fit_contrastive
from qllmft.training.end_to_end import EndToEnd, fit_end_to_end
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
from qllmft.training.step import Step, step_of

__all__ = [
    "PAPER_STEPS",
    "Checkpoint",
    "EndToEnd",
    "EpochMetrics",
    "Examples",
    "Selection",
    "State",
    "Step",
    "contrastive_steps",
    "evaluate",
    "exact_accuracy",
    "fit",
    "fit_contrastive",
    "fit_end_to_end",
    "learning_rate",
    "logits_of",
    "one_torch_thread",
    "step_of",
]
