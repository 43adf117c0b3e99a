"""`qllmft study`: several heads, several seeds, one table."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qllmft.cli.console import PlainConsole, names, numbers, plain_table, say
from qllmft.cli.options import CampaignOptions, DataOptions, Settings, command_line, with_options
from qllmft.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

    from qllmft.campaign.file import Study
    from qllmft.campaign.record import StudyRecord

OTHERS_SHOWN = 2  # scores beside that of the study; table.md and the page have all
# what `qllmft study noise` stands for; the first by default
NOISE, NOISE_STUDIES = "noise", ("fig11-small", "fig11")


@with_options(texts=DataOptions, place=CampaignOptions)
def study(
    context: typer.Context,
    *,
    name: Annotated[
        str | None,
        typer.Argument(
            help="Name of a study, such as table2 or noise (figure 11); --list lists them. Or the path of a TOML file "
            "with a study of your own: title, subject, baseline, and rows with label, preset, side (subject or "
            "baseline) and settings.",
            show_default=False,
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Which study `noise` stands for: fig11-small (10 and 12 qubits, 300 epochs) or fig11.",
            show_default="fig11-small",
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Run a smaller study of the same shape: at most 14 qubits, and 40 epochs or fewer.",
        ),
    ] = False,
    texts: DataOptions,
    seeds: Annotated[
        str | None,
        typer.Option(
            help="Number of seeds, from the study's first one, or a range such as 8-17. Each draws its own split and "
            "initial weights.",
            show_default="the study's, 5 or 3",
        ),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of settings that every row tries with each seed, drawn from the paper's tables and chosen "
            "among on the validation texts.",
            show_default="one setting of a head, all of a baseline's grid",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Number of passes over the training set.",
            show_default="the study's, 800 (fig11-small: 300); 40 with --quick",
        ),
    ] = None,
    settings: Settings = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the runs, the record, the table and the page. Several calls with the same folder share the "
            "runs.",
            show_default="studies/<study>",
        ),
    ] = None,
    register: Annotated[
        Path | None,
        typer.Option(
            help="Train nothing: write rows, seeds, settings, rule of choice, margin and the least difference that the "
            "study sees into this file. Commit it; `--registered` with the same file and options then runs the study.",
            show_default=False,
        ),
    ] = None,
    registered: Annotated[
        Path | None,
        typer.Option(
            help="File of --register, in a git commit that no run came before. Another plan is refused, and so are "
            "seeds that a record of the repository has reported on the same body and data.",
            show_default=False,
        ),
    ] = None,
    from_predictions: Annotated[
        Path | None,
        typer.Option(
            help="Train nothing: compute all scores, comparisons, tables and the page again from the kept answers "
            "in this folder (study.json and predictions.npz), and write them into --out, by default the same folder. "
            "With --data, mark the test texts on which settings were chosen.",
            show_default=False,
        ),
    ] = None,
    place: CampaignOptions,
    list_all: Annotated[
        bool, typer.Option("--list", help="List the studies with their rows.")
    ] = False,
) -> None:
    """Train rows of heads over several seeds, compare them on the same splits, and print a verdict.

    A call that was interrupted or killed continues when it is given again. No finished run is done twice. If the same
    command runs several times, on one machine or on several that share --out, the calls share the runs.
    """
    console = PlainConsole()
    if list_all:
        console.print(studies_table())
        return
    if name is None:
        raise UserError(
            "got no study; `qllmft study --list` lists them. Example: `qllmft study table2 --quick`."
        )
    if from_predictions is not None:
        given = {
            "--quick": quick,
            "--seeds": seeds,
            "--budget": budget,
            "--epochs": epochs,
            "--set": settings,
        }
        _recompute(
            console,
            name,
            from_predictions,
            out or from_predictions,
            texts.data,
            [o for o, value in given.items() if value],
        )
        return
    plan = _plan(name, preset, quick=quick, seeds=seeds, budget=budget)
    folder = out or Path("studies") / (plan.name if name.endswith(".toml") else name)
    # the record's command is the same on one machine and on a cluster, with any number of jobs
    context.params |= {"out": folder, "jobs": None, "ray": None}
    overrides = texts.overrides(settings, train__epochs=epochs)
    place.check(context)

    from qllmft.campaign.registration import register_study
    from qllmft.campaign.study import run_study
    from qllmft.cli.listener import ConsoleListener
    from qllmft.report import finish_study

    if register:
        least = register_study(plan, register, overrides)
        seen = "" if least is None else f" The least difference that it sees is {least:.2f}."
        say(
            f"The plan of the study {plan.name} is {register}.{seen} Commit it before any run.",
            console,
        )
        return
    try:
        with ConsoleListener(PlainConsole(stderr=True), campaign=True) as listener:
            command, executor = shlex.join(command_line(context)), place.executor(listener)
            record = run_study(plan, folder, overrides, command, executor, registered)
    except KeyboardInterrupt:
        say(f"Interrupted. The same command continues; the runs are in {folder / 'runs'}.", console)
        raise typer.Exit(130) from None
    _finish(console, record, finish_study(folder, record))


def _recompute(
    console: PlainConsole,
    name: str,
    folder: Path,
    out: Path,
    data: str | None,
    others: list[str],
) -> None:
    """Make the files of a study again from its predictions. UserError if they are of another study."""
    from qllmft.campaign.record import read_study
    from qllmft.report import finish_from_predictions

    if others:
        raise UserError(
            f"--from-predictions trains nothing, so {', '.join(others)} cannot change anything; omit that."
        )
    found = read_study(folder).study
    given = Path(name).stem if name.endswith(".toml") else name
    if given != found and not (given == NOISE and found in NOISE_STUDIES):
        raise UserError(
            f"{folder} holds the predictions of the study {found}, and not of {name}; give that name."
        )
    _finish(console, *finish_from_predictions(folder, out, data))


def _finish(console: PlainConsole, record: StudyRecord, page: Path) -> None:
    """Print the table and the verdict."""
    from qllmft.campaign.verdict import verdict

    console.print(study_table(record))
    console.print(f"{verdict(record)}\n")
    say(f"The report is {page}; every comparison is in {page.with_name('table.md')}.", console)


def _plan(
    name: str, preset: str | None, *, quick: bool, seeds: str | None, budget: int | None
) -> Study:
    """Return the study with the changes of the options; UserError if they do not fit together."""
    from qllmft.campaign.file import load_study
    from qllmft.config.toml_files import validated

    if name == NOISE:
        name = preset or NOISE_STUDIES[0]
        if name not in NOISE_STUDIES:
            raise UserError(
                f"there is no noise study {name!r}; expected one of {', '.join(NOISE_STUDIES)}."
            )
    elif preset is not None:
        raise UserError(f"--preset is for the study noise; {name} has presets of its own. Omit it.")
    plan = load_study(name)
    plan = plan.in_small() if quick else plan
    given = {"seeds": _seeds(plan, seeds), "budget": budget or plan.budget}
    return validated(type(plan), {**dict(plan), **given}, f"study {plan.name}")


def _seeds(plan: Study, given: str | None) -> range:
    """Return the seeds of ``--seeds``, a number from the study's first one or a range, or the study's."""
    from qllmft.campaign.file import seed_range

    if given is None:
        return plan.seeds
    try:
        found: range = seed_range(given)
    except ValueError as error:
        raise UserError(
            f"--seeds is {given}: {error} (with 1 seed there are no intervals)."
        ) from None
    return found if "-" in given else range(plan.seeds[0], plan.seeds[0] + len(found))


def studies_table() -> Table:
    """Return a table of the studies of the package."""
    from qllmft.campaign.file import Study, campaign_names, load_study

    caption = f"`noise` is {' or '.join(NOISE_STUDIES)}; see --preset."
    table = plain_table(*names("study"), *numbers("rows", "--quick"), "what", caption=caption)
    for name in campaign_names(Study):
        found = load_study(name)
        small = str(len(found.in_small().rows)) if found.quick else ""
        table.add_row(name, str(len(found.rows)), small, found.title)
    return table


def study_table(record: StudyRecord) -> Table:
    """Return the table at the end: means over the seeds, and the paper's numbers."""
    from qllmft.report import study_table as cells

    n, measure = len(record.seeds), record.measure
    others = list(record.rows[0].others)[:OTHERS_SHOWN]
    over = f"{n} seeds, mean ± 95 % interval" if n > 1 else "1 seed, no interval"
    tried = [] if record.budget is None else ["settings"]
    shown = plain_table(
        *names("model"),
        *numbers(
            *tried,
            "parameters",
            measure.column("test"),
            *others,
            *(("paper, %", "paper's") if record.published else ()),
        ),
        title=f"{cells.about(record)}\n{record.data.source}: {record.data.counts}\n"
        f"body {record.body}, D = {record.body.dimension}; {record.epochs} epochs; {over}",
        caption=cells.published_note(record) or None,
    )
    for row in record.rows:
        own = [] if record.budget is None else [str(row.tried)]
        printed = (
            [cells.published_accuracy(row, record), cells.published_parameters(row)]
            if record.published
            else []
        )
        shown.add_row(
            row.label,
            *own,
            cells.parameters(row),
            cells.measured(row, measure),
            *(cells.other(row.others[name]) for name in others),
            *printed,
        )
    return shown
