"""`qllmft study`: several heads, several seeds, one table."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from qllmft.cli.console import names, numbers, say, table
from qllmft.cli.options import (
    Count,
    DataOptions,
    Head,
    Settings,
    command_line,
    use_heads,
)
from qllmft_base.errors import UserError
from qllmft_studies.commands.options import CampaignOptions, list_given_options, run_resumable

if TYPE_CHECKING:
    from qllmft_studies.file import Study
    from qllmft_studies.plan_file import PlanFile
    from qllmft_studies.record import StudyRecord


MAX_OTHER_SCORES = 2  # scores beside that of the study; table.md and the page have all
# what `qllmft study noise` stands for; the first by default
NOISE_STUDY = "noise"
NOISE_STUDIES = ("fig11-small", "fig11")


def study(
    context: typer.Context,
    name: str | None = None,
    *,
    preset: str | None = None,
    quick: bool = False,
    data_options: DataOptions,
    seeds: str | None = None,
    budget: Count = None,
    epochs: int | None = None,
    settings: Settings = None,
    head: Head = None,
    out: Path | None = None,
    register: Path | None = None,
    registered: Path | None = None,
    from_predictions: Path | None = None,
    campaign_options: CampaignOptions,
    list_all: Annotated[bool, typer.Option("--list")] = False,
) -> None:
    """Train several heads over several seeds, compare them on the same splits, and print a verdict.

    After an interruption, run the command again: it continues, and no finished run is done twice. Several calls of the
    same command share the runs, on one computer or on several with the same --out.

    Args:
        name: Name of a study from --list, such as table2 or noise (figure 11). Or the path of a TOML file with a study
            of your own. It has title, subject, baseline, and rows with label, preset, side (subject or baseline) and
            settings.
        preset: Which study `noise` stands for: fig11-small (10 and 12 qubits, 300 epochs) or fig11. [default:
            fig11-small]
        quick: Run a smaller study of the same shape: at most 14 qubits, and 40 epochs or fewer.
        seeds: Number of seeds, from the study's first one, or a range such as 8-17. Each draws its own split and
            initial weights. [default: the study's, 5 or 3]
        budget: Number of settings that every row tries with each seed. They are drawn from the paper's tables, and one
            is selected on validation. [default: one setting of a head, all of a baseline's grid]
        epochs: Number of passes over the training set. [default: the study's, such as 800 of table2 and 40 with
            --quick. In a study of your own without epochs: the number of each row's preset]
        out: Folder of the runs, the record, the table and the page. Several calls of one study with the same
            folder share the runs. Another study needs another folder. [default: studies/<study>]
        register: Train nothing, and write the plan of the study into this file (preregistration). It has the rows,
            seeds, settings, rule of choice, margin and minimum detectable effect. Commit the file. Then run the study
            with --registered and the same file and options.
        registered: File of --register, in a git commit that no run came before. Another plan is refused, and so are
            seeds that a record of the repository has reported on the same body and data.
        from_predictions: Train nothing, and make all scores, comparisons, tables and the page again. They come from the
            answers in this folder (study.json and predictions.npz), and go into --out, by default the same folder.
            With --data, mark the test texts on which settings were chosen.
        list_all: List the studies with their rows.
    """
    if list_all:
        say(_studies_table())
        return
    if name is None:
        raise UserError(
            "got no study, expected a name of `qllmft study --list`. Example: `qllmft study table2 --quick`."
        )
    if from_predictions is not None:
        from qllmft_studies.report import finish_from_predictions

        kept_options = {"name", "from_predictions", "out", "data"}
        _check_options_for_predictions(
            name, from_predictions, list_given_options(context, without=kept_options)
        )
        _print_study(
            *finish_from_predictions(from_predictions, out or from_predictions, data_options.data)
        )
        return
    if head and campaign_options.ray:
        raise UserError(
            "--head runs a file of your computer, and --ray does the runs on a cluster. Omit one of them."
        )
    plan = plan_study(name, preset, quick=quick, seeds=seeds, budget=budget)
    plan = plan.with_own_heads(_own_rows(head))
    folder = out or Path("studies") / (plan.name if name.endswith(".toml") else name)
    # the record's command is the same on one machine and on a cluster, with any number of jobs
    context.params |= {"out": folder, "jobs": None, "ray": None}
    overrides = data_options.overrides(settings, train__epochs=epochs)
    campaign_options.check(context)

    from qllmft.cli.listener import ConsoleListener
    from qllmft_studies.plan_file import PlanFile
    from qllmft_studies.study import run_study

    if register and registered:
        raise UserError(
            "--register writes a plan, and --registered runs one. Omit --registered, commit the plan, and run it then."
        )
    plan_file = PlanFile.find(name, plan.name)
    if register:
        campaign_options.tracking()  # an unknown tracker would be refused when the plan is run
        _register(plan, register, overrides, folder, plan_file)
        return
    command = shlex.join(command_line(context))

    def run() -> StudyRecord:
        with ConsoleListener(campaign=True) as listener:
            executor = campaign_options.executor(listener, heads=tuple(head or ()))
            return run_study(plan, folder, overrides, command, executor, registered, plan_file)

    record = run_resumable(folder, run)
    _print_study(record, folder / "report.html")


def _own_rows(choices: list[str] | None) -> dict[str, str]:
    """Run the files of ``--head``, and return the names that rows may have, with their controls."""
    if not choices:
        return {}
    from qllmft.baselines.own_rows import register_controls

    return register_controls(use_heads(choices))


def _register(
    plan: Study, file: Path, overrides: Mapping[str, Any], folder: Path, plan_file: PlanFile
) -> None:
    """Write the registration of a study into a file, and print what it can find out."""
    from qllmft_studies.registration import register_study

    detectable_difference = register_study(plan, file, overrides, folder, plan_file)
    detectable_sentence = (
        f" Its minimum detectable effect is {detectable_difference[0]:.3g} {detectable_difference[1]}."
        if detectable_difference
        else ""
    )
    say(
        f"The plan of the study {plan.name} is {file}.{detectable_sentence} Commit it before any run."
    )


def _check_options_for_predictions(name: str, folder: Path, other_options: list[str]) -> None:
    """Raise UserError if other options are given with kept answers, or these are of another study."""
    from qllmft_studies.record import read_study

    if other_options:
        raise UserError(
            f"--from-predictions trains nothing, so {', '.join(other_options)} cannot change anything. Omit that."
        )
    recorded_study = read_study(folder).study
    requested_study = Path(name).stem if name.endswith(".toml") else name
    if requested_study != recorded_study and not (
        requested_study == NOISE_STUDY and recorded_study in NOISE_STUDIES
    ):
        raise UserError(
            f"{folder} holds the predictions of the study {recorded_study}, and not of {name}. Give that name."
        )


def _print_study(record: StudyRecord, page: Path) -> None:
    """Print the table of rows, and the verdict with its table of facts."""
    from qllmft_studies.verdict import verdict

    study_verdict = verdict(record)
    say(study_table(record), "", *study_verdict.lines)
    say(table(*names("fact", "value"), rows=list(study_verdict.facts.items())))
    say(f"The report is {page}. Every comparison is in {page.with_name('table.md')}.")


def plan_study(
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
    from qllmft.config.toml_files import validate_content
    from qllmft_studies.file import load_study
    from qllmft_studies.seeds import seed_range

    if name == NOISE_STUDY:
        name = preset or NOISE_STUDIES[0]
        if name not in NOISE_STUDIES:
            raise UserError(
                f"there is no noise study {name!r}, expected one of {', '.join(NOISE_STUDIES)}."
            )
    elif preset is not None:
        raise UserError(
            f"--preset is for the study noise, and {name} has presets of its own. Omit it."
        )
    plan = load_study(name)
    plan = plan.in_small() if quick else plan
    study_seeds = plan.seeds
    if seeds is not None:
        try:
            study_seeds = seed_range(seeds)
        except ValueError as error:
            raise UserError(
                f"--seeds is {seeds}: {error} (with 1 seed there are no intervals)."
            ) from None
        if "-" not in seeds:
            study_seeds = range(plan.seeds[0], plan.seeds[0] + len(study_seeds))
    changes = {"seeds": study_seeds, "budget": budget or plan.budget}
    return validate_content(type(plan), {**dict(plan), **changes}, f"study {plan.name}")


def _studies_table() -> Table:
    """Return a table of the studies of the package."""
    from qllmft_studies.file import Study, campaign_names, load_study

    rows = []
    for name in campaign_names(Study):
        loaded_study = load_study(name)
        quick_row_count = str(len(loaded_study.in_small().rows)) if loaded_study.quick else ""
        rows.append((name, str(len(loaded_study.rows)), quick_row_count, loaded_study.title))
    caption = f"`noise` is {' or '.join(NOISE_STUDIES)}, chosen by --preset."
    return table(*names("study"), *numbers("rows", "--quick"), "what", rows=rows, caption=caption)


def study_table(record: StudyRecord) -> Table:
    """Return the table at the end: means over the seeds, and the paper's numbers."""
    from qllmft_studies.report import table as cells

    n_seeds = len(record.seeds)
    measure = record.measure
    other_score_names = list(record.rows[0].others)[:MAX_OTHER_SCORES]
    seeds_text = f"{n_seeds} seeds, mean ± 95 % interval" if n_seeds > 1 else "1 seed, no interval"
    settings_column = [] if record.budget is None else ["settings"]
    paper_columns = ["paper, %", "paper's"] if record.published else []
    rows = []
    for row in record.rows:
        row_cells = [
            row.label,
            *([str(row.tried)] if settings_column else []),
            cells.parameters(row),
        ]
        row_cells += [
            cells.format_test_score(row, measure),
            *(cells.other_score(row.others[name]) for name in other_score_names),
        ]
        if paper_columns:
            row_cells += [cells.published_accuracy(row, record), cells.published_parameters(row)]
        rows.append(row_cells)
    return table(
        *names("model"),
        *numbers(
            *settings_column,
            "parameters",
            measure.column("test"),
            *other_score_names,
            *paper_columns,
        ),
        rows=rows,
        title=f"{cells.about(record)}\n{record.data.source}: {record.data.counts}\n"
        f"language model {record.body}, D = {record.body.dimension}, "
        f"{record.epochs_text}, {seeds_text}",
        caption=cells.published_note(record) or None,
    )
