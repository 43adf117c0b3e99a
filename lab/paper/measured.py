"""Runs of the paper's experiments, their results over the seeds, and the counts of their presets.

An experiment is a preset, possibly with further settings. A run belongs to it if it differs only in

- its *circumstances*: data, body, epochs, shots. Runs are compared within equal circumstances only;
- its *sweep*: learning rate, decay, weight decay, batch norm (tables VI to XV). Validation selects one of them;
- seed, baselines, device.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from qllmft import RunConfig, load_preset
from qllmft.campaign import FinishedRun, SeededResult, best, collect
from qllmft.config import find_differing_values, flat_settings
from qllmft.report import train_command
from qllmft.run import ModelResult
from qllmft.tasks import TASKS
from qllmft.templates import encoder_template, head_template, preset_parameters
from qllmft_circuits import count
from qllmft_circuits.inspect import CircuitCounts
from qllmft_studies.published import paper_numbers

CLASSES = 2
SWEPT = ("train.lr", "train.lr_decay", "train.weight_decay", "model.batch_norm")
_CIRCUMSTANCES = ("data.", "body.model", "body.revision", "train.epochs", "noise.shots")
_SPLIT_SETTINGS = (  # of the data; with those of the paper all runs of a seed have its texts
    *("protocol", "drawn_per_label", "train_fraction", "folds", "validation_folds"),
    *("group_column", "time_column", "duplicates", "merge_labels", "missing_labels", "rare_labels"),
)
_FREE = ("seed", "baselines.", "body.batch_size", "body.device", "backend.options.device")


@dataclass(frozen=True)
class Experiment:
    """Experiment of the paper."""

    preset: str
    overrides: Mapping[str, Any] = field(default_factory=dict)  # further settings, by dotted name

    @cached_property
    def config(self) -> RunConfig:
        """Return its configuration in the paper."""
        return load_preset(self.preset).config(self.overrides)

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """Return all settings of the configuration, by dotted names."""
        return flat_settings(self.config)

    @cached_property
    def baseline(self) -> str | None:
        """Return the baseline that it is about, or None if it is about the head."""
        return load_preset(self.preset).baseline

    @property
    def name(self) -> str:
        """Return the preset with the further settings, for folders and messages."""
        return "-".join(
            [
                self.preset,
                *(f"{name.split('.')[-1]}{value}" for name, value in self.overrides.items()),
            ]
        )

    def command(self, extra: str = "") -> str:
        """Return the `qllmft train` command of a run of it."""
        return f"{train_command(self.preset, self.overrides)} {extra}".strip()

    def find_result(self, run: FinishedRun) -> ModelResult | None:
        """Return the model of a run that is a result of the experiment, or None if the run has none."""
        if not TASKS[run.config.data.task].one_label:  # the paper prints accuracies
            return None
        if self.baseline is not None:  # its result does not depend on the run's own head
            return run.record.model(self.baseline)
        names = find_differing_values(run.settings, self.settings)
        prefixes = (*_CIRCUMSTANCES, *SWEPT, *_FREE)
        return run.record.head if all(name.startswith(prefixes) for name in names) else None


@dataclass(frozen=True)
class Circumstances:
    """Common properties of runs that are compared."""

    data: str  # name
    fingerprint: str  # of the data
    split_settings: tuple[tuple[str, Any], ...]  # settings of the split, by name
    body: str  # the language model
    dimension: int  # D
    training: tuple[str, int | str]  # epochs of a trained head, or the grid of a baseline
    # of a trained head, 0 for exact values; None if they are the experiment's
    shots: int | None = None

    @property
    def same_texts(self) -> tuple[Any, ...]:
        """Return a key that is equal if two models of one seed learned from the same vectors of the same texts."""
        return self.fingerprint, self.split_settings, self.body, self.dimension

    @property
    def as_wide_as_the_paper(self) -> bool:
        """Return whether the body has the dimension of the paper's."""
        return self.dimension == paper_numbers().dimension

    def __str__(self) -> str:
        key, value = self.training
        training = f"{value} epochs" if key == "epochs" else f"{value} grid"
        split = dict(self.split_settings)
        texts = "" if split["n_per_label"] is None else f" ({split['n_per_label']} drawn a label)"
        splits_note = ", its own splits" if split["protocol"] == "given" else ""
        if self.shots is not None:
            training += (
                f", {self.shots:,} shots" if self.shots else ", exact values in place of shots"
            )
        return f"{self.data}{texts}{splits_note}, body {self.body} ({self.dimension}-d), {training}"


