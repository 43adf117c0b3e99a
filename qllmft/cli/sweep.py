"""`qllmft sweep`: searches over settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Column

from qllmft.cli.console import names, numbers, say, table
from qllmft.cli.options import CampaignOptions, Count, DataOptions, Epochs, Settings
from qllmft.errors import UserError
from qllmft.files import expanded

if TYPE_CHECKING:
    from rich.table import Table

    from qllmft.campaign.file import Space
    from qllmft.campaign.results import SeededResult
    from qllmft.campaign.sweep import SweepResult

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
    seeds: Annotated[int, typer.Option(min=1)] = 1,
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
    from qllmft.campaign.executors import check_feasible
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
    say(f"{space.name}: {of_table}{space.title}; {sampler}, {plan.size} trials{each}")
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
    columns = numbers(result.measure.in_column("validation"), "loss", "parameters")
    few = len(searched) <= COLUMNS
    if few:
        columns += [Column(short_name(name), justify="right") for name in searched]
    else:
        columns.append(Column("settings"))
    rows = [
        (
            _mean(each, each.validation),
            f"{MeanInterval.of(each.validation_loss).mean:.4f}",
            f"{each.parameters[0]:,}",
            *(
                [level_text(each.settings[name]) for name in searched]
                if few
                else [point_text(each.settings)]
            ),
        )
        for each in shown
    ]
    title = f"the best {len(shown)} of {len(result.ranking)} configurations, by validation"
    return table(*columns, rows=rows, title=title)


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
        cells += [_mean(best, best.validation), _tested(best)]
        cells += [f"{row.published:.2f} %" if row.published else ""] if printed else []
        chosen = {name: label for name, label in best.settings.items() if name not in row.row}
        rows.append((*cells, point_text(chosen)))
    return table(
        *numbers(*headers, *(["paper"] if printed else [])),
        "chosen",
        rows=rows,
        title="the best of each row by validation, tested",
        caption=f"paper: the best test accuracy of its sweep, body {paper.body} on {paper.data}"
        if printed
        else None,
    )


def winner_sentences(result: SweepResult) -> Iterator[str]:
    """Yield sentences about the winner and its score."""
    from qllmft.campaign.grid import level_text
    from qllmft.tasks.statistics import MeanInterval

    winner = result.winner
    settings = ", ".join(f"{name} = {level_text(label)}" for name, label in winner.settings.items())
    over = "" if len(winner.runs) == 1 else f", mean of {len(winner.runs)} seeds"
    yield f"Winner by validation: {settings}."
    yield (
        f"Its test {result.measure.name}: {_tested(winner, '95 % interval ')}{over}; "
        f"validation {_mean(winner, winner.validation)}, the highest of {len(result.ranking)} and so too high an "
        "estimate."
    )
    beside = [score.beside for score in winner.tested]
    if all(beside):
        means = [
            f"{parts[0].name} {MeanInterval.of([part.value for part in parts]).mean:.3g}"
            for parts in zip(*beside, strict=True)
        ]
        yield f"On the same texts: {', '.join(means)}."
    if result.repeats:
        yield f"{result.repeats} trials repeated a configuration and took its value."


def _mean(result: SeededResult, scores: Sequence[float]) -> str:
    """Return the mean of scores by seed."""
    from qllmft.tasks.statistics import MeanInterval

    return result.measure.percent(MeanInterval.of(scores).mean)


def _tested(result: SeededResult, words: str = "") -> str:
    """Return the mean test score with its 95 % interval: Student's over several seeds, else of its test texts."""
    ends = result.measure.ends(result.test.interval or result.tested[0].interval)
    return f"{result.measure.percent(result.test.mean)} [{words}{ends}]"
