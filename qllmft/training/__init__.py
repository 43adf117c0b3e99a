"""Train: loops, checkpoints and training examples."""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft.training.checkpoint import Checkpoint as Checkpoint
    from qllmft.training.checkpoint import EpochMetrics as EpochMetrics
    from qllmft.training.checkpoint import Selection as Selection
    from qllmft.training.contrastive import contrastive_pairs as contrastive_pairs
    from qllmft.training.contrastive import contrastive_steps as contrastive_steps
    from qllmft.training.contrastive import fit_contrastive as fit_contrastive
    from qllmft.training.contrastive import typical_texts as typical_texts
    from qllmft.training.end_to_end import EndToEnd as EndToEnd
    from qllmft.training.end_to_end import fit_end_to_end as fit_end_to_end
    from qllmft.training.evaluation import checked_logits as checked_logits
    from qllmft.training.evaluation import compute_logits as compute_logits
    from qllmft.training.evaluation import compute_noise_logits as compute_noise_logits
    from qllmft.training.evaluation import evaluate as evaluate
    from qllmft.training.evaluation import exact_score as exact_score
    from qllmft.training.evaluation import finite_logits as finite_logits
    from qllmft.training.evaluation import latent_vectors as latent_vectors
    from qllmft.training.examples import Examples as Examples
    from qllmft.training.examples import Scaling as Scaling
    from qllmft.training.examples import weigh_by_class as weigh_by_class
    from qllmft.training.examples import weigh_rows as weigh_rows
    from qllmft.training.examples import with_loss as with_loss
    from qllmft.training.head import TorchHead as TorchHead
    from qllmft.training.head import to_latent as to_latent
    from qllmft.training.linear_model import choose_linear as choose_linear
    from qllmft.training.linear_model import linear_solution as linear_solution
    from qllmft.training.linear_model import low_rank_solution as low_rank_solution
    from qllmft.training.loop import fit as fit
    from qllmft.training.search import LOGISTIC_STRENGTHS as LOGISTIC_STRENGTHS
    from qllmft.training.search import split_examples as split_examples
    from qllmft.training.sines import choose_strategy as choose_strategy
    from qllmft.training.step import open_step as open_step
    from qllmft.training.torch_threads import one_torch_thread as one_torch_thread

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
