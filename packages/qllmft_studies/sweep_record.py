"""Outcome of a finished sweep, as ``sweep.json`` holds it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from qllmft.run.record import BodyRecord, DataRecord
from qllmft.tasks import TASK_OF_SCORE
from qllmft.tasks.measure import LOWEST_R2, Measure, ScoreName
from qllmft.tasks.statistics import MeanInterval
from qllmft_base.files import write_text
from qllmft_studies.file import check_name
from qllmft_studies.grid import Value
from qllmft_studies.record_file import reading_record

FORMAT = 1
FILE = "sweep.json"

_Score = Annotated[float, Field(ge=LOWEST_R2, le=1)]  # larger numbers would overflow in a mean
_Number = Annotated[float, Field(ge=-1e100, le=1e100)]


@dataclass(frozen=True)
class Configuration:
    """Configuration of a sweep with its results. Tuples are by seed."""

    settings: dict[str, Value]  # its point, by the names of the parameters
    runs: tuple[str, ...]  # identities, which name the folders in ``runs/``
    parameters: tuple[int, ...]  # numbers of trained ones
    validation: tuple[_Score, ...]  # the scores by which configurations are ranked
    validation_loss: tuple[_Number, ...] = ()  # empty if not kept
    test: tuple[_Score, ...] = ()  # empty unless it was tested
    # 95 %: Student's over several seeds, else of the test texts; None unless it was tested
    test_interval: tuple[_Number, _Number] | None = None
    test_balanced: tuple[_Score, ...] = ()  # empty unless the labels are uneven
    others: dict[str, tuple[_Number, ...]] = field(default_factory=dict)  # other test scores
    # the paper's accuracy of its row, in percent; None if it prints none, or for another row
    published: float | None = None

    @property
    def mean_validation(self) -> float:
        """Return the mean validation score."""
        return MeanInterval.from_values(self.validation).mean

    @property
    def mean_test(self) -> float:
        """Return the mean test score of a configuration that was tested."""
        return MeanInterval.from_values(self.test).mean


@dataclass(frozen=True)
class SweepRecord:
    """Outcome of a sweep."""

    sweep: str  # its name
    title: str
    table: str  # of the paper, in Roman numerals, or "none"
    sampler: str
    seeds: int  # number of runs of each configuration
    score: ScoreName
    uneven: bool  # whether configurations are ranked by balanced accuracy
    parameters: tuple[str, ...]  # varied ones
    rows: tuple[str, ...]  # parameters that make the rows whose best are tested
    repeats: int  # trials that proposed a configuration again
    settings: dict[str, Any]  # of all configurations, by dotted name
    data: DataRecord  # as in a run's record
    body: BodyRecord  # as in a run's record
    versions: dict[str, str]  # of the winner's first run
    ranking: tuple[Configuration, ...]  # by validation, the best first
    row_bests: tuple[int, ...] = ()  # places in ``ranking``, in the order of the rows' levels

    @property
    def winner(self) -> Configuration:
        """Return the best configuration by validation."""
        return self.ranking[0]

    @property
    def measure(self) -> Measure:
        """Return the score by which configurations are ranked."""
        return TASK_OF_SCORE[self.score].measure

    @property
    def validation_name(self) -> str:
        """Return ``validation``, or ``balanced validation`` if configurations are ranked by balanced accuracy."""
        return "balanced validation" if self.uneven else "validation"


_ADAPTER = TypeAdapter(SweepRecord)


def write_sweep(folder: Path, record: SweepRecord) -> Path:
    """Write ``sweep.json`` and return its path."""
    content = {"format": FORMAT, **_ADAPTER.dump_python(record, mode="json")}
    write_text(folder / FILE, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return folder / FILE


def read_sweep(folder: Path) -> SweepRecord:
    """Read ``sweep.json``. UserError if it is missing or has another form."""
    with reading_record(folder, FILE, FORMAT, "sweep") as content:
        record = _ADAPTER.validate_python(content)
        check_name(record.sweep)
        for place, configuration in enumerate(record.ranking):
            _check_configuration(configuration, record, tested=place in {0, *record.row_bests})
        if not record.ranking or not {*record.row_bests} <= {*range(len(record.ranking))}:
            raise ValueError("its ranking lacks the winner or the best of a row")
        return record


def _check_configuration(
    configuration: Configuration, record: SweepRecord, *, tested: bool
) -> None:
    """Raise ValueError if a configuration lacks a value that its page shows."""
    by_seed = (configuration.runs, configuration.parameters, configuration.validation)
    optional = (configuration.validation_loss, configuration.test_balanced, configuration.test)
    counts = {len(values) for values in (*by_seed, *filter(None, optional))}
    counts |= {len(values) for values in configuration.others.values()}
    if counts != {record.seeds}:
        raise ValueError(f"a configuration has {sorted(counts)} values, expected {record.seeds}")
    if configuration.settings.keys() != {*record.parameters}:
        raise ValueError(
            f"a configuration has {sorted(configuration.settings)}, expected one value a parameter"
        )
    if tested and not (configuration.test and configuration.test_interval):
        raise ValueError("the winner or the best of a row has no test score")
