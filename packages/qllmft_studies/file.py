"""Files of campaigns: TOML files with the rows of a study, or with the search space of a sweep (`search_space.py`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Self, TypeVar, get_args

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    model_validator,
)

from qllmft.config.presets import Preset, load_preset, preset_names
from qllmft.config.section import Section
from qllmft.config.toml_files import Settings, names_in, read_chosen, validate_content
from qllmft_base.errors import UserError
from qllmft_base.files import expand_home
from qllmft_studies import files
from qllmft_studies.seeds import Seeds, seeds_text

Side = Literal["subject", "baseline"]
MapAxis = Literal["", "parameters", "classes", "texts"]
SettingsByName = Mapping[str, Any]  # settings by dotted name
_SEARCH_KEYS = {"parameters", "grid_of"}  # keys of a search space

STUDY_SETTINGS = {  # settings that a study gives its runs itself
    "seed": "a study draws its own seeds, from 0. Choose their number with --seeds",
    "baselines.names": "a study fits the baselines that its rows name. For others, write a study of your own in a TOML "
    "file (`qllmft study --help`)",
    "baselines.points": "a study says how many settings every row has. Choose their number with --budget",
}


_SETTINGS_OF_BODIES = ("body.", "train.")  # beginnings of those in which one head may differ


def check_name(name: str) -> str:
    """Return a name of a campaign, or raise ValueError if it leads to another folder."""
    if name in ("", ".", "..") or any(sign in name for sign in "/\\\0"):
        raise ValueError(
            f"the name is {name!r}, and folders and figures are named by it. Choose one without / and \\"
        )
    return name


def settings_of_head(settings: SettingsByName) -> str:
    """Return the settings, as a text, in which the same head on two language models must not differ.

    >>> settings_of_head({"body.trainable": True, "model.n_qubits": 3})
    '{"model.n_qubits": 3}'
    """
    kept_settings = {k: v for k, v in settings.items() if not k.startswith(_SETTINGS_OF_BODIES)}
    return json.dumps(kept_settings, sort_keys=True)


class Quick(Section):
    """Changes that ``--quick`` makes."""

    settings: Settings = Field({})  # of all runs, by dotted name
    epochs: int | None = Field(default=None, ge=1)  # of each run of a study
    without: tuple[str, ...] = ()  # labels of a study's rows that are left out
    values: dict[str, list[Any]] = Field({})  # levels of a sweep, by the parameter's name


class CampaignFile(Section):
    """Part that studies and search spaces have in common."""

    name: Annotated[str, AfterValidator(check_name)]  # as on the command line
    title: str  # one line for people
    settings: Settings = Field({})  # differences of all runs from their presets, by dotted name
    # presets of this file alone: their settings by dotted name, from the defaults
    presets: dict[str, Settings] = Field({})
    quick: Quick | None = None  # None if there is no small version
    _path: Path | None = PrivateAttr(None)

    @property
    def path(self) -> Path | None:
        """Return the absolute path of the TOML file that was loaded, or None for a file of the package."""
        return self._path

    @model_validator(mode="after")
    def _check_presets(self) -> Self:
        if repeated_names := sorted(self.presets.keys() & {*preset_names()}):
            raise ValueError(
                f"presets has {', '.join(repeated_names)}, which qllmft has already. Choose another name"
            )
        return self

    def load_preset(self, name: str) -> Preset:
        """Return a preset of this file, or of qllmft."""
        return load_preset(name, self.presets)

    def in_small(self) -> Self:
        """Return the version of ``--quick``, or raise a UserError if there is none."""
        if self.quick is None:
            raise UserError(f"{self.name} has no part [quick]. Omit --quick, or choose --epochs.")
        changes = {
            "settings": self.settings | self.quick.settings,
            "quick": None,
            **self._small_parts(self.quick),
        }
        small = validate_content(type(self), {**dict(self), **changes}, f"{self.name}, quick")
        small._path = self._path
        return small

    def _small_parts(self, quick: Quick) -> dict[str, Any]:
        raise NotImplementedError


class Row(Section):
    """Row of a study's table.

    Rows of the same preset and settings share runs, so that a baseline is fitted once per seed.
    """

    label: str = Field(min_length=1)  # as in the table
    preset: str  # of the configuration
    side: Side  # the study's subject, or a baseline that it is compared with
    settings: Settings = Field({})  # differences from the preset, by dotted name
    # the baseline of the preset's run that the row is about; None: the head itself
    classical: str | None = None
    group: str = ""  # subjects are compared with baselines of the same group; see `comparison.py`
    # name or path of the search space of a study with a budget; None: that of its head's kind
    space: str | None = None
    epochs: int | None = Field(default=None, ge=1)  # of each run; None: the study's or the preset's
    # curve of a map that the row is a point of, or line of rows with ``qubits``; "": the row is
    # compared and not drawn
    series: str = ""
    # place on the line of its series, whose slope is shown; None: none
    qubits: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _check_settings(self) -> Row:
        if self.qubits is not None and not self.series:
            raise ValueError(
                f"qubits is {self.qubits}, the row's place on the line of its series. Give it a series"
            )
        if self.classical is not None and self.space is not None:
            raise ValueError(
                f"space is {self.space!r}, and the baseline {self.classical!r} is searched over its own grid. Omit "
                "space"
            )
        for name in self.settings:
            if name in (*STUDY_SETTINGS, "train.epochs") or name.startswith("data."):
                raise ValueError(
                    f"{name} is the same in all rows of a study. Omit it from the row's settings"
                )
        return self

    @property
    def head(self) -> tuple[str, str | None, str]:
        """Return preset, baseline and settings, which are equal for the same head on another body."""
        return self.preset, self.classical, settings_of_head(self.settings)

    @property
    def origin(self) -> str:
        """Return the same text for rows that share runs."""
        return f"{self.preset} {self.epochs} {self.space} {sorted(self.settings.items())}"


class _ComparableRow(Protocol):
    """Row of a study, planned or measured."""

    @property
    def label(self) -> str: ...
    @property
    def side(self) -> Side: ...
    @property
    def group(self) -> str: ...
    @property
    def head(self) -> tuple[str, str | None, str]: ...


R = TypeVar("R", bound=_ComparableRow)


def select_pairs(
    rows: Sequence[R], subjects: Sequence[R], contrasts: Sequence[tuple[str, str]]
) -> list[tuple[R, R]]:
    """Return the rows that are compared: the contrasts, or each subject with the baselines of its group."""
    by_label = {row.label: row for row in rows}
    if contrasts:
        return [(by_label[first], by_label[second]) for first, second in contrasts]
    baselines = [row for row in rows if row.side == "baseline"]
    return [(s, b) for s in subjects for b in baselines if s.group == b.group]


def groups_by_side(rows: Sequence[_ComparableRow]) -> tuple[set[str], set[str]]:
    """Return the groups of the subjects, and those of the baselines."""
    subjects, baselines = (
        {row.group for row in rows if row.side == side} for side in get_args(Side)
    )
    return subjects, baselines


def baselines_of_first_body_alone(rows: Sequence[R], bodies: Sequence[str]) -> list[R]:
    """Return the baselines of the first body that the second one lacks, so that their gain is not known."""
    first, second = bodies[:2]
    baselines = [row for row in rows if row.side == "baseline"]
    heads_on_second = {row.head for row in baselines if row.group == second}
    return [row for row in baselines if row.group == first and row.head not in heads_on_second]


class Study(CampaignFile):
    """Rows of heads, and several seeds of each."""

    subject: str  # the study's subject in words: "quantum head"
    baseline: str  # the rows that it is compared with, in words: "classical head"
    rows: tuple[Row, ...]  # in the table's order
    seeds: Seeds = range(5)  # each draws its own split and initial weights
    # seeds on whose drawn texts a row was chosen, which are never reported on
    choosing_seeds: Seeds | None = None
    rule: str = ""  # rule of that choice, written before it was applied
    # points of accuracy, or another score, within which two heads count as equal, said beforehand;
    # None: 0.5 points, or 0.01
    margin: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    # of each run that Adam trains; L-BFGS has the iterations of its preset; None: the epochs of each row's preset
    epochs: int | None = Field(default=None, ge=1)
    notes: str = ""  # Markdown below the study's table
    published: bool = True  # whether the paper's numbers of the rows' presets are shown
    # groups of rows with the same heads, on one body each; the page shows effects of body and kind,
    # see `comparison.py`
    bodies: tuple[str, ...] = ()
    x: MapAxis = ""  # horizontal axis of a map; "": the study is no map
    # expected standard deviation over the seeds of a difference, in the unit of ``margin``, for the
    # least difference of a registration
    scatter: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    # the only comparisons, each of two rows by their labels; (): see `comparison.py`
    contrasts: tuple[tuple[str, str], ...] = ()
    reduced: str = ""  # rows that ``--quick`` omitted, in words; "": the study is whole
    # number of settings that each row tries with each seed, selected on validation; None: the
    # preset's, a whole grid
    budget: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _check_sides(self) -> Study:
        subjects, baselines = groups_by_side(self.rows)
        if not subjects or (unmatched_groups := subjects - baselines):
            missing = (
                "a subject"
                if not subjects
                else f"a baseline in the group {min(unmatched_groups)!r}"
            )
            raise ValueError(
                f"a study compares rows of the side 'subject' with baselines of their group. Give {missing}"
            )
        if forbidden_settings := sorted(self.settings.keys() & {*STUDY_SETTINGS, "train.epochs"}):
            raise ValueError(
                f"settings has {', '.join(forbidden_settings)}, which a study gives its runs itself. Omit that"
            )
        if self.bodies and (len(self.bodies) < 2 or set(self.bodies) - (subjects & baselines)):
            raise ValueError(
                f"bodies names {list(self.bodies)}, expected two or more groups with rows of both sides"
            )
        if self.bodies:
            self._check_heads_of_bodies()
        if self.x and not any(row.series for row in self.rows):
            raise ValueError(
                f"a study with x {self.x!r} is a map, whose curves are its rows' series. Give rows a series"
            )
        return self

    def _check_heads_of_bodies(self) -> None:
        """Raise ValueError unless each gain from a language model is that of one head."""
        label_by_head: dict[tuple[Any, ...], str] = {}
        for row in (row for row in self.rows if row.group in self.bodies):
            earlier_label = label_by_head.setdefault((row.group, *row.head), row.label)
            if earlier_label != row.label:
                raise ValueError(
                    f"rows {earlier_label!r} and {row.label!r} are the same head in the group {row.group!r}. Gains "
                    "would mix them. Omit one, or give it a preset of its own"
                )
        if unpaired_rows := baselines_of_first_body_alone(self.rows, self.bodies):
            row = unpaired_rows[0]
            raise ValueError(
                f"the baseline {row.label!r} of {row.group!r} has no row in the group {self.bodies[1]!r}. Give it one "
                "with the same preset"
            )

    @model_validator(mode="after")
    def _check_seeds_of_presets(self) -> Study:
        for name, settings in self.presets.items():
            if "seed" in settings:
                raise ValueError(f"presets.{name} has seed, and {STUDY_SETTINGS['seed']}")
        return self

    @model_validator(mode="after")
    def _check_row_labels(self) -> Study:
        labels = [row.label for row in self.rows]
        if repeated_labels := {label for label in labels if labels.count(label) > 1}:
            raise ValueError(
                f"rows need labels of their own, and several are {', '.join(map(repr, sorted(repeated_labels)))}"
            )
        label_references = {
            "contrasts names": {label for pair in self.contrasts for label in pair},
            "quick.without has": self.quick.without if self.quick else (),
        }
        for source, referenced_labels in label_references.items():
            if unknown := set(referenced_labels) - set(labels):
                raise ValueError(
                    f"{source} {', '.join(map(repr, sorted(unknown)))}, which is no row's label"
                )
        if len(set(map(frozenset, self.contrasts))) < len(self.contrasts):
            raise ValueError("contrasts has the same two rows more than once")
        if any(first == second for first, second in self.contrasts):
            raise ValueError("contrasts compares a row with itself")
        return self

    @model_validator(mode="after")
    def _check_choosing_seeds(self) -> Study:
        if self.choosing_seeds is None:
            return self
        last = self.choosing_seeds[-1]
        shared_seeds = range(
            max(self.seeds[0], self.choosing_seeds[0]), min(self.seeds[-1], last) + 1
        )
        if shared_seeds:  # two ranges meet in a range
            raise ValueError(
                f"{seeds_text(shared_seeds)} would be both chosen and reported on. Report on other ones, such as "
                f"--seeds {last + 1}-{last + len(self.seeds)}"
            )
        if not self.rule:
            raise ValueError(
                "choosing_seeds has no rule. Say in `rule` how the choice was made on them"
            )
        return self

    def with_own_heads(self, names: Mapping[str, str]) -> Study:
        """Return the study with the names of its users' heads, which have the hashes of their files.

        Args:
            names: those of baselines, by the names in the study's file, such as ``my_circuit.make``.

        Raises:
            UserError: if no row has such a head.
        """
        named = {row.classical for row in self.rows}
        if names and not named & names.keys():
            raise UserError(
                f"no row of the study {self.name} has a head of --head. Give one the key classical with one of "
                f"{', '.join(map(repr, names))}."
            )
        rows = tuple(
            row.model_copy(update={"classical": names.get(str(row.classical), row.classical)})
            for row in self.rows
        )
        return self.model_copy(update={"rows": rows})

    def _small_parts(self, quick: Quick) -> dict[str, Any]:
        names = [row.label for row in self.rows if row.label in quick.without]
        contrasts = tuple(pair for pair in self.contrasts if not {*pair} & {*names})
        if self.contrasts and not contrasts:
            raise UserError(
                f"{self.name}, quick.without leaves none of the contrasts. Keep both rows of one of them."
            )
        return {
            "rows": [row for row in self.rows if row.label not in names],
            "epochs": quick.epochs or self.epochs,
            "reduced": f"quick: without {', '.join(names)}" if names else "quick",
            "contrasts": contrasts,
        }

    @property
    def n_comparisons(self) -> int:
        """Return the number of comparisons that p is corrected over; see `comparison.py`."""
        subjects = [row for row in self.rows if row.side == "subject"]
        grouped = any(row.group for row in self.rows)
        # without groups validation chooses one of them
        return len(select_pairs(self.rows, subjects if grouped else subjects[:1], self.contrasts))


def campaign_names(kind: type[CampaignFile]) -> list[str]:
    """Return the sorted names of the studies or of the search spaces of the package."""
    names = names_in(files.__name__)
    return [name for name in names if ("subject" in read_campaign_file(name)[1]) == (kind is Study)]


def load_study(choice: str) -> Study:
    """Load a study of the package by its name, or one's own by the path of its TOML file."""
    name, tree = read_campaign_file(choice)
    if _SEARCH_KEYS & tree.keys():
        raise UserError(f"{choice} is a search space and no study. Use `qllmft sweep {choice}`.")
    study = validate_content(Study, {"name": name, **tree}, f"study {choice}")
    if choice.endswith(".toml"):
        study._path = expand_home(choice).resolve()
    return study


def read_campaign_file(choice: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the content of a file of a campaign, by its name in the package or by its path."""
    return read_chosen(files.__name__, choice, "campaign")
