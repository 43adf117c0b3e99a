"""Training of body and head together: the loss' gradient runs through the head into the language model's weights.

With a quantum encoder it passes through the amplitude loading: the engine gives the gradient of every loaded amplitude.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from qllmft.config import TrainConfig
from qllmft.data import Table
from qllmft.embed import TrainableBody
from qllmft.heads import Classifier
from qllmft.heads.noise import reseed
from qllmft.randomness import derive_seed, torch_generator
from qllmft.training.checkpoint import Checkpoint
from qllmft.training.examples import Examples
from qllmft.training.loop import (
    EpochMetrics,
    EpochNumbers,
    Selection,
    _batches,
    evaluate,
    exact_accuracy,
    run_epochs,
)

CHECKPOINT_EVERY_S = 60.0  # four times the body's weights are written: 1.8 GB for a body of 110 million


class EndToEnd(nn.Module):
    """Texts to logits (B, k): a body and the head on it, both trainable.

    Args:
        body: texts to embeddings (B, D).
        classifier: embeddings to logits.
    """

    def __init__(self, body: TrainableBody, classifier: Classifier) -> None:
        super().__init__()
        self.body = body
        self.classifier = classifier

    def forward(self, texts: Sequence[str]) -> Tensor:
        """Logits (B, k) of B texts."""
        logits: Tensor = self.classifier(self.body(texts))
        return logits

    def embedded(self, table: Table) -> Examples:
        """``table`` as the body embeds it now, without gradients and without dropout."""
        return Examples.from_arrays(self.body.body.encode(table.texts), table.labels)


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
    """Train ``model`` in place; it holds the weights of the selected epoch afterwards, those of the body too.

    Schedule, selection and checkpoints are those of `qllmft.training.fit`. The body has a learning rate of its own
    (``config.body_lr``), which falls as the head's does, and its own dropout. Texts are embedded in every step, those
    of the validation set after every epoch. Randomness, dropout included, is derived for every epoch from the seed: a
    run continued from a checkpoint ends in the same bits, on the same machine with as many of torch's threads.

    Args:
        model: texts to logits.
        train: what it learns from.
        validation: what the epoch is selected on.
        config: epochs, batch size, rates, regularisation.
        seed: of shuffling, dropout and noise.
        checkpoint: where to continue from and to save to, at most once a minute; nothing is saved where None.
        on_epoch: called after every epoch.

    Returns:
        The selection. KeyboardInterrupt (Ctrl-C) ends training after the running step; the checkpoint is kept.
    """
    body_lr = config.body_lr or config.lr
    groups = [
        {"params": list(model.body.parameters()), "scale": body_lr / config.lr},
        {"params": list(model.classifier.parameters()), "scale": 1.0},
    ]
    optimizer = torch.optim.Adam(groups, lr=config.lr, weight_decay=config.weight_decay, fused=True)

    def train_epoch(epoch: int, lr: float) -> EpochNumbers:
        for group in optimizer.param_groups:
            group["lr"] = lr * group["scale"]
        with model.body.seeded(derive_seed(seed, "dropout", epoch)):
            train_loss = _train_epoch(model, optimizer, train, config, seed, epoch)
        reseed(model, derive_seed(seed, "validation noise", epoch))
        examples = model.embedded(validation)
        loss, accuracy = evaluate(model.classifier, examples)
        return EpochNumbers(train_loss, loss, accuracy, exact_accuracy(model.classifier, examples))

    return run_epochs(model, optimizer, config, train_epoch, checkpoint, CHECKPOINT_EVERY_S, on_epoch)


def _train_epoch(
    model: EndToEnd, optimizer: torch.optim.Adam, train: Table, config: TrainConfig, seed: int, epoch: int
) -> float:
    """One pass over the training texts; returns the mean loss of its examples."""
    model.train()
    reseed(model, derive_seed(seed, "circuit noise", epoch))
    noise = torch_generator(seed, "embedding noise", epoch)
    order = torch.randperm(len(train), generator=torch_generator(seed, "shuffle", epoch))
    labels = torch.from_numpy(train.labels)
    total = 0.0
    for rows in _batches(order, config.batch_size):
        x = model.body([train.texts[i] for i in rows.tolist()])  # (B, D)
        if config.embedding_noise:
            sigma = config.embedding_noise * x.norm(dim=1, keepdim=True)
            x = x + sigma * torch.randn(x.shape, generator=noise)
        loss = cross_entropy(model.classifier(x), labels[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += float(loss.detach()) * len(rows)
    return total / len(train)
