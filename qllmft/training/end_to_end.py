"""Training of a body with the head, by the gradient of the loss by all their weights.

With a quantum encoder that passes through the amplitude loading: the engine returns the gradient of loaded amplitudes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from qllmft.config import TrainConfig
from qllmft.data import Table
from qllmft.heads import Classifier
from qllmft.tasks import CLASSIFICATION
from qllmft.training.adam import Adam
from qllmft.training.checkpoint import Checkpoint, EpochMetrics, Selection
from qllmft.training.examples import Examples, balanced_weights, with_noise
from qllmft.training.loop import Training
from qllmft.training.sines import choose_strategy
from qllmft.training.step import TrainingStep
from qllmft.training.torch_threads import one_torch_thread
from qllmft_base.randomness import derive_seed, torch_generator

if TYPE_CHECKING:
    from qllmft.embed import TrainableBody

# a checkpoint has four times the body's weights: 1.8 GB for a body of 110 million
BODY_CHECKPOINT_EVERY_S = 60.0


class EndToEnd(nn.Module):
    """Map texts to logits (B, k): a body and the head on its embeddings (B, D), both trainable."""

    def __init__(self, body: TrainableBody, classifier: Classifier) -> None:
        super().__init__()
        self.body = body
        self.classifier = classifier

    def forward(self, texts: Sequence[str]) -> Tensor:
        """Return logits (B, k) of B texts."""
        logits: Tensor = self.classifier(self.body(texts))
        return logits

    def embed_table(self, table: Table, weight: Tensor | None = None) -> Examples:
        """Embed ``table`` with the current weights, without gradients and without dropout."""
        vectors = self.body.body.encode(table.texts)
        return replace(Examples.from_arrays(vectors, table.labels), weight=weight)


def fit_end_to_end(
    model: EndToEnd,
    train: Table,
    validation: Table,
    config: TrainConfig,
    seed: int,
    *,
    checkpoint: Checkpoint | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> Selection:
    """Train head and body in place up to the weights of the selected epoch.

    Schedule, selection and result are those of `qllmft.training.fit`. The body has its own learning rate
    (``config.body_lr``) on the same schedule, and its own dropout. Texts are embedded in every step, those of
    validation after every epoch. Randomness with dropout is derived from the seed for every epoch, so a run continued
    from a checkpoint ends in the same bits, if machine and number of torch's threads are the same.

    Args:
        model: body and head.
        train: training texts with their labels.
        validation: texts for the selection of the epoch.
        config: epochs, batch size, rates, regularisation.
        seed: seed of shuffling, dropout and noise.
        checkpoint: source and target of the progress, saved at most once per minute; None saves nothing.
        on_epoch: called after every epoch.
    """
    classifier = model.classifier
    weights = None
    validation_weights = None
    if config.class_weight == "balanced":
        weights = balanced_weights(train.labels, train.labels)
        validation_weights = balanced_weights(validation.labels, train.labels)
    strategy = choose_strategy(classifier, config)
    if strategy.begins_at_embeddings:
        # of the first embeddings, also in a training that continues, since C follows from them
        examples = model.embed_table(train, weights)
        with one_torch_thread():
            held_out = None
            if config.ridge_c == "validation":
                held_out = model.embed_table(validation, validation_weights)
            weights = strategy.begin(examples, held_out).weight
    config = strategy.config
    ridge = strategy.ridge(CLASSIFICATION, len(train))
    step = TrainingStep(classifier, CLASSIFICATION, ridge)
    labels = torch.from_numpy(train.labels)
    optimizer = _make_optimizer(model, config)

    def train_on(epoch: int, batches: list[Tensor]) -> float:
        noise = torch_generator(seed, "embedding noise", epoch)
        total = 0.0
        with model.body.seed_dropout(derive_seed(seed, "dropout", epoch)):
            for rows in batches:
                x = model.body([train.texts[i] for i in rows.tolist()])  # (B, D)
                x = with_noise(x, config.embedding_noise, noise, [len(rows)])
                loss = step.loss(x, labels[rows], None if weights is None else weights[rows])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                total += float(loss.detach()) * len(rows)
        return total

    embed_validation = partial(model.embed_table, validation, validation_weights)
    training = Training(
        model,
        classifier,
        optimizer,
        len(train),
        train_on,
        embed_validation,
        BODY_CHECKPOINT_EVERY_S,
    )
    return training.run(config, seed, checkpoint, on_epoch)


def _make_optimizer(model: EndToEnd, config: TrainConfig) -> Adam:
    """Return Adam with two groups of weights: the body's, whose learning rate is scaled, and the head's."""
    body_group: dict[str, Any] = {
        "params": model.body.trainable_parameters(),
        "scale": (config.body_lr or config.lr) / config.lr,
    }
    head_group = {"params": list(model.classifier.parameters())}
    return Adam([body_group, head_group], weight_decay=config.weight_decay, fused=True)
