"""Execution of a search, and its result: all points are ranked on validation, and the winners are tested."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path

from qllmft.config import RunConfig
from qllmft.config.presets import load_preset
from qllmft.config.settings import find_differing
from qllmft.tasks import TASKS
from qllmft.tasks.measure import Measure
from qllmft_studies.executors import Executor
from qllmft_studies.grid import Point, Value
from qllmft_studies.published import paper_numbers
from qllmft_studies.runs import FinishedRuns, Plan, SeededResult, collect, rank
from qllmft_studies.sweep import Sweep


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
    def validation_name(self) -> str:
        """Return ``validation``, or ``balanced validation`` if configurations are compared by balanced accuracy."""
        return "balanced validation" if self.winner.uneven else "validation"

    @property
    def measure(self) -> Measure:
        """Return the score by which configurations are compared."""
        return self.winner.measure


def run_sweep(sweep: Sweep, folder: Path, executor: Executor) -> SweepResult:
    """Do the runs of a sweep in ``folder`` that are not finished, and test the winners."""
    runs = folder / "runs"
    plan = sweep.plan()
    finished = FinishedRuns(runs)

    def execute(plan: Plan) -> list[SeededResult]:
        executor.execute(plan, runs)
        runs_by_identity = {run.identity: run for run in plan.runs(finished)}
        finished_runs = [finished.load_run(run) for run in runs_by_identity.values()]
        return collect(
            finished_runs, settings=lambda run: dict(runs_by_identity[run.config.identity].point)
        )

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
    return SweepResult(
        sweep, tuple(ranking), tested_winners[_result_identity(ranking[0])], tuple(rows), repeats
    )


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
