"""What a study is: rows of heads, several seeds of each, and who is compared with whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from qllmft.config import RunConfig
from qllmft.errors import UserError
from qllmft.presets import load_preset

Side = Literal["subject", "rival"]
Classical = Literal["svc", "logistic_regression"]

FITTED = {"svc": "SVC", "logistic_regression": "logistic regression"}  # name in a run's record by `Row.classical`
_OWN = {
    "seed": "a study draws its own seeds, from 0; choose their number with --seeds",
    "rivals.names": "a study fits each rival once a seed; take --out of its rows as they are",
}


@dataclass(frozen=True)
class Published:
    """A row of one of the paper's tables.

    Attributes:
        accuracy: the paper's "maximum accuracy" over its sweep, in percent.
        parameters: as printed beside it; None where it is not.
        table: "II", "III" or "IV".
    """

    accuracy: float
    parameters: int | None
    table: str


@dataclass(frozen=True)
class Row:
    """One line of a study's table.

    Attributes:
        label: as the table shows it.
        preset: where the configuration comes from.
        side: the study's subject, or what it is compared with.
        published: the paper's result; None where it prints none.
        settings: differences from the preset, by dotted names.
        classical: the rival of the preset's run that the row is about; None: the head itself. Rows of the same preset
            and settings share their runs, so a rival is fitted once a seed.
        group: subjects and rivals are compared where their groups are equal; see `comparison.py`.
    """

    label: str
    preset: str
    side: Side
    published: Published | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    classical: Classical | None = None
    group: str = ""


@dataclass(frozen=True)
class Study:
    """What is trained and compared.

    Attributes:
        name: as on the command line.
        title: one line for people.
        subject: one of the rows that the study is about, in words: "quantum head".
        rival: one of the rows that it is compared with, in words: "classical head".
        rows: in the table's order.
        seeds: how many; each draws its own split and initial weights.
        epochs: of each run.
        reduced: what ``--quick`` leaves of it; "" where it is whole.
    """

    name: str
    title: str
    subject: str
    rival: str
    rows: tuple[Row, ...]
    seeds: int = 5
    epochs: int = 800
    reduced: str = ""

    def __post_init__(self) -> None:
        sides = {row.side for row in self.rows}
        if sides != {"subject", "rival"} or len({row.label for row in self.rows}) != len(self.rows):
            raise ValueError(f"study {self.name!r}: expected rows of both sides, each with a label of its own")


@dataclass(frozen=True)
class Job:
    """One run of a study.

    Attributes:
        seed: of the split, the weights and all else.
        config: the whole run.
        rows: indices of the study's rows that are read from it.
    """

    seed: int
    config: RunConfig
    rows: tuple[int, ...]


def jobs(study: Study, settings: Mapping[str, Any]) -> list[Job]:
    """Every run of ``study``, seed by seed.

    Args:
        study: its plan.
        settings: what all runs have in common, by dotted names; they win over presets and rows.

    Raises:
        UserError: where a setting does not fit a row, or makes two rows the same.
    """
    for name in _OWN.keys() & settings.keys():
        raise UserError(f"--set {name} does not go with a study: {_OWN[name]}.")
    if study.seeds < 1:
        raise UserError(f"--seeds is {study.seeds}; expected 1 or more (with 1 there are no intervals).")
    shared: dict[str, list[int]] = {}
    for index, row in enumerate(study.rows):
        shared.setdefault(_origin(row), []).append(index)
    made: list[Job] = []
    for seed in range(study.seeds):
        label_of: dict[str, str] = {}
        for indices in shared.values():
            rows = [study.rows[index] for index in indices]
            config = _config(rows, study, settings, seed)
            other = label_of.setdefault(config.identity, rows[0].label)
            if other != rows[0].label:
                raise UserError(
                    f"with these settings the rows {other!r} and {rows[0].label!r} are the same run. "
                    "Leave out the --set that makes them equal."
                )
            made.append(Job(seed, config, tuple(indices)))
    return made


def _origin(row: Row) -> str:
    """Rows with the same answer are read from the same runs."""
    return f"{row.preset} {sorted(row.settings.items())}"


def _config(rows: list[Row], study: Study, settings: Mapping[str, Any], seed: int) -> RunConfig:
    names = [row.classical for row in rows if row.classical]
    own = {"train.epochs": study.epochs, "rivals.names": names, **rows[0].settings}
    return load_preset(rows[0].preset).config({**own, **settings, "seed": seed})
