"""Embeddings of SST-2 by the frozen body, and by the body after the contrastive step of a seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock

from lab.paper.experiment.plan import PlannedTraining
from qllmft import RunConfig
from qllmft.config import BodyConfig
from qllmft.data import Splits
from qllmft.embed import Body, TrainableBody, embed
from qllmft.run import SharedInputs
from qllmft.training import Examples, fit_contrastive
from qllmft_base.randomness import derive_seed

HASH_DIGITS = 16


@dataclass(frozen=True)
class EmbeddedTexts:
    """Texts of one seed as vectors of one body."""

    train: Examples
    validation: Examples
    test: Examples
    vectors: str  # hash of the test vectors, which differs between processors


class Inputs:
    """Texts of the trainings of one process, each embedded once."""

    def __init__(self, scratch: Path) -> None:
        self._shared = SharedInputs()
        self._scratch = scratch  # of tuned bodies, and the embeddings by them
        self._last: tuple[tuple[str, int], EmbeddedTexts] | None = None

    def embed(self, config: RunConfig, training: PlannedTraining) -> EmbeddedTexts:
        """Return the texts of a training's seed as vectors of its body."""
        key = (training.body, training.seed)
        if self._last is None or self._last[0] != key:
            self._last = key, self._embed(config)
        return self._last[1]

    def _embed(self, config: RunConfig) -> EmbeddedTexts:
        splits = self._shared.splits(config.data, config.seed)
        body = config.body
        cache = None
        if body.contrastive.switched_on:
            cache = self._scratch / f"tuned-{config.seed}"
            body = _tune(config, splits, cache)
        parts = []
        for table in (splits.train, splits.validation, splits.test):
            vectors = embed(list(table.texts), body, cache_folder=cache).vectors
            parts.append(Examples.from_arrays(vectors, np.asarray(table.labels)))
        train, validation, test = parts
        digest = hashlib.sha256(test.x.numpy().tobytes()).hexdigest()[:HASH_DIGITS]
        return EmbeddedTexts(train, validation, test, digest)


def _tune(config: RunConfig, splits: Splits, folder: Path) -> BodyConfig:
    """Return the body after the contrastive step on the training texts, which one process makes and keeps."""
    folder.mkdir(parents=True, exist_ok=True)
    tuned = folder / "body"
    with FileLock(folder / "lock"):
        if not tuned.is_dir():
            body = TrainableBody(Body(config.body), derive_seed(config.seed, "adapter"))
            fit_contrastive(body, splits.train, config.body.contrastive, config.seed)
            body.save(tuned)
    return config.body.with_folder(tuned)
