"""`qllmft sweep` and `qllmft worker`: searches over settings."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from rich.console import Console

from qllmft.cli.backend import Options
from qllmft.cli.options import Data, Settings
from qllmft.errors import UserError
from qllmft.files import expanded
from qllmft.settings import parse_settings

if TYPE_CHECKING:
    from qllmft.cli.sweep_progress import ConsoleSweepReporter
    from qllmft.experiments.search.permission import Permission
    from qllmft.experiments.search.plan import Plan
    from qllmft.experiments.search.space import Space
    from qllmft.experiments.search.study import StudyBook

StorageUrl = Annotated[
    str | None,
    typer.Option(
        "--storage",
        envvar="QLLMFT_STORAGE",
        help="Where the study is kept: sqlite:///FILE, or postgresql://USER:PASSWORD@HOST/DATABASE for workers on "
        "several machines. The password reaches no file and no message; to keep it off the command line, put the URL "
        "into QLLMFT_STORAGE or the password into PGPASSWORD.",
        show_default="study.db in --out",
        show_envvar=False,
    ),
]


def sweep(
    name: Annotated[str | None, typer.Argument(help="Which search; --list lists them.", show_default=False)] = None,
    quick: Annotated[bool, typer.Option("--quick", help="The same in small, within an hour on two cores.")] = False,
    sampler: Annotated[
        str,
        typer.Option(
            help="grid: all combinations, as in the paper. tpe: each trial learns from those before. qmc: a Sobol' "
            "sequence. screening: a two-level design of few runs, with main effects."
        ),
    ] = "grid",
    trials: Annotated[
        int | None, typer.Option(help="Of tpe and qmc; more of them later go on.", show_default="32")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each configuration; their mean counts.")] = 1,
    data: Data = None,
    body: Annotated[str | None, typer.Option(help="As in `qllmft train`.", show_default="the preset's")] = None,
    settings: Settings = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the study, the runs and sweep.json; machines share it, or each has its own.",
            show_default="sweeps/NAME",
        ),
    ] = None,
    storage: StorageUrl = None,
    study: Annotated[
        str | None, typer.Option(help="Name of the study in its storage.", show_default="search, sampler and a hash")
    ] = None,
    plan_only: Annotated[
        bool, typer.Option("--plan-only", help="Make the study for `qllmft worker`, and train nothing here.")
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
    list_all: Annotated[bool, typer.Option("--list", help="List the searches with their tables of the paper.")] = False,
) -> None:
    """Search over settings by validation accuracy, and read the test set for the winner alone.

    Killed at any moment, the same command goes on; no configuration is trained twice. Ctrl-C stops.

    More than one machine: `--plan-only` with a PostgreSQL `--storage` makes the study, `qllmft worker` on each machine
    works on it, and this command again, without `--plan-only`, works too, waits for the rest and prints the outcome.
    """
    from qllmft.cli import sweep_progress as shown
    from qllmft.experiments.search.plan import Sampler, make_plan
    from qllmft.experiments.search.space import load_space

    console = Console()
    if list_all:
        console.print(shown.spaces_table())
        return
    if name is None:
        raise UserError("which sweep? `qllmft sweep --list` lists them; for instance `qllmft sweep table-06 --quick`.")
    if sampler not in get_args(Sampler):
        raise UserError(f"--sampler got {sampler!r}, expected one of {', '.join(get_args(Sampler))}.")
    if seeds < 1 or (trials is not None and trials < 1):
        raise UserError(f"--seeds got {seeds}, --trials got {trials}; expected 1 or more.")
    given = {"data.source": None if data is None else _absolute(data), "body.model": body}
    overrides = {key: value for key, value in given.items() if value is not None} | parse_settings(settings or [])
    space = load_space(name)
    if space.rival is not None:
        if sampler != "grid" or ray or storage or plan_only:
            raise UserError(f"{name} is a grid of seconds in one process. Give --data, --body, --seeds and --set only.")
        _search_rival(space, overrides, seeds, console)
        return
    if quick:
        space = space.quick or space
    plan = make_plan(space, sampler, overrides, trials=trials, seeds=seeds, grace_s=grace)  # type: ignore[arg-type]
    folder = out or Path("sweeps") / space.name
    book = _open(plan, folder, storage, study or f"{space.name}-{sampler}-{plan.fingerprint}")
    console.print(shown.headline(space, plan), highlight=False, soft_wrap=True)
    with closing(book):
        if plan_only:
            command = f"qllmft worker --storage {book.storage} --study {book.name}"
            console.print(f"The study is made: {command}", highlight=False, soft_wrap=True)
            return
        reporter = shown.ConsoleSweepReporter(console, plan)
        _work(book, folder, ray, reporter)
        _finish(book, folder, console, reporter)


def worker(
    study: Annotated[str, typer.Option(help="As `qllmft sweep --plan-only` prints it.")],
    storage: StorageUrl = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the runs: the sweep's own, where machines share it, so that a dead worker's training goes "
            "on from its checkpoint; else one of this machine.",
            show_default="sweeps/STUDY",
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
        float | None,
        typer.Option("--max-cost", min=0.0, help="Ceiling on all that is paid, in the server's unit."),
    ] = None,
    backend_option: Options = None,
) -> None:
    """Work on a study that `qllmft sweep --plan-only` made, together with any number of others, until it is finished.

    The data are to be at the same path on all machines. A worker may die or be stopped at any time: the others take its
    trial over. Neither circuits nor this machine's key leave it on the study's word alone.
    """
    from qllmft.cli.sweep_progress import ConsoleSweepReporter
    from qllmft.experiments.search.feasible import check_feasible
    from qllmft.experiments.search.permission import Permission
    from qllmft.experiments.search.storage import Storage
    from qllmft.experiments.search.study import StudyBook

    if storage is None:
        raise UserError("a worker needs --storage, or QLLMFT_STORAGE, as `qllmft sweep --plan-only` had it.")
    permission = Permission(allow_paid, max_cost, parse_settings(backend_option or [], "--backend-option"))
    with closing(StudyBook.join(Storage(storage), study)) as book:
        check_feasible(book.plan, permission)
        console = Console()
        _work(book, out or Path("sweeps") / study, None, ConsoleSweepReporter(console, book.plan), permission)
        with book.storage.explained():
            board = book.board()
    console.print(f"The study is finished: {len(board.done)} configurations.", highlight=False)
    if board.failed:
        raise UserError(f"{len(board.failed)} configurations failed; `qllmft sweep` says why, and tries them again.")


def _absolute(source: str) -> str:
    """A local path as every process finds it, whatever its working directory; other sources as they are."""
    path = expanded(source)
    return str(path.resolve()) if path.exists() else source


def _open(plan: Plan, folder: Path, storage: str | None, name: str) -> StudyBook:
    from qllmft.experiments.search.feasible import check_feasible
    from qllmft.experiments.search.storage import Storage
    from qllmft.experiments.search.study import StudyBook

    kept = Storage(storage) if storage else Storage.in_folder(folder)
    check_feasible(plan)
    return StudyBook.create(kept, name, plan)


def _work(
    book: StudyBook,
    folder: Path,
    ray: str | None,
    reporter: ConsoleSweepReporter,
    permission: Permission | None = None,
) -> None:
    """Work until the study is finished; only a worker has a permission to send circuits away."""
    from qllmft.experiments.search.liveness import Presence
    from qllmft.experiments.search.worker import Worker, local_execute

    runs = folder / "runs"
    with Presence(folder / ".workers") as presence, reporter.sweeping():
        if ray is not None:
            from qllmft.experiments.search.cluster import work_on_cluster

            work_on_cluster(book, presence, runs, ray, reporter)
        else:
            Worker(book, presence, local_execute(runs, reporter, permission), reporter).work()


def _finish(book: StudyBook, folder: Path, console: Console, reporter: ConsoleSweepReporter) -> None:
    from qllmft.cli import sweep_progress as shown
    from qllmft.experiments.search.outcome import effects, finish, ranking

    with book.storage.explained():
        board = book.board()
    rows = ranking(board)
    with reporter.sweeping():
        tested = finish(board, rows, folder, reporter)
    console.print(shown.ranking_table(board.plan, rows))
    screening = effects(board)
    if screening is not None:
        console.print(shown.effects_table(screening))
    for line in shown.verdict(board, rows, tested):
        console.print(line, highlight=False, soft_wrap=True)
    winner = folder / "runs" / rows[0].identity
    console.print(f"The record is {folder / 'sweep.json'}; the winner's run is {winner}.", soft_wrap=True)


def _search_rival(space: Space, overrides: dict[str, Any], seeds: int, console: Console) -> None:
    from qllmft.cli import sweep_progress as shown
    from qllmft.cli.run_progress import ConsoleReporter
    from qllmft.experiments.search.rival import search_rival
    from qllmft.presets import load_preset

    first = load_preset("nn-head-0").config(overrides)
    configs = [first.model_copy(update={"seed": first.seed + i}) for i in range(seeds)]
    assert space.rival is not None
    results = [search_rival(space.rival, config, ConsoleReporter(console)) for config in configs]
    console.print(shown.rival_table(space, results))
