"""Runs of a campaign with their estimated cost, and the plans that list them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

from qllmft.campaign.results import FinishedRun
from qllmft.config import RunConfig
from qllmft.run import RunFolder

# milliseconds of a training step of 16 on one core, fitted to single-10q, single-12q, multi-10q and
# multi-14q
_STEP, _A_MILLION_AMPLITUDES, _CLASSICAL_STEP = 0.4, 2.2, 0.2
_BODY_STEP = 430.0  # the same step through minilm and back, if the body learns with the head
_TEST_SET = 7  # reading the test set of table II costs as much as this many epochs
# reading texts and embeddings; a grid of table VIII or IX; in epochs of cost 1
_BEGINNING, _BASELINE_GRID = 50.0, 70.0


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
    def epoch_cost(self) -> float:
        """Return the estimated cost of an epoch, which grows with the gates times amplitudes of its circuits."""
        model, work = self.config.model, 0.0
        if model.encoder == "quantum":
            qubits = model.latent_encoder_qubits
            work += model.most_encoders * model.encoder_layers * qubits * 2.0**qubits
        body = _BODY_STEP if self.config.body.trainable else 0.0
        if model.head != "quantum":
            return body + _CLASSICAL_STEP
        gates = (model.reuploads + model.head_layers * model.connectivity) * model.n_qubits
        return body + _STEP + _A_MILLION_AMPLITUDES * (work + gates * 2.0**model.n_qubits) / 1e6

    def cost(self, epochs: int | None = None) -> float:
        """Return the estimated cost of the whole run, or until the end of ``epochs`` epochs, 0 before the first."""
        if epochs is not None:
            return _BEGINNING + epochs * self.epoch_cost if epochs else 0.0
        whole = self.config.train.epochs + (_TEST_SET if self.read_test else 0)
        return self.cost(whole) + len(self.config.baselines.names) * _BASELINE_GRID

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
        self._read: dict[tuple[str, bool], FinishedRun] = {}

    def has(self, run: PlannedRun) -> bool:
        """Return whether the run is finished."""
        key = (run.identity, run.read_test)
        if key not in self._found and run.is_finished(self.folder):
            self._found.add(key)
        return key in self._found

    def read(self, run: PlannedRun) -> FinishedRun:
        """Return the configuration and outcome of a finished run."""
        key = (run.identity, run.read_test)
        if key not in self._read:
            self._read[key] = FinishedRun.read(run.folder(self.folder))
        return self._read[key]

    def mean_validation(self, runs: Collection[PlannedRun]) -> float:
        """Return the mean validation score of the heads of finished runs."""
        return fmean(self.read(run).record.head.validation.value for run in runs)


@dataclass
class Plan:
    """List of runs, which may grow as they finish.

    A plan depends on nothing else, so every process finds the same.
    """

    planned: Sequence[PlannedRun]
    selects: bool = False  # whether the campaign searches for the highest validation score

    @property
    def size(self) -> int:
        """Return the number of runs in the end. A run that is planned twice counts twice."""
        return len(self.planned)

    def runs(self, _finished: FinishedRuns) -> Sequence[PlannedRun]:
        """Return the runs planned so far. The list is complete if it does not grow when these are finished."""
        return self.planned
