"""Contrastive step before any head: the body is trained on pairs of texts with equal or different labels (SetFit).

The loss of pairs is sentence-transformers' own. Its trainer needs accelerate and has no checkpoint that continues to
the same bits, so it is not used. Source: arXiv 2209.11055.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qllmft.config import ContrastiveConfig
from qllmft.config.body import SUPERVISED_TEMPERATURE
from qllmft.data import Table
from qllmft.embed import TrainableBody
from qllmft.training.checkpoint import Checkpoint, State
from qllmft.training.interruption import interruptible
from qllmft_base.randomness import derive_seed, numpy_generator, torch_generator

CHECKPOINT_EVERY_S = 60.0
WARM_UP_SHARE = 0.1  # share of the steps, as in SetFit
WEIGHT_DECAY = 0.01  # default of sentence-transformers, like the next
LARGEST_GRADIENT_NORM = 1.0
TEXTS_AT_ONCE = 16


@dataclass(frozen=True)
class Pairs:
    """P pairs of training texts."""

    first: NDArray[np.int64]  # (P,) rows of the training table
    second: NDArray[np.int64]  # (P,) rows of the training table
    same_label: NDArray[np.float32]  # (P,) 1 if the labels agree, else 0

    def __len__(self) -> int:
        return len(self.same_label)


def draw_pairs(labels: NDArray[np.int64], iterations: int, seed: int) -> Pairs:
    """Draw 2·R·N pairs: R = ``iterations`` times, each of N texts with one of the same label and one of another label.

    A text that is the only one of its label has no partner of the same label; with a single label there are no others.
    """
    random = numpy_generator(seed, "contrastive pairs")
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64], float]] = []
    for label in np.unique(labels):
        label_rows = np.flatnonzero(labels == label)
        other_rows = np.flatnonzero(labels != label)
        for _ in range(iterations):
            if len(label_rows) > 1:
                partner_places = random.integers(len(label_rows) - 1, size=len(label_rows))
                # excludes the text itself
                partner_places += partner_places >= np.arange(len(label_rows))
                parts.append((label_rows, label_rows[partner_places], 1.0))
            if len(other_rows):
                parts.append((label_rows, random.choice(other_rows, len(label_rows)), 0.0))
    first, second = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    same_label = np.concatenate([np.full(len(part[0]), part[2], np.float32) for part in parts])
    return Pairs(first, second, same_label)


def fit_contrastive(
    body: TrainableBody,
    train: Table,
    config: ContrastiveConfig,
    seed: int,
    *,
    checkpoint: Checkpoint | None = None,
    on_step: Callable[[int], None] | None = None,
) -> float:
    """Train the body alone, in place, with AdamW on the squared error of pairs' similarity, or `supervised_loss`.

    The randomness of every step is derived from the seed, so a killed run continues to the same bits.

    Args:
        body: trained in place.
        train: N texts with one label each.
        config: loss, pairs per text, batch size, epochs and learning rate.
        seed: of the pairs, their order and dropout.
        checkpoint: source and target of the progress, saved at most once per minute; None saves nothing.
        on_step: called after every step with its number, from 1.

    Returns:
        Mean loss of the last tenth of the steps of this call, in squared similarity or nats; NaN if there was no step.

    Raises:
        KeyboardInterrupt: by Ctrl-C or SIGTERM after finished steps are saved, or by a second signal at once.
    """
    n_items, batch_loss = _make_loss(body, train, config, seed)
    weights = body.parameters()
    optimizer = torch.optim.AdamW(weights, lr=config.lr, weight_decay=WEIGHT_DECAY, fused=True)
    state = checkpoint.load(body, optimizer) if checkpoint else None
    done = state.epoch if state else 0
    batches = _draw_batches(n_items, config, seed)
    losses: list[float] = []

    def save() -> None:
        assert checkpoint
        checkpoint.save(State(done + len(losses), 0, 0.0, 0.0, {}), body, optimizer)

    steps = range(done + 1, len(batches) + 1)
    with interruptible() as interruption:  # the caller saves the body after the last step
        for step in interruption.steps(
            steps, save if checkpoint else None, CHECKPOINT_EVERY_S, save_last=False
        ):
            for group in optimizer.param_groups:
                group["lr"] = config.lr * warm_up(step, len(batches))
            with body.seed_dropout(derive_seed(seed, "contrastive dropout", step)):
                body.train()
                loss = batch_loss(batches[step - 1])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(body.parameters(), LARGEST_GRADIENT_NORM)
                optimizer.step()
                losses.append(float(loss.detach()))
            if on_step:
                on_step(step)
    return float(np.mean(losses[-max(1, len(batches) // 10) :])) if losses else float("nan")


def _make_loss(
    body: TrainableBody, train: Table, config: ContrastiveConfig, seed: int
) -> tuple[int, Callable[[NDArray[np.int64]], Tensor]]:
    """Return the number of pairs, or texts, in an epoch, and the loss by their rows."""
    if config.loss == "supervised":

        def supervised_batch_loss(rows: NDArray[np.int64]) -> Tensor:
            rows = _sort_by_length(train, rows)  # in parts: less padding, half of the time
            parts = np.split(rows, range(TEXTS_AT_ONCE, len(rows), TEXTS_AT_ONCE))
            embeddings = torch.cat([body([train.texts[row] for row in part]) for part in parts])
            return supervised_loss(
                embeddings, torch.from_numpy(train.labels[rows]), SUPERVISED_TEMPERATURE
            )

        return len(train), supervised_batch_loss
    from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss

    pairs = draw_pairs(train.labels, config.iterations, seed)
    cosine_loss = CosineSimilarityLoss(body.transformer)

    def pair_batch_loss(rows: NDArray[np.int64]) -> Tensor:
        sides = [side[rows].tolist() for side in (pairs.first, pairs.second)]
        features = [body.features([train.texts[i] for i in side]) for side in sides]
        loss: Tensor = cosine_loss(
            features, torch.from_numpy(pairs.same_label[rows]).to(body.device)
        )
        return loss

    return len(pairs), pair_batch_loss


def _sort_by_length(train: Table, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.array(sorted(rows.tolist(), key=lambda row: len(train.texts[row])))


def typical_texts(train: Table) -> list[str]:
    """Return texts that the supervised step embeds at once, those of median length, to estimate its duration."""
    rows = _sort_by_length(train, np.arange(len(train)))
    first = max(0, (len(rows) - TEXTS_AT_ONCE) // 2)
    return [train.texts[row] for row in rows[first : first + TEXTS_AT_ONCE]]


def supervised_loss(embeddings: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Return the supervised contrastive loss of a batch, in nats (arXiv 2004.11362, eq. 2).

    It is the mean over texts with partners of their label, and over these partners, of -log of the partner's
    share among all other texts: a softmax of cosine similarities divided by the temperature.
    It is 0 if no text has a partner.

    Args:
        embeddings: (B, D), of any length.
        labels: (B,) int64.
        temperature: above 0; a lower one gives more weight to the nearest texts.
    """
    unit = torch.nn.functional.normalize(embeddings, dim=1)
    itself = torch.eye(len(labels), dtype=torch.bool)
    # -inf would give a NaN gradient for the only text of a batch
    lowest = torch.finfo(unit.dtype).min
    shares = torch.log_softmax((unit @ unit.T / temperature).masked_fill(itself, lowest), dim=1)
    partners = (labels[:, None] == labels) & ~itself
    counts = partners.sum(dim=1)
    means = -shares.masked_fill(~partners, 0.0).sum(dim=1) / counts.clamp(min=1)
    return means.sum() / (counts > 0).sum().clamp(min=1)


