"""Training loop: Adam or L-BFGS on the loss of the task, and selection of the epoch on the validation examples.

A body may be trained with the head, by the gradient of the loss by all its weights. With a quantum encoder that passes
through the amplitude loading: the engine returns the gradient of loaded amplitudes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from qllmft.config import TrainConfig
from qllmft.data import Table
from qllmft.heads import Classifier, QuantumHead
from qllmft.heads.layer import reseed
from qllmft.tasks import CLASSIFICATION
from qllmft.training.adam import Adam
from qllmft.training.checkpoint import Checkpoint, EpochMetrics, Selection, State
from qllmft.training.evaluation import evaluate, exact_score, latent_vectors
from qllmft.training.examples import (
    Examples,
    Scaling,
    balanced_weights,
    shuffled_batches,
    with_loss,
    with_noise,
)
from qllmft.training.interruption import interruptible
from qllmft.training.linear_start import start_at_linear, starts_at_sines
from qllmft.training.ridge import Strength, make_ridge_loss
from qllmft.training.step import TrainingStep, open_step, train_epoch
from qllmft_base.errors import UserError
from qllmft_base.randomness import derive_seed, torch_generator

if TYPE_CHECKING:
    from qllmft.embed import TrainableBody

CHECKPOINT_EVERY_S = 5.0
# a checkpoint has four times the body's weights: 1.8 GB for a body of 110 million
BODY_CHECKPOINT_EVERY_S = 60.0


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
    Randomness is derived from the seed for every epoch, so a run continued from a
    checkpoint ends in the same bits. L-BFGS has no checkpoints and no randomness, see `fit_full_batch`.
    Real targets are scaled by the training examples, and the trained model gives unscaled ones; see `Scaling`.

    Args:
        model: maps embeddings (B, D) to logits (B, k).
        train: training examples.
        validation: examples for the selection of the epoch.
        config: epochs, batch size, rates, regularisation.
        seed: seed of shuffling, of noise on embeddings, and of the circuit's noise in training and validation.
        checkpoint: source and target of the progress; None saves nothing.
        on_epoch: called after every epoch.
        moments: Adam's, from an earlier call that this one continues; empty in the first one, and replaced by each. A
            continued model keeps its data map.
        fresh: a head that starts at sines starts at the linear solution; else from the weights that it has.

    Returns:
        The selection among the trained epochs, which are fewer if training was interrupted; see `Training.run`.
    """
    scaling = None
    if train.task.real:
        train, validation = (with_loss(part, config) for part in (train, validation))
        scaling = Scaling.from_examples(train)
        train = scaling.scale_targets(train)
        validation = scaling.scale_targets(validation)
    c: Strength = 1.0 if isinstance(config.ridge_c, str) else config.ridge_c
    start = None
    with one_torch_thread():
        if not moments:
            if isinstance(model, Classifier) and model.data_map is not None:
                model.data_map.fit(train.x)
            held_out = None if validation is train else validation
            start = start_at_linear(model, train, config, validation=held_out, fresh=fresh)
            c = start.c
            train = start.examples
        if config.optimizer == "lbfgs":
            from qllmft.training.full_batch import fit_full_batch

            assert isinstance(model, Classifier)
            selection = fit_full_batch(model, train, validation, config, c, on_epoch)
        else:
            config = _limit_rate(model, config)
            ridge = make_ridge_loss(model, train.task, config, train.size, c)
            with open_step(model, train.task, ridge) as step:
                rates: Any = {"lr": config.lr, "weight_decay": config.weight_decay}
                optimizer = Adam(step.parameters(), fused=True, **rates)
                if moments:
                    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})

                def train_on(epoch: int, batches: list[Tensor]) -> float:
                    noise = torch_generator(seed, "embedding noise", epoch)
                    return train_epoch(
                        step, optimizer, train, batches, config.embedding_noise, noise
                    )

                training = Training(
                    model,
                    model,
                    optimizer,
                    len(train),
                    train_on,
                    lambda: validation,
                    CHECKPOINT_EVERY_S,
                )
                selection = training.run(config, seed, checkpoint, on_epoch)
                if moments is not None:
                    moments.update(optimizer.state_dict()["state"])
    if scaling:
        scaling.restore(model)
    return replace(selection, start=start)


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
        head = self.head
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
                    started = time.perf_counter()
                    lr = learning_rate(config, epoch)
                    for group in optimizer.param_groups:
                        group["lr"] = lr * group.get("scale", 1.0)
                    model.train()
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
                    measure = examples.task.measure.name
                    seconds = time.perf_counter() - started
                    metrics = EpochMetrics(
                        epoch, train_loss, loss, score, lr, seconds, exact, measure
                    )
                    state = state.after(metrics, model, select=config.select)
                    if on_epoch:
                        on_epoch(metrics)
            except KeyboardInterrupt:
                finished = False
        model.load_state_dict(state.best_weights)
        return Selection(
            state.best_epoch, state.best_score, state.epoch, finished, interruption.signal
        )


def _check_loss(kind: str, loss: float, epoch: int, config: TrainConfig) -> None:
    if not math.isfinite(loss):
        raise UserError(
            f"epoch {epoch}: the {kind} loss is {loss}, expected a finite number. Training has diverged. "
            f"Lower train.lr (it is {config.lr:g})."
        )


def _limit_rate(model: nn.Module, config: TrainConfig) -> TrainConfig:
    """Return the configuration with the learning rate of a head of several registers that starts at sines."""
    head = model.head if isinstance(model, Classifier) else None
    if not isinstance(head, QuantumHead) or head.start != "sines" or head.registers == 1:
        return config
    return config.model_copy(update={"lr": min(config.lr, config.register_lr)})


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Run torch on one thread inside the block.

    Its tensors have a few thousand numbers: a thread costs more than it saves, and next to a busy core torch's threads
    wait for each other by spinning (measured: 15 times slower). The engine has its own threads for circuits.
    """
    previous_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(previous_threads)


def learning_rate(config: TrainConfig, epoch: int) -> float:
    """Return the learning rate of ``epoch`` (from 1): L·γ^(epoch-1), or a half cosine from L to 0."""
    if config.lr_decay == "cosine":
        phase = torch.tensor((epoch - 1) / config.epochs, dtype=torch.float64)
        return config.lr * 0.5 * float(1.0 + torch.cos(torch.pi * phase))
    return float(config.lr * config.lr_decay ** (epoch - 1))


# --- a body that is trained too


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
    c: Strength = 1.0 if isinstance(config.ridge_c, str) else config.ridge_c
    if classifier.data_map is not None or starts_at_sines(classifier):
        # of the first embeddings, also in a training that continues, since C follows from them
        examples = model.embed_table(train, weights)
        with one_torch_thread():
            if classifier.data_map is not None:
                classifier.data_map.fit(examples.x)
            held_out = (
                model.embed_table(validation, validation_weights)
                if config.ridge_c == "validation"
                else None
            )
            start = start_at_linear(classifier, examples, config, validation=held_out)
            c = start.c
            weights = start.examples.weight
    ridge = make_ridge_loss(classifier, CLASSIFICATION, config, len(train), c)
    step = TrainingStep(classifier, CLASSIFICATION, ridge)
    config = _limit_rate(classifier, config)
    labels = torch.from_numpy(train.labels)
    groups: list[dict[str, Any]] = [
        {
            "params": model.body.trainable_parameters(),
            "scale": (config.body_lr or config.lr) / config.lr,
        },
        {"params": list(classifier.parameters())},
    ]
    optimizer = Adam(groups, lr=config.lr, weight_decay=config.weight_decay, fused=True)

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
