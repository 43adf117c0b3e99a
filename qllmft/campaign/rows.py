"""What a study is: rows of heads, several seeds of each, and who is compared with whom. Each is a TOML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field, model_validator

from qllmft.baselines import check_baselines
from qllmft.campaign import studies
from qllmft.campaign.queue import PlannedRun
from qllmft.config.presets import load_preset
from qllmft.config.toml_files import Content, Settings, names_in, read_chosen, validated
from qllmft.errors import UserError

Side = Literal["subject", "baseline"]
Named = Mapping[str, Any]  # settings by dotted names
MapAxis = Literal["", "parameters", "classes", "texts"]

_OF_THE_STUDY = {  # settings that a study gives its runs itself
    "seed": "a study draws its own seeds, from 0; choose their number with --seeds",
    "baselines.names": "a study fits the baselines that its rows name; for other ones write a study of your own in a TOML "
    "file, see `qllmft study --help`",
    "baselines.points": "a study says how many settings every row has; choose their number with --budget",
}


class Row(Content):
    """One line of a study's table. Rows of the same preset and settings share runs: a baseline is fitted once a seed."""

    label: str = Field(min_length=1)  # as the table shows it
    preset: str  # where the configuration comes from
    side: Side  # the study's subject, or what it is compared with
    settings: Settings = Field({})  # differences from the preset, by dotted names
    classical: str | None = None  # the baseline of the preset's run that the row is about; None: the head itself
    group: str = ""  # subjects and baselines are compared where their groups are equal; see `comparison.py`
    # by name or path: its settings are those that a study with a budget draws for the head; None: see `tuning.py`
    space: str | None = None
    epochs: int | None = Field(default=None, ge=1)  # of each run; the study's where None
    series: str = ""  # of a map, the curve that the row is a point of; "": the row is compared and not drawn

    @model_validator(mode="after")
    def _leaves_alone_what_is_the_studys(self) -> Row:
        for name in self.settings:
            if name in (*_OF_THE_STUDY, "train.epochs") or name.startswith("data."):
                raise ValueError(f"{name} is the same in all rows of a study; leave it out of the row's settings")
        return self

    @property
    def origin(self) -> str:
        """Rows of the same origin are read from the same runs."""
        return f"{self.preset} {self.epochs} {self.space} {sorted(self.settings.items())}"


class Quick(Content):
    """What ``--quick`` leaves of a study."""

    epochs: int = Field(ge=1)  # of each run
    without: tuple[str, ...] = ()  # labels of rows that are left out


class Study(Content):
    """What is trained and compared."""

    name: str  # as on the command line
    title: str  # one line for people
    subject: str  # one of the rows that the study is about, in words: "quantum head"
    baseline: str  # one of the rows that it is compared with, in words: "classical head"
    rows: tuple[Row, ...]  # in the table's order
    settings: Settings = Field({})  # of all rows, by dotted names, over the presets'; a row's and the command's win
    seeds: int = Field(default=5, ge=1)  # how many; each draws its own split and initial weights
    epochs: int = Field(default=800, ge=1)  # of each run that Adam trains; L-BFGS has the iterations of its preset
    notes: str = ""  # Markdown below the study's table
    published: bool = True  # whether the paper's numbers of the rows' presets stand beside ours
    # groups of rows on one body each, whose heads are the same; the page says what body and kind do, see `bodies.py`
    bodies: tuple[str, ...] = ()
    x: MapAxis = ""  # of a map, what accuracy is drawn against; "" where the study is no map
    quick: Quick | None = None  # the same in small; None where there is no such version
    reduced: str = ""  # what ``--quick`` left of it; "" where it is whole
    # settings that every row tries with each seed, chosen among by validation; None: the preset's, a baseline's grid
    budget: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _can_be_compared(self) -> Study:
        labels = [row.label for row in self.rows]
        if twice := {label for label in labels if labels.count(label) > 1}:
            raise ValueError(f"rows need labels of their own, and several are {', '.join(map(repr, sorted(twice)))}")
        groups = {side: {row.group for row in self.rows if row.side == side} for side in ("subject", "baseline")}
        if not groups["subject"] or (alone := groups["subject"] - groups["baseline"]):
            missing = "a subject" if not groups["subject"] else f"a baseline in the group {min(alone)!r}"
            raise ValueError(
                f"a study compares rows of the side 'subject' with baselines of their group; give {missing}"
            )
        if taken := sorted(self.settings.keys() & {*_OF_THE_STUDY, "train.epochs"}):
            raise ValueError(f"settings has {', '.join(taken)}, which a study gives its runs itself; leave that out")
        if self.bodies and (len(self.bodies) < 2 or any(set(self.bodies) - of_side for of_side in groups.values())):
            raise ValueError(f"bodies names {list(self.bodies)}; expected two or more groups with rows of both sides")
        if self.x and not any(row.series for row in self.rows):
            raise ValueError(
                f"a study with x {self.x!r} is a map, whose curves are its rows' series; give rows a series"
            )
        if self.quick and (unknown := set(self.quick.without) - set(labels)):
            raise ValueError(f"quick.without has {', '.join(map(repr, sorted(unknown)))}, which is no row's label")
        return self

    def in_small(self) -> Study:
        """The same shape for two processor cores and well under an hour; UserError where there is no such version."""
        if self.quick is None:
            raise UserError(f"study {self.name} has no part [quick]. Leave --quick out, or choose --epochs.")
        left = [row for row in self.rows if row.label not in self.quick.without]
        names = [row.label for row in self.rows if row not in left]
        reduced = f"quick: without {', '.join(names)}" if names else "quick"
        own = {"rows": left, "epochs": self.quick.epochs, "quick": None, "reduced": reduced}
        return validated(Study, {**dict(self), **own}, f"study {self.name}, quick")


