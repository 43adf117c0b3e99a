"""A study's figures, as SVG to stand in its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qllmft.experiments.compare.record import RowResult, StudyRecord
from qllmft.report.svg import GRID, INK, TRAIN, VALIDATION, as_svg, drawing

_SIDES = {"subject": TRAIN, "rival": "#4b5563"}
_COLORS = ("#0b5fa5", "#c2410c", "#15803d", "#7c3aed", "#0891b2", "#be185d", "#4b5563", "#a16207")
_DASHES = ("-", "--", "-.", ":")


def dots_svg(record: StudyRecord) -> str:
    """Test accuracy of each row: every seed, the mean with its 95 % interval, the paper's as a hollow marker."""
    rows = record.rows
    with drawing() as Figure:  # noqa: N806 - a class
        figure = Figure(figsize=(4.8, 1.1 + 0.3 * len(rows)), layout="constrained")
        axes = figure.subplots()
        for place, row in enumerate(rows):
            color, found = _SIDES[row.side], row.test_interval
            axes.plot(
                [100 * value for value in row.test], [place] * len(row.test), "|", color=color, ms=6, mew=0.8, alpha=0.6
            )
            if found.half_width is not None:
                axes.errorbar(100 * found.mean, place, xerr=100 * found.half_width, color=color, lw=1.8, capsize=3)
            axes.plot(100 * found.mean, place, "o" if row.side == "subject" else "s", color=color, ms=5.5, zorder=4)
            if row.published:
                axes.plot(row.published.accuracy, place, "D", mfc="none", mec=VALIDATION, ms=5.5, mew=1.3)
        axes.set_yticks(range(len(rows)), [row.label for row in rows], fontsize=9.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel("test accuracy (%)")
        axes.grid(True, axis="x", color=GRID, lw=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        axes.plot([], [], "o", color=TRAIN, ms=5.5, label=record.subject)
        axes.plot([], [], "s", color=_SIDES["rival"], ms=5.5, label=record.rival)
        if any(row.published for row in rows):
            axes.plot([], [], "D", mfc="none", mec=VALIDATION, ms=5.5, mew=1.3, label="paper")
        figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=9.5, handletextpad=0.2)
        return as_svg(figure, "dots")


def differences_svg(
    labels: Sequence[str], values: Sequence[tuple[float, tuple[float, float] | None, str]], name: str
) -> str:
    """Differences in points with their intervals, a line each; the third entry is the outcome."""
    colors = {"better": TRAIN, "worse": VALIDATION, "open": "#6b7280"}
    with drawing() as Figure:  # noqa: N806 - a class
        figure = Figure(figsize=(4.8, 1.1 + 0.27 * len(labels)), layout="constrained")
        axes = figure.subplots()
        axes.axvline(0, color=INK, lw=0.8)
        for place, (mean, ends, outcome) in enumerate(values):
            if ends is not None:
                axes.plot([100 * end for end in ends], [place, place], color=colors[outcome], lw=1.8)
            inside = "white" if outcome == "open" else colors[outcome]
            axes.plot(100 * mean, place, "o", color=colors[outcome], mfc=inside, ms=5, zorder=4)
        axes.set_yticks(range(len(labels)), labels, fontsize=9)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set_xlabel("difference of test accuracies (points)")
        axes.grid(True, axis="x", color=GRID, lw=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        for outcome, label in (("better", "wins"), ("worse", "loses"), ("open", "open")):
            inside = "white" if outcome == "open" else colors[outcome]
            axes.plot([], [], "o-", color=colors[outcome], mfc=inside, ms=5, label=label)
        figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=9.5, handlelength=1.4)
        return as_svg(figure, name)


def curves_svg(name: str, unit: str, lines: Mapping[str, Sequence[float]]) -> str:
    """Means over the seeds, epoch by epoch, a line a row.

    Args:
        name: of the figure, for its ids.
        unit: label of the vertical axis.
        lines: values from epoch 1 on, by row.
    """
    from matplotlib.ticker import MaxNLocator

    with drawing() as Figure:  # noqa: N806 - a class
        columns = 1 if max(map(len, lines)) > 22 else 2
        figure = Figure(figsize=(4.6, 3.0 + 0.2 * -(-len(lines) // columns)), layout="constrained")
        axes = figure.subplots()
        for index, (label, values) in enumerate(lines.items()):
            epochs = range(1, len(values) + 1)
            color, dashes = _COLORS[index % len(_COLORS)], _DASHES[index // len(_COLORS) % len(_DASHES)]
            axes.plot(
                epochs, values, color=color, ls=dashes, lw=1.4, marker="o" if len(values) < 2 else "", label=label
            )
        axes.set_xlabel("epoch")
        axes.set_ylabel(unit)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.grid(True, color=GRID, lw=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside upper center", ncols=columns, frameon=False, fontsize=9.5, handlelength=1.6)
        return as_svg(figure, name)


def rows_with_curves(rows: Sequence[RowResult]) -> list[RowResult]:
    """Those that were trained by epochs."""
    return [row for row in rows if row.epochs]
