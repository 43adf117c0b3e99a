"""Which runs belong to an experiment of the paper, and what they say: mean and 95 % interval over the seeds.

An experiment is a preset and perhaps settings on top. A run belongs to it where it differs in nothing but

- its *circumstances*: data, body, epochs, shots. Runs are compared within equal circumstances only;
- its *sweep*: learning rate, decay, weight decay, batch norm (tables VI to XV). One of them is chosen, on validation;
- seed, baselines, device.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from qllmft.campaign.records import FinishedRun
from qllmft.config import RunConfig
from qllmft.config.presets import load_preset
from qllmft.config.settings import differing, settings_of
from qllmft.report.nearest_preset import train_command
from qllmft.run import ModelResult
from qllmft.statistics import MeanInterval

SWEPT = ("train.lr", "train.lr_decay", "train.weight_decay", "model.batch_norm")
_CIRCUMSTANCES = ("data.", "body.model", "body.revision", "train.epochs", "noise.shots")
_FREE = ("seed", "baselines.", "body.batch_size", "body.device", "backend.options.device")


@dataclass(frozen=True)
class Experiment:
    """One experiment of the paper."""

    preset: str  # its name
    overrides: Mapping[str, Any] = field(default_factory=dict)  # dotted settings on top of it

    @cached_property
    def config(self) -> RunConfig:
        """Its configuration, as the paper has it."""
        return load_preset(self.preset).config(self.overrides)

    @cached_property
    def baseline(self) -> str | None:
        """The baseline of a run that is meant; None: the head."""
        return load_preset(self.preset).baseline

    def command(self, extra: str = "") -> str:
        """`qllmft train` that makes a run of it."""
        return f"{train_command(self.preset, self.overrides)} {extra}".strip()

    def result_of(self, run: FinishedRun) -> ModelResult | None:
        """The model of a run that is a result of the experiment; None where it has none."""
        if self.baseline is not None:  # whatever head was trained beside it
            return run.record.model(self.baseline)
        names = differing(run.config, self.config)
        prefixes = (*_CIRCUMSTANCES, *SWEPT, *_FREE)
        return run.record.head if all(name.startswith(prefixes) for name in names) else None


@dataclass(frozen=True)
class Circumstances:
    """What runs have in common that are compared."""

    data: str  # its name
    fingerprint: str  # of its content
    drawn: tuple[tuple[str, Any], ...]  # settings of the split, by name
    body: str  # the language model
    dimension: int  # D
    training: tuple[str, int | str]  # epochs of a trained head, the grid of a baseline
    shots: int | None = None  # of a trained head, 0 with exact values; None where they are those of the experiment

    @property
    def same_texts(self) -> tuple[Any, ...]:
        """Equal where two models learnt from the same vectors of the same texts, given the seed."""
        return self.fingerprint, self.drawn, self.body, self.dimension

    def __str__(self) -> str:
        key, value = self.training
        how = f"{value} epochs" if key == "epochs" else f"{value} grid"
        drawn = dict(self.drawn)
        texts = "" if drawn["n_per_label"] is None else f" ({drawn['n_per_label']} drawn a label)"
        given = ", its own splits" if drawn["protocol"] == "given" else ""
        if self.shots is not None:
            how += f", {self.shots:,} shots" if self.shots else ", exact values in place of shots"
        return f"{self.data}{texts}{given}, body {self.body} ({self.dimension}-d), {how}"


@dataclass(frozen=True)
class Candidate:
    """One setting of the sweep."""

    swept: tuple[Any, ...]  # values of `SWEPT`; empty for a baseline, which sweeps inside one run
    results: dict[int, ModelResult]  # of the model that is meant, by seed
    runs: dict[int, FinishedRun]  # by seed

    @property
    def validation(self) -> float:
        """Mean accuracy on validation, in [0, 1]: what the choice is made on."""
        return float(np.mean([result.validation.value for result in self.results.values()]))

    @property
    def test(self) -> MeanInterval:
        """Accuracy on the test set, in [0, 1]."""
        return MeanInterval.of([result.tested.value for result in self.results.values()])


@dataclass(frozen=True)
class Measured:
    """What runs say of one experiment under one set of circumstances."""

    circumstances: Circumstances  # of all its runs
    candidates: tuple[Candidate, ...]  # of the sweep, by settings

    @property
    def chosen(self) -> Candidate:
        """Best on validation; the first of equals."""
        return max(self.candidates, key=lambda candidate: candidate.validation)


def measure(experiment: Experiment, runs: Iterable[FinishedRun]) -> list[Measured]:
    """The experiment's results, by circumstances: the experiment's own shots first, then the longest training."""
    groups: dict[Circumstances, dict[tuple[Any, ...], Candidate]] = {}
    for run in sorted(runs, key=lambda run: run.config.seed):
        result = experiment.result_of(run)
        if result is None:
            continue
        settings = settings_of(run.config)
        key = tuple(settings[name] for name in SWEPT) if experiment.baseline is None else ()
        candidates = groups.setdefault(_circumstances(run, experiment), {})
        candidate = candidates.setdefault(key, Candidate(key, {}, {}))
        candidate.results.setdefault(run.config.seed, result)  # the same run in two folders counts once
        candidate.runs.setdefault(run.config.seed, run)
    found = [
        Measured(circumstances, tuple(candidates[key] for key in sorted(candidates)))
        for circumstances, candidates in groups.items()
    ]
    return sorted(found, key=_preference, reverse=True)


def _preference(measured: Measured) -> tuple[Any, ...]:
    given = measured.circumstances
    training = given.training[1]
    effort = training if isinstance(training, int) else {"small": 0, "paper": 1}.get(training, 0)
    return given.shots is None, effort, measured.chosen.test.n, given.fingerprint, given.body


def _circumstances(run: FinishedRun, experiment: Experiment) -> Circumstances:
    config = run.config
    drawn = config.data.model_dump(mode="json", include={"protocol", "n_per_label", "train_fraction"})
    return Circumstances(
        data=run.data,
        fingerprint=run.record.data.fingerprint,
        drawn=tuple(sorted(drawn.items())),
        body=config.body.model,
        dimension=run.record.body.dimension,
        training=("epochs", config.train.epochs) if experiment.baseline is None else ("grid", config.baselines.grid),
        shots=None
        if experiment.baseline or config.noise.shots == experiment.config.noise.shots
        else config.noise.shots,
    )
