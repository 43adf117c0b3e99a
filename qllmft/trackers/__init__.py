"""Trackers: services and files that compare the curves of many runs."""

from __future__ import annotations

from collections.abc import Callable

from qllmft.errors import UserError
from qllmft.trackers.mlflow import MLflow
from qllmft.trackers.tensorboard import TensorBoard
from qllmft.trackers.tracker import TrackedRun, Tracker
from qllmft.trackers.wandb import WeightsAndBiases
from qllmft_backends.plugins import BUILT_IN, Registry

__all__ = ["TRACKERS", "TrackedRun", "Tracker", "make_tracker"]

_BUILT_IN = {
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "wandb": WeightsAndBiases,
}
TRACKERS: Registry[Callable[[], Tracker]] = Registry("tracker", Callable, _BUILT_IN, UserError)


def make_tracker(name: str) -> Tracker:
    """Make a tracker, or raise UserError if the name is unknown or the tracker lacks a package."""
    make = TRACKERS[name]
    try:
        return make()
    except ImportError as error:
        remedy = (
            "pip install 'qllmft[track]'" if TRACKERS.source(name) == BUILT_IN else "install it"
        )
        raise UserError(
            f"the tracker {name!r} needs the package {error.name or error!s}: {remedy}."
        ) from error
