"""One entry of the plan: training of a head, or the grid of a classical baseline, as counts of right answers."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from lab.paper.experiment.plan import PlannedTraining
from lab.paper.experiment.texts import EmbeddedTexts
from qllmft import RunConfig
from qllmft.baselines import BASELINES, GridBaseline
from qllmft.heads import build_classifier
from qllmft.training import EpochMetrics, Examples, TorchHead
from qllmft_backends import create
from qllmft_base.native_threads import one_thread

Counts = dict[str, Any]


def train(config: RunConfig, training: PlannedTraining, texts: EmbeddedTexts) -> Counts:
    """Train a head, and return its counts of right validation and test answers.

    The test answers are counted at the epoch that validation selects, at the last one and, if the plan says so, at
    others between. No choice reads them.
    """
    backend = create(config.backend.name, config.backend_options)
    dimension = texts.train.x.shape[1]
    model = build_classifier(config.model, dimension, 2, seed=config.seed, backend=backend)
    counts_between: list[int] = []
    last = 0
    best = (-1.0, 0.0)

    def on_epoch(metrics: EpochMetrics) -> None:
        nonlocal last, best
        best = max(best, (metrics.score, -metrics.validation_loss))
        if training.every and metrics.epoch % training.every == 0:
            counts_between.append(_count_right(head, texts.test))
        if metrics.epoch == config.train.epochs:
            last = counts_between[-1] if training.every else _count_right(head, texts.test)

    head = TorchHead(training.row, model, config.train, config.seed, on_epoch=on_epoch)
    started = time.process_time()
    head.fit(texts.train, texts.validation)
    seconds = time.process_time() - started
    if head.interrupted:
        raise KeyboardInterrupt
    assert head.selection is not None
    counts: Counts = {
        "validation": round(best[0] * len(texts.validation)),
        "validation_loss": round(-best[1], 6),
        "epoch": head.selection.epoch,
        "selected": _count_right(head, texts.test),
        "last": last,
    }
    if training.every:
        counts["between"] = counts_between
    return {**counts, "parameters": head.n_parameters, "seconds": round(seconds, 1)}


def _count_right(head: TorchHead, examples: Examples) -> int:
    """Return the number of right answers with the circuit's noise."""
    answers = head.predict(examples.x.numpy())
    return int((answers == examples.y.numpy()).sum())


def fit_grid(config: RunConfig, training: PlannedTraining, texts: EmbeddedTexts) -> Counts:
    """Fit every setting of a baseline's grid, and return its counts of right answers in the order of the grid."""
    started = time.process_time()
    dimension = texts.train.x.shape[1]
    baseline = BASELINES[training.row].make_head(config, 0, dimension, 2)
    assert isinstance(baseline, GridBaseline)
    points = []
    with one_thread():
        for settings in baseline.grid:
            estimator = baseline.make(**settings)
            estimator.fit(texts.train.x.numpy(), texts.train.y.numpy())
            counts = [
                int((np.asarray(estimator.predict(part.x.numpy())) == part.y.numpy()).sum())
                for part in (texts.validation, texts.test)
            ]
            points.append([*counts, baseline.count(estimator)])
    return {"points": points, "seconds": round(time.process_time() - started, 1)}
