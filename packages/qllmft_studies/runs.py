"""Runs of a campaign, planned and finished: estimated costs, results over seeds, and the rule that selects."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol, TypeVar

from qllmft.config import RunConfig
from qllmft.config.settings import flat_settings
from qllmft.run import ModelResult, RunFolder, RunRecord
from qllmft.tasks import TASKS
from qllmft.tasks.measure import Measure, Score
from qllmft.tasks.statistics import MeanInterval

SCORE_DIGITS = 12  # of a mean score: those of (0.7, 0.8) and (0.75, 0.75) are equal


class _Selectable(Protocol):
    """Values by seed that selection depends on; a model without losses has none."""

    @property
    def compared_validation(self) -> Sequence[float]: ...
    @property
    def validation_loss(self) -> Sequence[float]: ...
    @property
    def parameters(self) -> Sequence[int]: ...


Result = TypeVar("Result", bound=_Selectable)


@dataclass(frozen=True)
class Curve:
    """Training of a head, epoch by epoch."""

    epochs: tuple[int, ...]  # from 1, ascending
    train_loss: tuple[float, ...]  # of the task, such as nats
    score: tuple[float, ...]  # of the validation texts


@dataclass(frozen=True)
class FinishedRun:
    """Configuration and outcome of a finished run."""

    config: RunConfig
    record: RunRecord
    # of the head at its selected epoch, in nats; None if it was not kept
    validation_loss: float | None
    curve: Curve | None  # of the head; None if it was not kept

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """Return all settings of the configuration, by dotted names."""
        return flat_settings(self.config)

    @classmethod
    def read(cls, folder: RunFolder) -> FinishedRun:
        """Read a run, with its test results if it has any. UserError if it is not finished."""
        record = folder.require_record(tested=False)
        metrics = folder.metrics()
        losses = {m.epoch: m.validation_loss for m in metrics}
        epochs = [(m.epoch, m.train_loss, m.score) for m in metrics]
        curve = Curve(*zip(*epochs, strict=True)) if epochs else Curve((), (), ())
        return cls(folder.read_config(), record, losses.get(record.selected_epoch), curve)


@dataclass(frozen=True)
class SeededResult:
    """Result of one model with one setting, over its seeds."""

    settings: Mapping[str, Any]  # by name
    runs: tuple[FinishedRun, ...]  # by ascending seed
    models: tuple[ModelResult, ...]  # one of each run

    def __add__(self, other: SeededResult) -> SeededResult:
        """Return the result over the seeds of both. ValueError if the settings differ or both have a seed."""
        if self.settings != other.settings or {*self.seeds} & {*other.seeds}:
            raise ValueError("results have other settings, or a seed in common")
        pairs = [
            *zip(self.runs, self.models, strict=True),
            *zip(other.runs, other.models, strict=True),
        ]
        runs, models = zip(*sorted(pairs, key=lambda pair: pair[0].config.seed), strict=True)
        return SeededResult(self.settings, runs, models)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Return the seeds."""
        return tuple(run.config.seed for run in self.runs)

    @property
    def validation(self) -> tuple[float, ...]:
        """Return the validation scores of the task."""
        return tuple(model.validation.value for model in self.models)

    @property
    def compared_validation(self) -> tuple[float, ...]:
        """Return the validation scores that selection depends on: balanced accuracies if the labels are uneven."""
        return tuple(model.compared_validation for model in self.models)

    @property
    def uneven(self) -> bool:
        """Return whether models are compared by balanced accuracy, since the training labels are uneven."""
        return self.models[0].validation_balanced is not None

    @property
    def validation_loss(self) -> tuple[float, ...]:
        """Return the validation losses of the task, empty for a baseline, or if one was not kept."""
        pairs = zip(self.runs, self.models, strict=True)
        losses = [run.validation_loss for run, model in pairs if model is run.record.head]
        kept_losses = tuple(loss for loss in losses if loss is not None)
        return kept_losses if len(kept_losses) == len(self.runs) else ()

    @property
    def parameters(self) -> tuple[int, ...]:
        """Return the numbers of trained parameters."""
        return tuple(model.parameters for model in self.models)

    @property
    def measure(self) -> Measure:
        """Return the score of the task."""
        return TASKS[self.runs[0].config.data.task].measure

    @property
    def tested(self) -> tuple[Score, ...]:
        """Return the scores on the test texts. ValueError if a run did not read them."""
        return tuple(model.tested for model in self.models)

    @property
    def test(self) -> MeanInterval:
        """Return the mean test score with its interval over the seeds."""
        return MeanInterval.from_values([score.value for score in self.tested])


