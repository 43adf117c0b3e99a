"""SetFit's contrastive step: before any head, the body learns which texts share a label (arXiv 2209.11055).

The loss is sentence-transformers' own; its trainer is not used, for it needs accelerate and has no checkpoint that
continues to the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Pairs:
    """Pairs of training texts.

    Attributes:
        first, second: (P,) int64 rows of the training table.
        same: (P,) float32, 1 where their labels are the same, else 0.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    same: NDArray[np.float32]

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
    """Train the body alone, in place: AdamW on the squared error of the pairs' cosine similarity.

    Every step has randomness of its own, derived from the seed, so a killed run continues to the same bits.

    Args:
        body: what learns.
        train: the training texts; no other may be given.
        config: pairs, epochs, rate.
        seed: of pairs, order and dropout.
        checkpoint: where to continue from and to save to, at most once a minute; nothing is saved where None.
        on_step: called after every step with its number, from 1.

    Returns:
        The mean loss of the last tenth of the steps made here, in squared similarity; NaN where none was left.

    Raises:
        KeyboardInterrupt: by Ctrl-C or SIGTERM, once the steps made so far are saved; by a second one at once.
    """
    from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss

    pairs = draw_pairs(train.labels, config.iterations, seed)
    loss_of = CosineSimilarityLoss(body.transformer)
    optimizer = torch.optim.AdamW(body.parameters(), lr=config.lr, weight_decay=WEIGHT_DECAY, fused=True)
    state = checkpoint.load(body, optimizer) if checkpoint else None
    done = state.epoch if state else 0
    batches = _order(len(pairs), config, seed)
    losses: list[float] = []
    saved, saved_at = done, time.monotonic()
    with interruptible() as interruption:
        for step, rows in enumerate(batches[done:], start=done + 1):
            if checkpoint and step - 1 > saved:
                interruption.hold()  # the step before is not on disk yet: this one is finished and saved
            for group in optimizer.param_groups:
                group["lr"] = config.lr * warm_up(step, len(batches))
            with body.seeded(derive_seed(seed, "contrastive dropout", step)):
                losses.append(_move(body, optimizer, loss_of, train.texts, pairs, rows))
            due = time.monotonic() - saved_at > CHECKPOINT_EVERY_S and step < len(batches)
            if checkpoint and (due or interruption.signal):
                checkpoint.save(State(step, 0, 0.0, 0.0, {}), body, optimizer)
                saved, saved_at = step, time.monotonic()
            interruption.release()
            if on_step:
                on_step(step)
    return float(np.mean(losses[-max(1, len(batches) // 10) :])) if losses else float("nan")


def _move(
    body: TrainableBody,
    optimizer: torch.optim.AdamW,
    loss_of: Callable[..., Tensor],
    texts: list[str],
    pairs: Pairs,
    rows: NDArray[np.int64],
) -> float:
    """One step of the optimizer on some rows of the pairs; returns their loss before it."""
    body.train()
    features = [body.features([texts[i] for i in side[rows]]) for side in (pairs.first, pairs.second)]
    loss = loss_of(features, torch.from_numpy(pairs.same[rows]).to(body.device))
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(body.parameters(), LONGEST_GRADIENT)
    optimizer.step()
    return float(loss.detach())


def contrastive_steps(n_texts: int, config: ContrastiveConfig) -> int:
    """Steps that `fit_contrastive` makes for N texts, each of which has partners of both kinds."""
    return config.epochs * -(-2 * config.iterations * n_texts // config.batch_size)


def _order(n_pairs: int, config: ContrastiveConfig, seed: int) -> list[NDArray[np.int64]]:
    """Rows of every step's pairs, all epochs one after the other."""
    steps: list[NDArray[np.int64]] = []
    for epoch in range(1, config.epochs + 1):
        order = torch.randperm(n_pairs, generator=torch_generator(seed, "contrastive shuffle", epoch))
        steps += [rows.numpy() for rows in torch.split(order, config.batch_size)]
    return steps


def warm_up(step: int, steps: int) -> float:
    """Share of the highest learning rate at ``step``, from 1: it rises for a tenth of the steps, then falls to 0."""
    rising = max(1, round(WARM_UP * steps))
    return step / rising if step <= rising else (steps - step + 1) / (steps - rising + 1)
