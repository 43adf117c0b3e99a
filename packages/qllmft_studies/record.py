"""Outcome of a study, as ``study.json`` holds it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from qllmft.run.record import BodyRecord, DataRecord
from qllmft.tasks import TASK_OF_SCORE
from qllmft.tasks.measure import LOWEST_R2, Measure, ScoreName
from qllmft.tasks.statistics import MeanInterval
from qllmft_base.files import write_text
from qllmft_base.text import format_count
from qllmft_studies.file import (
    MapAxis,
    Side,
    baselines_of_first_body_alone,
    check_name,
    groups_by_side,
    settings_of_head,
)
from qllmft_studies.published import paper_numbers
from qllmft_studies.record_file import reading_record

FORMAT = 1
FILE = "study.json"
NOT_REGISTERED = "not registered"

_Share = Annotated[float, Field(ge=0, le=1)]
_Score = Annotated[float, Field(ge=LOWEST_R2, le=1)]  # larger numbers would overflow in a mean
_OtherScore = Annotated[float, Field(ge=-1e100, le=1e100)]
_Loss = Annotated[float, Field(ge=0, le=1e9)]


@dataclass(frozen=True)
class PaperResult:
    """Printed result of one row of the paper."""

    accuracy: float  # the paper's "maximum accuracy" over its sweep, in percent
    parameters: int | None  # None if the paper prints no number
    table: str  # "II", "III" or "IV"


@dataclass(frozen=True)
class RowResult:
    """Result of one row over its seeds. Tuples are by seed; fields without a comment are those of `Row`."""

    label: str
    side: Side
    group: str
    preset: str
    model: str  # its name in the runs' records
    published: PaperResult | None  # None if the paper prints none
    runs: tuple[str, ...]  # identities, which name the folders in ``runs/``
    parameters: tuple[int, ...]  # trained ones; support vectors of an SVC
    validation: tuple[_Score, ...]  # the study's score of the selected model, at most 1
    test: tuple[_Score, ...]  # the same score of the same model
    # of the same model, such as nats; empty for a baseline, or if not kept
    validation_loss: tuple[_Loss, ...] = ()
    # score without the noise of the head's circuit; empty without noise
    test_exact: tuple[_Score, ...] = ()
    epochs: tuple[int, ...] = ()  # the selected ones; empty for a baseline
    # balanced test accuracy, in [0, 1]; empty unless a label has over 60 % of the training texts
    balanced: tuple[_Share, ...] = ()
    # balanced validation accuracy; empty unless ``balanced`` is there
    validation_balanced: tuple[_Share, ...] = ()
    constant: bool = False  # whether every test text got the same answer, with every seed
    # whether this is a baseline whose hyperparameters are searched
    tuned: bool = False
    tried: int | None = None  # number of settings tried with each seed; None without a budget
    chosen: tuple[dict[str, Any], ...] = ()  # the best of them, by name; empty without a budget
    # numbers that a data map stores in addition to the parameters, the most of any seed
    stored: int = 0
    series: str = ""
    qubits: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    # scores beside that of the study on the test texts, by name; none beside accuracy
    others: dict[str, tuple[_OtherScore, ...]] = field(default_factory=dict)
    # score on the test texts that no choosing seed drew; () if these are not marked
    test_apart: tuple[_Score, ...] = ()

    @property
    def head(self) -> tuple[str, str, str]:
        """Return preset, model and settings, which are equal for the same head on another body.

        A model has one name whether it was trained with the body or not. Settings of training are the body's too.
        """
        name = self.model.removesuffix(" and body")
        return self.preset, name, settings_of_head(self.settings)

    @property
    def compared(self) -> tuple[float, ...]:
        """Return the scores that rows are compared by: balanced accuracies if the labels are uneven."""
        return self.balanced or self.test

    @property
    def compared_validation(self) -> tuple[float, ...]:
        """Return the validation scores that rows are selected by, of the same kind as `compared`."""
        return self.validation_balanced or self.validation

    @property
    def test_interval(self) -> MeanInterval:
        """Return the mean test score with its interval."""
        return MeanInterval.from_values(self.test)

    @property
    def validation_interval(self) -> MeanInterval:
        """Return the mean validation score with its interval."""
        return MeanInterval.from_values(self.validation)


@dataclass(frozen=True)
class StudyRecord:
    """Outcome of a finished study; fields without a comment are those of `Study`.

    It holds no times, so that a study that was interrupted ends in the same bytes.
    """

    study: str  # its name
    title: str
    subject: str
    baseline: str
    reduced: str
    seeds: tuple[int, ...]  # of the runs of each row
    epochs: int  # of the first row's runs
    # rule that selects a run's epoch, ``train.select``, or "of each row" if rows differ in it
    select: Literal["accuracy", "last", "of each row"]
    protocol: str  # of the splits, ``data.protocol``
    redrawn: bool  # whether each seed draws its own texts to learn from
    data: DataRecord  # as in a run's record
    body: BodyRecord  # as in a run's record; of several bodies, all names and the first dimension
    settings: dict[str, Any]  # given to all rows, by dotted name
    command: str  # runs the study again
    rows: tuple[RowResult, ...]  # in the table's order
    versions: dict[str, list[str]]  # by name; several if the runs' versions differ
    notes: str = ""
    budget: int | None = None
    bodies: tuple[str, ...] = ()
    x: MapAxis = ""
    choosing_seeds: tuple[int, ...] = ()
    rule: str = ""
    margin: float = 0.5  # in points of accuracy, or in units of the score
    contrasts: tuple[tuple[str, str], ...] = ()
    # whether and when plan, rule and margin were written, in words
    registered: str = NOT_REGISTERED
    score: ScoreName = "accuracy"  # by which rows are compared
    # share of a seed's test texts that a choosing seed drew; () if these are not marked
    test_drawn: tuple[_Share, ...] = ()
    # share of its test texts that a seed has in common with another one, the mean; None for one seed, or if not kept
    test_shared: _Share | None = None
    presets: dict[str, dict[str, Any]] = field(default_factory=dict)
    # fewest and most epochs of a row's runs; None if all rows have the same number
    epochs_range: tuple[int, int] | None = None

    @property
    def epochs_text(self) -> str:
        """Return ``20 epochs``, or ``20 to 800 epochs`` if rows differ in it."""
        if self.epochs_range is None:
            return format_count(self.epochs, "epoch")
        fewest, most = self.epochs_range
        return f"{fewest:,} to {format_count(most, 'epoch')}"

    @property
    def measure(self) -> Measure:
        """Return the score by which rows are compared."""
        return TASK_OF_SCORE[self.score].measure

    @property
    def as_published(self) -> bool:
        """Return whether body and texts are the paper's, so that its numbers are comparable."""
        return (str(self.body), self.data.source) == (paper_numbers().body, paper_numbers().data)

    @property
    def uneven(self) -> bool:
        """Return whether rows are selected and compared by balanced accuracy."""
        return any(row.balanced for row in self.rows)

    @property
    def scale(self) -> str:
        """Return the unit of differences: ``points``, ``balanced points`` or ``R²``."""
        return "balanced points" if self.uneven else self.measure.scale

    @property
    def compared_name(self) -> str:
        """Return the name of the score that rows are selected and compared by."""
        return f"balanced {self.measure.name}" if self.uneven else self.measure.name

    @property
    def compared_plural(self) -> str:
        """Return `compared_name` in the plural."""
        return f"balanced {self.measure.plural}" if self.uneven else self.measure.plural

    @property
    def grouped(self) -> bool:
        """Return whether rows are compared within groups."""
        return any(row.group for row in self.rows)

    @property
    def published(self) -> bool:
        """Return whether the paper prints a number for any row."""
        return any(row.published for row in self.rows)

    def select_rows(self, side: Side) -> list[RowResult]:
        """Return the rows of one side."""
        return [row for row in self.rows if row.side == side]


