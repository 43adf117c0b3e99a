"""Training loop: Adam or L-BFGS on the loss of the task, and selection of the epoch on the validation examples."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from qllmft.config import TrainConfig
from qllmft.heads.layer import reseed
from qllmft.training.adam import Adam
from qllmft.training.checkpoint import Checkpoint, EpochMetrics, Selection, State
from qllmft.training.evaluation import evaluate, exact_score, latent_vectors
from qllmft.training.examples import Examples, scale_targets, shuffled_batches
from qllmft.training.interruption import interruptible
from qllmft.training.sines import Sines, choose_strategy
from qllmft.training.step import open_step, train_epoch
from qllmft.training.torch_threads import one_torch_thread
from qllmft_base.errors import UserError
from qllmft_base.randomness import derive_seed

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
    moments: dict[int, Any] | None = None,
    fresh: bool = True,
) -> Selection:
    """Train ``model`` in place up to the weights of the selected epoch.

    The selected epoch has the highest validation accuracy and, among equals, the lowest validation loss; or it is the
    last one (``config.select``). With ``config.patience``, training ends after so many epochs without a better one.
    Randomness is derived from the seed for every epoch, so a run continued from a checkpoint ends in the same bits.
    L-BFGS has no checkpoints and no randomness, see `fit_full_batch`.

    Args:
        model: maps embeddings (B, D) to logits (B, k), or to real values in the unit of the targets.
        train: training examples.
        validation: examples for the selection of the epoch.
        config: epochs, batch size, rates, regularisation.
        seed: seed of shuffling, of noise on embeddings, and of the circuit's noise in training and validation.
        checkpoint: source and target of the progress; None saves nothing.
        on_epoch: called after every epoch.
        moments: Adam's, from an earlier call that this one continues; empty in the first one, and replaced by each. A
            continued model keeps its data map.
        fresh: a head with a linear start begins at the linear solution; else from the weights that it has.

    Returns:
        The selection among the trained epochs, which are fewer if training was interrupted; see `Training.run`.
    """
    strategy = choose_strategy(model, config)
    with one_torch_thread(), scale_targets(model, train, validation, config) as (train, validation):
        if not moments:
            held_out = None if validation is train else validation
            train = strategy.begin(train, held_out, fresh=fresh)
        if config.optimizer == "lbfgs":
            assert isinstance(strategy, Sines)  # no other settings have this optimizer
            selection = strategy.fit_full_batch(train, validation, on_epoch)
        else:
            with open_step(model, train.task, strategy.ridge(train.task, train.size)) as step:
                optimizer = Adam(step.parameters(), weight_decay=config.weight_decay, fused=True)
                if moments:
                    optimizer.moments = moments
                training = Training(
                    model,
                    model,
                    optimizer,
                    len(train),
                    partial(train_epoch, step, optimizer, train, config, seed),
                    lambda: validation,
                    CHECKPOINT_EVERY_S,
                )
                selection = training.run(strategy.config, seed, checkpoint, on_epoch)
                if moments is not None:
                    moments.update(optimizer.moments)
    return replace(selection, start=strategy.start)


@dataclass(frozen=True)
class Training:
    """Parts of a training that its one loop, `run`, needs."""

    model: nn.Module  # everything that is trained
    head: nn.Module  # part of the model that maps embeddings (B, D) to logits (B, k)
    # optimizer of the model's weights; a group's ``scale`` multiplies its learning rate
    optimizer: torch.optim.Adam
    n_examples: int  # N, number of training examples
    # trains on an epoch's batches of rows; returns the sum of N losses
    train_on: Callable[[int, list[Tensor]], float]
    # returns the validation set, embedded with the current weights
    validation: Callable[[], Examples]
    # least seconds between two checkpoints; the last epoch is always saved
    checkpoint_every_s: float

    def run(
        self,
        config: TrainConfig,
        seed: int,
        checkpoint: Checkpoint | None,
        on_epoch: Callable[[EpochMetrics], None] | None,
    ) -> Selection:
        """Train epoch by epoch, with schedule, selection and checkpoints.

        Ctrl-C or SIGTERM ends training. If finished epochs are not on disk yet, the current epoch is finished and
        saved. This takes less than the time between two checkpoints, because longer epochs are saved one by one, and it
        avoids a copy of the weights per epoch. Otherwise the current epoch is dropped. A second signal always ends
        training at once; a continued run then starts from the last checkpoint.

        Args:
            config: see `fit`, like the others.
            seed: of all randomness.
            checkpoint: source and target of the progress; None saves nothing.
            on_epoch: called after every epoch.

        Returns:
            See `fit`.

        Raises:
            UserError: if a loss is not finite, or the checkpoint is damaged.
        """
        model = self.model
        optimizer = self.optimizer
        state = (checkpoint.load(model, optimizer) if checkpoint else None) or State.initial(model)

        def out_of_patience() -> bool:
            return config.patience is not None and state.epoch - state.best_epoch >= config.patience

        save = (lambda: checkpoint.save(state, model, optimizer)) if checkpoint else None
        epochs = range(state.epoch + 1, config.epochs + 1)
        every_s = self.checkpoint_every_s
        finished = True
        with interruptible() as interruption:
            try:
                for epoch in interruption.steps(epochs, save, every_s, done=out_of_patience):
                    metrics = self._run_epoch(epoch, learning_rate(config, epoch), config, seed)
                    state = state.after(metrics, model, select=config.select)
                    if on_epoch:
                        on_epoch(metrics)
            except KeyboardInterrupt:
                finished = False
        model.load_state_dict(state.best_weights)
        return Selection(
            state.best_epoch, state.best_score, state.epoch, finished, interruption.signal
        )

    def _run_epoch(self, epoch: int, lr: float, config: TrainConfig, seed: int) -> EpochMetrics:
        """Train on all batches once with a learning rate, then measure the validation examples."""
        head = self.head
        started = time.perf_counter()
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group.get("scale", 1.0)
        self.model.train()
        reseed(head, derive_seed(seed, "circuit noise", epoch))
        batches = shuffled_batches(self.n_examples, config.batch_size, seed, epoch)
        train_loss = self.train_on(epoch, batches) / self.n_examples
        _check_loss("training", train_loss, epoch, config)
        reseed(head, derive_seed(seed, "validation noise", epoch))
        examples = self.validation()
        latent = latent_vectors(head, examples.x)
        loss, score = evaluate(head, examples, latent)
        _check_loss("validation", loss, epoch, config)
        exact = exact_score(head, examples, latent)
        seconds = time.perf_counter() - started
        measure = examples.task.measure.name
        return EpochMetrics(epoch, train_loss, loss, score, lr, seconds, exact, measure)


def _check_loss(kind: str, loss: float, epoch: int, config: TrainConfig) -> None:
    if not math.isfinite(loss):
        raise UserError(
            f"epoch {epoch}: the {kind} loss is {loss}, expected a finite number. Training has diverged. "
            f"Lower train.lr (it is {config.lr:g})."
        )


def learning_rate(config: TrainConfig, epoch: int) -> float:
    """Return the learning rate of ``epoch`` (from 1): L·γ^(epoch-1), or a half cosine from L to 0."""
    if config.lr_decay == "cosine":
        phase = torch.tensor((epoch - 1) / config.epochs, dtype=torch.float64)
        return config.lr * 0.5 * float(1.0 + torch.cos(torch.pi * phase))
    return float(config.lr * config.lr_decay ** (epoch - 1))
