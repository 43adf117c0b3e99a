"""Runs whose body learns: SetFit's contrastive step before any head, and training of body and head together."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from qllmft.config import BodyConfig, ContrastiveConfig, RunConfig
from qllmft.data import Splits
from qllmft.embed import Body, TrainableBody
from qllmft.errors import UserError
from qllmft.heads import build_classifier
from qllmft.run.folder import RunFolder
from qllmft.run.record import LearnedBody
from qllmft.run.reporter import Reporter
from qllmft.training import EndToEnd, contrastive_steps, fit_contrastive
from qllmft_backends import Backend

GB = 1e9
TIMED = 2  # batches


def local_body(config: BodyConfig, folder: Path) -> BodyConfig:
    """The body that was saved in ``folder``, frozen, run as ``config`` says."""
    return BodyConfig(model=str(folder), batch_size=config.batch_size, device=config.device)


def check_backend(config: RunConfig, backend: Backend) -> None:
    """Refuse to train a body through circuits that are sent away.

    Raises:
        UserError: where that was asked for.
    """
    there = backend.capabilities
    if config.body.trainable and config.model.head == "quantum" and (there.remote or there.paid):
        raise UserError(
            f"body.trainable is true and the backend is {backend.name!r}, which sends circuits away; a body needs the "
            "gradient of every latent value in every step. Train with the backend 'adjoint' and use the model with "
            f"--backend {backend.name}, or set body.trainable to false."
        )


def contrastive_body(
    config: RunConfig, splits: Splits, n_classes: int, backend: Backend, folder: RunFolder, reporter: Reporter
) -> BodyConfig:
    """The body after SetFit's contrastive step on the training texts, saved in the run's folder.

    A step that was interrupted goes on; one that was finished is not made again.

    Raises:
        UserError: where the body cannot be loaded or the head does not fit on it, before the step.
    """
    tuned = local_body(config.body, folder.contrastive_body)
    if folder.contrastive_body.is_dir():
        return tuned
    settings = config.body.contrastive
    body = TrainableBody(Body(config.body))
    build_classifier(config.model, body.body.dimension, n_classes, seed=config.seed, backend=backend)
    folder.open_for(config)
    checkpoint = folder.contrastive_checkpoint
    total, done = contrastive_steps(len(splits.train), settings), checkpoint.epochs_done()
    _announce_contrastive(body, splits, settings, total - done, config.body.model, reporter)
    started = time.perf_counter()
    with reporter.contrastive(total, done) as report:
        loss = fit_contrastive(body, splits.train, settings, config.seed, checkpoint=checkpoint, on_step=report)
    reporter.message(f"contrastive step: {time.perf_counter() - started:.0f} s, squared error at the end {loss:.4f}")
    body.save(folder.contrastive_body)
    checkpoint.path.unlink(missing_ok=True)
    return tuned


def head_on_body(config: RunConfig, start: BodyConfig, n_classes: int, backend: Backend) -> EndToEnd:
    """The head of ``config`` on the body ``start``, both trainable.

    Raises:
        UserError: where the body cannot be loaded or the head does not fit on it.
    """
    body = TrainableBody(Body(start))
    head = build_classifier(config.model, body.body.dimension, n_classes, seed=config.seed, backend=backend)
    return EndToEnd(body, head)


def _announce_contrastive(
    body: TrainableBody, splits: Splits, settings: ContrastiveConfig, steps: int, name: str, reporter: Reporter
) -> None:
    """Say beforehand what the contrastive step will take, from one batch of texts."""
    texts = (splits.train.texts * 2)[: settings.batch_size]
    forward, backward = _seconds(lambda: body(texts).sum(), body)
    weights = 4 * body.n_parameters
    reporter.message(
        f"{name}: contrastive step on {2 * settings.iterations * len(splits.train):,} pairs of training texts, "
        f"{settings.epochs} epoch{'s' * (settings.epochs > 1)}: about {_minutes(2 * steps * (forward + backward))}, "
        f"{4 * weights / GB:.1f} GB of memory for weights, gradients and moments; the tuned body takes "
        f"{weights / GB:.2f} GB on disk."
    )


def announce_end_to_end(model: EndToEnd, config: RunConfig, splits: Splits, done: int, reporter: Reporter) -> None:
    """Say beforehand what training of body and head will take, from one batch."""
    size = config.train.batch_size
    forward, backward = _seconds(lambda: model(splits.train.texts[:size]).sum(), model)
    sizes, weights = splits.sizes, 4 * model.body.n_parameters
    epoch = ((forward + backward) * sizes["train"] + forward * sizes["validation"]) / min(size, sizes["train"])
    epochs = config.train.epochs - done
    reporter.message(
        f"{config.body.model}: its {model.body.n_parameters / 1e6:.1f} million weights learn too. An epoch will take "
        f"about {_minutes(epoch)}, {epochs} epochs {_minutes(epochs * epoch)}; {5 * weights / GB:.1f} GB of memory for "
        f"weights, gradients, moments and the best weights ({13 * weights / GB:.1f} GB while a checkpoint is written); "
        f"{4 * weights / GB:.1f} GB on disk until the run is finished, then {weights / GB:.2f} GB."
    )


def _seconds(value: Callable[[], Tensor], module: nn.Module) -> tuple[float, float]:
    """Wall time of computing ``value`` and of its gradient; leaves the module as it was."""
    module.eval()
    best = (float("inf"), float("inf"))
    for _ in range(TIMED + 1):  # the first compiles, and any may be held up by other processes
        started = time.perf_counter()
        result = value()
        forward = time.perf_counter() - started
        result.backward()  # type: ignore[no-untyped-call]
        best = min(best, (forward, time.perf_counter() - started - forward), key=sum)
    module.zero_grad()
    return best


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def learned_body(config: RunConfig, splits: Splits, folder: RunFolder) -> LearnedBody | None:
    """How the run's body learned; None for a frozen one."""
    if not config.body.learns:
        return None
    pairs = 2 * config.body.contrastive.iterations * len(splits.train)
    size = sum(file.stat().st_size for file in folder.model_body.rglob("*") if file.is_file())
    return LearnedBody(pairs, config.body.trainable, size)
