"""Tables of a sweep: search spaces, ranking, a baseline's grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from qllmft.campaign.file import Space
from qllmft.campaign.grid import level_text, point_text, short_name
from qllmft.campaign.results import SeededResult
from qllmft.campaign.sweep import Sweep, SweepResult, estimate, search_baseline
from qllmft.cli.console import PlainConsole, numbers, plain_table, say, say_lines
from qllmft.cli.listener import ConsoleListener
from qllmft.config.presets import load_preset
from qllmft.errors import UserError
from qllmft.published import published
from qllmft.run import ModelResult, SharedInputs
from qllmft.tasks import TASKS
from qllmft.tasks.measure import Measure
from qllmft.tasks.statistics import MeanInterval
from qllmft_backends.adjoint.thread_pool import thread_count

BEST_SHOWN = 10
COLUMNS = 4  # parameters that have columns of their own; more of them share one


def print_result(result: SweepResult, folder: Path, console: Console) -> None:
    """Print the ranking, the rows of the paper, and the winner."""
    console.print(ranking_table(result))
    if result.rows:
        console.print(rows_table(result))
    say_lines(winner_sentences(result), console)
    winner = folder / "runs" / result.winner.runs[0].config.identity
    say(f"The winner's run is {winner}.", console)


def search_baselines_grid(
    space: Space, overrides: dict[str, Any], seeds: int, console: Console
) -> None:
    """Print the best setting of a classical baseline's grid on validation, for each seed.

    Args:
        space: with the baseline.
        overrides: settings of all runs, by dotted name.
        seeds: number of seeds, from the configuration's.
        console: prints the table.
    """
    first = load_preset("nn-head-0").config(overrides)
    assert space.grid_of is not None
    results, inputs = {}, SharedInputs()
    for seed in range(first.seed, first.seed + seeds):
        config = first.model_copy(update={"seed": seed})
        with ConsoleListener(PlainConsole(stderr=True)) as listener:
            results[seed] = search_baseline(space.grid_of, config, listener, inputs)
    console.print(baseline_table(space, results, TASKS[first.data.task].measure))


def headline(plan: Sweep) -> str:
    """Return the search in one line."""
    space = plan.space
    table = "" if space.table == "none" else f"table {space.table}, "
    seeds = f", {plan.seeds} seeds each" if plan.seeds > 1 else ""
    return f"{space.name}: {table}{space.title}; {plan.sampler}, {plan.size} trials{seeds}"


def estimate_text(plan: Sweep, inputs: SharedInputs) -> str:
    """Return the estimated time of a search on this machine, in one line."""
    try:
        found, cores = estimate(plan, inputs), thread_count()
    except UserError as error:
        return f"Its time cannot be estimated: {error}"
    hours = sum(epochs * seconds for _, epochs, seconds in found) / 3600 / cores
    source = f"by a few timed steps of {len(found)} structures"
    return f"On {cores} such cores its epochs take about {hours:.2g} h, {source}."


def ranking_table(result: SweepResult) -> Table:
    """Return the best configurations by validation, without results on the test set."""
    shown, parameters = result.ranking[:BEST_SHOWN], result.sweep.parameters
    title = f"the best {len(shown)} of {len(result.ranking)} configurations, by validation"
    columns = numbers(result.measure.in_column("validation"), "loss", "parameters")
    table = plain_table(*columns, title=title)
    few = len(parameters) <= COLUMNS
    for column in [short_name(parameter.name) for parameter in parameters] if few else ["settings"]:
        table.add_column(column, justify="right" if few else "left")
    for each in shown:
        labels = [level_text(each.settings[parameter.name]) for parameter in parameters]
        loss = MeanInterval.of(each.validation_loss).mean
        measured = (_mean(each, each.validation), f"{loss:.4f}", f"{each.parameters[0]:,}")
        table.add_row(*measured, *(labels if few else [point_text(each.settings)]))
    return table


def rows_table(result: SweepResult) -> Table:
    """Return the best of each row of the paper by validation, its test accuracy, and the paper's."""
    paper = published()
    printed = any(row.published is not None for row in result.rows)
    table = plain_table(
        *numbers(
            *map(short_name, result.sweep.rows),
            result.measure.in_column("validation"),
            f"{result.measure.in_column('test')} [95 % interval]",
            *(["paper"] if printed else []),
        ),
        "chosen",
        title="the best of each row by validation, tested",
        caption=f"paper: the best test accuracy of its sweep, body {paper.body} on {paper.data}"
        if printed
        else None,
    )
    for row in result.rows:
        chosen = {name: label for name, label in row.best.settings.items() if name not in row.row}
        table.add_row(
            *map(level_text, row.row.values()),
            _mean(row.best, row.best.validation),
            _tested(row.best),
            *([f"{row.published:.2f} %" if row.published else ""] if printed else []),
            point_text(chosen),
        )
    return table


def winner_sentences(result: SweepResult) -> Iterator[str]:
    """Yield sentences about the winner and its score."""
    winner, measure = result.winner, result.measure
    settings = ", ".join(f"{name} = {level_text(label)}" for name, label in winner.settings.items())
    over = "" if len(winner.runs) == 1 else f", mean of {len(winner.runs)} seeds"
    yield f"Winner by validation: {settings}."
    yield (
        f"Its test {measure.name}: {measure.percent(winner.test.mean)} [95 % interval {_ends(winner)}]{over}; "
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


def baseline_table(space: Space, results: Mapping[int, ModelResult], measure: Measure) -> Table:
    """Return the selected setting of a classical baseline on each split, by seed."""
    where = "" if space.table == "none" else f" of table {space.table}"
    title = f"{space.title}, the whole grid{where}, chosen on validation"
    validation, test = map(measure.in_column, ("validation", "test"))
    columns = numbers("seed", validation, f"{test} [95 % interval]", "parameters")
    table = plain_table(*columns, "chosen", title=title)
    for seed, result in results.items():
        table.add_row(
            str(seed),
            measure.percent(result.validation.value),
            f"{result.tested}",
            f"{result.parameters:,}",
            ", ".join(f"{name} = {value}" for name, value in result.settings.items()),
        )
    return table


def _mean(result: SeededResult, scores: Sequence[float]) -> str:
    return result.measure.percent(MeanInterval.of(scores).mean)


def _tested(result: SeededResult) -> str:
    return f"{result.measure.percent(result.test.mean)} [{_ends(result)}]"


def _ends(result: SeededResult) -> str:
    """Return the ends of a 95 % interval: of the score for one seed (its test texts), Student's over several."""
    return result.measure.ends(result.test.interval or result.tested[0].interval)
