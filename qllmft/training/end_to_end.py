"""Training of body and head together, with the gradient of the loss by all weights of the language model.

With a quantum encoder it passes through the amplitude loading: the engine returns the gradient of loaded amplitudes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from qllmft.config import TrainConfig
from qllmft.data import Table
from qllmft.embed import TrainableBody
from qllmft.heads import Classifier
from qllmft.randomness import derive_seed, torch_generator
from qllmft.tasks import CLASSIFICATION
from qllmft.training.checkpoint import Checkpoint
from qllmft.training.examples import Examples, balanced_weights, with_noise
from qllmft.training.linear_solution import Strength
from qllmft.training.linear_start import start_at_linear, starts_at_sines
from qllmft.training.loop import Training, one_torch_thread
from qllmft.training.metrics import EpochMetrics, Selection
from qllmft.training.ridge import ridge_of
from qllmft.training.step import TrainingStep

# a checkpoint has four times the body's weights: 1.8 GB for a body of 110 million
CHECKPOINT_EVERY_S = 60.0


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

    def embedded(self, table: Table, weight: Tensor | None = None) -> Examples:
        """Embed ``table`` with the current weights, without gradients and without dropout."""
        return replace(
            Examples.from_arrays(self.body.body.encode(table.texts), table.labels), weight=weight
        )


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
    groups: list[dict[str, Any]] = [
        {"params": model.body.trained(), "scale": (config.body_lr or config.lr) / config.lr},
        {"params": list(model.classifier.parameters())},
    ]
    optimizer = torch.optim.Adam(groups, lr=config.lr, weight_decay=config.weight_decay, fused=True)
    labels = torch.from_numpy(train.labels)
    weights = held_weights = None
    if config.class_weight:
        weights = balanced_weights(train.labels, train.labels)
        held_weights = balanced_weights(validation.labels, train.labels)

    c = _start(model, train, weights, config)
    ridge = ridge_of(model.classifier, CLASSIFICATION, config, len(train), c)
    step = TrainingStep(model.classifier, CLASSIFICATION, ridge)

    def train_on(epoch: int, batches: list[Tensor]) -> float:
        noise = torch_generator(seed, "embedding noise", epoch)
        total = 0.0
        with model.body.seeded(derive_seed(seed, "dropout", epoch)):
            for rows in batches:
                x = model.body([train.texts[i] for i in rows.tolist()])  # (B, D)
                x = with_noise(x, config.embedding_noise, noise, [len(rows)])
                loss = step.loss(x, labels[rows], None if weights is None else weights[rows])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                total += float(loss.detach()) * len(rows)
        return total

    training = Training(
        model,
        model.classifier,
        optimizer,
        len(train),
        train_on,
        lambda: model.embedded(validation, held_weights),
        CHECKPOINT_EVERY_S,
    )
    return training.run(config, seed, checkpoint, on_epoch)


def _start(
    model: EndToEnd,
    train: Table,
    weight: Tensor | None,
    config: TrainConfig,
) -> Strength:
    """Fit the data map and start a head at its linear solution on the body's first embeddings, and return its C.

    A training that continues does the same first, since C follows from these embeddings. A checkpoint replaces the
    weights.
    """
    classifier = model.classifier
    if classifier.data_map is None and not starts_at_sines(classifier):
        return 1.0 if config.ridge_c == "auto" else config.ridge_c
    examples = model.embedded(train, weight)
    with one_torch_thread():
        if classifier.data_map is not None:
            classifier.data_map.fit(examples.x)
        return start_at_linear(classifier, examples, config)
