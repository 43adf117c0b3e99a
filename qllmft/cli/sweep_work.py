"""A sweep at work and its tables: the searches that there are, the ranking, main effects, a baseline's choice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from qllmft.campaign.baseline_grid import search_baseline
from qllmft.campaign.cluster import work_on_cluster
from qllmft.campaign.estimate import estimate
from qllmft.campaign.feasible import check_feasible
from qllmft.campaign.liveness import Liveness
from qllmft.campaign.outcome import RankedConfiguration, RowWinner, TestedWinner, finish, ranking
from qllmft.campaign.permission import Permission
from qllmft.campaign.queue import QueueProgress
from qllmft.campaign.screening import Screening
from qllmft.campaign.search import SearchPlan, level_text, point_text, short_name
from qllmft.campaign.space import Space, load_space, space_names
from qllmft.campaign.storage import Storage
from qllmft.campaign.store import SearchState, SearchStore
from qllmft.campaign.together import processes_for, together
from qllmft.campaign.worker import Worker, do_trial_run, search_in_child
from qllmft.cli.console import names, numbers, plain_table, say, say_lines
from qllmft.cli.queue_progress import QueueConsole
from qllmft.cli.run_progress import ConsoleListener
from qllmft.config.presets import load_preset
from qllmft.errors import UserError
from qllmft.published import published
from qllmft.run import ModelResult, Tracking
from qllmft_backends.adjoint.thread_pool import thread_count

BEST_SHOWN = 10
COLUMNS = 4  # parameters that have columns of their own; more of them share one


def open_search(plan: SearchPlan, folder: Path, storage: str | None, name: str) -> SearchStore:
    """Make the search in its storage, or join the one of this name; UserError where a head does not fit its body."""
    kept = Storage(storage) if storage else Storage.in_folder(folder)
    check_feasible(plan.each_head())
    return SearchStore.create(kept, name, plan)


def processes(store: SearchStore, jobs: int | None, ray: str | None) -> int:
    """How many processes of this command work on a search; 1 by default where each trial learns from those before."""
    if ray or (jobs is None and not store.plan.is_list):
        return 1
    return processes_for(store.plan.each_head().values(), store.plan.size - len(store.state().done), jobs)


def work_on(
    store: SearchStore,
    folder: Path,
    console: Console,
    tracking: Tracking,
    *,
    ray: str | None = None,
    permission: Permission | None = None,
    count: int = 1,
) -> None:
    """Work until the search is finished; a worker has a permission to send circuits away."""
    runs = folder / "runs"
    with QueueConsole(console, tracking) as watcher, Liveness(folder / ".workers") as liveness:
        if ray is not None:
            work_on_cluster(store, liveness, runs, ray, watcher)
        else:
            progress = QueueProgress(watcher, runs)
            with together(count, search_in_child, (store.storage, store.name, folder), progress):
                Worker(store, liveness, lambda run: do_trial_run(run, progress, permission), progress).work()


def finish_search(store: SearchStore, folder: Path, console: Console, tracking: Tracking) -> None:
    """Test the winner, print the outcome."""
    with store.storage.explained():
        state = store.state()
    rows = ranking(state)
    with QueueConsole(console, tracking) as watcher:
        tested, of_rows, screening = finish(state, rows, folder, watcher)
    console.print(ranking_table(state.plan, rows))
    if of_rows:
        console.print(rows_table(state.plan, of_rows))
    if screening is not None:
        console.print(effects_table(screening))
    say_lines(verdict(state, rows, tested), console)
    winner = folder / "runs" / rows[0].identity
    say(f"The record is {folder / 'sweep.json'}; the winner's run is {winner}.", console)


def search_baselines_grid(space: Space, overrides: dict[str, Any], seeds: int, console: Console) -> None:
    """The grid of a classical baseline, chosen on validation for each seed."""
    first = load_preset("nn-head-0").config(overrides)
    assert space.baseline is not None
    results = {}
    for seed in range(first.seed, first.seed + seeds):
        config = first.model_copy(update={"seed": seed})
        results[seed] = search_baseline(space.baseline, config, ConsoleListener(console))
    console.print(baseline_table(space, results))


def headline(space: Space, plan: SearchPlan) -> str:
    """What is searched, in one line."""
    table = "" if space.table == "none" else f"table {space.table}, "
    seeds = f", {plan.seeds} seeds each" if plan.seeds > 1 else ""
    return f"{space.name}: {table}{space.title}; {plan.sampler}, {plan.size} trials{seeds}"


def estimate_text(plan: SearchPlan) -> str:
    """How long a search takes here, in a line."""
    try:
        found, cores = estimate(plan), thread_count()
    except UserError as error:
        return f"How long it takes is not known: {error}"
    hours = sum(epochs * seconds for _, epochs, seconds in found) / 3600 / cores
    return (
        f"On {cores} such cores its epochs take about {hours:.2g} h, by a few timed steps of {len(found)} structures."
    )


def spaces_table() -> Table:
    """All searches."""
    table = plain_table(*names("sweep"), "table", *numbers("grid", "--quick"), "what")
    for name in space_names():
        space = load_space(name)
        baseline = space.baseline is not None
        small = space.in_small()
        sizes = ("its own", "") if baseline else (f"{space.size:,}", f"{small.size:,}" if small else "")
        table.add_row(name, "" if space.table == "none" else space.table, *sizes, space.title)
    return table


def ranking_table(plan: SearchPlan, rows: Sequence[RankedConfiguration]) -> Table:
    """The best configurations by validation; no test set in it."""
    shown = rows[:BEST_SHOWN]
    title = f"the best {len(shown)} of {len(rows)} configurations, by validation"
    table = plain_table(*numbers("validation", "loss", "parameters", "seconds"), title=title)
    few = len(plan.parameters) <= COLUMNS
    for column in [short_name(parameter.name) for parameter in plan.parameters] if few else ["settings"]:
        table.add_column(column, justify="right" if few else "left")
    for row in shown:
        labels = [level_text(row.point[parameter.name]) for parameter in plan.parameters]
        measured = (f"{100 * row.mean:.2f} %", f"{row.mean_loss:.4f}", f"{row.parameters:,}", f"{row.seconds:.1f}")
        table.add_row(*measured, *(labels if few else [point_text(row.point)]))
    return table


def rows_table(plan: SearchPlan, rows: Sequence[RowWinner]) -> Table:
    """The best of each of the paper's rows by validation, on the test set, and the paper's number beside it."""
    paper = published()
    printed = any(row.published is not None for row in rows)
    table = plain_table(
        *numbers(*map(short_name, plan.rows), "validation", "test [95 % interval]", *(["paper"] if printed else [])),
        "chosen",
        title="the best of each row by validation, tested",
        caption=f"paper: the best test accuracy of its sweep, body {paper.body} on {paper.data}" if printed else None,
    )
    for row in rows:
        low, high = row.tested.interval
        chosen = {name: label for name, label in row.best.point.items() if name not in row.row}
        table.add_row(
            *map(level_text, row.row.values()),
            f"{100 * row.best.mean:.2f} %",
            f"{100 * row.tested.mean:.2f} % [{100 * low:.1f}, {100 * high:.1f}]",
            *([f"{row.published:.2f} %" if row.published else ""] if printed else []),
            point_text(chosen),
        )
    return table


def effects_table(screening: Screening) -> Table:
    """Main effects, in points of validation accuracy."""
    table = plain_table(
        *names("setting"),
        *numbers("low", "high", "effect ± standard error", "p"),
        title="main effects on validation accuracy, in percentage points: high level minus low level",
        caption=f"Standard error from {screening.error_from}; {screening.degrees_of_freedom} degrees of freedom. "
        f"p is not corrected for {len(screening.effects)} settings.",
    )
    for effect in screening.effects:
        table.add_row(
            short_name(effect.name),
            level_text(effect.low),
            level_text(effect.high),
            f"{100 * effect.effect:+.2f} ± {100 * effect.standard_error:.2f}",
            f"{effect.p_value:.3f}",
        )
    return table


def verdict(state: SearchState, rows: Sequence[RankedConfiguration], tested: TestedWinner) -> Iterator[str]:
    """The winner, and what its figures are worth."""
    winner = rows[0]
    settings = ", ".join(f"{name} = {level_text(label)}" for name, label in winner.point.items())
    low, high = tested.interval
    over = "" if len(tested.by_seed) == 1 else f", mean of {len(tested.by_seed)} seeds"
    yield f"Winner by validation: {settings}."
    yield (
        f"Its test accuracy: {100 * tested.mean:.2f} % [95 % interval {100 * low:.1f}, {100 * high:.1f}]{over}; "
        f"validation {100 * winner.mean:.2f} %, the highest of {len(rows)} and so too high an estimate."
    )
    if state.repeats:
        yield f"{state.repeats} trials repeated a configuration and took its value."


def baseline_table(space: Space, results: Mapping[int, ModelResult]) -> Table:
    """A classical baseline's choice on each split, by seed."""
    title = f"{space.title}, the whole grid of table {space.table}, chosen on validation"
    table = plain_table(*numbers("seed", "validation", "test [95 % interval]", "parameters"), "chosen", title=title)
    for seed, result in results.items():
        table.add_row(
            str(seed),
            f"{100 * result.validation.value:.2f} %",
            f"{result.tested}",
            f"{result.parameters:,}",
            ", ".join(f"{name} = {value}" for name, value in result.settings.items()),
        )
    return table
