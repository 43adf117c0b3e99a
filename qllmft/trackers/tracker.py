"""What a tracker is told of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class TrackedRun:
    """A run as a tracker is told of it when the work on it begins.

    Attributes:
        identity: hash of the configuration; the run's name.
        folder: of the run.
        settings: the configuration, values by dotted names; no address, key or agreement to a price is among them.
        key: what `Tracker.start` returned when this run was tracked first; None where this is the first time.
    """

    identity: str
    folder: Path
    settings: Mapping[str, Any]
    key: str | None


class Tracker:
    """Callbacks about one run. Override what is of interest.

    An error in one of them is a warning, and the tracker is told no more of this run.
    """

    def start(self, run: TrackedRun) -> str | None:
        """The work on a run begins, or goes on where ``run.key`` is there; returns the key to go on by."""

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """An epoch, from 1, with the numbers of its line in ``metrics.jsonl``; each is told once and in order."""

    def end(self, record: Mapping[str, Any], files: Sequence[Path]) -> None:
        """The run is finished.

        Args:
            record: content of ``result.json``, or of ``validation.json`` where the test set was not read.
            files: what the user wants to be sent; some hold texts. None where this was not asked for.
        """

    def aborted(self) -> None:
        """The work on the run has stopped before its end; it may go on later."""


def final_numbers(record: Mapping[str, Any]) -> dict[str, float]:
    """The final table of a record: MODEL/parameters, /validation, /test (accuracies in [0, 1]) and /seconds."""
    numbers = {}
    for model in record["models"]:
        for column in ("parameters", "validation", "test", "seconds"):
            if column in model:
                value = model[column]
                numbers[f"{model['name']}/{column}"] = value["value"] if isinstance(value, dict) else value
    return numbers
