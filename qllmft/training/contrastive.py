"""The contrastive step: before any head, the body learns which texts share a label (SetFit, arXiv 2209.11055).

The loss of pairs is sentence-transformers' own; its trainer is not used, for it needs accelerate and has no checkpoint
that continues to the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import comb

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qllmft.config import ContrastiveConfig
from qllmft.data import Table
from qllmft.embed import TrainableBody
from qllmft.randomness import derive_seed, numpy_generator, torch_generator
from qllmft.training.checkpoint import Checkpoint, State
from qllmft.training.interruption import interruptible

CHECKPOINT_EVERY_S = 60.0
WARM_UP = 0.1  # share of the steps; SetFit's
WEIGHT_DECAY = 0.01  # this and the next are what SetFit leaves to sentence-transformers' defaults
LONGEST_GRADIENT = 1.0
TEXTS_AT_ONCE = 16


@dataclass(frozen=True)
class Pairs:
    """P pairs of training texts."""

    first: NDArray[np.int64]  # (P,) rows of the training table
    second: NDArray[np.int64]  # (P,) likewise
    same: NDArray[np.float32]  # (P,) 1 where their labels are the same, else 0

    def __len__(self) -> int:
        return len(self.same)


def draw_pairs(labels: NDArray[np.int64], iterations: int, seed: int) -> Pairs:
    """For each of N texts R = ``iterations`` times another text of its label, and one of another label: 2·R·N pairs.

    A text that is alone with its label has no partner of the same one; where all have one label there are no others.
    """
    random = numpy_generator(seed, "contrastive pairs")
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64], float]] = []
    for label in np.unique(labels):
        alike, others = np.flatnonzero(labels == label), np.flatnonzero(labels != label)
        for _ in range(iterations):
            if len(alike) > 1:
                place = random.integers(len(alike) - 1, size=len(alike))
                place += place >= np.arange(len(alike))  # never itself
                parts.append((alike, alike[place], 1.0))
            if len(others):
                parts.append((alike, random.choice(others, len(alike)), 0.0))
    first, second = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    same = np.concatenate([np.full(len(part[0]), part[2], np.float32) for part in parts])
    return Pairs(first, second, same)


def fit_contrastive(
    body: TrainableBody,
    train: Table,
    config: ContrastiveConfig,
    seed: int,
    *,
    checkpoint: Checkpoint | None = None,
    on_step: Callable[[int], None] | None = None,
) -> float:
    """Train the body alone, in place: AdamW on the squared error of pairs' cosine similarity, or `supervised_loss`.

    Every step has randomness of its own, derived from the seed, so a killed run continues to the same bits.

    Args:
        body: what learns.
        train: the training texts; no other may be given.
        config: loss, pairs, epochs, rate.
        seed: of pairs, order and dropout.
        checkpoint: where to continue from and to save to, at most once a minute; nothing is saved where None.
        on_step: called after every step with its number, from 1.

    Returns:
        The mean loss of the last tenth of the steps made here, in squared similarity or nats; NaN where none was left.

    Raises:
        KeyboardInterrupt: by Ctrl-C or SIGTERM, once the steps made so far are saved; by a second one at once.
    """
    n_items, loss_of = _loss(body, train, config, seed)
    optimizer = torch.optim.AdamW(body.parameters(), lr=config.lr, weight_decay=WEIGHT_DECAY, fused=True)
    state = checkpoint.load(body, optimizer) if checkpoint else None
    done = state.epoch if state else 0
    batches = _order(n_items, config, seed)
    losses: list[float] = []
    saved, saved_at = done, time.monotonic()
    with interruptible() as interruption:
        for step, rows in enumerate(batches[done:], start=done + 1):
            if checkpoint and step - 1 > saved:
                interruption.hold()  # the step before is not on disk yet: this one is finished and saved
            for group in optimizer.param_groups:
                group["lr"] = config.lr * warm_up(step, len(batches))
            with body.seeded(derive_seed(seed, "contrastive dropout", step)):
                body.train()
                losses.append(_move(body, optimizer, loss_of(rows)))
            due = time.monotonic() - saved_at > CHECKPOINT_EVERY_S and step < len(batches)
            if checkpoint and (due or interruption.signal):
                checkpoint.save(State(step, 0, 0.0, 0.0, {}), body, optimizer)
                saved, saved_at = step, time.monotonic()
            interruption.release()
            if on_step:
                on_step(step)
    return float(np.mean(losses[-max(1, len(batches) // 10) :])) if losses else float("nan")


def _loss(
    body: TrainableBody, train: Table, config: ContrastiveConfig, seed: int
) -> tuple[int, Callable[[NDArray[np.int64]], Tensor]]:
    """How many pairs, or texts, an epoch goes through, and the loss of some of them, by their rows."""
    if config.loss == "supervised":
        assert config.temperature is not None
        temperature = config.temperature
        return len(train), lambda rows: _supervised(body, train, rows, temperature)
    from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss

    pairs, of_pairs = draw_pairs(train.labels, config.iterations, seed), CosineSimilarityLoss(body.transformer)

    def loss_of(rows: NDArray[np.int64]) -> Tensor:
        features = [body.features([train.texts[i] for i in side[rows]]) for side in (pairs.first, pairs.second)]
        loss: Tensor = of_pairs(features, torch.from_numpy(pairs.same[rows]).to(body.device))
        return loss

    return len(pairs), loss_of


def _supervised(body: TrainableBody, train: Table, rows: NDArray[np.int64], temperature: float) -> Tensor:
    """`supervised_loss` of some texts, embedded in parts of like length: less padding, half of the time."""
    rows = np.array(sorted(rows.tolist(), key=lambda row: len(train.texts[row])))
    parts = np.split(rows, range(TEXTS_AT_ONCE, len(rows), TEXTS_AT_ONCE))
    embeddings = torch.cat([body([train.texts[row] for row in part]) for part in parts])
    return supervised_loss(embeddings, torch.from_numpy(train.labels[rows]), temperature)


def supervised_loss(embeddings: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """The supervised contrastive loss of a batch, in nats (arXiv 2004.11362, eq. 2).

    The mean over the texts that have partners of their label, and over these partners, of -log of the partner's share
    among all other texts: a softmax of cosine similarities divided by the temperature. 0 where no text has a partner.

    Args:
        embeddings: (B, D), of any length.
        labels: (B,) int64.
        temperature: above 0; the lower, the more the nearest texts count.
    """
    unit = torch.nn.functional.normalize(embeddings, dim=1)
    itself = torch.eye(len(labels), dtype=torch.bool)
    lowest = torch.finfo(unit.dtype).min  # not -inf: the gradient of a text alone in its batch would be NaN
    shares = torch.log_softmax((unit @ unit.T / temperature).masked_fill(itself, lowest), dim=1)
    partners = (labels[:, None] == labels) & ~itself
    counts = partners.sum(dim=1)
    means = -shares.masked_fill(~partners, 0.0).sum(dim=1) / counts.clamp(min=1)
    return means.sum() / (counts > 0).sum().clamp(min=1)


def _move(body: TrainableBody, optimizer: torch.optim.AdamW, loss: Tensor) -> float:
    """One step of the optimizer; returns the loss before it."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(body.parameters(), LONGEST_GRADIENT)
    optimizer.step()
    return float(loss.detach())


