"""Files of a finished sweep: sweep.json, table.md and report.html, and the texts that the console shows too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from qllmft.report import style
from qllmft.report.pages import identity_rows, render_template
from qllmft.tasks.measure import with_minus
from qllmft.tasks.statistics import MeanInterval
from qllmft_base.errors import UserError
from qllmft_base.files import write_text, writing
from qllmft_base.text import format_count
from qllmft_studies.grid import level_text, point_text, short_name
from qllmft_studies.published import paper_numbers
from qllmft_studies.sweep_record import Configuration, SweepRecord, read_sweep, write_sweep

MAX_PARAMETER_COLUMNS = 4  # parameters that have columns of their own; more of them share one
MAX_DRAWN = 20  # configurations in the figure


@dataclass(frozen=True)
class Cells:
    """Table of texts."""

    title: str
    numbers: tuple[str, ...]  # headings of columns of numbers, which come first
    texts: tuple[str, ...]  # headings of the other columns
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    @property
    def headings(self) -> tuple[str, ...]:
        """Return the headings of all columns."""
        return self.numbers + self.texts


def finish_sweep(folder: Path, record: SweepRecord) -> Path:
    """Write ``sweep.json``, ``table.md`` and the page of a sweep, and return the page's path."""
    write_sweep(folder, record)
    write_sweep_table(folder, folder / "table.md")
    return write_sweep_report(folder)


def write_sweep_table(folder: Path, file: Path) -> Path:
    """Write the tables of ``sweep.json`` into ``file`` in Markdown and return it. UserError if it cannot be written."""
    if file.suffix == ".tex":
        raise UserError(f"got {file}, and the table of a sweep is in Markdown. Give a name in .md.")
    text = render_template("qllmft_studies.report", "sweep.md.j2", **_variables(read_sweep(folder)))
    with writing(f"the file {file}"):
        write_text(file, text)
    return file


def write_sweep_report(folder: Path) -> Path:
    """Write ``report.html`` from ``sweep.json`` and return it. UserError if that is missing or has another form."""
    record = read_sweep(folder)
    page = render_template(
        "qllmft_studies.report",
        "sweep.html.j2",
        **_variables(record),
        figure=scores_svg(record),
        made_with=[*identity_rows(record.data, record.body), *record.versions.items()],
    )
    write_text(folder / "report.html", page)
    return folder / "report.html"


def _variables(record: SweepRecord) -> dict[str, Any]:
    """Return the variables of the page and of ``table.md``."""
    trials = format_count(len(record.ranking), "configuration")
    rows = [row_bests_cells(record)] if record.row_bests else []
    return {
        "record": record,
        "verdict": f"Search {record.sweep}",
        "sentences": list(winner_sentences(record)),
        "tables": [*rows, ranking_cells(record, len(record.ranking))],
        "facts": {
            "search": f"{record.title}, by {record.sampler}",
            "tried": f"{trials}, {format_count(record.seeds, 'seed')} each",
            "data": f"{record.data.source}: {record.data.counts}",
            "language model": f"{record.body}, D = {record.body.dimension}",
        },
    }


@style.figure_style(in_a_page=True)
def scores_svg(record: SweepRecord) -> Markup:
    """Draw the mean validation scores of the best configurations, and test scores of those that were tested."""
    best = record.ranking[:MAX_DRAWN]
    factor = record.measure.factor
    figure, axes = style.make_labelled_axes(
        [point_text(configuration.settings) for configuration in best],
        record.measure.axis("").strip(),
    )
    means = [MeanInterval.from_values(configuration.validation) for configuration in best]
    values = []
    for place, (configuration, mean) in enumerate(zip(best, means, strict=True)):
        axes.plot(factor * mean.mean, place, "s", color=style.SLATE, ms=5.5, zorder=4)
        if configuration.test_interval is not None:
            ends = [factor * end for end in configuration.test_interval]
            axes.plot(ends, [place, place], color=style.BLUE, lw=1.8)
            axes.plot(factor * configuration.mean_test, place, "o", color=style.BLUE, ms=5.5)
            values += [factor * configuration.mean_test, *ends]
    axes.plot([], [], "s", color=style.SLATE, ms=5.5, label=record.validation_name)
    axes.plot([], [], "o-", color=style.BLUE, ms=5.5, label="test, with 95 % interval")
    style.keep_in_view(axes, "x", means, values, factor)
    figure.legend(loc="outside upper center", ncols=2, handletextpad=0.2)
    return style.as_svg(figure, "sweep")


