"""Embeddings of SST-2 by the frozen body, and by the body after the contrastive step of a seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from lab.paper.experiment.plan import PlannedTraining
from qllmft import RunConfig
from qllmft.data import Corpus, Splits
from qllmft.events import ignore
from qllmft.run import SharedInputs
from qllmft.run.bodies import tuned_body
from qllmft.run.folder import run_folder
from qllmft.run.setup import RunSetup
from qllmft.run.vectors import embed_tables
from qllmft.training import Examples
from qllmft_backends import create

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
        self._scratch = scratch
        self._last: tuple[tuple[str, int], EmbeddedTexts] | None = None

    def embed(self, config: RunConfig, training: PlannedTraining) -> EmbeddedTexts:
        """Return the texts of a training's seed as vectors of its body."""
        key = (training.body, training.seed)
        if self._last is None or self._last[0] != key:
            self._last = key, self._embed(config)
        return self._last[1]

    def _embed(self, config: RunConfig) -> EmbeddedTexts:
        corpus = self._shared.corpus(config.data)
        splits = self._shared.splits(config.data, config.seed)
        tables = {"training": splits.train, "validation": splits.validation, "test": splits.test}
        body = config.body
        cache_folder = None
        if body.contrastive.switched_on:
            body = tuned_body(self._setup(config, corpus, splits))
            cache_folder = Path(body.model).parent
        _, (train, validation, test) = embed_tables(
            tables, body, ignore, cache_folder=cache_folder, inputs=self._shared
        )
        digest = hashlib.sha256(test.x.numpy().tobytes()).hexdigest()[:HASH_DIGITS]
        return EmbeddedTexts(train, validation, test, digest)

    def _setup(self, config: RunConfig, corpus: Corpus, splits: Splits) -> RunSetup:
        """Return what the contrastive step needs, with a folder that it does not write to."""
        folder = run_folder(config, self._scratch / f"run-{config.seed}")
        findings = self._shared.check(config.data, config.seed).findings
        backend = create(config.backend.name, config.backend_options)
        return RunSetup(
            config, folder, corpus, splits, findings, backend, ignore, self._shared, True
        )