def contrastive_pairs(n_texts: int, config: ContrastiveConfig) -> int:
    """Pairs of texts in an epoch of `fit_contrastive` for N texts, each of which has partners of both kinds."""
    if config.loss == "cosine":
        return 2 * config.iterations * n_texts
    whole, rest = divmod(n_texts, config.batch_size)
    return whole * comb(config.batch_size, 2) + comb(rest, 2)


def contrastive_steps(n_texts: int, config: ContrastiveConfig) -> int:
    """Steps that `fit_contrastive` makes for N texts, each of which has partners of both kinds."""
    items = n_texts if config.loss == "supervised" else contrastive_pairs(n_texts, config)
    return config.epochs * -(-items // config.batch_size)


def _order(n_items: int, config: ContrastiveConfig, seed: int) -> list[NDArray[np.int64]]:
    """Rows of every step's pairs or texts, all epochs one after the other."""
    steps: list[NDArray[np.int64]] = []
    for epoch in range(1, config.epochs + 1):
        order = torch.randperm(n_items, generator=torch_generator(seed, "contrastive shuffle", epoch))
        steps += [rows.numpy() for rows in torch.split(order, config.batch_size)]
    return steps


def warm_up(step: int, steps: int) -> float:
    """Share of the highest learning rate at ``step``, from 1: it rises for a tenth of the steps, then falls to 0."""
    rising = max(1, round(WARM_UP * steps))
    return step / rising if step <= rising else (steps - step + 1) / (steps - rising + 1)
