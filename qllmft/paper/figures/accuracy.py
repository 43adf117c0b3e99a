"""Figures 8a, 8b and 11: test accuracy over the number of qubits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from qllmft.campaign.record import StudyRecord
from qllmft.config.presets import load_preset
from qllmft.paper.figures.selection import Request, select
from qllmft.paper.results import Experiment, Measured
from qllmft.paper.results.counts import preset_parameters
from qllmft.paper.results.measured import Circumstances
from qllmft.published import published
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
    """Accuracy at one number of qubits."""

    qubits: int  # Q
    accuracy: MeanInterval  # with the learning rate that validation selects, in [0, 1]
    lr: float  # that learning rate
    others: tuple[float, ...] = ()  # mean accuracies of the other settings of the sweep


@dataclass(frozen=True)
class AccuracyCurve:
    """Curve of one model or noise."""

    label: str  # in the legend
    points: tuple[Point, ...]  # by qubits
    published: tuple[tuple[int, float], ...]  # printed pairs of qubits and accuracy in %


@dataclass(frozen=True)
class AccuracyFigure:
    """Data of one figure."""

    name: str  # ``8a``, ``8b`` or ``11``
    circumstances: str  # data, body and epochs of every run
    parameters: dict[int, int]  # number of trained ones, by the qubits on the axis
    curves: tuple[AccuracyCurve, ...]
    missing: tuple[str, ...]  # presets without a run


def accuracy_figure(request: Request) -> AccuracyFigure:
    """Return the data of one figure. It raises the errors of `select`."""
    name, shown = request.name, CURVES[request.name]
    presets = [preset.format(q) for (_, preset), q in product(shown, QUBITS)]
    selection = select(request, {preset: Experiment(preset) for preset in presets})
    curves = []
    for label, preset in shown:
        found = ((q, selection.measured.get(preset.format(q))) for q in QUBITS)
        points = tuple(_point(q, measured) for q, measured in found if measured is not None)
        printed = ((q, published().of_preset("accuracy", preset.format(q))) for q in QUBITS)
        papers = tuple((q, p.value) for q, p in printed if p is not None)
        curves.append(AccuracyCurve(label, points, papers if _is_papers(selection.circumstances) else ()))
    counted = {q: preset_parameters(load_preset(shown[0][1].format(q))) for q in QUBITS}
    parameters = {q: n for q, n in counted.items() if n is not None}  # quantum encoders: independent of D
    missing = tuple(experiment.preset for experiment in selection.missing)
    return AccuracyFigure(name, str(selection.circumstances), parameters, tuple(curves), missing)


def _is_papers(circumstances: Circumstances) -> bool:
    """Return whether the data have the name of the paper's. Its points mean nothing for other texts."""
    return circumstances.data.rsplit("/", 1)[-1].lower() == published().data.rsplit("/", 1)[-1]


def _point(qubits: int, measured: Measured) -> Point:
    chosen = measured.chosen
    others = tuple(c.test.mean for c in measured.candidates if c is not chosen)
    return Point(qubits, chosen.test, float(chosen.settings["train.lr"]), others)


def noise_figure(study: StudyRecord) -> AccuracyFigure:
    """Return the data of figure 11 from a study whose rows have its presets, with any settings."""
    rows = {row.preset: row for row in study.rows}
    qubits = [q for q in QUBITS if any(preset.format(q) in rows for _, preset in CURVES["11"])]
    curves = []
    for label, preset in CURVES["11"]:
        found = [(q, rows[preset.format(q)]) for q in qubits if preset.format(q) in rows]
        rates = [load_preset(row.preset).config(study.settings).train.lr for _, row in found]
        points = (Point(q, row.test_interval, lr) for (q, row), lr in zip(found, rates, strict=True))
        curves.append(AccuracyCurve(label, tuple(points), ()))
    parameters = {q: next(row.parameters[0] for name, row in rows.items() if name.endswith(f"-{q}q")) for q in qubits}
    circumstances = f"{study.data.source}, body {study.body} ({study.body.dimension}-d), {study.epochs} epochs"
    return AccuracyFigure("11", circumstances, parameters, tuple(curves), ())


@style.figure_style()
def draw_accuracy(data: AccuracyFigure) -> Any:
    """Draw means ± 95 % intervals over seeds, other settings of the sweep in grey, and the paper's values hollow."""
    figure = style.new_figure()
    axes = figure.subplots()
    for i, curve in enumerate(data.curves):
        _draw_curve(axes, curve, i, len(data.curves))
    points = [point for curve in data.curves for point in curve.points]
    if any(point.others for point in points):
        axes.plot([], [], ".", color=style.GREY, ms=4, label="other learning rates")
    values = [100 * other for point in points for other in point.others]
    values += [accuracy for curve in data.curves for _, accuracy in curve.published]
    wide = style.keep_in_view(axes, "y", [point.accuracy for point in points], values)
    qubits = list(data.parameters)
    axes.set_xticks(qubits, [f"{q}\n{n:,}" for q, n in data.parameters.items()])
    axes.set_xlim(qubits[0] - 0.7, qubits[-1] + 0.7)
    axes.set(xlabel="qubits $Q$, and trained parameters", ylabel="test accuracy (%)")
    style.legend_above(figure, 2)
    style.note_below(figure, f"here: {data.circumstances}; {_seeds_note(points)}{wide}")
    return figure


def _draw_curve(axes: Any, curve: AccuracyCurve, index: int, n_curves: int) -> None:
    shift = 0.12 * (index - (n_curves - 1) / 2)  # bars of several curves do not cover each other
    places = [point.qubits + shift for point in curve.points]
    for place, point in zip(places, curve.points, strict=True):
        others = [100 * other for other in point.others]
        axes.plot([place] * len(others), others, ".", color=style.GREY, ms=4, zorder=2)
    label = curve.label if n_curves > 1 else "here"
    if curve.points:
        means = [point.accuracy for point in curve.points]
        style.draw_means(axes, places, means, label=label, **style.SERIES[index])
    if curve.published:
        label = "paper, no gate noise" if n_curves > 1 else "paper (768-d body, best of the sweep)"
        axes.plot(*zip(*curve.published, strict=True), marker="D", label=label, **style.PUBLISHED)


def _seeds_note(points: Sequence[Point]) -> str:
    counts = sorted({point.accuracy.n for point in points})
    if counts[-1] == 1:
        return "one seed, so no intervals"
    seeds = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{seeds} seeds, bars: 95 % interval"
