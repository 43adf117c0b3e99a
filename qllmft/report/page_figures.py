"""A study's rows and differences with their intervals, as SVG that stands in its page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from qllmft.experiments.compare.comparison import Comparison
from qllmft.experiments.compare.record import StudyRecord
from qllmft.report import style

_SIDES = {"subject": (style.BLUE, "o"), "rival": (style.SLATE, "s")}
_PAPER: dict[str, Any] = {"marker": "D", "ls": "", "mfc": "none", "mec": style.ORANGE, "ms": 5.5, "mew": 1.3}
_OUTCOMES = {  # colour, inside of the marker, word
    "better": (style.BLUE, style.BLUE, "wins"),
    "worse": (style.ORANGE, style.ORANGE, "loses"),
    "open": (style.SLATE, "white", "open"),
}


@style.house_style(in_a_page=True)
def accuracies_svg(record: StudyRecord) -> Markup:
    """Test accuracy of each row: every seed, the mean with its 95 % interval, the paper's as a hollow marker."""
    rows = record.rows
    figure, axes = _labelled([row.label for row in rows], "test accuracy (%)")
    for place, row in enumerate(rows):
        (color, marker), found = _SIDES[row.side], row.test_interval
        seeds = [100 * value for value in row.test]
        axes.plot(seeds, [place] * len(seeds), "|", color=color, ms=6, mew=0.8, alpha=0.6)
        if found.half_width is not None:
            axes.errorbar(100 * found.mean, place, xerr=100 * found.half_width, color=color, lw=1.8, capsize=3)
        axes.plot(100 * found.mean, place, marker, color=color, ms=5.5, zorder=4)
        if row.published:
            axes.plot(row.published.accuracy, place, **_PAPER)
    for side, label in (("subject", record.subject), ("rival", record.rival)):
        axes.plot([], [], _SIDES[side][1], color=_SIDES[side][0], ms=5.5, label=label)
    if record.published:
        axes.plot([], [], label="paper", **_PAPER)
    others = [100 * value for row in rows for value in row.test]
    others += [row.published.accuracy for row in rows if row.published]
    style.keep_in_view(axes, "x", [row.test_interval for row in rows], others)
    figure.legend(loc="outside upper center", ncols=2, handletextpad=0.2)
    return style.as_svg(figure, "dots")


@style.house_style(in_a_page=True)
def differences_svg(labels: Sequence[str], comparisons: Sequence[Comparison], name: str) -> Markup:
    """Differences of test accuracies with their intervals, in percentage points, a line for each label from above."""
    figure, axes = _labelled(labels, "difference of test accuracies (points)")
    axes.axvline(0, color=style.INK, lw=0.8)
    for place, comparison in enumerate(comparisons):
        color, inside, _ = _OUTCOMES[comparison.outcome]
        ends = comparison.difference.interval
        if ends is not None:
            axes.plot([100 * end for end in ends], [place, place], color=color, lw=1.8)
        axes.plot(100 * comparison.difference.mean, place, "o", color=color, mfc=inside, ms=5, zorder=4)
    style.keep_in_view(axes, "x", [comparison.difference for comparison in comparisons], [0.0])
    for color, inside, word in _OUTCOMES.values():
        axes.plot([], [], "o-", color=color, mfc=inside, ms=5, label=word)
    figure.legend(loc="outside upper center", ncols=3)
    return style.as_svg(figure, name)


def _labelled(labels: Sequence[str], unit: str) -> tuple[Any, Any]:
    """A figure and its axes with a line for each label, the first one above."""
    figure = style.new_figure(width=4.8, height=1.1 + 0.3 * len(labels))
    axes = figure.subplots()
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlabel(unit)
    axes.grid(visible=False, axis="y")
    return figure, axes
