"""Estimate of the time that a sweep takes here, from a few timed steps of each structure of head."""

from __future__ import annotations

from qllmft.campaign.grid import grid
from qllmft.campaign.sweep import Sweep
from qllmft.config import RunConfig
from qllmft.errors import UserError
from qllmft.run import SharedInputs
from qllmft.run.needs import epoch_core_seconds


def estimate(sweep: Sweep, inputs: SharedInputs) -> list[tuple[RunConfig, float, float]]:
    """Return for each structure its first configuration, all its epochs, and the processor seconds of one epoch."""
    points = [*sweep.points.values()] if sweep.is_list else [*grid(sweep.parameters)]
    alike: dict[str, list[RunConfig]] = {}
    for config in (sweep.configurations(point)[0] for point in points):
        if (
            config.body.learns
            or not config.backend.entry.adjoint
            or config.train.optimizer != "adam"
        ):
            raise UserError("only frozen bodies, Adam and the backend adjoint are timed.")
        alike.setdefault(f"{config.structure} {config.train.batch_size}", []).append(config)
    timed = []
    for first, *others in alike.values():
        n_classes, sizes = (
            inputs.corpus(first.data).n_classes,
            inputs.splits(first.data, first.seed).sizes,
        )
        epochs = (
            sum(config.train.epochs for config in (first, *others))
            * sweep.size
            * sweep.seeds
            / len(points)
        )
        timed.append(
            (first, epochs, epoch_core_seconds(first, inputs.dimension(first), n_classes, sizes))
        )
    return timed
