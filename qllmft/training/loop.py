"""The training loop: Adam on the cross-entropy, selection on validation accuracy. It never sees a test set."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from qllmft.config import TrainConfig
from qllmft.errors import UserError
from qllmft.heads.noise import noisy_connectors, reseed, without_noise
from qllmft.randomness import derive_seed, torch_generator
from qllmft.training.checkpoint import Checkpoint, State
from qllmft.training.examples import Examples
from qllmft.training.step import Step, step_of

EVALUATION_BATCH = 1024
BATCHES_AT_ONCE = 64
PAPER_STEPS = 22_400  # 800 epochs of 28 batches
CHECKPOINT_EVERY_S = 5.0


@dataclass(frozen=True)
class EpochMetrics:
    """One epoch's line in ``metrics.jsonl``.

    Attributes:
        epoch: from 1.
        train_loss: mean cross-entropy over the epoch's batches, in nats.
        validation_loss: cross-entropy after the epoch, in nats.
        validation_accuracy: share of right answers after the epoch, in [0, 1].
        lr: learning rate of the epoch.
        seconds: wall time of the epoch, validation included.
        validation_accuracy_exact: without the noise of the head's circuit; None where it has none.
    """

    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    lr: float
    seconds: float
    validation_accuracy_exact: float | None = None


@dataclass(frozen=True)
class Selection:
    """The epoch that validation chose, and how far training came.

    Attributes:
        epoch: the chosen one, from 1.
        validation_accuracy: of it, in [0, 1].
        epochs_done: epochs trained in all.
        finished: False where training was interrupted.
    """

    epoch: int
    validation_accuracy: float
    epochs_done: int
    finished: bool


def fit(
    model: nn.Module,
    train: Examples,
    validation: Examples,
    config: TrainConfig,
    seed: int,
    *,
    checkpoint: Checkpoint | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> Selection:
    """Train ``model`` in place; it holds the weights of the selected epoch afterwards.

    The selected epoch has the highest validation accuracy and, among equals, the lowest validation loss; or it is the
    last one (``config.select``). Randomness is derived for every epoch from the seed, so a run continued from a
    checkpoint ends in the same bits.

    Args:
        model: embeddings (B, D) to logits (B, k).
        train: what it learns from.
        validation: what the epoch is selected on.
        config: epochs, batch size, rates, regularisation.
        seed: of shuffling and noise: that of the embeddings, and that of the head's circuit where its backend has one.
            Validation draws circuit noise too.
        checkpoint: where to continue from and to save to; nothing is saved where None.
        on_epoch: called after every epoch.

    Returns:
        The selection. KeyboardInterrupt (Ctrl-C) ends training after the running step; the checkpoint is kept.
    """
    with one_torch_thread():
        return _fit(model, train, validation, config, seed, checkpoint, on_epoch)


def _fit(
    model: nn.Module,
    train: Examples,
    validation: Examples,
    config: TrainConfig,
    seed: int,
    checkpoint: Checkpoint | None,
    on_epoch: Callable[[EpochMetrics], None] | None,
) -> Selection:
    """The loop itself; see `fit`."""
    with step_of(model) as step:
        optimizer = torch.optim.Adam(step.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True)

        def train_epoch(epoch: int, lr: float) -> EpochNumbers:
            for group in optimizer.param_groups:
                group["lr"] = lr
            train_loss = _train_epoch(model, step, optimizer, train, config, seed, epoch)
            reseed(model, derive_seed(seed, "validation noise", epoch))
            loss, accuracy = evaluate(model, validation)
            return EpochNumbers(train_loss, loss, accuracy, exact_accuracy(model, validation))

        return run_epochs(model, optimizer, config, train_epoch, checkpoint, CHECKPOINT_EVERY_S, on_epoch)


@dataclass(frozen=True)
class EpochNumbers:
    """What an epoch gave; see `EpochMetrics`."""

    train_loss: float
    validation_loss: float
    validation_accuracy: float
    validation_accuracy_exact: float | None


def run_epochs(
    model: nn.Module,
    optimizer: torch.optim.Adam,
    config: TrainConfig,
    train_epoch: Callable[[int, float], EpochNumbers],
    checkpoint: Checkpoint | None,
    checkpoint_every_s: float,
    on_epoch: Callable[[EpochMetrics], None] | None,
) -> Selection:
    """Schedule, selection and checkpoints around the epochs, whatever is trained in them.

    Args:
        model: holds the weights of the selected epoch afterwards.
        optimizer: of the model's weights.
        config: epochs, schedule, selection.
        train_epoch: trains and validates one epoch: its number, from 1, and its learning rate.
        checkpoint: where to continue from and to save to; nothing is saved where None.
        checkpoint_every_s: seconds between two savings; the last epoch is saved always.
        on_epoch: called after every epoch.

    Raises:
        UserError: where an epoch's training loss is no finite number.
    """
    state = checkpoint.load(model, optimizer) if checkpoint else None
    state = state or State.initial(model)
    saved_at = time.monotonic()
    finished = True
    try:
        for epoch in range(state.epoch + 1, config.epochs + 1):
            started = time.perf_counter()
            lr = learning_rate(config, epoch)
            numbers = train_epoch(epoch, lr)
            if not math.isfinite(numbers.train_loss):
                raise UserError(
                    f"epoch {epoch}: the training loss is {numbers.train_loss}, expected a finite number; training has "
                    f"diverged. Lower train.lr (it is {config.lr:g})."
                )
            loss, accuracy = numbers.validation_loss, numbers.validation_accuracy
            state = state.after(epoch, accuracy, loss, model, select=config.select)
            if on_epoch:
                seconds, exact = time.perf_counter() - started, numbers.validation_accuracy_exact
                on_epoch(EpochMetrics(epoch, numbers.train_loss, loss, accuracy, lr, seconds, exact))
            if checkpoint and (time.monotonic() - saved_at > checkpoint_every_s or epoch == config.epochs):
                checkpoint.save(state, model, optimizer)
                saved_at = time.monotonic()
    except KeyboardInterrupt:
        # the interrupted epoch is not finished and is not kept: a continued run starts from the last checkpoint
        finished = False
    model.load_state_dict(state.best_weights)
    return Selection(state.best_epoch, state.best_accuracy, state.epoch, finished)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Keep torch from spreading these tensors over threads.

    They have a few thousand numbers: a thread costs more than it gives, and beside a busy core torch's threads wait for
    each other by spinning (measured: 15 times slower). The circuits' own threads are the engine's.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _train_epoch(
    model: nn.Module,
    step: Step,
    optimizer: torch.optim.Adam,
    train: Examples,
    config: TrainConfig,
    seed: int,
    epoch: int,
) -> float:
    """One pass over the training set; returns the mean loss of its examples."""
    model.train()
    reseed(model, derive_seed(seed, "circuit noise", epoch))
    noise = torch_generator(seed, "embedding noise", epoch)
    order = torch.randperm(len(train), generator=torch_generator(seed, "shuffle", epoch))
    total = 0.0
    for batches in _blocks(_batches(order, config.batch_size)):
        sizes = [len(rows) for rows in batches]
        block = torch.cat(batches)
        x, labels = train.x[block], torch.split(train.y[block], sizes)  # (N, D), (B,) each
        if config.embedding_noise:
            drawn = torch.cat([torch.randn(size, x.shape[1], generator=noise) for size in sizes])
            x = x + config.embedding_noise * x.norm(dim=1, keepdim=True) * drawn
        inputs, start = step.inputs(x), 0
        for y in labels:
            loss = step.gradient(inputs[start : start + len(y)], y)
            step.move(optimizer)
            total += loss * len(y)
            start += len(y)
    return total / len(train)


def _blocks(batches: list[Tensor]) -> Iterator[list[Tensor]]:
    """Batches that are gathered at once: what is done for many is not done for each."""
    for start in range(0, len(batches), BATCHES_AT_ONCE):
        yield batches[start : start + BATCHES_AT_ONCE]


def _batches(order: Tensor, size: int) -> list[Tensor]:
    """Batches of ``size``; where that is above 1, a last one of 1 joins the one before (batch norm needs two)."""
    batches = list(torch.split(order, size))
    if size > 1 and len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def learning_rate(config: TrainConfig, epoch: int) -> float:
    """The learning rate of ``epoch`` (from 1): L·γ^(epoch-1), or a half cosine from L to 0."""
    if config.schedule == "cosine":
        turn = torch.tensor((epoch - 1) / config.epochs, dtype=torch.float64)
        return config.lr * 0.5 * float(1.0 + torch.cos(torch.pi * turn))
    return float(config.lr * config.lr_decay ** (epoch - 1))


@torch.no_grad()
def logits_of(model: nn.Module, x: Tensor) -> Tensor:
    """Logits (N, k) of embeddings (N, D), in batches, with the model in evaluation mode."""
    model.eval()
    return torch.cat([model(part) for part in torch.split(x, EVALUATION_BATCH)])


def evaluate(model: nn.Module, examples: Examples) -> tuple[float, float]:
    """Cross-entropy in nats, and accuracy in [0, 1]."""
    logits = logits_of(model, examples.x)
    accuracy = (logits.argmax(dim=1) == examples.y).double().mean()
    return float(cross_entropy(logits, examples.y)), float(accuracy)


def exact_accuracy(model: nn.Module, examples: Examples) -> float | None:
    """Accuracy in [0, 1] without the noise of the model's circuits; None where they have none."""
    if not noisy_connectors(model):
        return None
    with without_noise(model):
        return evaluate(model, examples)[1]
