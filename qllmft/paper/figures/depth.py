"""Figures 9 and 10: test accuracy over the layers of the head at 14 qubits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from qllmft.paper.figures.selection import Request, select
from qllmft.paper.results import Experiment
from qllmft.report import style
from qllmft.statistics import MeanInterval

PRESET = "single-14q"
DODGE = 0.16  # between curves, so that their bars do not cover each other


@dataclass(frozen=True)
class Axis:
    """Setting of the head that a figure varies."""

    setting: str  # its dotted name
    symbol: str  # in table I
    words: str  # in labels
    values: tuple[int, ...]  # of the sweep


GRIDS = {  # figure: (horizontal axis, curves); tables X and XI
    "9": (
        Axis("model.main_layers", "M", "main block layers", (2, 3, 4, 5, 6, 7, 8)),
        Axis("model.reuploads", "R", "re-upload number", (4, 6, 8)),
    ),
    "10": (
        Axis("model.reupload_layers", "N", "re-uploading layers", (1, 2, 4)),
        Axis("model.main_layers", "M", "main block layers", (2, 4, 6)),
    ),
}


@dataclass(frozen=True)
class DepthPoint:
    """Accuracy of one head."""

    x: int  # value on the axis
    accuracy: MeanInterval  # with the learning rate that validation selects, in [0, 1]
    runs: tuple[float, ...]  # accuracies of every learning rate and seed


@dataclass(frozen=True)
class DepthFigure:
    """Data of one figure."""

    name: str  # ``9`` or ``10``
    circumstances: str  # data, body and epochs of every run
    curves: dict[int, tuple[DepthPoint, ...]]  # points by the value of the second setting
    missing: int  # number of heads without a run


def depth_experiments(name: str) -> dict[tuple[int, int], Experiment]:
    """Return the heads of a figure by curve and place. Settings equal to the preset's are omitted."""
    over, curves = GRIDS[name]
    default = Experiment(PRESET).config.model
    experiments = {}
    for curve, x in product(curves.values, over.values):
        settings = {curves.setting: curve, over.setting: x}
        changed = {n: v for n, v in settings.items() if getattr(default, n.split(".")[1]) != v}
        experiments[curve, x] = Experiment(PRESET, changed)
    return experiments


def depth_figure(request: Request) -> DepthFigure:
    """Return the data of one figure. It raises the errors of `select`."""
    selection = select(request, depth_experiments(request.name))
    drawn: dict[int, tuple[DepthPoint, ...]] = dict.fromkeys(GRIDS[request.name][1].values, ())
    for (curve, x), found in selection.measured.items():
        accuracies = tuple(accuracy.value for c in found.candidates for accuracy in c.tested)
        drawn[curve] += (DepthPoint(x, found.chosen.test, accuracies),)
    return DepthFigure(request.name, str(selection.circumstances), drawn, len(selection.missing))


@style.figure_style()
def draw_depth(data: DepthFigure) -> Any:
    """Draw a box over all runs of each place, and a curve for each value of the second setting."""
    over, curves = GRIDS[data.name]
    figure = style.new_figure()
    axes = figure.subplots()
    _draw_boxes(axes, data, over.values)
    points: list[DepthPoint] = []
    for i, (value, drawn) in enumerate(data.curves.items()):
        places, means = [point.x + DODGE * (i - 1) for point in drawn], [point.accuracy for point in drawn]
        if drawn:
            style.draw_means(axes, places, means, label=f"${curves.symbol}$ = {value}", **style.SERIES[i])
        points += drawn
    wide = style.keep_in_view(axes, "y", [p.accuracy for p in points], [100 * r for p in points for r in p.runs])
    axes.set_xticks(over.values)
    axes.set_xlim(over.values[0] - 0.5, over.values[-1] + 0.5)
    axes.set(xlabel=f"{over.words} ${over.symbol}$", ylabel="test accuracy (%)")
    style.legend_above(figure, 3)
    shown = f"{curves.words} ${curves.symbol}$; bars: 95 % interval over seeds{wide}; boxes: all runs"
    style.note_below(figure, f"{data.circumstances}; {shown}")
    return figure


def _draw_boxes(axes: Any, data: DepthFigure, values: Sequence[int]) -> None:
    runs = {x: [100 * r for points in data.curves.values() for p in points if p.x == x for r in p.runs] for x in values}
    places = [x for x in values if len(runs[x]) > 1]  # one run has no box
    line = {"color": style.GREY}
    axes.boxplot(
        [runs[x] for x in places],
        positions=places,
        widths=0.55,
        manage_ticks=False,
        patch_artist=True,
        boxprops={"facecolor": style.PALE, "edgecolor": style.GREY},
        medianprops={**line, "lw": 1.2},
        whiskerprops=line,
        capprops=line,
        flierprops={"marker": ".", "markeredgecolor": style.GREY, "ms": 4},
        zorder=1,
    )
