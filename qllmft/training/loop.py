"""The training loop: Adam on the cross-entropy, selection on validation accuracy. It never sees a test set."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from qllmft.config import TrainConfig
from qllmft.errors import UserError
from qllmft.heads import Classifier
from qllmft.heads.noise import reseed
from qllmft.randomness import derive_seed, torch_generator
from qllmft.training.checkpoint import Checkpoint, State
from qllmft.training.evaluation import evaluate, exact_accuracy, shared_latent
from qllmft.training.examples import Examples, shuffled_batches, with_noise
from qllmft.training.full_batch import fit_full_batch
from qllmft.training.interruption import interruptible
from qllmft.training.metrics import EpochMetrics, Selection
from qllmft.training.step import step_of

BATCHES_AT_ONCE = 64
PAPER_STEPS = 22_400  # 800 epochs of 28 batches
CHECKPOINT_EVERY_S = 5.0


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
    checkpoint ends in the same bits. L-BFGS has no checkpoints and no randomness, see `fit_full_batch`.

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
        The selection, that of the epochs so far where training was interrupted; see `run_epochs`.
    """
    with one_torch_thread():
        if isinstance(model, Classifier) and model.data_map is not None:
            model.data_map.fit(train.x)
        if config.optimizer == "lbfgs":
            assert isinstance(model, Classifier)
            return fit_full_batch(model, train, validation, config, on_epoch)
    with one_torch_thread(), step_of(model) as step:
        optimizer = torch.optim.Adam(step.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True)

        def train_on(epoch: int, batches: list[Tensor]) -> float:
            noise = torch_generator(seed, "embedding noise", epoch)
            total = 0.0
            for at in range(0, len(batches), BATCHES_AT_ONCE):  # what is done for many is not done for each
                sizes = [len(rows) for rows in batches[at : at + BATCHES_AT_ONCE]]
                block = torch.cat(batches[at : at + BATCHES_AT_ONCE])
                inputs, start = step.inputs(with_noise(train.x[block], config.embedding_noise, noise, sizes)), 0
                for y in torch.split(train.y[block], sizes):
                    loss = step.gradient(inputs[start : start + len(y)], y)
                    step.move(optimizer)
                    total += loss * len(y)
                    start += len(y)
            return total

        training = Training(model, model, optimizer, len(train), train_on, lambda: validation, CHECKPOINT_EVERY_S)
        return run_epochs(training, config, seed, checkpoint, on_epoch)


@dataclass(frozen=True)
class Training:
    """What an epoch is, for `run_epochs`."""

    model: nn.Module  # all that learns
    head: nn.Module  # the part of it that takes embeddings (B, D) to logits (B, k)
    optimizer: torch.optim.Adam  # of the model's weights; a group's ``scale`` is a factor of its learning rate
    n_examples: int  # N, to train on
    train_on: Callable[[int, list[Tensor]], float]  # moves the weights: epoch, rows of each batch to sum of N losses
    validation: Callable[[], Examples]  # gives the validation set as the model embeds it now
    checkpoint_every_s: float  # seconds between two savings; the last epoch is saved always

    def epoch(self, epoch: int, config: TrainConfig, seed: int) -> EpochMetrics:
        """Train and validate one epoch, counted from 1; UserError where a loss is no finite number."""
        started = time.perf_counter()
        lr = learning_rate(config, epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group.get("scale", 1.0)
        self.model.train()
        reseed(self.head, derive_seed(seed, "circuit noise", epoch))
        batches = shuffled_batches(self.n_examples, config.batch_size, seed, epoch)
        train_loss = self.train_on(epoch, batches) / self.n_examples
        _check_loss("training", train_loss, epoch, config)
        reseed(self.head, derive_seed(seed, "validation noise", epoch))
        examples = self.validation()
        latent = shared_latent(self.head, examples.x)
        loss, accuracy = evaluate(self.head, examples, latent)
        _check_loss("validation", loss, epoch, config)
        exact = exact_accuracy(self.head, examples, latent)
        return EpochMetrics(epoch, train_loss, loss, accuracy, lr, time.perf_counter() - started, exact)


def _check_loss(kind: str, loss: float, epoch: int, config: TrainConfig) -> None:
    if not math.isfinite(loss):
        raise UserError(
            f"epoch {epoch}: the {kind} loss is {loss}, expected a finite number; training has diverged. "
            f"Lower train.lr (it is {config.lr:g})."
        )


def run_epochs(
    training: Training,
    config: TrainConfig,
    seed: int,
    checkpoint: Checkpoint | None,
    on_epoch: Callable[[EpochMetrics], None] | None,
) -> Selection:
    """Epochs with schedule, selection and checkpoints, whatever is trained in them; arguments and result as of `fit`.

    Ctrl-C or SIGTERM ends training. Where finished epochs are not on disk yet, the running one is finished too and the
    checkpoint written: it takes less than the time between two checkpoints, for longer epochs are saved one by one, and
    so the weights need no copy after every epoch. Otherwise the running epoch is dropped. A second signal always ends
    training at once; a continued run then starts from the last checkpoint.

    Raises:
        UserError: where an epoch's loss, of training or validation, is no finite number.
    """
    model, optimizer = training.model, training.optimizer
    state = checkpoint.load(model, optimizer) if checkpoint else None
    state = state or State.initial(model)
    saved, saved_at = state.epoch, time.monotonic()
    finished = True
    with interruptible() as interruption:
        try:
            for epoch in range(state.epoch + 1, config.epochs + 1):
                if checkpoint and state.epoch > saved:
                    interruption.hold()
                metrics = training.epoch(epoch, config, seed)
                loss, accuracy = metrics.validation_loss, metrics.validation_accuracy
                state = state.after(epoch, accuracy, loss, model, select=config.select)
                if on_epoch:
                    on_epoch(metrics)
                due = time.monotonic() - saved_at > training.checkpoint_every_s
                if checkpoint and (due or epoch == config.epochs or interruption.signal):
                    checkpoint.save(state, model, optimizer)
                    saved, saved_at = epoch, time.monotonic()
                interruption.release()
        except KeyboardInterrupt:
            finished = False
    model.load_state_dict(state.best_weights)
    return Selection(state.best_epoch, state.best_accuracy, state.epoch, finished, interruption.signal)


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


def learning_rate(config: TrainConfig, epoch: int) -> float:
    """The learning rate of ``epoch`` (from 1): L·γ^(epoch-1), or a half cosine from L to 0."""
    if config.schedule == "cosine":
        turn = torch.tensor((epoch - 1) / config.epochs, dtype=torch.float64)
        return config.lr * 0.5 * float(1.0 + torch.cos(torch.pi * turn))
    return float(config.lr * config.lr_decay ** (epoch - 1))