@dataclass(frozen=True)
class Measured:
    """Results of one experiment in one set of circumstances."""

    circumstances: Circumstances  # of all its runs
    # of the sweep, by the values of `SWEPT`; one for a baseline
    candidates: tuple[SeededResult, ...]

    @property
    def chosen(self) -> SeededResult:
        """Return the candidate that validation selects among those with the most seeds.

        Means over other seeds are means over other texts, and are not compared.
        """
        most = max(candidate.test.n for candidate in self.candidates)
        return best(candidate for candidate in self.candidates if candidate.test.n == most)


def difference_from_paper(run: FinishedRun) -> str:
    """Return how a run's texts or their split differ from the paper's, in words, or "" if they do not.

    A run with such a difference is compared with no number of the paper.
    """
    data = run.config.data
    if not paper_numbers().names(data.source):
        return f"other texts, {data.source}"
    papers_data = RunConfig().data
    settings = [
        f"{name} {getattr(data, name)}"
        for name in _SPLIT_SETTINGS
        if getattr(data, name) != getattr(papers_data, name)
    ]
    return f"{data.source}, split in another way, {', '.join(settings)}" if settings else ""


def measure(experiment: Experiment, runs: Iterable[FinishedRun]) -> list[Measured]:
    """Return an experiment's results by circumstances: its own shots, the paper's dimension, the longest training."""
    groups: dict[Circumstances, list[FinishedRun]] = {}
    for run in runs:
        if experiment.find_result(run) is not None:
            groups.setdefault(_circumstances(run, experiment), []).append(run)
    swept = SWEPT if experiment.baseline is None else ()  # a baseline's sweep is inside one run
    measured_results = []
    for shared_circumstances, group in groups.items():
        candidates = collect(
            group,
            lambda run: {name: run.settings[name] for name in swept},
            experiment.find_result,
        )
        candidates.sort(key=lambda candidate: tuple(candidate.settings.values()))
        measured_results.append(Measured(shared_circumstances, tuple(candidates)))
    return sorted(measured_results, key=_preference, reverse=True)


def _preference(measured: Measured) -> tuple[Any, ...]:
    circumstances = measured.circumstances
    training = circumstances.training[1]
    effort = training if isinstance(training, int) else {"small": 0, "paper": 1}.get(training, 0)
    closeness = (circumstances.shots is None, circumstances.as_wide_as_the_paper)
    seeds = measured.chosen.test.n
    return *closeness, effort, seeds, circumstances.fingerprint, circumstances.body


def _circumstances(run: FinishedRun, experiment: Experiment) -> Circumstances:
    config = run.config
    split = config.data.model_dump(
        mode="json", include={"protocol", "n_per_label", "train_fraction"}
    )
    return Circumstances(
        data=config.data.source,
        fingerprint=run.record.data.fingerprint,
        split_settings=tuple(sorted(split.items())),
        body=config.body.model,
        dimension=run.record.body.dimension,
        training=("epochs", config.train.epochs)
        if experiment.baseline is None
        else ("grid", config.baselines.grid),
        shots=None
        if experiment.baseline or config.noise.shots == experiment.config.noise.shots
        else config.noise.shots,
    )


# --- counts, without training


@dataclass(frozen=True)
class PresetCounts:
    """Counts of one preset. Those of circuits are before any transpilation, and None if the part is classical."""

    # trained ones; None for an SVC, whose training decides its support vectors
    parameters: int | None
    head: CircuitCounts | None = None
    encoder: CircuitCounts | None = None  # of one encoder
    n_encoders: int = 0  # E; 0 without a quantum encoder


def count_parameters(name: str) -> int | None:
    """Return the trained parameters of a preset for D = 768 and two labels, or None for an SVC."""
    return preset_parameters(load_preset(name), paper_numbers().dimension, CLASSES)


def preset_counts(name: str) -> PresetCounts:
    """Return all counts of a preset."""
    preset = load_preset(name)
    parameters = count_parameters(name)
    model = preset.config().model
    if preset.baseline is not None:  # the run's own head is another model
        return PresetCounts(parameters)
    head = head_template(model)
    encoder = encoder_template(model)
    return PresetCounts(
        parameters=parameters,
        head=None if head is None else count(head),
        encoder=None if encoder is None else count(encoder),
        n_encoders=0 if encoder is None else model.most_encoders,
    )
