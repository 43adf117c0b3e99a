"""SetFit's contrastive step of a run: the body learns alone, before any head, and is kept in the run's folder."""

from __future__ import annotations

import math
import time

from qllmft.config import BodyConfig
from qllmft.embed import Body, TrainableBody
from qllmft.run.setup import Setup
from qllmft.run.timing import GB, minutes, seconds_of
from qllmft.training import contrastive_steps, fit_contrastive


def tuned_body(setup: Setup) -> BodyConfig:
    """The body after the contrastive step on the training texts, saved in the run's folder.

    A step that was interrupted goes on; one that was finished is not made again.
    """
    config, folder, train = setup.config, setup.folder, setup.splits.train
    tuned = config.body.saved_in(folder.contrastive_body)
    if folder.contrastive_body.is_dir():
        return tuned
    settings = config.body.contrastive
    body = TrainableBody(Body(config.body))
    setup.classifier(body.body.dimension)
    folder.open_for(config)
    checkpoint = folder.contrastive_checkpoint
    total, done = contrastive_steps(len(train), settings), checkpoint.epochs_done()
    _announce(setup, body, total - done)
    started = time.perf_counter()
    with setup.reporter.contrastive(total, done) as report:
        loss = fit_contrastive(body, train, settings, config.seed, checkpoint=checkpoint, on_step=report)
    end = "" if math.isnan(loss) else f", squared error at the end {loss:.4f}"  # none was left to make
    setup.reporter.message(f"contrastive step: {time.perf_counter() - started:.0f} s{end}")
    body.save(folder.contrastive_body)
    checkpoint.path.unlink(missing_ok=True)
    return tuned


def _announce(setup: Setup, body: TrainableBody, steps: int) -> None:
    """Say beforehand what the contrastive step will take, from one batch of texts."""
    settings, train = setup.config.body.contrastive, setup.splits.train
    texts = (train.texts * 2)[: settings.batch_size]
    forward, backward = seconds_of(lambda: body(texts).sum(), body)
    weights = 4 * body.n_parameters
    setup.reporter.message(
        f"{setup.config.body.model}: contrastive step on {2 * settings.iterations * len(train):,} pairs of training "
        f"texts, {settings.epochs} epoch{'s' * (settings.epochs > 1)}: about "
        f"{minutes(2 * steps * (forward + backward))}, {4 * weights / GB:.1f} GB of memory for weights, gradients and "
        f"moments; the tuned body takes {weights / GB:.2f} GB on disk."
    )
