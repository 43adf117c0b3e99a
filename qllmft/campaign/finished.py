"""Finished runs as values, read from their folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qllmft.config import RunConfig
from qllmft.run import RunFolder, RunRecord
from qllmft.training import EpochMetrics

CURVE_POINTS = 200  # of a thinned curve


@dataclass(frozen=True)
class Curve:
    """Training of a head, epoch by epoch."""

    epochs: tuple[int, ...]  # from 1, ascending
    train_loss: tuple[float, ...]  # mean cross-entropy, in nats
    validation_accuracy: tuple[float, ...]  # in [0, 1]

    @classmethod
    def of(cls, metrics: Sequence[EpochMetrics]) -> Curve:
        """Return the curve of a run's epochs."""
        return cls(
            tuple(m.epoch for m in metrics),
            tuple(m.train_loss for m in metrics),
            tuple(m.validation_accuracy for m in metrics),
        )

    def thinned(self) -> Curve:
        """Return at most `CURVE_POINTS` evenly spaced epochs, including the last, rounded to 4 digits."""
        step = max(1, -(-len(self.epochs) // CURVE_POINTS))
        kept = slice((len(self.epochs) - 1) % step, None, step)
        losses = tuple(round(x, 4) for x in self.train_loss[kept])
        return Curve(
            self.epochs[kept], losses, tuple(round(x, 4) for x in self.validation_accuracy[kept])
        )


@dataclass(frozen=True)
class FinishedRun:
    """Configuration and outcome of a finished run."""

    config: RunConfig
    record: RunRecord
    # of the head at its selected epoch, in nats; None if it was not kept
    validation_loss: float | None
    curve: Curve | None  # of the head; None if it was not kept

    @property
    def data(self) -> str:
        """Return the name of the data."""
        return self.config.data.source

    @classmethod
    def read(cls, folder: RunFolder) -> FinishedRun:
        """Read a run, with its test results if it has any. UserError if it is not finished."""
        record = folder.finished(tested=False)
        metrics = folder.metrics()
        losses = {m.epoch: m.validation_loss for m in metrics}
        return cls(
            folder.read_config(), record, losses.get(record.selected_epoch), Curve.of(metrics)
        )
