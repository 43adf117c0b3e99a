"""Runs of a campaign, and the plans that list them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from qllmft.campaign.cost import run_cost
from qllmft.campaign.results import FinishedRun
from qllmft.config import RunConfig
from qllmft.run import RunFolder, RunRecord


@dataclass(frozen=True)
class PlannedRun:
    """Run of a campaign, whose folder is named by its identity."""

    config: RunConfig
    label: str  # for people: "Single sQE 10Q, seed 0"
    read_test: bool = True  # if False, the run ends after validation
    # the settings that a search or a budget varies, by name
    point: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def identity(self) -> str:
        """Return the identity of the configuration."""
        return self.config.identity

    @cached_property
    def cost(self) -> float:
        """Return the estimated cost, see `run_cost`."""
        return run_cost(self.config, read_test=self.read_test)

    def folder(self, runs: Path) -> RunFolder:
        """Return the run's folder below ``runs``."""
        return RunFolder(runs / self.identity)

    def is_finished(self, runs: Path) -> bool:
        """Return whether the record is there."""
        folder = self.folder(runs)
        return folder.result_file.exists() or (
            not self.read_test and folder.validation_file.exists()
        )


class FinishedRuns:
    """Finished runs in a folder, each read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._found: set[tuple[str, bool]] = set()
        self._records: dict[str, RunRecord] = {}

    def has(self, run: PlannedRun) -> bool:
        """Return whether the run is finished."""
        key = (run.identity, run.read_test)
        if key not in self._found and run.is_finished(self.folder):
            self._found.add(key)
        return key in self._found

    def record(self, run: PlannedRun) -> RunRecord:
        """Return the record of a finished run, as far as validation goes."""
        if run.identity not in self._records:
            folder = run.folder(self.folder)
            record = folder.read_validation() or folder.read_result()
            assert record is not None
            self._records[run.identity] = record
        return self._records[run.identity]

    def read(self, run: PlannedRun) -> FinishedRun:
        """Return everything that the folder of a finished run contains."""
        return FinishedRun.read(run.folder(self.folder))


class Plan(Protocol):
    """List of runs that may grow as they finish. A plan depends on nothing else, so every process finds the same."""

    @property
    def size(self) -> int:
        """Return the number of runs in the end. A run that is planned twice counts twice."""

    @property
    def selects(self) -> bool:
        """Return whether the campaign searches for the highest validation score."""

    def runs(self, finished: FinishedRuns) -> Sequence[PlannedRun]:
        """Return the runs planned so far. The list is complete if it does not grow when these are finished."""


@dataclass(frozen=True)
class FixedPlan:
    """Plan whose runs are known beforehand."""

    planned: Sequence[PlannedRun]
    selects: bool = False

    @property
    def size(self) -> int:
        """Return the number of runs."""
        return len(self.planned)

    def runs(self, _finished: FinishedRuns) -> Sequence[PlannedRun]:
        """Return all runs."""
        return self.planned
