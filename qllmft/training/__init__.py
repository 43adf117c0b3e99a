"""Train: loops, checkpoints and training examples."""

from qllmft.training.checkpoint import Checkpoint
from qllmft.training.contrastive import contrastive_pairs, contrastive_steps, fit_contrastive
from qllmft.training.end_to_end import EndToEnd, fit_end_to_end
from qllmft.training.evaluation import checked_logits, exact_accuracy, finite_logits, logits_of, shared_latent
from qllmft.training.examples import Examples, class_weighted
from qllmft.training.loop import PAPER_STEPS, fit, one_torch_thread
from qllmft.training.metrics import EpochMetrics, Selection
from qllmft.training.scaling import Scaling
from qllmft.training.step import step_of
from qllmft.training.tasks import CLASSIFICATION, REGRESSION, Task

__all__ = [
    "CLASSIFICATION",
    "PAPER_STEPS",
    "REGRESSION",
    "Checkpoint",
    "EndToEnd",
    "EpochMetrics",
    "Examples",
    "Scaling",
    "Selection",
    "Task",
    "checked_logits",
    "class_weighted",
    "contrastive_pairs",
    "contrastive_steps",
    "exact_accuracy",
    "finite_logits",
    "fit",
    "fit_contrastive",
    "fit_end_to_end",
    "logits_of",
    "one_torch_thread",
    "shared_latent",
    "step_of",
]