def study_names() -> list[str]:
    """Names of the studies that the package has, sorted."""
    return names_in(studies.__name__)


def load_study(choice: str) -> Study:
    """A study of the package by its name, or one's own by the path of its TOML file; UserError where there is none."""
    name, tree = read_chosen(studies.__name__, choice, "study")
    return validated(Study, {"name": name, **tree}, f"study {choice}")


@dataclass(frozen=True)
class StudyRun(PlannedRun):
    """One run of a study."""

    rows: tuple[int, ...] = ()  # indices of the study's rows that are read from it
    point: Named = field(default_factory=dict)  # settings of its head that a budget has tried
    tried: int | None = None  # how many such points the head had with this seed; None without a budget


def study_runs(study: Study, settings: Mapping[str, Any]) -> list[StudyRun]:
    """Every run of ``study``, seed by seed; ``settings`` by dotted names win over presets and rows.

    Raises:
        UserError: where a setting does not fit a row, makes two rows the same, or rows read different texts.
    """
    for name in _OF_THE_STUDY.keys() & settings.keys():
        raise UserError(f"--set {name} does not go with a study: {_OF_THE_STUDY[name]}.")
    by_origin: dict[str, list[int]] = {}
    for index, row in enumerate(study.rows):
        by_origin.setdefault(row.origin, []).append(index)
    runs: list[StudyRun] = []
    for seed in range(study.seeds):
        of_seed = [study_run(study, indices, settings, seed, {}) for indices in by_origin.values()]
        if seed == 0:
            _check_rows(study, of_seed)
        runs += of_seed
    return runs


def study_run(study: Study, indices: Sequence[int], settings: Named, seed: int, point: Named) -> StudyRun:
    """The run of one seed that the rows at ``indices`` share, its head with the settings of ``point``."""
    rows = [study.rows[index] for index in indices]
    named = next((row for row in rows if not row.classical), rows[0])
    baselines = [row.classical for row in rows if row.classical]
    own = {**study.settings, "baselines.names": baselines, **rows[0].settings, **point}
    if study.budget is not None and baselines:
        own["baselines.points"] = study.budget
    try:
        check_baselines(baselines)
        preset = load_preset(rows[0].preset)
        if preset.config(own).train.optimizer == "adam":
            own["train.epochs"] = rows[0].epochs or study.epochs
        config = preset.config({**own, **settings, "seed": seed})
    except UserError as error:
        raise UserError(f"study {study.name}, row {rows[0].label!r}: {error}") from None
    return StudyRun(config, f"{named.label}, seed {seed}", rows=tuple(indices), point=point)


def _check_rows(study: Study, runs: list[StudyRun]) -> None:
    """Make sure that the rows of one seed differ, and that they read the same texts."""
    of_result: dict[tuple[str, str | None], Row] = {}
    for run in runs:
        for row in (study.rows[index] for index in run.rows):
            other = of_result.setdefault((run.config.identity, row.classical), row)
            if other is not row:
                raise UserError(
                    f"the rows {other.label!r} and {row.label!r} are the same run. Change one of them, or leave out "
                    "the --set that makes them equal."
                )
        if run.config.data != runs[0].config.data:
            sources = [study.rows[each.rows[0]].label for each in (runs[0], run)]
            ours, theirs = runs[0].config.data.model_dump(), run.config.data.model_dump()
            differences = [f"data.{k} {ours[k]!r} and {theirs[k]!r}" for k in ours if ours[k] != theirs[k]]
            raise UserError(
                f"the rows {sources[0]!r} and {sources[1]!r} read different texts or splits, and a study compares on "
                f"the same ones: {', '.join(differences)}. Give --data, or --set for all rows."
            )