# --- texts


def ranking_cells(record: SweepRecord, count: int) -> Cells:
    """Return the ``count`` best configurations by validation, without results on the test texts."""
    columns_fit = len(record.parameters) <= MAX_PARAMETER_COLUMNS
    best = record.ranking[:count]
    rows = []
    for configuration in best:
        losses = configuration.validation_loss
        loss = f"{MeanInterval.from_values(losses).mean:.4f}" if losses else ""
        levels = [level_text(configuration.settings[name]) for name in record.parameters]
        cells = levels if columns_fit else [point_text(configuration.settings)]
        count_text = f"{configuration.parameters[0]:,}"
        rows.append((_validation_text(configuration, record), loss, count_text, *cells))
    names = tuple(map(short_name, record.parameters)) if columns_fit else ()
    score = record.measure.in_column(record.validation_name)
    return Cells(
        f"the best {len(best)} of {len(record.ranking)} configurations, by validation",
        (score, "loss", "parameters", *names),
        () if columns_fit else ("settings",),
        tuple(rows),
    )


def row_bests_cells(record: SweepRecord) -> Cells:
    """Return the best of each row of the paper by validation, its test score, and the paper's."""
    paper = paper_numbers()
    bests = [record.ranking[place] for place in record.row_bests]
    has_paper_values = any(best.published is not None for best in bests)
    validation, test = map(record.measure.in_column, (record.validation_name, "test"))
    rows = []
    for best in bests:
        cells = [level_text(best.settings[name]) for name in record.rows]
        cells += [_validation_text(best, record), _test_text(best, record)]
        cells += [f"{best.published:.2f} %" if best.published else ""] if has_paper_values else []
        selected = {name: level for name, level in best.settings.items() if name not in record.rows}
        rows.append((*cells, point_text(selected)))
    names = map(short_name, record.rows)
    note = f"paper: the best test accuracy of its sweep, body {paper.body} on {paper.data}"
    return Cells(
        "the best of each row by validation, tested",
        (*names, validation, f"{test} [95 % interval]", *(["paper"] if has_paper_values else [])),
        ("chosen",),
        tuple(rows),
        note if has_paper_values else "",
    )


def winner_sentences(record: SweepRecord) -> Iterator[str]:
    """Yield sentences about the winner and its score."""
    winner = record.winner
    measure = record.measure
    settings = ", ".join(f"{name} = {level_text(label)}" for name, label in winner.settings.items())
    seeds_text = "" if record.seeds == 1 else f", mean of {record.seeds} seeds"
    yield f"Winner by validation: {settings}."
    yield (
        f"Its test {measure.name}: {_test_text(winner, record, '95 % interval ')}{seeds_text}. Its "
        f"{record.validation_name} {measure.name}, {_validation_text(winner, record)}, is the highest of "
        f"{len(record.ranking)} and so too high an estimate."
    )
    if winner.test_balanced:
        balanced = measure.percent(MeanInterval.from_values(winner.test_balanced).mean)
        yield f"Its balanced test accuracy: {balanced}."
    if winner.others:
        means = [
            f"{name} {with_minus(MeanInterval.from_values(values).mean, '.3g')}"
            for name, values in winner.others.items()
        ]
        yield f"On the same texts: {', '.join(means)}."
    if record.repeats:
        yield f"{record.repeats} trials repeated a configuration and took its value."


def _validation_text(configuration: Configuration, record: SweepRecord) -> str:
    """Return the mean validation score by which configurations are ranked."""
    return record.measure.percent(configuration.mean_validation)


def _test_text(configuration: Configuration, record: SweepRecord, interval_name: str = "") -> str:
    """Return the mean test score with its 95 % interval: Student's over several seeds, else of its test texts."""
    measure = record.measure
    assert configuration.test_interval is not None
    low, high = configuration.test_interval
    ends = measure.ends((max(low, measure.lowest), min(high, 1.0)))
    return f"{measure.percent(configuration.mean_test)} [{interval_name}{ends}]"