def collect(
    runs: Iterable[FinishedRun],
    settings: Callable[[FinishedRun], Mapping[str, Any]] | None = None,
    model: Callable[[FinishedRun], ModelResult | None] = lambda run: run.record.head,
) -> list[SeededResult]:
    """Group runs by their settings, in the order of each group's first run.

    If several runs have the same settings and seed, the first one counts. A run without a ``model`` is left out.
    By default, the settings are all but the seed, by dotted name.
    """
    read_settings = settings or (lambda run: {k: v for k, v in run.settings.items() if k != "seed"})
    results: dict[str, SeededResult] = {}
    for run in runs:
        if (model_result := model(run)) is None:
            continue
        result = SeededResult(read_settings(run), (run,), (model_result,))
        key = json.dumps(result.settings, sort_keys=True)
        earlier_result = results.get(key)
        if earlier_result is None:
            results[key] = result
        elif run.config.seed not in earlier_result.seeds:
            results[key] = earlier_result + result
    return list(results.values())


def rank(results: Iterable[Result]) -> list[Result]:
    """Sort results by mean validation score, then validation loss, then parameters, the best first.

    The score is the one that models are compared by: balanced accuracy if the labels are uneven.
    Equal ones keep their order. The loss is compared only if every result has one.
    """
    candidates = list(results)
    with_loss = all(result.validation_loss for result in candidates)

    def key(result: Result) -> tuple[float, float, float]:
        loss = fmean(result.validation_loss) if with_loss else 0.0
        return (
            -round(fmean(result.compared_validation), SCORE_DIGITS),
            loss,
            fmean(result.parameters),
        )

    return sorted(candidates, key=key)


def best(results: Iterable[Result]) -> Result:
    """Return the first of the ranked results."""
    return rank(results)[0]


# milliseconds of a training step of 16 on one core, fitted to single-10q, single-12q, multi-10q and
# multi-14q
_STEP_MS = 0.4
_MILLION_AMPLITUDES_MS = 2.2
_CLASSICAL_STEP_MS = 0.2
_BODY_STEP_MS = 430.0  # the same step through minilm and back, if the body learns with the head
_TEST_SET_EPOCHS = 7  # reading the test set of table II costs as much as this many epochs
# reading texts and embeddings; a grid of table VIII or IX; in epochs of cost 1
_START_COST = 50.0
_BASELINE_GRID_COST = 70.0


# --- plans


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
        model = self.config.model
        encoder_work = 0.0
        if model.encoder == "quantum":
            qubits = model.latent_encoder_qubits
            encoder_work += model.most_encoders * model.encoder_layers * qubits * 2.0**qubits
        body = _BODY_STEP_MS if self.config.body.trainable else 0.0
        if model.head != "quantum":
            return body + _CLASSICAL_STEP_MS
        gates = (model.reuploads + model.head_layers * model.connectivity) * model.n_qubits
        encoder_work += gates * 2.0**model.register_qubits
        return body + _STEP_MS + _MILLION_AMPLITUDES_MS * encoder_work / 1e6

    def cost(self, epochs: int | None = None) -> float:
        """Return the estimated cost of the whole run, or until the end of ``epochs`` epochs, 0 before the first."""
        if epochs is not None:
            return _START_COST + epochs * self.epoch_cost if epochs else 0.0
        total_epochs = self.config.train.epochs + (_TEST_SET_EPOCHS if self.read_test else 0)
        return self.cost(total_epochs) + len(self.config.baselines.names) * _BASELINE_GRID_COST

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
        self._finished_keys: set[tuple[str, bool]] = set()
        self._runs_by_key: dict[tuple[str, bool], FinishedRun] = {}

    def has(self, run: PlannedRun) -> bool:
        """Return whether the run is finished."""
        key = (run.identity, run.read_test)
        if key not in self._finished_keys and run.is_finished(self.folder):
            self._finished_keys.add(key)
        return key in self._finished_keys

    def load_run(self, run: PlannedRun) -> FinishedRun:
        """Return the configuration and outcome of a finished run."""
        key = (run.identity, run.read_test)
        if key not in self._runs_by_key:
            self._runs_by_key[key] = FinishedRun.read(run.folder(self.folder))
        return self._runs_by_key[key]

    def results(self, runs: Iterable[PlannedRun]) -> list[SeededResult]:
        """Return the result of each point of finished runs over its seeds, in the order of the runs.

        A configuration that is planned twice counts once.
        """
        planned = {run.identity: run for run in runs}
        return collect(
            map(self.load_run, planned.values()),
            lambda run: dict(planned[run.config.identity].point),
        )

    def mean_validation(self, runs: Collection[PlannedRun]) -> float:
        """Return the mean validation score of the heads of finished runs, by which they are selected."""
        return fmean(self.load_run(run).record.head.compared_validation for run in runs)


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
