"""The outcome of a study, as ``study.json`` holds it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from qllmft.campaign.rows import MapAxis, Side
from qllmft.errors import UserError
from qllmft.files import write_text
from qllmft.published import published
from qllmft.run.record import BodyRecord, DataRecord
from qllmft.statistics import MeanInterval

FORMAT = 1
FILE = "study.json"


@dataclass(frozen=True)
class PaperResult:
    """What the paper prints of a row."""

    accuracy: float  # the paper's "maximum accuracy" over its sweep, in percent
    parameters: int | None  # as printed beside it; None where it is not
    table: str  # "II", "III" or "IV"


@dataclass(frozen=True)
class RowResult:
    """One row, measured. All tuples are by seed; what has no comment is as in the plan's `Row`."""

    label: str
    side: Side
    group: str
    preset: str
    model: str  # its name in the runs' records
    published: PaperResult | None  # the paper's; None where it prints none
    runs: tuple[str, ...]  # identities, which are the names of the folders in ``runs/``
    parameters: tuple[int, ...]  # trained ones; support vectors of an SVC
    validation: tuple[float, ...]  # accuracy of what validation selected, in [0, 1]
    test: tuple[float, ...]  # accuracy of the same, in [0, 1]
    test_exact: tuple[float, ...] = ()  # without the noise of the head's circuit; empty where it has none
    epochs: tuple[int, ...] = ()  # the selected ones; empty for SVC and logistic regression
    balanced: tuple[float, ...] = ()  # balanced test accuracy, in [0, 1]; empty: no label has over 60 % of test texts
    constant: bool = False  # whether every test text got the same answer, with every seed
    tried: int | None = None  # settings that validation chose among with each seed; None in a study without a budget
    chosen: tuple[
        dict[str, Any], ...
    ] = ()  # of those, by dotted names, a baseline's by its own; empty without a budget
    stored: int = 0  # numbers of a data map beside the parameters that are not trained, the most of any seed
    series: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def compared(self) -> tuple[float, ...]:
        """What rows are compared by: balanced accuracy where the labels are uneven, else accuracy."""
        return self.balanced or self.test

    @property
    def test_interval(self) -> MeanInterval:
        """Of the test accuracy over the seeds."""
        return MeanInterval.of(self.test)

    @property
    def validation_interval(self) -> MeanInterval:
        """Of the validation accuracy over the seeds."""
        return MeanInterval.of(self.validation)


@dataclass(frozen=True)
class StudyRecord:
    """A finished study; what took how long is not in it, so that a study that was killed ends in the same bytes.

    What has no comment is as in the plan's `Study`.
    """

    study: str
    title: str
    subject: str
    baseline: str
    reduced: str
    seeds: tuple[int, ...]  # one a run of each row
    epochs: int  # of each run
    select: str  # rule that chose each run's epoch, ``train.select``; "of each row" where rows have several
    protocol: str  # of the splits, ``data.protocol``
    redrawn: bool  # whether each seed draws other texts to learn from
    data: DataRecord  # the texts, as in a run's record
    body: BodyRecord  # the language model, as in a run's record; of several, the names and the first one's dimension
    settings: dict[str, Any]  # what all rows were given, by dotted names
    command: str  # that runs it again
    rows: tuple[RowResult, ...]  # in the table's order
    versions: dict[str, list[str]]  # by name; several where runs were made with several
    notes: str = ""
    budget: int | None = None
    bodies: tuple[str, ...] = ()
    x: MapAxis = ""

    @property
    def as_published(self) -> bool:
        """Whether body and texts are the paper's, so that its numbers can be held against these."""
        return (str(self.body), self.data.source) == (published().body, published().data)

    @property
    def grouped(self) -> bool:
        """Whether rows are compared within groups."""
        return any(row.group for row in self.rows)

    @property
    def published(self) -> bool:
        """Whether the paper prints a number for any row."""
        return any(row.published for row in self.rows)

    def rows_of(self, side: Side) -> list[RowResult]:
        """The rows of one side."""
        return [row for row in self.rows if row.side == side]


_ADAPTER = TypeAdapter(StudyRecord)
# what came later is left out where it is not used: files keep the bytes that they had before
_LATER = ("budget", "bodies", "x")
_LATER_OF_ROWS = ("tried", "chosen", "stored", "series", "settings")


def write_record(folder: Path, record: StudyRecord, derived: dict[str, Any]) -> Path:
    """Write ``study.json``, with what is derived from the record for readers of the file, and return it."""
    content = {"format": FORMAT, **derived, **_ADAPTER.dump_python(record, mode="json")}
    for part, names in ((content, _LATER), *((row, _LATER_OF_ROWS) for row in content["rows"])):
        for name in names:
            if not part[name]:
                del part[name]
    write_text(folder / FILE, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return folder / FILE


def read_record(folder: Path) -> StudyRecord:
    """Read ``study.json``; UserError where there is none, or it is not of this form."""
    path = folder / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.get("format") != FORMAT:
            raise UserError(f"{path} has format {content.get('format')!r}; this version reads {FORMAT}.")
        return _ADAPTER.validate_python(content)
    except FileNotFoundError:
        raise UserError(
            f"there is no finished study in {folder} ({FILE} is missing). The study's own command goes on with it."
        ) from None
    except (ValidationError, ValueError, AttributeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} cannot be read: {error}. The study's own command makes it again.") from error
