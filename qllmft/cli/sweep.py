"""`qllmft sweep`: searches over settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from qllmft.cli.console import PlainConsole, names, numbers, plain_table, say
from qllmft.cli.options import CampaignOptions, DataOptions, Epochs, Settings, with_options
from qllmft.errors import UserError
from qllmft.files import expanded

if TYPE_CHECKING:
    from rich.table import Table

IN_FLIGHT_ON_RAY = 4  # trials of tpe at a time, unless --jobs gives a number


@with_options(texts=DataOptions, place=CampaignOptions)
def sweep(
    context: typer.Context,
    *,
    name: Annotated[
        str | None,
        typer.Argument(
            help="Name of a search; --list lists them. Or the path of a TOML file with a search of your own: title, "
            r"preset, and [\[parameters]] with setting and values.",
            show_default=False,
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Search the same in small, within an hour on two cores.")
    ] = False,
    sampler: Annotated[
        Literal["grid", "tpe", "qmc"],
        typer.Option(
            help="How configurations are chosen. grid: all combinations, as in the paper. tpe: each trial learns from "
            "those before. qmc: a Sobol' sequence."
        ),
    ] = "grid",
    trials: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of trials of tpe and qmc; a later call with more repeats no run.",
            show_default="32",
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="Number of runs of each configuration; their mean counts.")
    ] = 1,
    epochs: Epochs = None,
    texts: DataOptions,
    settings: Settings = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the runs.",
            show_default="sweeps/NAME",
        ),
    ] = None,
    plan_only: Annotated[
        bool,
        typer.Option(
            "--plan-only",
            help="Print the size of the search and its estimated time; train nothing.",
        ),
    ] = False,
    place: CampaignOptions,
    list_all: Annotated[
        bool, typer.Option("--list", help="List the searches with their tables of the paper.")
    ] = False,
) -> None:
    """Search over settings by the validation score; test the winner, and the best of each row of the paper's table.

    If it is killed at any moment, the same command continues. No configuration is trained twice. If the same command
    runs several times, on one machine or on several that share --out, the calls share the runs.
    """
    console = PlainConsole()
    if list_all:
        console.print(spaces_table())
        return
    from qllmft.campaign.executors import check_feasible
    from qllmft.campaign.file import load_space
    from qllmft.campaign.sweep import make_sweep, run_sweep
    from qllmft.cli import sweep_tables as tables
    from qllmft.cli.listener import ConsoleListener

    if name is None:
        raise UserError(
            "got no sweep; `qllmft sweep --list` lists them. Example: `qllmft sweep table-06 --quick`."
        )
    # calls on other machines may be in another folder
    if texts.data is not None and expanded(texts.data).exists():
        texts = replace(texts, data=str(expanded(texts.data).resolve()))
    overrides = texts.overrides(settings, train__epochs=epochs)
    space = load_space(name)
    if space.grid_of is not None:
        if sampler != "grid" or place.ray or plan_only or place.track:
            raise UserError(
                f"{name} is a grid of seconds in one process. Give --data, --body, --seeds and --set only."
            )
        tables.search_baselines_grid(space, overrides, seeds, console)
        return
    if plan_only and place.track:
        raise UserError("--track sends runs, and --plan-only does none. Omit one of them.")
    place.check(context, jobs_with_ray=sampler == "tpe")
    space = space.in_small() if quick else space
    in_flight = place.jobs or (IN_FLIGHT_ON_RAY if place.ray else 1) if sampler == "tpe" else 1
    plan = make_sweep(space, sampler, overrides, trials=trials, seeds=seeds, in_flight=in_flight)
    folder = out or Path("sweeps") / space.name
    listener = ConsoleListener(PlainConsole(stderr=True), campaign=True)
    executor = place.executor(listener)
    check_feasible(plan.each_head(), executor.inputs)
    say(tables.headline(plan), console)
    if plan_only:
        say(tables.estimate_text(plan, executor.inputs), console)
        return
    with listener:
        result = run_sweep(plan, folder, executor)
    tables.print_result(result, folder, console)


def spaces_table() -> Table:
    """Return a table of all search spaces."""
    from qllmft.campaign.file import Space, campaign_names, load_space

    table = plain_table(*names("sweep"), "table", *numbers("grid", "--quick"), "what")
    for name in campaign_names(Space):
        space = load_space(name)
        baseline = space.grid_of is not None
        small = space.in_small() if space.quick else None
        sizes = (
            ("its own", "") if baseline else (f"{space.size:,}", f"{small.size:,}" if small else "")
        )
        table.add_row(name, "" if space.table == "none" else space.table, *sizes, space.title)
    return table
