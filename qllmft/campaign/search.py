"""Sweeps from estimate to ranking and test, and the grids of baselines (tables VIII and IX)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from qllmft.baselines import BASELINES, check_baselines, fit_and_score, score_of
from qllmft.campaign.executors import Executor
from qllmft.campaign.grid import Point, Value, grid
from qllmft.campaign.plan import FinishedRuns, Plan
from qllmft.campaign.results import SeededResult, collect, ranked
from qllmft.campaign.sweep import Sweep
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
    plan, finished = sweep.plan(), FinishedRuns(runs)

    def execute(plan: Plan) -> list[SeededResult]:
        executor.execute(plan, runs)
        distinct = {run.identity: run for run in plan.runs(finished)}
        read = [finished.read(run) for run in distinct.values()]
        return collect(read, settings=lambda run: dict(distinct[run.config.identity].point))

    found = execute(plan)
    ranking = ranked(found)
    # the first of each row of the paper, in the order of the levels
    row_bests: dict[tuple[Value, ...], SeededResult] = {}
    for each in ranking if sweep.rows else ():
        row_bests.setdefault(tuple(each.settings[name] for name in sweep.rows), each)
    labels = {parameter.name: parameter.labels for parameter in sweep.parameters}
    order = [row for row in product(*(labels[name] for name in sweep.rows)) if row in row_bests]
    chosen = {_key(each): each for each in (ranking[0], *(row_bests[row] for row in order))}
    tests = [
        run for each in chosen.values() for run in sweep.runs(dict(each.settings), read_test=True)
    ]
    tested = {_key(each): each for each in execute(Plan(tests))}
    rows = []
    for row in order:
        best = tested[_key(row_bests[row])]
        named = dict(zip(sweep.rows, row, strict=True))
        rows.append(RowWinner(named, best, _published_accuracy(sweep, best.runs[0].config)))
    repeats = plan.size // sweep.seeds - len(found)
    return SweepResult(sweep, tuple(ranking), tested[_key(ranking[0])], tuple(rows), repeats)


def _published_accuracy(sweep: Sweep, config: RunConfig) -> float | None:
    """Return the paper's best accuracy of its sweep with the head of a configuration, in percent."""
    for value in published().of("accuracy") if TASKS[config.data.task].one_label else ():
        if value.sweep == f"Table {sweep.space.table}" and value.preset is not None:
            names = differing(config, load_preset(value.preset).config())
            heads = {name for name in names if name.startswith(("model.", "noise."))}
            if heads <= {"model.batch_norm"}:
                return value.value
    return None


def _key(result: SeededResult) -> str:
    """Return the identity of the first seed's run."""
    return result.runs[0].config.identity


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
