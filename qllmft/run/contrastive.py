"""Contrastive step of a run: the body is trained alone, before any head.

The tuned body of SetFit's step is kept in the run's folder. A supervised step is made once for all heads on the same
texts: its body is kept in the cache, under a hash of all inputs that decide its bits.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from pathlib import Path

import torch

from qllmft.config import BodyConfig
from qllmft.embed import Body, TrainableBody, body_identity, default_cache_folder, locate_body
from qllmft.events import stage
from qllmft.run.lock import sole_use
from qllmft.run.needs import GB, duration_text, seconds_of
from qllmft.run.setup import RunSetup
from qllmft.training import Checkpoint, contrastive_pairs, contrastive_steps, fit_contrastive


def tuned_body(setup: RunSetup) -> BodyConfig:
    """Return the body after the contrastive step, which continues from its checkpoint and is made once."""
    folder = setup.folder
    if setup.config.body.contrastive.loss == "cosine":
        return _tuned_in(setup, folder.contrastive_body, folder.contrastive_checkpoint)
    shared = _shared_folder(setup)
    tuned, checkpoint = (
        shared / folder.contrastive_body.name,
        shared / folder.contrastive_checkpoint.path.name,
    )
    if tuned.is_dir():
        setup.message(f"contrastive step: made before on these texts, kept in {shared}")
    with sole_use(shared, setup.message):
        return _tuned_in(setup, tuned, Checkpoint(checkpoint))


def _shared_folder(setup: RunSetup) -> Path:
    """Return the cache folder of the step, named by body, texts, settings, seed, torch and its threads."""
    body, train, location = setup.config.body, setup.splits.train, locate_body(setup.config.body)
    # a download tells the hub's commit
    location = location if location.identity else Body(body, location).location
    content = [
        body_identity(body, location),
        body.contrastive.model_dump(mode="json"),
        setup.config.seed,
        train.texts,
        train.labels.tolist(),
        [torch.__version__, torch.get_num_threads(), body.device],
    ]
    name = hashlib.sha256(json.dumps(content).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return default_cache_folder() / f"contrastive-{name}"


def _tuned_in(setup: RunSetup, place: Path, checkpoint: Checkpoint) -> BodyConfig:
    """Return the tuned body in the folder ``place``, and train it unless the folder exists."""
    config, folder, train = setup.config, setup.folder, setup.splits.train
    tuned = config.body.saved_in(place)
    if place.is_dir():
        return tuned
    settings = config.body.contrastive
    body = TrainableBody(Body(config.body))
    setup.classifier(body.body.dimension)  # raises if the head does not fit on the body
    folder.open_for(config)
    total, done = contrastive_steps(len(train), settings), checkpoint.epochs_done()
    _announce(setup, body, total - done, place)
    started = time.perf_counter()
    with stage(setup.on_event, "contrastive", total=total, done=done) as advance:
        loss = fit_contrastive(
            body, train, settings, config.seed, checkpoint=checkpoint, on_step=advance
        )
    name = "squared error" if settings.loss == "cosine" else "loss"
    end = "" if math.isnan(loss) else f", {name} at the end {loss:.4f}"  # NaN: no step was left
    setup.message(f"contrastive step: {time.perf_counter() - started:.0f} s{end}")
    body.save(place)
    checkpoint.path.unlink(missing_ok=True)
    return tuned


def _announce(setup: RunSetup, body: TrainableBody, steps: int, place: Path) -> None:
    """Report the duration of the contrastive step, from one batch of texts, and its memory and disk space."""
    settings, train = setup.config.body.contrastive, setup.splits.train
    texts = (train.texts * 2)[: settings.batch_size]
    forward, backward = seconds_of(lambda: body(texts).sum(), body)
    weights, cosine = 4 * body.n_parameters, settings.loss == "cosine"
    place_text = "" if cosine else f", in {place.parent}, for all heads on these texts"
    setup.message(
        f"{setup.config.body.model}: contrastive step on {contrastive_pairs(len(train), settings):,} pairs of training "
        f"texts{'' if cosine else ' an epoch'}, {settings.epochs} epoch{'s' * (settings.epochs > 1)}: about "
        f"{duration_text((1 + cosine) * steps * (forward + backward))}, {4 * weights / GB:.1f} GB of memory for "
        f"weights, gradients and moments; the tuned body takes {weights / GB:.2f} GB on disk{place_text}."
    )
