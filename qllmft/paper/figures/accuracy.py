"""Figures 8a, 8b and 11: test accuracy over the number of qubits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qllmft.paper import Experiment, FinishedRun, Measured, published
from qllmft.paper.counts import preset_parameters
from qllmft.paper.figures.selection import select
from qllmft.presets import load_preset
from qllmft.report import style
from qllmft.statistics import MeanInterval

QUBITS = (10, 12, 14, 16, 18)
CURVES = {  # figure: (label, preset by qubits)
    "8a": (("single encoder", "single-{}q"),),
    "8b": (("two encoders", "multi-{}q"),),
    "11": (
        ("no gate noise", "single-{}q"),
        ("r = 1e-4 (1Q), 1e-3 (2Q)", "noise-low-{}q"),
        ("r = 2e-4 (1Q), 2e-3 (2Q)", "noise-high-{}q"),
    ),
}


@dataclass(frozen=True)
class Point:
    """One number of qubits.

    Attributes:
        qubits: Q.
        accuracy: of the learning rate that validation chose; in [0, 1].
        lr: that rate.
        others: mean accuracies of the other settings of the sweep.
    """

    qubits: int
    accuracy: MeanInterval
    lr: float
    others: tuple[float, ...]


@dataclass(frozen=True)
class AccuracyCurve:
    """One curve.

    Attributes:
        label: in the legend.
        points: by qubits.
        published: the paper's (qubits, accuracy in %), where it prints them.
    """

    label: str
    points: tuple[Point, ...]
    published: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class AccuracyFigure:
    """What is drawn.

    Attributes:
        name: ``8a``, ``8b`` or ``11``.
        circumstances: data, body and epochs of every run.
        parameters: trained, by qubits.
        curves: each a model or a noise.
        missing: presets without a run.
    """

    name: str
    circumstances: str
    parameters: dict[int, int]
    curves: tuple[AccuracyCurve, ...]
    missing: tuple[str, ...]


def accuracy_figure(
    name: str, records: Sequence[FinishedRun], folder: Path, *, partial: bool = False
) -> AccuracyFigure:
    """The data of one figure.

    Raises:
        UserError: where runs are missing and ``partial`` is off, or would be mixed; see `select`.
    """
    experiments = [Experiment(preset.format(q)) for _, preset in CURVES[name] for q in QUBITS]
    selection = select(name, experiments, records, folder, partial=partial)
    curves = []
    for i, (label, preset) in enumerate(CURVES[name]):
        measured = selection.measured[i * len(QUBITS) : (i + 1) * len(QUBITS)]
        points = tuple(_point(q, m) for q, m in zip(QUBITS, measured, strict=True) if m is not None)
        printed = ((q, published().accuracy(preset.format(q))) for q in QUBITS)
        curves.append(AccuracyCurve(label, points, tuple((q, p.value) for q, p in printed if p is not None)))
    missing = tuple(experiment.preset for experiment in selection.missing)
    return AccuracyFigure(name, str(selection.circumstances), _parameters(CURVES[name][0][1]), tuple(curves), missing)


def _parameters(preset: str) -> dict[int, int]:
    """By qubits; with quantum encoders they do not depend on D."""
    found = {q: preset_parameters(load_preset(preset.format(q))) for q in QUBITS}
    return {q: n for q, n in found.items() if n is not None}


def _point(qubits: int, measured: Measured) -> Point:
    chosen = measured.chosen
    others = tuple(c.test.mean for c in measured.candidates if c is not chosen)
    return Point(qubits, chosen.test, float(chosen.swept[0]), others)


def draw_accuracy(data: AccuracyFigure) -> Any:
    """Mean ± 95 % interval over the seeds; small grey: other settings of the sweep; hollow: the paper's."""
    figure = style.new_figure()
    axes = figure.subplots()
    several = len(data.curves) > 1
    for i, (curve, (color, marker, dashes)) in enumerate(zip(data.curves, style.SERIES, strict=False)):
        shift = 0.12 * (i - (len(data.curves) - 1) / 2)
        xs = [point.qubits + shift for point in curve.points]
        for x, point in zip(xs, curve.points, strict=True):
            axes.plot([x] * len(point.others), [100 * o for o in point.others], ".", color=style.GREY, ms=4, zorder=2)
        axes.errorbar(
            xs,
            [100 * point.accuracy.mean for point in curve.points],
            [100 * (point.accuracy.half_width or 0) for point in curve.points],
            color=color,
            marker=marker,
            ls=dashes,
            label=curve.label if several else "here",
            zorder=3,
            **style.BARS,
        )
        if curve.published:
            label = "paper, no gate noise" if several else "paper (768-d body, best of the sweep)"
            axes.plot(*zip(*curve.published, strict=True), marker="D", label=label, **style.PUBLISHED)
    if any(point.others for curve in data.curves for point in curve.points):
        axes.plot([], [], ".", color=style.GREY, ms=4, label="other learning rates")
    axes.set_xticks(QUBITS, [f"{q}\n{n:,}" for q, n in data.parameters.items()])
    axes.set_xlim(QUBITS[0] - 0.7, QUBITS[-1] + 0.7)
    axes.set_xlabel("qubits $Q$, and trained parameters")
    axes.set_ylabel("test accuracy (%)")
    style.legend_above(figure, 2)
    style.note_below(figure, f"here: {data.circumstances}; {seeds_note(data)}")
    return figure


def seeds_note(data: AccuracyFigure) -> str:
    """How many seeds the points have, and what their bars are."""
    counts = sorted({point.accuracy.n for curve in data.curves for point in curve.points})
    seeds = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    if counts[-1] == 1:
        return "one seed, so no intervals"
    return f"{seeds} seeds, bars: 95 % interval"
