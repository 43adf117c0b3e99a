"""`qllmft study`: several heads, several seeds, one table; and `qllmft sweep`: searches over settings."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Column, Table

from qllmft.cli.console import PlainConsole, names, numbers, say, table
from qllmft.cli.options import (
    CampaignOptions,
    Count,
    DataOptions,
    Epochs,
    Positive,
    Settings,
    command_line,
)
from qllmft.counts import count_of
from qllmft.errors import UserError
from qllmft.files import expanded

if TYPE_CHECKING:
    from qllmft.campaign.file import Space, Study
    from qllmft.campaign.record import StudyRecord
    from qllmft.campaign.runs import SeededResult
    from qllmft.campaign.sweep import SweepResult


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
        seen = f" The least difference that it sees is {least[0]:.3g} {least[1]}." if least else ""
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
        f"body {record.body}, D = {record.body.dimension}; {count_of(record.epochs, 'epoch')}; {over}",
        caption=cells.published_note(record) or None,
    )


# --- searches

IN_FLIGHT_ON_RAY = 4  # trials of tpe at a time, unless --jobs gives a number
BEST_SHOWN = 10
COLUMNS = 4  # parameters that have columns of their own; more of them share one


def sweep(
    context: typer.Context,
    name: str | None = None,
    *,
    quick: bool = False,
    sampler: Literal["grid", "tpe", "qmc"] = "grid",
    trials: Count = None,
    seeds: Positive = 1,
    epochs: Epochs = None,
    texts: DataOptions,
    settings: Settings = None,
    out: Path | None = None,
    plan_only: bool = False,
    place: CampaignOptions,
    list_all: Annotated[bool, typer.Option("--list")] = False,
) -> None:
    """Search over settings by the validation score; test the winner, and the best of each row of the paper's table.

    If it is killed at any moment, the same command continues. No configuration is trained twice. If the same command
    runs several times, on one machine or on several that share --out, the calls share the runs.

    Args:
        name: Name of a search; --list lists them. Or the path of a TOML file with a search of your own: title, preset,
            and [[parameters]] with setting and values.
        quick: Search the same in small, within an hour on two cores.
        sampler: How configurations are chosen. grid: all combinations, as in the paper. tpe: each trial learns from
            those before. qmc: a Sobol' sequence.
        trials: Number of trials of tpe and qmc; a later call with more repeats no run. [default: 32]
        seeds: Number of runs of each configuration; their mean counts.
        out: Folder of the runs. [default: sweeps/NAME]
        plan_only: Print the size of the search and its estimated time; train nothing.
        list_all: List the searches with their tables of the paper.
    """
    if list_all:
        say(_spaces())
        return
    from qllmft.campaign.executors import check_feasible, report_texts
    from qllmft.campaign.file import load_space
    from qllmft.campaign.sweep import estimate, make_sweep, run_sweep
    from qllmft.cli.listener import ConsoleListener
    from qllmft_backends.adjoint.thread_pool import thread_count

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
        search_baselines_grid(space, overrides, seeds)
        return
    if plan_only and place.track:
        raise UserError("--track sends runs, and --plan-only does none. Omit one of them.")
    place.check(context, jobs_with_ray=sampler == "tpe")
    space = space.in_small() if quick else space
    in_flight = place.jobs or (IN_FLIGHT_ON_RAY if place.ray else 1) if sampler == "tpe" else 1
    plan = make_sweep(space, sampler, overrides, trials=trials, seeds=seeds, in_flight=in_flight)
    listener = ConsoleListener(campaign=True)
    executor = place.executor(listener)
    check_feasible(plan.each_head(), executor.inputs)
    of_table = "" if space.table == "none" else f"table {space.table}, "
    each = f", {seeds} seeds each" if seeds > 1 else ""
    say(f"{space.name}: {of_table}{space.title}; {sampler}, {count_of(plan.size, 'trial')}{each}")
    if plan_only:
        try:
            found, cores = estimate(plan, executor.inputs), thread_count()
        except UserError as error:
            say(f"Its time cannot be estimated: {error}")
            return
        hours = sum(epochs * seconds for _, epochs, seconds in found) / 3600 / cores
        say(
            f"On {cores} such cores its epochs take about {hours:.2g} h, by a few timed steps of {len(found)} "
            "structures."
        )
        return
    folder = out or Path("sweeps") / space.name
    with listener:
        report_texts(plan.each_head().values(), executor.inputs, listener, read_test=False)
        result = run_sweep(plan, folder, executor)
    winner = folder / "runs" / result.winner.runs[0].config.identity
    say(_ranking(result), *([_best_of_rows(result)] if result.rows else []))
    say(*winner_sentences(result), f"The winner's run is {winner}.")


def _spaces() -> Table:
    """Return a table of all search spaces."""
    from qllmft.campaign.file import Space, campaign_names, load_space

    rows = []
    for name in campaign_names(Space):
        space = load_space(name)
        size, small = f"{space.size:,}", f"{space.in_small().size:,}" if space.quick else ""
        if space.grid_of is not None:
            size, small = "its own", ""
        rows.append((name, "" if space.table == "none" else space.table, size, small, space.title))
    return table(*names("sweep"), "table", *numbers("grid", "--quick"), "what", rows=rows)


def search_baselines_grid(space: Space, overrides: dict[str, Any], seeds: int) -> None:
    """Print the best setting of a classical baseline's grid on validation, for each seed.

    Args:
        space: with the baseline.
        overrides: settings of all runs, by dotted name.
        seeds: number of seeds, from the configuration's.
    """
    from qllmft.campaign.sweep import search_baseline
    from qllmft.cli.listener import ConsoleListener
    from qllmft.config.presets import load_preset
    from qllmft.run import SharedInputs
    from qllmft.tasks import TASKS

    first = load_preset("nn-head-0").config(overrides)
    assert space.grid_of is not None
    measure, inputs = TASKS[first.data.task].measure, SharedInputs()
    rows = []
    ConsoleListener()(inputs.check(first.data, first.seed))
    for seed in range(first.seed, first.seed + seeds):
        config = first.model_copy(update={"seed": seed})
        with ConsoleListener() as listener:
            found = search_baseline(space.grid_of, config, listener, inputs)
        chosen = ", ".join(f"{name} = {value}" for name, value in found.settings.items())
        validation = measure.percent(found.validation.value)
        rows.append((str(seed), validation, f"{found.tested}", f"{found.parameters:,}", chosen))
    where = "" if space.table == "none" else f" of table {space.table}"
    title = f"{space.title}, the whole grid{where}, chosen on validation"
    validation, test = map(measure.in_column, ("validation", "test"))
    columns = numbers("seed", validation, f"{test} [95 % interval]", "parameters")
    say(table(*columns, "chosen", rows=rows, title=title))


def _ranking(result: SweepResult) -> Table:
    """Return the best configurations by validation, without results on the test set."""
    from qllmft.campaign.grid import level_text, point_text, short_name
    from qllmft.tasks.statistics import MeanInterval

    shown = result.ranking[:BEST_SHOWN]
    searched = [parameter.name for parameter in result.sweep.parameters]
    few, rows = len(searched) <= COLUMNS, []
    columns = [Column(short_name(name), justify="right") for name in searched]
    for each in shown:
        loss = f"{MeanInterval.of(each.validation_loss).mean:.4f}"
        levels = [level_text(each.settings[name]) for name in searched]
        cells = levels if few else [point_text(each.settings)]
        rows.append((_validation(each), loss, f"{each.parameters[0]:,}", *cells))
    return table(
        *numbers(result.measure.in_column("validation"), "loss", "parameters"),
        *(columns if few else ["settings"]),
        rows=rows,
        title=f"the best {len(shown)} of {len(result.ranking)} configurations, by validation",
    )


def _best_of_rows(result: SweepResult) -> Table:
    """Return the best of each row of the paper by validation, its test accuracy, and the paper's."""
    from qllmft.campaign.grid import level_text, point_text, short_name
    from qllmft.published import published

    paper = published()
    printed = any(row.published is not None for row in result.rows)
    validation, test = map(result.measure.in_column, ("validation", "test"))
    headers = [*map(short_name, result.sweep.rows), validation, f"{test} [95 % interval]"]
    rows = []
    for row in result.rows:
        best, cells = row.best, [*map(level_text, row.row.values())]
        cells += [_validation(best), _tested(best)]
        cells += [f"{row.published:.2f} %" if row.published else ""] if printed else []
        chosen = {name: label for name, label in best.settings.items() if name not in row.row}
        rows.append((*cells, point_text(chosen)))
    note = f"paper: the best test accuracy of its sweep, body {paper.body} on {paper.data}"
    return table(
        *numbers(*headers, *(["paper"] if printed else [])),
        "chosen",
        rows=rows,
        title="the best of each row by validation, tested",
        caption=note if printed else None,
    )