def contrastive_pairs(n_texts: int, config: ContrastiveConfig) -> int:
    """Return the number of pairs per epoch of `fit_contrastive` for N texts with partners of both kinds."""
    if config.loss == "cosine":
        return 2 * config.iterations * n_texts
    full_batches, remaining_texts = divmod(n_texts, config.batch_size)
    return full_batches * comb(config.batch_size, 2) + comb(remaining_texts, 2)


def contrastive_steps(n_texts: int, config: ContrastiveConfig) -> int:
    """Return the number of steps of `fit_contrastive` for N texts with partners of both kinds."""
    items = n_texts if config.loss == "supervised" else contrastive_pairs(n_texts, config)
    return config.epochs * -(-items // config.batch_size)


def _draw_batches(n_items: int, config: ContrastiveConfig, seed: int) -> list[NDArray[np.int64]]:
    """Return the rows of every step's pairs or texts over all epochs."""
    steps: list[NDArray[np.int64]] = []
    for epoch in range(1, config.epochs + 1):
        generator = torch_generator(seed, "contrastive shuffle", epoch)
        order = torch.randperm(n_items, generator=generator)
        steps += [rows.numpy() for rows in torch.split(order, config.batch_size)]
    return steps


def warm_up(step: int, steps: int) -> float:
    """Return the share of the highest learning rate at ``step``, from 1: a rise over a tenth, then a fall to 0."""
    rising = max(1, round(WARM_UP_SHARE * steps))
    return step / rising if step <= rising else (steps - step + 1) / (steps - rising + 1)
