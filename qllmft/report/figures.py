"""Figures of a run as SVG: curves, calibration and values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from qllmft.report import style
from qllmft.run.device_answers import DeviceAnswers
from qllmft.run.predictions import Predictions
from qllmft.run.record import WITHOUT_CIRCUIT, ModelResult
from qllmft.tasks import TASK_OF_SCORE
from qllmft.tasks.calibration import Calibration
from qllmft.tasks.measure import Measure
from qllmft.tasks.statistics import Z95
from qllmft.training import EpochMetrics
from qllmft_base.text import shorten_text

LONG_LABEL = 22  # characters; longer labels are below each other in the legend
LONGEST_NAME = 34  # characters; longer names leave no place for the axes
_COLORS = {"training": 0, "validation": 1}  # the same in every figure of a run
MOST_PERCENT = 100.5  # the end of an axis of percentages, with space for a line at 100
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
            label=style.plain_label(label),
        )
        if selected in x_values:
            marked_value = values[x_values.index(selected)]
            ring: dict[str, Any] = {"ms": 6, "mfc": "white", "mec": color, "mew": 1.6}
            axes.plot(selected, marked_value, "o", zorder=5, clip_on=False, **ring)
    if selected is not None:
        label = f"weights of epoch {selected}"
        axes.axvline(selected, color=style.INK, lw=0.8, ls=":", label=label)
    axes.set(xlabel="epoch", ylabel=unit)
    if unit.endswith("(%)"):
        axes.set_ylim(top=min(axes.get_ylim()[1], MOST_PERCENT))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    figure.legend(loc="outside upper center", ncols=columns)
    return style.as_svg(figure, name)


@style.figure_style(in_a_page=True)
def model_scores_svg(models: Sequence[ModelResult]) -> Markup:
    """Draw the test score of each model of a run with its 95 % interval on one scale, the head on top."""
    head = models[0]
    measure = head.tested.measure
    scores = [(model.name, model.tested) for model in models]
    if head.without_circuit:
        scores.insert(1, (WITHOUT_CIRCUIT, head.without_circuit.test))
    labels = [shorten_text(name, LONGEST_NAME) for name, _ in scores]
    figure, axes = style.make_labelled_axes(labels, measure.axis("test"))
    axes.axvline(measure.factor * head.tested.value, color=style.GREY, lw=1.0, ls=":")
    for place, (_, score) in enumerate(scores):
        color = style.SLATE if place else style.BLUE
        ends = [measure.factor * end for end in score.interval]
        axes.plot(ends, [place, place], color=color, lw=1.8)
        axes.plot(measure.factor * score.value, place, "s" if place else "o", color=color, ms=5.5)
    axes.locator_params("x", nbins=6)
    return style.as_svg(figure, "scores")


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
        label = style.plain_label(name)
        axes.plot(confidences, shares, label=label, clip_on=False, **style.look(place))
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
        label = style.plain_label(name)
        axes.plot(*points, ls="", label=label, ms=3, alpha=0.5, **style.look(place))
    ends = [float(targets[rows].min()), float(targets[rows].max())]
    axes.plot(ends, ends, color=style.GREY, lw=1.0)
    unit = " (deviations)" if has_several_targets else ""
    axes.set(xlabel=f"target{unit}", ylabel=f"value{unit}")
    if has_several_targets:
        figure.legend(loc="outside upper center", ncols=2)
    return style.as_svg(figure, "scatter")


@style.figure_style(in_a_page=True)
def measured_probabilities_svg(answers: DeviceAnswers) -> Markup:
    """Draw the measured probability of each text's label, with its 95 % interval, over the exact one."""
    rows = np.linspace(0, len(answers.texts) - 1, min(MAX_POINTS, len(answers.texts)))
    texts = [answers.texts[row] for row in rows.round().astype(np.int64)]
    figure = style.new_figure(height=3.6)
    axes = figure.subplots()
    axes.plot([0, 100], [0, 100], color=style.GREY, lw=1.0, label="no error of the device")
    for place, (label, reliable) in enumerate((("reliable", True), ("unreliable", False))):
        shown = [text for text in texts if text.reliable == reliable]
        if not shown:
            continue
        axes.errorbar(
            [100 * text.exact_probability for text in shown],
            [100 * text.probability for text in shown],
            yerr=[100 * Z95 * text.standard_error for text in shown],
            ls="",
            label=label,
            elinewidth=0.8,
            ms=4,
            **style.look(place),
        )
    lowest = min(min(text.exact_probability, text.probability) for text in texts)
    start = 10 * math.floor(10 * lowest)
    axes.set(xlabel="exact probability (%)", ylabel="measured probability (%)")
    axes.set(xlim=(start, 100), ylim=(start, 100))
    figure.legend(loc="outside upper center", ncols=3)
    return style.as_svg(figure, f"measured-{answers.backend}")
