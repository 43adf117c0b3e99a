"""Figures of a study as SVG: scores of its rows, their differences, and their lines over qubits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from qllmft.report import style
from qllmft.tasks.comparison import RESULTS, Comparison
from qllmft.tasks.statistics import MeanInterval
from qllmft_base.files import writing
from qllmft_studies.comparison import Trend
from qllmft_studies.record import StudyRecord

PAGE_INCHES = 4.8  # width of a figure with a line per label in a page
_SIDES = {"subject": (style.BLUE, "o"), "baseline": (style.SLATE, "s")}
_PAPER: dict[str, Any] = {"marker": "D", "ls": "", "mfc": "none", "ms": 5.5, "mew": 1.3}
_PAPER["mec"] = style.ORANGE
_OUTCOMES = {  # colour, inside of the marker
    "better": (style.BLUE, style.BLUE),
    "worse": (style.ORANGE, style.ORANGE),
    "equal": (style.SLATE, style.SLATE),
    "open": (style.SLATE, "white"),
}


@style.figure_style(in_a_page=True)
def accuracies_svg(record: StudyRecord) -> Markup:
    """Draw `draw_scores` for a page."""
    return style.as_svg(draw_scores(record), "dots")


def draw_scores(record: StudyRecord, width: float = PAGE_INCHES) -> Any:
    """Draw each row's test scores, their mean with its 95 % interval, and the paper's value as a hollow marker."""
    rows = record.rows
    factor = record.measure.factor
    figure, axes = style.make_labelled_axes(
        [row.label for row in rows], record.measure.axis("test"), width
    )
    for place, row in enumerate(rows):
        color, marker = _SIDES[row.side]
        interval = row.test_interval
        seeds = [factor * value for value in row.test]
        axes.plot(seeds, [place] * len(seeds), "|", color=color, ms=6, mew=0.8, alpha=0.6)
        if interval.half_width is not None:
            half = factor * interval.half_width
            axes.errorbar(factor * interval.mean, place, xerr=half, color=color, lw=1.8, capsize=3)
        axes.plot(factor * interval.mean, place, marker, color=color, ms=5.5, zorder=4)
        if row.published:
            axes.plot(row.published.accuracy, place, **_PAPER)
    for side, label in (("subject", record.subject), ("baseline", record.baseline)):
        look = {"color": _SIDES[side][0], "ms": 5.5, "label": style.plain_label(label)}
        axes.plot([], [], _SIDES[side][1], **look)
    if record.published:
        axes.plot([], [], label="paper", **_PAPER)
    values_in_view = [factor * value for row in rows for value in row.test]
    values_in_view += [row.published.accuracy for row in rows if row.published]
    style.keep_in_view(axes, "x", [row.test_interval for row in rows], values_in_view, factor)
    figure.legend(loc="outside upper center", ncols=2, handletextpad=0.2)
    return figure


@style.figure_style(in_a_page=True)
def differences_svg(
    labels: Sequence[str], comparisons: Sequence[Comparison], name: str, record: StudyRecord
) -> Markup:
    """Draw `draw_differences` for a page.

    Args:
        labels: labels of the lines, from above.
        comparisons: comparison of each line.
        name: of the figure, for the identifiers in the SVG.
        record: of the study.
    """
    return style.as_svg(draw_differences(labels, comparisons, record), name)


def draw_differences(
    labels: Sequence[str],
    comparisons: Sequence[Comparison],
    record: StudyRecord,
    width: float = PAGE_INCHES,
) -> Any:
    """Draw differences of test scores with their 95 % intervals, one line per label.

    Args:
        labels: labels of the lines, from above.
        comparisons: comparison of each line.
        record: of the study; differences of accuracies are drawn in points.
        width: of the figure, in inches.
    """
    measure = record.measure
    unit = " (points)" if measure.in_percent else ""
    factor = measure.factor
    figure, axes = style.make_labelled_axes(
        labels, f"difference of test {record.compared_plural}{unit}", width
    )
    axes.axvline(0, color=style.INK, lw=0.8)
    for place, comparison in enumerate(comparisons):
        color, inside = _OUTCOMES[comparison.outcome]
        ends = comparison.difference.interval
        if ends is not None:
            axes.plot([factor * end for end in ends], [place, place], color=color, lw=1.8)
        axes.plot(
            factor * comparison.difference.value,
            place,
            "o",
            color=color,
            mfc=inside,
            ms=5,
            zorder=4,
        )
    differences = [comparison.difference for comparison in comparisons]
    style.keep_in_view(axes, "x", differences, [0.0], factor)
    if not measure.in_percent:
        axes.locator_params("x", nbins=5)  # numbers of three digits are wide
    for outcome, (color, inside) in _OUTCOMES.items():
        axes.plot([], [], "o-", color=color, mfc=inside, ms=5, label=RESULTS[outcome])
    figure.legend(loc="outside upper center", ncols=4 if width >= PAGE_INCHES else 2)
    return figure


def write_print_figures(
    folder: Path,
    record: StudyRecord,
    comparisons: Sequence[Comparison],
    width: float = style.PRINT_INCHES,
) -> list[Path]:
    """Write scores and differences as SVG and PDF for print, and return the files.

    Args:
        folder: of the figures, made if it is missing.
        record: of the study.
        comparisons: of its rows.
        width: of each figure, in inches.

    Raises:
        UserError: for a width that no page has, or if a file cannot be written.
    """
    style.check_width(width)
    with writing(f"the folder {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
    with style.figure_style():
        files = style.save_for_print(draw_scores(record, width), folder, "scores")
        subjects = dict.fromkeys(comparison.subject for comparison in comparisons)
        for place, subject in enumerate(subjects, 1):
            own = [comparison for comparison in comparisons if comparison.subject == subject]
            if any(comparison.difference.interval is None for comparison in own):
                continue
            figure = draw_differences([c.baseline for c in own], own, record, width)
            name = f"differences-{place}" if len(subjects) > 1 else "differences"
            files += style.save_for_print(figure, folder, name)
    return files


@style.figure_style(in_a_page=True)
def trends_svg(record: StudyRecord, lines: Sequence[Trend]) -> Markup:
    """Draw the lines for a page."""
    return style.as_svg(draw_trends(record, lines), "trends")


def draw_trends(record: StudyRecord, lines: Sequence[Trend]) -> Any:
    """Draw mean ± 95 % interval over the seeds of every row on a line, by its number of qubits."""
    figure = style.new_figure(style.WIDE_INCHES, 3.8)
    axes = figure.subplots()
    intervals = []
    measure = record.measure
    split = "test balanced" if record.uneven else "test"
    names = list(dict.fromkeys(line.series for line in lines))
    for place, name in enumerate(names):
        series_rows = (row for row in record.rows if row.series == name)
        rows = sorted(series_rows, key=lambda row: row.qubits or 0)
        x_positions = [(row.qubits or 0) + 0.12 * (place - (len(names) - 1) / 2) for row in rows]
        look = style.look(place) | {"label": style.plain_label(name)}
        means = [MeanInterval.from_values(row.compared) for row in rows]
        style.draw_means(axes, x_positions, means, measure.factor, lw=1.1, ls="-", **look)
        intervals += means
    ticks = sorted({q for line in lines for q in line.qubits})
    axes.set(xlabel="qubits", ylabel=measure.axis(split), xticks=ticks)
    wide = style.keep_in_view(axes, "y", intervals, factor=measure.factor)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    body = f"body {record.body} ({record.body.dimension}-d); {record.epochs_text}"
    bars = style.bars_note([len(record.seeds)], wide)
    style.note_below(figure, style.plain_label(f"{record.data.source}; {body}; {bars}"))
    return figure


def write_trends(folder: Path, record: StudyRecord, lines: Sequence[Trend]) -> None:
    """Draw the lines into ``figures/`` of a folder, in the file to which the study's table links, if there are any."""
    if lines:
        file = folder / "figures" / f"{record.study}.svg"
        file.parent.mkdir(exist_ok=True)
        with style.figure_style():
            style.save_figure(draw_trends(record, lines), file)
