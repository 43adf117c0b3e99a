"""`qllmft study`: several heads, several seeds, one table."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qllmft.cli.console import PlainConsole, names, numbers, say, table
from qllmft.cli.options import (
    CampaignOptions,
    Count,
    DataOptions,
    Settings,
    command_line,
)
from qllmft.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

    from qllmft.campaign.file import Study
    from qllmft.campaign.record import StudyRecord

OTHERS_SHOWN = 2  # scores beside that of the study; table.md and the page have all
# what `qllmft study noise` stands for; the first by default
NOISE, NOISE_STUDIES = "noise", ("fig11-small", "fig11")


def study(
    context: typer.Context,
    name: str | None = None,
    *,
    preset: str | None = None,
    quick: bool = False,
    texts: DataOptions,
    seeds: str | None = None,
    budget: Count = None,
    epochs: int | None = None,
    settings: Settings = None,
    out: Path | None = None,
    register: Path | None = None,
    registered: Path | None = None,
    from_predictions: Path | None = None,
    place: CampaignOptions,
    list_all: Annotated[bool, typer.Option("--list")] = False,
) -> None:
    """Train rows of heads over several seeds, compare them on the same splits, and print a verdict.

    A call that was interrupted or killed continues when it is given again. No finished run is done twice. If the same
    command runs several times, on one machine or on several that share --out, the calls share the runs.

    Args:
        name: Name of a study, such as table2 or noise (figure 11); --list lists them. Or the path of a TOML file with a
            study of your own: title, subject, baseline, and rows with label, preset, side (subject or baseline) and
            settings.
        preset: Which study `noise` stands for: fig11-small (10 and 12 qubits, 300 epochs) or fig11. [default:
            fig11-small]
        quick: Run a smaller study of the same shape: at most 14 qubits, and 40 epochs or fewer.
        seeds: Number of seeds, from the study's first one, or a range such as 8-17. Each draws its own split and
            initial weights. [default: the study's, 5 or 3]
        budget: Number of settings that every row tries with each seed, drawn from the paper's tables and chosen among
            on the validation texts. [default: one setting of a head, all of a baseline's grid]
        epochs: Number of passes over the training set. [default: the study's, 800 (fig11-small: 300); 40 with --quick]
        out: Folder of the runs, the record, the table and the page. Several calls with the same folder share the runs.
            [default: studies/<study>]
        register: Train nothing: write rows, seeds, settings, rule of choice, margin and the least difference that the
            study sees into this file. Commit it; `--registered` with the same file and options then runs the study.
        registered: File of --register, in a git commit that no run came before. Another plan is refused, and so are
            seeds that a record of the repository has reported on the same body and data.
        from_predictions: Train nothing: compute all scores, comparisons, tables and the page again from the kept
            answers in this folder (study.json and predictions.npz), and write them into --out, by default the same
            folder. With --data, mark the test texts on which settings were chosen.
        list_all: List the studies with their rows.
    """
    if list_all:
        say(_studies())
        return
    if name is None:
        raise UserError(
            "got no study; `qllmft study --list` lists them. Example: `qllmft study table2 --quick`."
        )
    from qllmft.report import finish_from_predictions, finish_study

    if from_predictions is not None:
        given = {
            "--quick": quick,
            "--seeds": seeds,
            "--budget": budget,
            "--epochs": epochs,
            "--set": settings,
        }
        _check_kept(name, from_predictions, [option for option, value in given.items() if value])
        _show(*finish_from_predictions(from_predictions, out or from_predictions, texts.data))
        return
    plan = planned(name, preset, quick=quick, seeds=seeds, budget=budget)
    folder = out or Path("studies") / (plan.name if name.endswith(".toml") else name)
    # the record's command is the same on one machine and on a cluster, with any number of jobs
    context.params |= {"out": folder, "jobs": None, "ray": None}
    overrides = texts.overrides(settings, train__epochs=epochs)
    place.check(context)

    from qllmft.campaign.registration import register_study
    from qllmft.campaign.study import run_study
    from qllmft.cli.listener import ConsoleListener

    if register:
        least = register_study(plan, register, overrides)
        seen = "" if least is None else f" The least difference that it sees is {least:.2f}."
        say(f"The plan of the study {plan.name} is {register}.{seen} Commit it before any run.")
        return
    try:
        with ConsoleListener(campaign=True) as listener:
            command, executor = shlex.join(command_line(context)), place.executor(listener)
            record = run_study(plan, folder, overrides, command, executor, registered)
    except KeyboardInterrupt:
        say(f"Interrupted. The same command continues; the runs are in {folder / 'runs'}.")
        raise typer.Exit(130) from None
    _show(record, finish_study(folder, record))


def _check_kept(name: str, folder: Path, others: list[str]) -> None:
    """Raise UserError if other options are given with kept answers, or these are of another study."""
    from qllmft.campaign.record import read_study

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


def _show(record: StudyRecord, page: Path) -> None:
    """Print the table and the verdict."""
    from qllmft.campaign.verdict import verdict

    say(study_table(record))
    PlainConsole().print(f"{verdict(record)}\n")
    say(f"The report is {page}; every comparison is in {page.with_name('table.md')}.")


def planned(
    name: str, preset: str | None, *, quick: bool, seeds: str | None, budget: int | None
) -> Study:
    """Return a study with the changes of the options.

    Args:
        name: of the study, or the path of its file.
        preset: study for which the name ``noise`` stands; None for the small one.
        quick: take the small version.
        seeds: a number of seeds from the study's first one, or a range such as 8-17; None for the study's.
        budget: number of settings of each row; None for the study's.

    Raises:
        UserError: if they do not fit together.
    """
    from qllmft.campaign.file import load_study, seed_range
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
    chosen = plan.seeds
    if seeds is not None:
        try:
            chosen = seed_range(seeds)
        except ValueError as error:
            raise UserError(
                f"--seeds is {seeds}: {error} (with 1 seed there are no intervals)."
            ) from None
        if "-" not in seeds:
            chosen = range(plan.seeds[0], plan.seeds[0] + len(chosen))
    given = {"seeds": chosen, "budget": budget or plan.budget}
    return validated(type(plan), {**dict(plan), **given}, f"study {plan.name}")


def _studies() -> Table:
    """Return a table of the studies of the package."""
    from qllmft.campaign.file import Study, campaign_names, load_study

    rows = []
    for name in campaign_names(Study):
        found = load_study(name)
        small = str(len(found.in_small().rows)) if found.quick else ""
        rows.append((name, str(len(found.rows)), small, found.title))
    caption = f"`noise` is {' or '.join(NOISE_STUDIES)}; see --preset."
    return table(*names("study"), *numbers("rows", "--quick"), "what", rows=rows, caption=caption)


def study_table(record: StudyRecord) -> Table:
    """Return the table at the end: means over the seeds, and the paper's numbers."""
    from qllmft.report import study_table as cells

    n, measure = len(record.seeds), record.measure
    others = list(record.rows[0].others)[:OTHERS_SHOWN]
    over = f"{n} seeds, mean ± 95 % interval" if n > 1 else "1 seed, no interval"
    tried = [] if record.budget is None else ["settings"]
    printed = ["paper, %", "paper's"] if record.published else []
    rows = []
    for row in record.rows:
        shown = [row.label, *([str(row.tried)] if tried else []), cells.parameters(row)]
        shown += [cells.measured(row, measure), *(cells.other(row.others[name]) for name in others)]
        if printed:
            shown += [cells.published_accuracy(row, record), cells.published_parameters(row)]
        rows.append(shown)
    return table(
        *names("model"),
        *numbers(*tried, "parameters", measure.column("test"), *others, *printed),
        rows=rows,
        title=f"{cells.about(record)}\n{record.data.source}: {record.data.counts}\n"
        f"body {record.body}, D = {record.body.dimension}; {record.epochs} epochs; {over}",
        caption=cells.published_note(record) or None,
    )
