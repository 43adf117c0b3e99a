"""`qllmft sweep` and `qllmft worker`: searches over settings."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, get_args

import typer

from qllmft.cli.backend import Options
from qllmft.cli.console import PlainConsole, say
from qllmft.cli.options import DataOptions, Epochs, Jobs, Settings, TrackOptions, with_options
from qllmft.errors import UserError
from qllmft.files import expanded

StorageUrl = Annotated[
    str | None,
    typer.Option(
        envvar="QLLMFT_STORAGE",
        help="Where the search is kept: sqlite:///FILE, or postgresql://USER:PASSWORD@HOST/DATABASE for workers on "
        "several machines. The password reaches no file and no message; to keep it off the command line, put the URL "
        "into QLLMFT_STORAGE or the password into PGPASSWORD.",
        show_default="study.db in --out",
        show_envvar=False,
    ),
]


@with_options(texts=DataOptions, told=TrackOptions)
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
        str,
        typer.Option(
            help="How configurations are chosen. grid: all combinations, as in the paper. tpe: each trial learns from "
            "those before. qmc: a Sobol' sequence. screening: a two-level design of few runs, with main effects."
        ),
    ] = "grid",
    trials: Annotated[
        int | None,
        typer.Option(help="Number of trials of tpe and qmc; a later call with more goes on.", show_default="32"),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Number of runs of each configuration; their mean counts.")] = 1,
    epochs: Epochs = None,
    texts: DataOptions,
    settings: Settings = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the search, the runs and sweep.json; machines share it, or each has its own.",
            show_default="sweeps/NAME",
        ),
    ] = None,
    storage: StorageUrl = None,
    search: Annotated[
        str | None,
        typer.Option(
            "--search",
            "--study",
            help="Name of the search in its storage; --study is the option's earlier name.",
            show_default="search, sampler and a hash",
        ),
    ] = None,
    plan_only: Annotated[
        bool, typer.Option("--plan-only", help="Make the search for `qllmft worker`, and say how long it will take.")
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Put the trials on a Ray cluster, one for each of its processors: HOST:PORT, or auto. The data and "
            "--out are to be at the same path on all machines.",
        ),
    ] = None,
    grace: Annotated[
        int, typer.Option(help="Seconds without a sign of life after which a worker elsewhere counts as dead.")
    ] = 120,
    jobs: Jobs = None,
    told: TrackOptions,
    list_all: Annotated[bool, typer.Option("--list", help="List the searches with their tables of the paper.")] = False,
) -> None:
    """Search over settings by validation accuracy; read the test set for the winner and the best of each table's row.

    Killed at any moment, the same command goes on; no configuration is trained twice. Ctrl-C stops.

    More than one machine: `--plan-only` with a PostgreSQL `--storage` makes the search, `qllmft worker` on each machine
    works on it, and this command again, without `--plan-only`, works too, waits for the rest and prints the outcome.
    """
    from qllmft.campaign.search import Sampler, make_plan
    from qllmft.campaign.space import load_space
    from qllmft.cli import sweep_work as at_work

    console = PlainConsole()
    if list_all:
        console.print(at_work.spaces_table())
        return
    if name is None:
        raise UserError("which sweep? `qllmft sweep --list` lists them; for instance `qllmft sweep table-06 --quick`.")
    if sampler not in get_args(Sampler):
        raise UserError(f"--sampler got {sampler!r}, expected one of {', '.join(get_args(Sampler))}.")
    if seeds < 1 or (trials is not None and trials < 1):
        raise UserError(f"--seeds got {seeds}, --trials got {trials}; expected 1 or more.")
    if texts.data is not None and expanded(texts.data).exists():  # as workers find it, whatever their working directory
        texts = replace(texts, data=str(expanded(texts.data).resolve()))
    overrides = texts.overrides(settings, train__epochs=epochs)
    space = load_space(name)
    if space.baseline is not None:
        if sampler != "grid" or ray or storage or plan_only or told.track:
            raise UserError(f"{name} is a grid of seconds in one process. Give --data, --body, --seeds and --set only.")
        at_work.search_baselines_grid(space, overrides, seeds, console)
        return
    source = context.get_parameter_source("jobs")
    if ray and source is not None and source.name == "COMMANDLINE":  # the variable holds for all commands
        raise UserError("--jobs is about processes here, and --ray puts the trials on a cluster. Leave one out.")
    if told.track and (ray or plan_only):
        raise UserError("--track is about runs of this process, and none is trained here. Give it to `qllmft worker`.")
    tracking = told.tracking()
    if quick:
        space = space.in_small() or space
    plan = make_plan(space, sampler, overrides, trials=trials, seeds=seeds, grace_s=grace)  # type: ignore[arg-type]
    folder = out or Path("sweeps") / space.name
    store = at_work.open_search(plan, folder, storage, search or f"{space.name}-{sampler}-{plan.fingerprint}")
    say(at_work.headline(space, plan), console)
    with closing(store):
        if plan_only:
            say(f"The search is made: qllmft worker --storage {store.storage} --search {store.name}", console)
            say(at_work.estimate_text(plan), console)
            return
        count = at_work.processes(store, jobs, ray)
        at_work.work_on(store, folder, console, tracking, ray=ray, count=count)
        at_work.finish_search(store, folder, console, tracking)


@with_options(told=TrackOptions)
def worker(
    *,
    search: Annotated[
        str,
        typer.Option(
            "--search",
            "--study",
            help="Name of the search, as `qllmft sweep --plan-only` prints it; --study is the option's earlier name.",
        ),
    ],
    storage: StorageUrl = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the runs: the sweep's own, where machines share it, so that a dead worker's training goes "
            "on from its checkpoint; else one of this machine.",
            show_default="sweeps/SEARCH",
        ),
    ] = None,
    allow_paid: Annotated[
        bool,
        typer.Option(
            "--allow-paid",
            help="Let trials whose backend sends circuits away use this machine's key, and pay up to --max-cost.",
        ),
    ] = False,
    max_cost: Annotated[
        float | None, typer.Option(min=0.0, help="Ceiling on all that is paid, in the server's unit.")
    ] = None,
    backend_option: Options = None,
    told: TrackOptions,
) -> None:
    """Work on a search that `qllmft sweep --plan-only` made, together with any number of others, until it is finished.

    The data are to be at the same path on all machines. A worker may die or be stopped at any time: the others take its
    trial over. Neither circuits nor this machine's key leave it on the search's word alone.
    """
    from qllmft.campaign.feasible import check_feasible
    from qllmft.campaign.permission import Permission
    from qllmft.campaign.storage import Storage
    from qllmft.campaign.store import SearchStore
    from qllmft.cli.sweep_work import work_on
    from qllmft.config.settings import parse_settings

    if storage is None:
        raise UserError("a worker needs --storage, or QLLMFT_STORAGE, as `qllmft sweep --plan-only` had it.")
    permission = Permission(allow_paid, max_cost, parse_settings(backend_option or [], "--backend-option"))
    console, tracking = PlainConsole(), told.tracking()
    with closing(SearchStore.join(Storage(storage), search)) as store:
        check_feasible(store.plan.each_head(), permission.options_for)
        work_on(store, out or Path("sweeps") / search, console, tracking, permission=permission)
        with store.storage.explained():
            state = store.state()
    say(f"The search is finished: {len(state.done)} configurations.", console)
    if state.failed:
        raise UserError(f"{len(state.failed)} configurations failed; `qllmft sweep` says why, and tries them again.")