_ADAPTER = TypeAdapter(StudyRecord)


def write_record(folder: Path, record: StudyRecord, derived: dict[str, Any]) -> Path:
    """Write ``study.json`` and return its path. ``derived`` is for people who read the file."""
    record_tree = _ADAPTER.dump_python(record, mode="json")
    content = {"format": FORMAT, **derived, **record_tree}
    write_text(folder / FILE, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return folder / FILE


def read_study(folder: Path) -> StudyRecord:
    """Read ``study.json``. UserError if it is missing or has another form."""
    with reading_record(folder, FILE, FORMAT, "study") as content:
        record = _ADAPTER.validate_python(content)
        check_name(record.study)
        for row in record.rows:
            scores = (row.validation, row.test, row.test_exact, row.test_apart)
            by_seed = (row.runs, row.parameters, row.validation, row.test, *row.others.values())
            balanced = (row.balanced, row.validation_balanced)
            optional = (*scores[2:], row.validation_loss, row.epochs, *balanced, row.chosen)
            seed_counts = {len(values) for values in (*by_seed, *filter(None, optional))}
            if len(seed_counts) > 1 or 0 in seed_counts:
                raise ValueError(
                    f"row {row.label!r} has {sorted(seed_counts)} values by seed, expected one number"
                )
            lowest = min(map(min, filter(None, scores)))
            measure = record.measure
            if lowest < measure.lowest:
                raise ValueError(
                    f"row {row.label!r} has the {measure.name} {lowest:g}, expected {measure.lowest:g} to 1"
                )
        _check_pairs(record)
        return record


def _check_pairs(record: StudyRecord) -> None:
    """Raise ValueError if a row that is compared has no other one."""
    labels = {row.label for row in record.rows}
    if unknown := {label for pair in record.contrasts for label in pair} - labels:
        raise ValueError(f"contrasts has {sorted(unknown)}, and there is no such row")
    subjects, baselines = groups_by_side(record.rows)
    if unknown := set(record.bodies) - (subjects & baselines):
        raise ValueError(f"bodies has {sorted(unknown)}, expected groups with rows of both sides")
    if record.bodies:
        _check_bodies(record)
    if record.contrasts:
        return
    if not subjects:
        raise ValueError("no row has the side 'subject'")
    if unmatched := subjects - baselines:
        raise ValueError(f"the group {min(unmatched)!r} has no row of the side 'baseline'")


def _check_bodies(record: StudyRecord) -> None:
    """Raise ValueError if the gain from the second body is not known for each baseline of the first one."""
    if len(record.bodies) < 2:
        raise ValueError(f"bodies has {record.bodies}, expected two or more")
    if baselines_of_first_body_alone(record.rows, record.bodies):
        first, second = record.bodies[:2]
        raise ValueError(f"{first!r} has a baseline that {second!r} lacks")
