"""Sweeps from estimate to ranking and test, and the grids of baselines (tables VIII and IX)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qllmft.baselines import BASELINES, check_baselines, fit_and_score, score_of
from qllmft.campaign.executors import Executor
from qllmft.campaign.grid import Point, Value, grid
from qllmft.campaign.plan import FinishedRuns, FixedPlan, Plan
from qllmft.campaign.results import SeededResult, collect, ranked
from qllmft.campaign.sweep import Sweep, plan_of
from qllmft.config import RunConfig
from qllmft.config.presets import load_preset
from qllmft.config.settings import differing
from qllmft.errors import UserError
from qllmft.events import OnEvent, stage
from qllmft.published import published
from qllmft.run import ModelResult, SharedInputs
from qllmft.run.needs import epoch_core_seconds
from qllmft.run.vectors import embed_tables
from qllmft.tasks import TASKS
from qllmft.tasks.measure import Measure


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


def run_sweep(sweep: Sweep, folder: Path, executor: Executor) -> SweepResult:
    """Do the runs of a sweep in ``folder`` that are not finished, and test the winners."""
    runs = folder / "runs"
    plan, finished = plan_of(sweep), FinishedRuns(runs)

    def execute(plan: Plan) -> list[SeededResult]:
        executor.execute(plan, runs)
        distinct = {run.identity: run for run in plan.runs(finished)}
        read = [finished.read(run) for run in distinct.values()]
        return collect(read, settings=lambda run: dict(distinct[run.config.identity].point))

    found = execute(plan)
    ranking = ranked(found)
    row_bests = best_of_rows(sweep, ranking)
    chosen = {_key(each): each for each in (ranking[0], *row_bests)}
    tests = [
        run for each in chosen.values() for run in sweep.runs(dict(each.settings), read_test=True)
    ]
    tested = {_key(each): each for each in execute(FixedPlan(tests))}
    rows = []
    for best in (tested[_key(best)] for best in row_bests):
        row = {name: best.settings[name] for name in sweep.rows}
        rows.append(RowWinner(row, best, published_accuracy(sweep, dict(best.settings))))
    repeats = plan.size // sweep.seeds - len(found)
    return SweepResult(sweep, tuple(ranking), tested[_key(ranking[0])], tuple(rows), repeats)


def estimate(sweep: Sweep, inputs: SharedInputs) -> list[tuple[RunConfig, float, float]]:
    """Return for each structure its first configuration, all its epochs, and the processor seconds of one epoch."""
    points = [*sweep.points.values()] if sweep.is_list else [*grid(sweep.parameters)]
    alike: dict[str, list[RunConfig]] = {}
    for config in (sweep.configurations(point)[0] for point in points):
        adjoint, adam = config.backend.entry.adjoint, config.train.optimizer == "adam"
        if config.body.learns or not (adjoint and adam):
            raise UserError("only frozen bodies, Adam and the backend adjoint are timed.")
        alike.setdefault(f"{config.structure} {config.train.batch_size}", []).append(config)
    timed = []
    for configs in alike.values():
        first, epochs = configs[0], sum(config.train.epochs for config in configs)
        n_classes = inputs.corpus(first.data).n_classes
        sizes = inputs.splits(first.data, first.seed).sizes
        seconds = epoch_core_seconds(first, inputs.dimension(first), n_classes, sizes)
        timed.append((first, epochs * sweep.size * sweep.seeds / len(points), seconds))
    return timed


def search_baseline(
    name: str, config: RunConfig, on_event: OnEvent, inputs: SharedInputs
) -> ModelResult:
    """Fit a baseline with every setting of its grid, select on validation, and test the best.

    Args:
        name: of the baseline.
        config: texts, split and body; its head is ignored.
        on_event: gets the stages.
        inputs: texts and embeddings.

    Raises:
        UserError: if the baseline is not one of the task, or the texts or the body are missing.
    """
    check_baselines([name], config.data.task)
    splits = inputs.splits(config.data, config.seed)
    tables = {"training": splits.train, "validation": splits.validation}
    _, (train, validation) = embed_tables(tables, config.body, on_event, inputs=inputs)
    n_classes = inputs.corpus(config.data).n_classes
    head = BASELINES[name].make(config, 0, train.x.shape[1], n_classes)
    with stage(on_event, "fitting", head.name):
        fitted = fit_and_score(head, train, validation)
    chosen = ModelResult(
        head.name, fitted.validation, head.n_parameters, fitted.seconds, head.settings
    )
    _, (test,) = embed_tables({"test": splits.test}, config.body, on_event, inputs=inputs)
    return replace(chosen, test=score_of(test, head.predict(test.x.numpy())))


def best_of_rows(sweep: Sweep, ranking: Sequence[SeededResult]) -> list[SeededResult]:
    """Return the first of the ranking in each row, in the order of the levels."""
    best: dict[tuple[Value, ...], SeededResult] = {}
    for each in ranking:
        best.setdefault(tuple(each.settings[name] for name in sweep.rows), each)
    labels = {parameter.name: parameter.labels for parameter in sweep.parameters}
    order = itertools.product(*(labels[name] for name in sweep.rows)) if sweep.rows else ()
    return [best[row] for row in order if row in best]


def published_accuracy(sweep: Sweep, point: Point) -> float | None:
    """Return the paper's best accuracy of its sweep with the head of ``point``, in percent."""
    config = sweep.configurations(point)[0]
    if not TASKS[config.data.task].one_label:
        return None
    for value in published().of("accuracy"):
        if value.sweep == f"Table {sweep.space.table}" and value.preset is not None:
            names = differing(config, load_preset(value.preset).config())
            heads = {name for name in names if name.startswith(("model.", "noise."))}
            if heads <= {"model.batch_norm"}:
                return value.value
    return None


def _key(result: SeededResult) -> str:
    """Return the identity of the first seed's run."""
    return result.runs[0].config.identity
