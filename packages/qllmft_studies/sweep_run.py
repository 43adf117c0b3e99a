"""Execution of a search, and its result: all points are ranked on validation, and the winners are tested."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from qllmft.config import RunConfig
from qllmft.config.presets import load_preset
from qllmft.config.settings import find_differing
from qllmft.tasks import TASKS
from qllmft.tasks.measure import Measure
from qllmft_studies.executors import Executor
from qllmft_studies.grid import Point, Value
from qllmft_studies.published import paper_numbers
from qllmft_studies.registration import with_published_names
from qllmft_studies.report.sweep import finish_sweep
from qllmft_studies.runs import FinishedRuns, Plan, SeededResult, rank
from qllmft_studies.sweep import Sweep
from qllmft_studies.sweep_record import Configuration, SweepRecord


@dataclass(frozen=True)
class RowWinner:
    """Best configuration of a row of the paper's results, tested."""

    row: Point  # the values that make the row
    best: SeededResult
    published: float | None  # the paper's accuracy of the row, in percent; None if it prints none


@dataclass(frozen=True)
class SweepResult:
    """Result of a sweep."""

    sweep: Sweep
    ranking: tuple[SeededResult, ...]  # settings are the points; the best first, on validation
    winner: SeededResult  # the first, tested
    rows: tuple[RowWinner, ...]  # in the order of their levels
    repeats: int  # trials that proposed a configuration again

    @property
    def measure(self) -> Measure:
        """Return the score by which configurations are compared."""
        return self.winner.measure

    @property
    def record(self) -> SweepRecord:
        """Return the result as ``sweep.json`` keeps it."""
        space = self.sweep.space
        first_run = self.winner.runs[0]
        identities = [_result_identity(result) for result in self.ranking]
        rows = {_result_identity(row.best): row for row in self.rows}
        tested = {identity: row.best for identity, row in rows.items()}
        tested[identities[0]] = self.winner
        names = {first_run.config.body.model: first_run.record.body.model}
        return SweepRecord(
            sweep=space.name,
            title=space.title,
            table=space.table,
            sampler=self.sweep.sampler,
            seeds=self.sweep.seeds,
            score=self.measure.name,
            uneven=self.winner.uneven,
            parameters=tuple(parameter.name for parameter in self.sweep.parameters),
            rows=tuple(self.sweep.rows),
            repeats=self.repeats,
            settings=with_published_names(self.sweep.settings, names),
            data=first_run.record.data,
            body=first_run.record.body,
            versions=dict(first_run.record.versions),
            ranking=tuple(
                _configuration(result, tested.get(identity), rows.get(identity))
                for identity, result in zip(identities, self.ranking, strict=True)
            ),
            row_bests=tuple(identities.index(identity) for identity in rows),
        )


def _configuration(
    result: SeededResult, tested: SeededResult | None, row: RowWinner | None
) -> Configuration:
    """Return what is kept of a configuration, with its test scores if it was tested."""
    test_fields: dict[str, Any] = {}
    if tested is not None:
        by_seed = zip(*(score.beside for score in tested.tested), strict=True)
        test_fields = {
            "test": tuple(score.value for score in tested.tested),
            "test_interval": tested.test.interval or tuple(tested.tested[0].interval),
            "others": {parts[0].name: tuple(part.value for part in parts) for parts in by_seed},
        }
        if tested.uneven:
            test_fields["test_balanced"] = tuple(model.compared_value for model in tested.models)
    return Configuration(
        dict(result.settings),
        tuple(run.record.identity for run in result.runs),
        result.parameters,
        result.compared_validation,
        result.validation_loss,
        published=row.published if row else None,
        **test_fields,
    )


def run_sweep(sweep: Sweep, folder: Path, executor: Executor) -> SweepResult:
    """Do the runs of a sweep that are not finished, test the winners, and write its record, table and page.

    Args:
        sweep: the search.
        folder: of the runs, the record, the table and the page.
        executor: does the runs.
    """
    runs = folder / "runs"
    plan = sweep.plan()
    finished = FinishedRuns(runs)

    def execute(plan: Plan) -> list[SeededResult]:
        executor.execute(plan, runs)
        return finished.results(plan.runs(finished))

    seeded_results = execute(plan)
    ranking = rank(seeded_results)
    # the first of each row of the paper, in the order of the levels
    row_bests: dict[tuple[Value, ...], SeededResult] = {}
    for seeded_result in ranking if sweep.rows else ():
        row_bests.setdefault(
            tuple(seeded_result.settings[name] for name in sweep.rows), seeded_result
        )
    labels = [parameter.labels for parameter in sweep.parameters if parameter.name in sweep.rows]
    bests = {row: row_bests[row] for row in product(*labels) if row in row_bests}
    winners = {
        _result_identity(seeded_result): seeded_result
        for seeded_result in (ranking[0], *bests.values())
    }
    tests = [
        run
        for seeded_result in winners.values()
        for run in sweep.runs(dict(seeded_result.settings), read_test=True)
    ]
    tested_winners = {
        _result_identity(seeded_result): seeded_result for seeded_result in execute(Plan(tests))
    }
    rows = []
    for row, seeded_result in bests.items():
        best = tested_winners[_result_identity(seeded_result)]
        row_levels = dict(zip(sweep.rows, row, strict=True))
        rows.append(RowWinner(row_levels, best, _published_accuracy(sweep, best.runs[0].config)))
    repeats = plan.size // sweep.seeds - len(seeded_results)
    winner = tested_winners[_result_identity(ranking[0])]
    result = SweepResult(sweep, tuple(ranking), winner, tuple(rows), repeats)
    finish_sweep(folder, result.record)
    return result


def _published_accuracy(sweep: Sweep, config: RunConfig) -> float | None:
    """Return the paper's best accuracy of its sweep with the head of a configuration, in percent.

    None stands beside a configuration on other texts than the paper's.
    """
    paper = paper_numbers()
    comparable = TASKS[config.data.task].one_label and paper.names(config.data.source)
    for value in paper.values_for("accuracy") if comparable else ():
        if value.sweep == f"Table {sweep.space.table}" and value.preset is not None:
            names = find_differing(config, load_preset(value.preset).config())
            if {n for n in names if n.startswith(("model.", "noise."))} <= {"model.batch_norm"}:
                return value.value
    return None


def _result_identity(result: SeededResult) -> str:
    """Return the identity of the first seed's run."""
    return result.runs[0].config.identity
