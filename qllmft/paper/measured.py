"""Which records belong to an experiment of the paper, and what they say: mean and 95 % interval over the seeds.

An experiment is a preset and perhaps settings on top. A run belongs to it where it differs in nothing but

- its *circumstances*: data, body, epochs. Runs are compared within equal circumstances only;
- its *sweep*: learning rate, decay, weight decay, batch norm (tables VI to XV). One of them is chosen, on validation;
- seed, rivals, device.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.stats import t as student

from qllmft.config import RunConfig
from qllmft.paper.records import Record, Row, differing
from qllmft.presets import load_preset

SWEPT = ("train.lr", "train.lr_decay", "train.weight_decay", "model.batch_norm")
_CIRCUMSTANCES = ("data.", "body.model", "body.revision", "train.epochs")
_FREE = ("seed", "rivals.", "body.batch_size", "body.device", "backend.options.device")


@dataclass(frozen=True)
class Experiment:
    """One experiment of the paper.

    Attributes:
        preset: its name.
        overrides: dotted settings on top of it.
    """

    preset: str
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> RunConfig:
        """Its configuration, as the paper has it."""
        return load_preset(self.preset).config(self.overrides)

    @property
    def row(self) -> str | None:
        """The model of a run's table that is meant; None: the head."""
        return load_preset(self.preset).row

    def command(self, extra: str = "") -> str:
        """`qllmft train` that makes a run of it."""
        sets = [f"--set {shlex.quote(f'{name}={_toml(value)}')}" for name, value in self.overrides.items()]
        return " ".join(["qllmft train --preset", self.preset, *sets, *([extra] if extra else [])])

    def row_of(self, record: Record) -> Row | None:
        """The record's row that is a result of the experiment; None where it has none."""
        if self.row is not None:  # a rival: whatever head was trained beside it
            return next((row for row in record.rows if row.name == self.row), None)
        names = differing(record.config, self.config)
        prefixes = (*_CIRCUMSTANCES, *SWEPT, *_FREE)
        return record.rows[0] if all(name.startswith(prefixes) for name in names) else None


@dataclass(frozen=True)
class Circumstances:
    """What runs have in common that are compared.

    Attributes:
        data, fingerprint: name and content of the data.
        drawn: settings of the split, by name.
        body, dimension: the language model and D.
        training: epochs of a trained head, the grid of a rival.
    """

    data: str
    fingerprint: str
    drawn: tuple[tuple[str, Any], ...]
    body: str
    dimension: int
    training: tuple[str, int | str]

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
        return f"{self.data}{texts}{given}, body {self.body} ({self.dimension}-d), {how}"


@dataclass(frozen=True)
class Summary:
    """A mean over seeds.

    Attributes:
        mean: of the values.
        half_width: of the 95 % interval of the mean by Student's t; None with one seed, which says nothing of it.
        n: seeds.
    """

    mean: float
    half_width: float | None
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Summary:
        """Of one value a seed.

        >>> Summary.of([1.0, 2.0, 3.0])
        Summary(mean=2.0, half_width=2.484..., n=3)
        """
        n = len(values)
        half = None if n < 2 else float(student.ppf(0.975, n - 1) * np.std(values, ddof=1) / n**0.5)
        return cls(float(np.mean(values)), half, n)


@dataclass(frozen=True)
class Candidate:
    """One setting of the sweep.

    Attributes:
        swept: values of `SWEPT`; empty for a rival, which sweeps inside one run.
        rows: by seed.
        records: by seed.
    """

    swept: tuple[Any, ...]
    rows: dict[int, Row]
    records: dict[int, Record]

    @property
    def validation(self) -> float:
        """Mean accuracy on validation, in [0, 1]: what the choice is made on."""
        return float(np.mean([row.validation.value for row in self.rows.values()]))

    @property
    def test(self) -> Summary:
        """Accuracy on the test set, in [0, 1]."""
        return Summary.of([row.test.value for row in self.rows.values()])

    @property
    def parameters(self) -> Summary:
        """Trained parameters; support vectors differ from seed to seed."""
        return Summary.of([float(row.parameters) for row in self.rows.values()])


@dataclass(frozen=True)
class Measured:
    """What records say of one experiment under one set of circumstances.

    Attributes:
        experiment: which.
        circumstances: of all its runs.
        candidates: of the sweep, by settings.
    """

    experiment: Experiment
    circumstances: Circumstances
    candidates: tuple[Candidate, ...]

    @property
    def chosen(self) -> Candidate:
        """Best on validation; the first of equals."""
        return max(self.candidates, key=lambda candidate: candidate.validation)


def measure(experiment: Experiment, records: Iterable[Record]) -> list[Measured]:
    """The experiment's results, by circumstances: the longest training first, then the most seeds."""
    groups: dict[Circumstances, dict[tuple[Any, ...], Candidate]] = {}
    for record in sorted(records, key=lambda record: record.config.seed):
        row = experiment.row_of(record)
        if row is None:
            continue
        key = () if experiment.row is not None else _swept(record.config)
        candidates = groups.setdefault(_circumstances(record, experiment), {})
        candidate = candidates.setdefault(key, Candidate(key, {}, {}))
        candidate.rows.setdefault(record.config.seed, row)  # the same run in two folders counts once
        candidate.records.setdefault(record.config.seed, record)
    found = [
        Measured(experiment, circumstances, tuple(candidates[key] for key in sorted(candidates)))
        for circumstances, candidates in groups.items()
    ]
    return sorted(found, key=_preference, reverse=True)


def _preference(measured: Measured) -> tuple[Any, ...]:
    training = measured.circumstances.training[1]
    effort = training if isinstance(training, int) else {"small": 0, "paper": 1}.get(training, 0)
    return effort, measured.chosen.test.n, measured.circumstances.fingerprint, measured.circumstances.body


def _circumstances(record: Record, experiment: Experiment) -> Circumstances:
    config = record.config
    drawn = config.data.model_dump(mode="json", include={"protocol", "n_per_label", "train_fraction"})
    return Circumstances(
        data=record.data,
        fingerprint=record.fingerprint,
        drawn=tuple(sorted(drawn.items())),
        body=config.body.model,
        dimension=record.dimension,
        training=("epochs", config.train.epochs) if experiment.row is None else ("grid", config.rivals.grid),
    )


def _swept(config: RunConfig) -> tuple[Any, ...]:
    tree = config.model_dump(mode="json")
    sections = (name.split(".") for name in SWEPT)
    return tuple(tree[section][name] for section, name in sections)


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