def winner_sentences(result: SweepResult) -> Iterator[str]:
    """Yield sentences about the winner and its score."""
    from qllmft.campaign.grid import level_text
    from qllmft.tasks.measure import with_minus
    from qllmft.tasks.statistics import MeanInterval

    winner = result.winner
    settings = ", ".join(f"{name} = {level_text(label)}" for name, label in winner.settings.items())
    over = "" if len(winner.runs) == 1 else f", mean of {len(winner.runs)} seeds"
    yield f"Winner by validation: {settings}."
    yield (
        f"Its test {result.measure.name}: {_tested(winner, '95 % interval ')}{over}; "
        f"validation {_validation(winner)}, the highest of {len(result.ranking)} and so too high an "
        "estimate."
    )
    if all(beside := [score.beside for score in winner.tested]):
        means = [
            f"{parts[0].name} {with_minus(MeanInterval.of([part.value for part in parts]).mean, '.3g')}"
            for parts in zip(*beside, strict=True)
        ]
        yield f"On the same texts: {', '.join(means)}."
    if result.repeats:
        yield f"{result.repeats} trials repeated a configuration and took its value."


def _validation(result: SeededResult) -> str:
    """Return the mean validation score."""
    from qllmft.tasks.statistics import MeanInterval

    return result.measure.percent(MeanInterval.of(result.validation).mean)


def _tested(result: SeededResult, words: str = "") -> str:
    """Return the mean test score with its 95 % interval: Student's over several seeds, else of its test texts."""
    ends = result.measure.ends(result.test.interval or result.tested[0].interval)
    return f"{result.measure.percent(result.test.mean)} [{words}{ends}]"
