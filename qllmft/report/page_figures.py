"""Figures of pages as SVG: training curves, and a study's accuracies and differences with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from qllmft.campaign.comparison import Comparison
from qllmft.campaign.record import StudyRecord
from qllmft.escaping import one_line
from qllmft.report import style
from qllmft.report.study_table import OUTCOMES
from qllmft.tasks import TASK_OF_SCORE
from qllmft.tasks.measure import ACCURACY, Measure
from qllmft.training import EpochMetrics

LONG_LABEL = 22  # characters; longer labels are below each other in the legend
_COLORS = {"training": 0, "validation": 1}  # the same in every figure of a run
_SIDES = {"subject": (style.BLUE, "o"), "baseline": (style.SLATE, "s")}
_PAPER: dict[str, Any] = {
    "marker": "D",
    "ls": "",
    "mfc": "none",
    "mec": style.ORANGE,
    "ms": 5.5,
    "mew": 1.3,
}
_OUTCOMES = {  # colour, inside of the marker
    "better": (style.BLUE, style.BLUE),
    "worse": (style.ORANGE, style.ORANGE),
    "equal": (style.SLATE, style.SLATE),
    "open": (style.SLATE, "white"),
}


def training_svgs(metrics: Sequence[EpochMetrics], selected: int) -> tuple[Markup, Markup]:
    """Draw a run's losses and its validation accuracy, with a mark at the epoch ``selected``."""
    epochs = [m.epoch for m in metrics]
    losses = {
        "training": [m.train_loss for m in metrics],
        "validation": [m.validation_loss for m in metrics],
    }
    task = TASK_OF_SCORE[metrics[0].measure]
    measure = task.measure
    scores = {"validation": [measure.factor * m.score for m in metrics]}
    loss = curves_svg("loss", task.loss_name, losses, epochs, selected)
    return loss, curves_svg("accuracy", score_unit(measure), scores, epochs, selected)


def score_unit(measure: Measure) -> str:
    """Return the label of the axis of a score over epochs."""
    return "right answers (%)" if measure.in_percent else measure.name


@style.figure_style(in_a_page=True)
def curves_svg(
    name: str,
    unit: str,
    lines: Mapping[str, Sequence[float]],
    epochs: Sequence[int] | None = None,
    selected: int | None = None,
) -> Markup:
    """Draw one line per label, one value per epoch.

    Args:
        name: of the figure, for the identifiers in the SVG.
        unit: label of the vertical axis.
        lines: values by label, one per epoch.
        epochs: epochs of the values; None counts each line's from 1.
        selected: epoch that is marked on each line, or None.
    """
    from matplotlib.ticker import MaxNLocator

    columns = 1 if max(map(len, lines)) > LONG_LABEL else 2 if selected is None else 3
    figure = style.new_figure(height=2.8 + 0.2 * -(-len(lines) // columns))
    axes = figure.subplots()
    for place, (label, values) in enumerate(lines.items()):
        turn, index = divmod(_COLORS.get(label, place), len(style.COLORS))
        color, dashes = style.COLORS[index], style.DASHES[(index + turn) % len(style.DASHES)]
        at = range(1, len(values) + 1) if epochs is None else epochs
        axes.plot(
            at, values, color=color, ls=dashes, marker="o" if len(values) < 2 else "", label=label
        )
        if selected in at:
            marked = values[at.index(selected)]
            axes.plot(
                selected,
                marked,
                "o",
                ms=6,
                mfc="white",
                mec=color,
                mew=1.6,
                zorder=5,
                clip_on=False,
            )
    if selected is not None:
        axes.axvline(selected, color=style.INK, lw=0.8, ls=":", label=f"selected: epoch {selected}")
    axes.set(xlabel="epoch", ylabel=unit)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    figure.legend(loc="outside upper center", ncols=columns)
    return style.as_svg(figure, name)


@style.figure_style(in_a_page=True)
def accuracies_svg(record: StudyRecord) -> Markup:
    """Draw each row's test scores, their mean with its 95 % interval, and the paper's value as a hollow marker."""
    rows, factor = record.rows, record.measure.factor
    figure, axes = _labelled([row.label for row in rows], record.measure.axis("test"))
    for place, row in enumerate(rows):
        (color, marker), found = _SIDES[row.side], row.test_interval
        seeds = [factor * value for value in row.test]
        axes.plot(seeds, [place] * len(seeds), "|", color=color, ms=6, mew=0.8, alpha=0.6)
        if found.half_width is not None:
            half = factor * found.half_width
            axes.errorbar(factor * found.mean, place, xerr=half, color=color, lw=1.8, capsize=3)
        axes.plot(factor * found.mean, place, marker, color=color, ms=5.5, zorder=4)
        if row.published:
            axes.plot(row.published.accuracy, place, **_PAPER)
    for side, label in (("subject", record.subject), ("baseline", record.baseline)):
        axes.plot([], [], _SIDES[side][1], color=_SIDES[side][0], ms=5.5, label=label)
    if record.published:
        axes.plot([], [], label="paper", **_PAPER)
    others = [factor * value for row in rows for value in row.test]
    others += [row.published.accuracy for row in rows if row.published]
    style.keep_in_view(axes, "x", [row.test_interval for row in rows], others, factor)
    figure.legend(loc="outside upper center", ncols=2, handletextpad=0.2)
    return style.as_svg(figure, "dots")


@style.figure_style(in_a_page=True)
def differences_svg(
    labels: Sequence[str], comparisons: Sequence[Comparison], name: str, measure: Measure = ACCURACY
) -> Markup:
    """Draw differences of test scores with their 95 % intervals, one line per label.

    Args:
        labels: labels of the lines, from above.
        comparisons: comparison of each line.
        name: of the figure, for the identifiers in the SVG.
        measure: score of the differences; accuracies are drawn in points.
    """
    unit, factor = " (points)" * measure.in_percent, measure.factor
    figure, axes = _labelled(labels, f"difference of test {measure.plural}{unit}")
    axes.axvline(0, color=style.INK, lw=0.8)
    for place, comparison in enumerate(comparisons):
        color, inside = _OUTCOMES[comparison.outcome]
        ends = comparison.difference.interval
        if ends is not None:
            axes.plot([factor * end for end in ends], [place, place], color=color, lw=1.8)
        axes.plot(
            factor * comparison.difference.mean, place, "o", color=color, mfc=inside, ms=5, zorder=4
        )
    shown = [comparison.difference for comparison in comparisons]
    style.keep_in_view(axes, "x", shown, [0.0], factor)
    if not measure.in_percent:
        axes.locator_params("x", nbins=5)  # numbers of three digits are wide
    for outcome, (color, inside) in _OUTCOMES.items():
        axes.plot([], [], "o-", color=color, mfc=inside, ms=5, label=OUTCOMES[outcome])
    figure.legend(loc="outside upper center", ncols=4)
    return style.as_svg(figure, name)


def _labelled(labels: Sequence[str], unit: str) -> tuple[Any, Any]:
    """Return a figure and its axes with one line per label, the first on top."""
    figure = style.new_figure(width=4.8, height=1.1 + 0.3 * len(labels))
    axes = figure.subplots()
    axes.set_yticks(range(len(labels)), [one_line(label) for label in labels])
    axes.set(ylim=(len(labels) - 0.5, -0.5), xlabel=unit)
    axes.grid(visible=False, axis="y")
    return figure, axes
