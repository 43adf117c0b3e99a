"""Trackers: services and files that compare the curves of many runs, and their interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from qllmft_base.errors import UserError
from qllmft_base.plugins import BUILT_IN, GROUPS, Registry
from qllmft_base.text import error_text
from qllmft_base.versions import install_command


@dataclass(frozen=True)
class TrackedRun:
    """Run at the start of its tracking."""

    identity: str  # hash of the configuration; the run's name
    folder: Path  # of the run
    # the configuration, values by dotted names; without addresses, keys and consent to a price
    settings: Mapping[str, Any]
    # returned by `Tracker.start` when this run was tracked first; None if this is the first time
    key: str | None
    campaign: Path | None = None  # folder of the study or the sweep that the run belongs to


class Tracker:
    """Callbacks of one run, to be overridden. After an error, which is shown as a warning, no more are called."""

    def start(self, run: TrackedRun) -> str | None:
        """Start tracking, or continue if ``run.key`` is given, and return the key to continue with."""

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log an epoch, from 1, with the numbers of its line in ``metrics.jsonl``."""

    def model(self, folder: Path) -> None:
        """Log the trained model before the end, if the user wants files to be sent.

        Args:
            folder: as `Predictor.save_pretrained` writes it, with a local body; it is deleted after the call.
        """

    def end(self, record: Mapping[str, Any], files: Sequence[Path]) -> None:
        """Log the finished run.

        Args:
            record: content of ``result.json``, or of ``validation.json`` if the test set was not read.
            files: small files of the run if the user wants them to be sent; some contain texts.
        """

    def aborted(self) -> None:
        """Log an interruption, after which the run may be continued."""


def final_numbers(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the final table: MODEL/parameters, /validation, /test (accuracies in [0, 1]) and /seconds."""
    return {
        f"{model['name']}/{column}": value["value"] if isinstance(value, dict) else value
        for model in record["models"]
        for column in ("parameters", "validation", "test", "seconds")
        if (value := model.get(column)) is not None
    }


_SERVICE_CLASSES = {"tensorboard": "TensorBoard", "mlflow": "MLflow", "wandb": "WeightsAndBiases"}
TRACKERS: Registry[Callable[[], Tracker]] = Registry(
    "tracker",
    Callable,
    {
        name: EntryPoint(name, f"qllmft_doors.trackers:{tracker}", GROUPS["tracker"])
        for name, tracker in _SERVICE_CLASSES.items()
    },
    UserError,
)


def make_tracker(name: str) -> Tracker:
    """Make a tracker.

    Raises:
        UserError: if the name is unknown, the tracker lacks a package, or its constructor fails.
    """
    make = TRACKERS[name]
    try:
        return make()
    except ImportError as error:
        remedy = install_command("track") if TRACKERS.source(name) == BUILT_IN else "install it"
        raise UserError(
            f"the tracker {name!r} needs the package {error.name or error!s}: {remedy}."
        ) from error
    except UserError:
        raise
    except Exception as error:  # whatever a tracker of others may do
        raise UserError(
            f"the tracker {name!r} cannot be made: {error_text(error).rstrip('.')}. Repair its constructor, which is "
            "called without arguments, or leave the tracker out."
        ) from error
