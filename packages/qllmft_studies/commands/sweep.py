"""`qllmft sweep`: searches over settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from qllmft.cli.console import names, numbers, say, table
from qllmft.cli.options import (
    Count,
    DataOptions,
    Epochs,
    Positive,
    Settings,
)
from qllmft_base.errors import UserError
from qllmft_base.files import expand_home
from qllmft_base.text import format_count
from qllmft_studies.commands.options import CampaignOptions, list_given_options, run_resumable

if TYPE_CHECKING:
    from qllmft_studies.executors import Executor
    from qllmft_studies.report.sweep import Cells
    from qllmft_studies.search_space import Space
    from qllmft_studies.sweep import Sweep
    from qllmft_studies.sweep_run import SweepResult


IN_FLIGHT_ON_RAY = 4  # trials of tpe at a time, unless --jobs gives a number
MAX_CONFIGURATIONS = 10


def sweep(
    context: typer.Context,
    name: str | None = None,
    *,
    quick: bool = False,
    sampler: Literal["grid", "tpe", "qmc"] = "grid",
    trials: Count = None,
    seeds: Positive = 1,
    epochs: Epochs = None,
    data_options: DataOptions,
    settings: Settings = None,
    out: Path | None = None,
    plan_only: bool = False,
    campaign_options: CampaignOptions,
    list_all: Annotated[bool, typer.Option("--list")] = False,
) -> None:
    """Search over settings by the validation score, and test the winner and the best of each row of the paper's table.

    After an interruption, run the command again: it continues, and no configuration is trained twice. Several calls of
    the same command share the runs, on one computer or on several with the same --out.

    Args:
        name: Name of a search from --list. Or the path of a TOML file with a search of your own: title, preset, and
            [[parameters]] with setting and values.
        quick: Search the same in small, within an hour on two cores.
        sampler: How configurations are chosen. grid: all combinations, as in the paper. tpe: each trial learns from
            those before, and --jobs N proposes N at a time. So another number of jobs gives another search: keep it
            when you continue one. qmc: a Sobol' sequence.
        trials: Number of trials of tpe and qmc. A later call with more repeats no run. [default: 32]
        seeds: Number of runs of each configuration. Their mean score counts.
        out: Folder of the runs, the record, the table and the page. [default: sweeps/NAME]
        plan_only: Print the size of the search and its estimated time, and train nothing.
        list_all: List the searches with their tables of the paper.
    """
    if list_all:
        say(_spaces_table())
        return
    from qllmft.cli.listener import ConsoleListener
    from qllmft_studies.checks import check_feasible, report_texts
    from qllmft_studies.report.sweep import ranking_cells, row_bests_cells, winner_sentences
    from qllmft_studies.search_space import load_space
    from qllmft_studies.sweep import make_sweep
    from qllmft_studies.sweep_run import run_sweep

    if name is None:
        raise UserError(
            "got no search, expected a name of `qllmft sweep --list`. Example: `qllmft sweep table-06 --quick`."
        )
    # calls on other machines may be in another folder
    if data_options.data is not None and expand_home(data_options.data).exists():
        data_options = replace(data_options, data=str(expand_home(data_options.data).resolve()))
    overrides = data_options.overrides(settings, train__epochs=epochs)
    space = load_space(name)
    if space.grid_of is not None:
        _check_options_of_grid(name, context)
        search_baselines_grid(space, overrides, seeds)
        return
    if plan_only and campaign_options.track:
        raise UserError("--track sends runs, and --plan-only does none. Omit one of them.")
    campaign_options.check(context, jobs_with_ray=sampler == "tpe")
    space = space.in_small() if quick else space
    in_flight = (
        campaign_options.jobs or (IN_FLIGHT_ON_RAY if campaign_options.ray else 1)
        if sampler == "tpe"
        else 1
    )
    plan = make_sweep(space, sampler, overrides, trials=trials, seeds=seeds, in_flight=in_flight)
    listener = ConsoleListener(campaign=True)
    executor = campaign_options.executor(listener)
    check_feasible(plan.head_configs(), executor.inputs)
    _say_size(space, sampler, plan, seeds)
    if plan_only:
        _say_expected_time(plan, executor)
        return
    folder = out or Path("sweeps") / space.name

    def run() -> SweepResult:
        with listener:
            report_texts(plan.head_configs().values(), executor.inputs, listener, read_test=False)
            return run_sweep(plan, folder, executor)

    record = run_resumable(folder, run).record
    winner = folder / "runs" / record.winner.runs[0]
    say(_rich_table(ranking_cells(record, MAX_CONFIGURATIONS)))
    say(*([_rich_table(row_bests_cells(record))] if record.row_bests else []))
    say(*winner_sentences(record), f"The winner's run is {winner}.")
    say(f"The report is {folder / 'report.html'}. All configurations are in {folder / 'table.md'}.")


def _check_options_of_grid(name: str, context: typer.Context) -> None:
    """Raise UserError for an option that a grid of a baseline does not have."""
    kept_options = {"name", "seeds", "settings", *DataOptions.__dataclass_fields__}
    if list_given_options(context, without=kept_options):
        raise UserError(
            f"{name} is a grid of seconds in one process. Give --data, --body, --seeds and --set only."
        )


def _say_size(space: Space, sampler: str, plan: Sweep, seeds: int) -> None:
    """Print the number of trials of a search."""
    table_prefix = "" if space.table == "none" else f"table {space.table}, "
    seeds_text = f", {seeds} seeds each" if seeds > 1 else ""
    say(
        f"{space.name}: {table_prefix}{space.title}. {sampler}, {format_count(plan.size, 'trial')}{seeds_text}"
    )


def _say_expected_time(plan: Sweep, executor: Executor) -> None:
    """Print how long the epochs of a search take here, by a few timed steps."""
    from qllmft_engine import thread_count
    from qllmft_studies.sweep import estimate_epoch_times

    try:
        structure_costs = estimate_epoch_times(plan, executor.inputs)
        cores = thread_count()
    except UserError as error:
        say(f"Its time cannot be estimated: {error}")
        return
    hours = sum(epochs * seconds for _, epochs, seconds in structure_costs) / 3600 / cores
    say(
        f"On {cores} such cores its epochs take about {hours:.2g} h, by a few timed steps of "
        f"{len(structure_costs)} structures."
    )


def _spaces_table() -> Table:
    """Return a table of all search spaces."""
    from qllmft_studies.file import campaign_names
    from qllmft_studies.search_space import Space, load_space

    rows = []
    for name in campaign_names(Space):
        space = load_space(name)
        size = f"{space.size:,}"
        small = f"{space.in_small().size:,}" if space.quick else ""
        if space.grid_of is not None:
            size = "its own"
            small = ""
        rows.append((name, "" if space.table == "none" else space.table, size, small, space.title))
    return table(*names("sweep"), "table", *numbers("grid", "--quick"), "what", rows=rows)


def search_baselines_grid(space: Space, overrides: dict[str, Any], seeds: int) -> None:
    """Print the best setting of a classical baseline's grid on validation, for each seed.

    Args:
        space: with the baseline.
        overrides: settings of all runs, by dotted name.
        seeds: number of seeds, from the configuration's.
    """
    from qllmft.cli.listener import ConsoleListener
    from qllmft.config.presets import load_preset
    from qllmft.run import SharedInputs
    from qllmft.tasks import TASKS
    from qllmft_studies.baseline_grid import search_baseline

    first_config = load_preset("nn-head-0").config({**space.settings, **overrides})
    assert space.grid_of is not None
    measure = TASKS[first_config.data.task].measure
    inputs = SharedInputs()
    rows = []
    ConsoleListener()(inputs.check(first_config.data, first_config.seed))
    for seed in range(first_config.seed, first_config.seed + seeds):
        config = first_config.model_copy(update={"seed": seed})
        with ConsoleListener() as listener:
            best_baseline = search_baseline(space.grid_of, config, listener, inputs)
        settings_text = ", ".join(
            f"{name} = {value}" for name, value in best_baseline.settings.items()
        )
        validation = measure.percent(best_baseline.validation.value)
        rows.append(
            (
                str(seed),
                validation,
                f"{best_baseline.tested}",
                f"{best_baseline.parameters:,}",
                settings_text,
            )
        )
    table_text = "" if space.table == "none" else f" of table {space.table}"
    title = f"{space.title}, the whole grid{table_text}, chosen on validation"
    validation, test = map(measure.in_column, ("validation", "test"))
    columns = numbers("seed", validation, f"{test} [95 % interval]", "parameters")
    say(table(*columns, "chosen", rows=rows, title=title))


def _rich_table(cells: Cells) -> Table:
    """Return a table of a sweep for the terminal."""
    return table(
        *numbers(*cells.numbers),
        *cells.texts,
        rows=list(cells.rows),
        title=cells.title,
        caption=cells.note or None,
    )
