"""Trackers: services and files that compare the curves of many runs."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint

from qllmft.errors import UserError
from qllmft.trackers.tracker import TrackedRun, Tracker
from qllmft_backends.plugins import BUILT_IN, GROUPS, Registry

__all__ = ["TRACKERS", "TrackedRun", "Tracker", "make_tracker"]

_DEFINED = {"tensorboard": "TensorBoard", "mlflow": "MLflow", "wandb": "WeightsAndBiases"}
TRACKERS: Registry[Callable[[], Tracker]] = Registry(
    "tracker",
    Callable,
    {
        name: EntryPoint(name, f"qllmft.trackers.{name}:{tracker}", GROUPS["tracker"])
        for name, tracker in _DEFINED.items()
    },
    UserError,
)


def make_tracker(name: str) -> Tracker:
    """Make a tracker, or raise UserError if the name is unknown or the tracker lacks a package."""
    make = TRACKERS[name]
    try:
        return make()
    except ImportError as error:
        remedy = "pip install '.[track]'" if TRACKERS.source(name) == BUILT_IN else "install it"
        raise UserError(
            f"the tracker {name!r} needs the package {error.name or error!s}: {remedy}."
        ) from error
