"""Figures as SVG: curves, calibration and values of a run, scores of a study, and energies of one inference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from qllmft.campaign.comparison import Comparison, Trend
from qllmft.campaign.record import StudyRecord
from qllmft.counts import format_count
from qllmft.energy.curve import EnergyCurve, crossing
from qllmft.escaping import one_line
from qllmft.report import style
from qllmft.report.study_table import OUTCOMES
from qllmft.run.record import Predictions
from qllmft.tasks import TASK_OF_SCORE
from qllmft.tasks.calibration import Calibration
from qllmft.tasks.measure import Measure
from qllmft.training import EpochMetrics

LONG_LABEL = 22  # characters; longer labels are below each other in the legend
_COLORS = {"training": 0, "validation": 1}  # the same in every figure of a run
MAX_POINTS = 2_000  # of a target; more make the page large


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
        color = style.COLORS[index]
        dashes = style.DASHES[(index + turn) % len(style.DASHES)]
        x_values = range(1, len(values) + 1) if epochs is None else epochs
        axes.plot(
            x_values,
            values,
            color=color,
            ls=dashes,
            marker="o" if len(values) < 2 else "",
            label=label,
        )
        if selected in x_values:
            marked_value = values[x_values.index(selected)]
            ring: dict[str, Any] = {"ms": 6, "mfc": "white", "mec": color, "mew": 1.6}
            axes.plot(selected, marked_value, "o", zorder=5, clip_on=False, **ring)
    if selected is not None:
        axes.axvline(selected, color=style.INK, lw=0.8, ls=":", label=f"selected: epoch {selected}")
    axes.set(xlabel="epoch", ylabel=unit)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    figure.legend(loc="outside upper center", ncols=columns)
    return style.as_svg(figure, name)


@style.figure_style(in_a_page=True)
def reliability_svg(calibrations: Mapping[str, Calibration]) -> Markup:
    """Draw a line per model, one point per bin with texts; calibrated probabilities lie on the diagonal."""
    figure = style.new_figure(height=3.4 + 0.2 * len(calibrations))
    axes = figure.subplots()
    axes.plot([0, 100], [0, 100], color=style.GREY, lw=1.0, label="calibrated")
    for place, (name, calibration) in enumerate(calibrations.items()):
        bins = [i for i, n in enumerate(calibration.texts) if n]
        shares = [100 * calibration.right[i] / calibration.texts[i] for i in bins]
        confidences = [100 * calibration.confidence[i] for i in bins]
        axes.plot(confidences, shares, label=name, clip_on=False, **style.look(place))
    lowest_bin = min(
        i for calibration in calibrations.values() for i, n in enumerate(calibration.texts) if n
    )
    axes.set(xlabel="mean probability of the answers (%)", ylabel="right answers (%)")
    axes.set(xlim=(10 * lowest_bin, 100), ylim=(0, 100))
    figure.legend(loc="outside upper center", ncols=1)
    return style.as_svg(figure, "reliability")


@style.figure_style(in_a_page=True)
def scatter_svg(predictions: Predictions, model: str) -> Markup:
    """Draw a point per text and target; several targets are drawn in deviations from their means."""
    targets = predictions.labels
    values = predictions.model_answers(model)
    if has_several_targets := len(predictions.label_names) > 1:
        mean = targets.mean(axis=0)
        deviation = targets.std(axis=0) + np.finfo(float).tiny
        targets = (targets - mean) / deviation
        values = (values - mean) / deviation
    rows = np.linspace(0, len(targets) - 1, min(MAX_POINTS, len(targets))).round().astype(np.int64)
    figure = style.new_figure(height=3.6)
    axes = figure.subplots()
    for place, name in enumerate(predictions.label_names):
        points = targets[rows, place], values[rows, place]
        axes.plot(*points, ls="", label=name, ms=3, alpha=0.5, **style.look(place))
    ends = [float(targets[rows].min()), float(targets[rows].max())]
    axes.plot(ends, ends, color=style.GREY, lw=1.0)
    unit = " (deviations)" if has_several_targets else ""
    axes.set(xlabel=f"target{unit}", ylabel=f"value{unit}")
    if has_several_targets:
        figure.legend(loc="outside upper center", ncols=2)
    return style.as_svg(figure, "scatter")


@style.figure_style()
def draw_energy(curve: EnergyCurve, published: int | None = None) -> Any:
    """Draw both energies on a logarithmic axis with their crossover, and the published one as a hollow marker."""
    figure = style.new_figure()
    axes = figure.subplots()
    qubits = [point.counts.n_qubits for point in curve.points]
    single_width = len(qubits) == 1  # needs a marker, as a line has two points
    energies = {
        f"GPU, {curve.against.replace('-', ' ')}": ("gpu", style.ORANGE, "--", "s"),
        "QPU, trapped ions": ("qpu", style.BLUE, "-", "o"),
    }
    for label, (name, color, dashes, marker) in energies.items():
        values = [getattr(point, name) for point in curve.points]
        look = {"color": color, "ls": dashes, "marker": marker if single_width else "", "lw": 1.8}
        axes.semilogy(qubits, values, label=label, clip_on=False, zorder=3, **look)
    if (crossover := crossing(curve.points)) is not None:
        crossover_at, energy = crossover
        axes.plot(
            [crossover_at],
            [energy],
            marker="o",
            ms=6,
            mfc="white",
            mec=style.INK,
            mew=1.3,
            zorder=5,
        )
        axes.set_ylim(bottom=axes.get_ylim()[0])
        axes.vlines(crossover_at, axes.get_ylim()[0], energy, color=style.INK, lw=0.8, ls=":")
        label_left = crossover_at > (qubits[0] + qubits[-1]) / 2
        axes.annotate(
            f"crossover: {curve.crossover_qubits} qubits",
            crossover,
            xytext=(-14 if label_left else 14, 26 if label_left else -30),
            textcoords="offset points",
            ha="right" if label_left else "left",
            fontsize=8.5,
            color=style.INK,
            arrowprops={"arrowstyle": "-", "color": style.INK, "lw": 0.7, "shrinkB": 4},
        )
    if published is not None:
        bottom = axes.get_ylim()[0]
        axes.set_ylim(bottom=bottom)
        paper = {"marker": "D", "clip_on": False, **style.PUBLISHED}
        axes.plot([published], [bottom], label=f"paper: {published} qubits", **paper)
    style.legend_above(figure, 3)
    axes.set_xlabel("qubits $Q$")
    energy_label = "energy of one inference"
    axes.set_ylabel(
        f"{energy_label} (kJ)" if curve.unit == "kJ" else f"{energy_label} / {curve.unit}"
    )
    if not single_width:
        axes.set_xlim(qubits[0], qubits[-1])
    return figure


# --- a study: scores of its rows, their differences, and their lines over qubits

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
    """Draw each row's test scores, their mean with its 95 % interval, and the paper's value as a hollow marker."""
    rows = record.rows
    factor = record.measure.factor
    figure, axes = _make_labelled_axes([row.label for row in rows], record.measure.axis("test"))
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
        axes.plot([], [], _SIDES[side][1], color=_SIDES[side][0], ms=5.5, label=label)
    if record.published:
        axes.plot([], [], label="paper", **_PAPER)
    values_in_view = [factor * value for row in rows for value in row.test]
    values_in_view += [row.published.accuracy for row in rows if row.published]
    style.keep_in_view(axes, "x", [row.test_interval for row in rows], values_in_view, factor)
    figure.legend(loc="outside upper center", ncols=2, handletextpad=0.2)
    return style.as_svg(figure, "dots")


@style.figure_style(in_a_page=True)
def differences_svg(
    labels: Sequence[str], comparisons: Sequence[Comparison], name: str, measure: Measure
) -> Markup:
    """Draw differences of test scores with their 95 % intervals, one line per label.

    Args:
        labels: labels of the lines, from above.
        comparisons: comparison of each line.
        name: of the figure, for the identifiers in the SVG.
        measure: score of the differences; accuracies are drawn in points.
    """
    unit = " (points)" if measure.in_percent else ""
    factor = measure.factor
    figure, axes = _make_labelled_axes(labels, f"difference of test {measure.plural}{unit}")
    axes.axvline(0, color=style.INK, lw=0.8)
    for place, comparison in enumerate(comparisons):
        color, inside = _OUTCOMES[comparison.outcome]
        ends = comparison.difference.interval
        if ends is not None:
            axes.plot([factor * end for end in ends], [place, place], color=color, lw=1.8)
        axes.plot(
            factor * comparison.difference.mean, place, "o", color=color, mfc=inside, ms=5, zorder=4
        )
    differences = [comparison.difference for comparison in comparisons]
    style.keep_in_view(axes, "x", differences, [0.0], factor)
    if not measure.in_percent:
        axes.locator_params("x", nbins=5)  # numbers of three digits are wide
    for outcome, (color, inside) in _OUTCOMES.items():
        axes.plot([], [], "o-", color=color, mfc=inside, ms=5, label=OUTCOMES[outcome])
    figure.legend(loc="outside upper center", ncols=4)
    return style.as_svg(figure, name)


def _make_labelled_axes(labels: Sequence[str], unit: str) -> tuple[Any, Any]:
    """Return a figure and its axes with one line per label, the first on top."""
    figure = style.new_figure(width=4.8, height=1.1 + 0.3 * len(labels))
    axes = figure.subplots()
    axes.set_yticks(range(len(labels)), [one_line(label) for label in labels])
    axes.set(ylim=(len(labels) - 0.5, -0.5), xlabel=unit)
    axes.grid(visible=False, axis="y")
    return figure, axes


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
    names = list(dict.fromkeys(line.series for line in lines))
    for place, name in enumerate(names):
        series_rows = (row for row in record.rows if row.series == name)
        rows = sorted(series_rows, key=lambda row: row.qubits or 0)
        x_positions = [(row.qubits or 0) + 0.12 * (place - (len(names) - 1) / 2) for row in rows]
        look = style.look(place) | {"label": name}
        means = [row.test_interval for row in rows]
        style.draw_means(axes, x_positions, means, measure.factor, lw=1.1, ls="-", **look)
        intervals += means
    ticks = sorted({q for line in lines for q in line.qubits})
    axes.set(xlabel="qubits", ylabel=measure.axis("test"), xticks=ticks)
    wide = style.keep_in_view(axes, "y", intervals, factor=measure.factor)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    body = f"body {record.body} ({record.body.dimension}-d); {format_count(record.epochs, 'epoch')}"
    bars = style.bars_note([len(record.seeds)], wide)
    style.note_below(figure, f"{record.data.source}; {body}; {bars}")
    return figure


def write_trends(folder: Path, record: StudyRecord, lines: Sequence[Trend]) -> None:
    """Draw the lines into ``figures/`` of a folder, in the file to which the study's table links, if there are any."""
    if lines:
        file = folder / "figures" / f"{record.study}.svg"
        file.parent.mkdir(exist_ok=True)
        with style.figure_style():
            style.save_figure(draw_trends(record, lines), file)
