"""Estimate of the time that a sweep takes here, from a few timed steps of each structure of head."""

from __future__ import annotations

from qllmft.campaign.grid import grid
from qllmft.campaign.sweep import Sweep
from qllmft.config import BodyConfig, DataConfig, RunConfig
from qllmft.data import read_corpus, split_corpus
from qllmft.embed import embed
from qllmft.errors import UserError
from qllmft.run.needs import epoch_core_seconds


def estimate(sweep: Sweep) -> list[tuple[RunConfig, float, float]]:
    """Return for each structure its first configuration, all its epochs, and the processor seconds of one epoch.

    Raises:
        UserError: if the time cannot be estimated.
    """
    points = [*sweep.points.values()] if sweep.is_list else [*grid(sweep.parameters)]
    alike: dict[str, list[RunConfig]] = {}
    for config in (sweep.configurations(point)[0] for point in points):
        if config.body.learns or not config.backend.entry.adjoint or config.train.optimizer != "adam":
            raise UserError("only frozen bodies, Adam and the backend adjoint are timed.")
        structure = config.model_dump_json(exclude={"seed", "train", "baselines"})
        alike.setdefault(f"{structure} {config.train.batch_size}", []).append(config)
    texts: dict[tuple[DataConfig, BodyConfig], tuple[int, int, dict[str, int]]] = {}
    timed = []
    for first, *others in alike.values():
        if (first.data, first.body) not in texts:
            corpus = read_corpus(first.data)
            splits = split_corpus(corpus, first.data, first.seed)
            dimension = embed(splits.train.texts[:1], first.body).vectors.shape[1]
            texts[first.data, first.body] = dimension, corpus.n_classes, splits.sizes
        epochs = sum(config.train.epochs for config in (first, *others)) * sweep.size * sweep.seeds / len(points)
        timed.append((first, epochs, epoch_core_seconds(first, *texts[first.data, first.body])))
    return timed
