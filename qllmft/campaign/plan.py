"""Runs of a campaign with their estimated cost, and the plans that list them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

from qllmft.campaign.results import FinishedRun
from qllmft.config import ModelConfig, RunConfig
from qllmft.run import RunFolder, RunRecord

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
    def cost(self) -> float:
        """Return the estimated cost from the texts to the record, in units of `epoch_cost`."""
        epochs = self.config.train.epochs + (_TEST_SET if self.read_test else 0)
        return self.begun_cost(epochs) + len(self.config.baselines.names) * _BASELINE_GRID

    def begun_cost(self, epochs: int) -> float:
        """Return the cost until the end of ``epochs`` epochs, or 0 before the first."""
        return _BEGINNING + epochs * epoch_cost(self.config) if epochs else 0.0

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
        self._read: dict[tuple[str, bool], FinishedRun] = {}

    def has(self, run: PlannedRun) -> bool:
        """Return whether the run is finished."""
        key = (run.identity, run.read_test)
        if key not in self._found and run.is_finished(self.folder):
            self._found.add(key)
        return key in self._found

    def record(self, run: PlannedRun) -> RunRecord:
        """Return the record of a finished run, with its test results if it has any."""
        if run.identity not in self._records:
            self._records[run.identity] = run.folder(self.folder).finished(tested=False)
        return self._records[run.identity]

    def read(self, run: PlannedRun) -> FinishedRun:
        """Return the configuration and outcome of a finished run."""
        key = (run.identity, run.read_test)
        if key not in self._read:
            self._read[key] = FinishedRun.read(run.folder(self.folder))
        return self._read[key]

    def mean_validation(self, runs: Collection[PlannedRun]) -> float:
        """Return the mean validation score of the heads of finished runs."""
        return fmean(self.record(run).head.validation.value for run in runs)


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


def circuit_work(model: ModelConfig) -> float:
    """Return gates times amplitudes of a sample's circuits: layers times qubits times 2^qubits."""
    work = 0.0
    if model.encoder == "quantum":
        qubits = model.latent_encoder_qubits
        work += model.most_encoders * model.encoder_layers * qubits * 2.0**qubits
    if model.head == "quantum":
        layers = (model.reuploads - 1) * model.reupload_layers + model.main_layers
        work += (
            (model.reuploads + layers * model.connectivity) * model.n_qubits * 2.0**model.n_qubits
        )
    return work


def epoch_cost(config: RunConfig) -> float:
    """Return the cost of an epoch of training."""
    body = _BODY_STEP if config.body.trainable else 0.0
    if config.model.head != "quantum":
        return body + _CLASSICAL_STEP
    return body + _STEP + _A_MILLION_AMPLITUDES * circuit_work(config.model) / 1e6
