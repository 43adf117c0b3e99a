"""The contrastive step of a run: the body learns alone, before any head.

SetFit's is kept in the run's folder. A supervised one is made once for all heads on the same texts: it is kept in the
cache, named by all that decides its bits, with the embeddings by the tuned body.
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
from qllmft.run.setup import RunSetup
from qllmft.run.timing import GB, minutes, seconds_of
from qllmft.training import Checkpoint, contrastive_pairs, contrastive_steps, fit_contrastive


def tuned_body(setup: RunSetup) -> BodyConfig:
    """The body after the contrastive step on the training texts, saved in the run's folder or in the cache.

    A step that was interrupted goes on; one that was finished, by another run too where it is kept in the cache, is
    not made again.
    """
    folder = setup.folder
    if setup.config.body.contrastive.loss == "cosine":
        return _made(setup, folder.contrastive_body, folder.contrastive_checkpoint)
    place = _shared_place(setup)
    tuned, checkpoint = place / folder.contrastive_body.name, place / folder.contrastive_checkpoint.path.name
    if tuned.is_dir():
        setup.message(f"contrastive step: made before on these texts, kept in {place}")
    with sole_use(place, setup.message):
        return _made(setup, tuned, Checkpoint(checkpoint))


def _shared_place(setup: RunSetup) -> Path:
    """Where all runs have the step that is the same to the bit: body, texts, settings, seed, torch and its threads."""
    body, train, location = setup.config.body, setup.splits.train, locate_body(setup.config.body)
    location = location if location.identity else Body(body, location).location  # a hub model's commit, once it is here
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


def _made(setup: RunSetup, place: Path, checkpoint: Checkpoint) -> BodyConfig:
    """The tuned body in the folder ``place``, trained where it is not there."""
    config, folder, train = setup.config, setup.folder, setup.splits.train
    tuned = config.body.saved_in(place)
    if place.is_dir():
        return tuned
    settings = config.body.contrastive
    body = TrainableBody(Body(config.body))
    setup.classifier(body.body.dimension)
    folder.open_for(config)
    total, done = contrastive_steps(len(train), settings), checkpoint.epochs_done()
    _announce(setup, body, total - done, place)
    started = time.perf_counter()
    with stage(setup.on_event, "contrastive", total=total, done=done) as advance:
        loss = fit_contrastive(body, train, settings, config.seed, checkpoint=checkpoint, on_step=advance)
    name = "squared error" if settings.loss == "cosine" else "loss"
    end = "" if math.isnan(loss) else f", {name} at the end {loss:.4f}"  # none was left to make
    setup.message(f"contrastive step: {time.perf_counter() - started:.0f} s{end}")
    body.save(place)
    checkpoint.path.unlink(missing_ok=True)
    return tuned


def _announce(setup: RunSetup, body: TrainableBody, steps: int, place: Path) -> None:
    """Say beforehand what the contrastive step will take, from one batch of texts."""
    settings, train = setup.config.body.contrastive, setup.splits.train
    texts = (train.texts * 2)[: settings.batch_size]
    forward, backward = seconds_of(lambda: body(texts).sum(), body)
    weights, cosine = 4 * body.n_parameters, settings.loss == "cosine"
    where = "" if cosine else f", in {place.parent}, for all heads on these texts"
    setup.message(
        f"{setup.config.body.model}: contrastive step on {contrastive_pairs(len(train), settings):,} pairs of training "
        f"texts{'' if cosine else ' an epoch'}, {settings.epochs} epoch{'s' * (settings.epochs > 1)}: about "
        f"{minutes((1 + cosine) * steps * (forward + backward))}, {4 * weights / GB:.1f} GB of memory for weights, "
        f"gradients and moments; the tuned body takes {weights / GB:.2f} GB on disk{where}."
    )
