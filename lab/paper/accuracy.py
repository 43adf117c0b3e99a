"""Figures 8 to 11: test accuracy over the qubits or the layers of the head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from lab.paper.measured import Experiment, count_parameters, difference_from_paper
from lab.paper.selection import FigureRequest, select
from qllmft import load_preset
from qllmft.campaign import StudyRecord
from qllmft.report import style
from qllmft.tasks import MeanInterval
from qllmft_studies.published import paper_numbers

QUBITS = (10, 12, 14, 16, 18)
PRESETS = {  # figure: preset of each curve by its label
    "8a": {"single encoder": "single-{}q"},
    "8b": {"two encoders": "multi-{}q"},
    "11": {
        "no gate noise": "single-{}q",
        "r = 1e-4 (1Q), 1e-3 (2Q)": "noise-low-{}q",
        "r = 2e-4 (1Q), 2e-3 (2Q)": "noise-high-{}q",
    },
}


@dataclass(frozen=True)
class Layers:
    """Setting of the head of `LAYERS_PRESET` that a figure varies."""

    setting: str  # its dotted name
    symbol: str  # in table I
    words: str  # in labels
    values: tuple[int, ...]  # of the sweep


LAYERS_PRESET = "single-14q"
LAYERS = {  # figure: (horizontal axis, curves); tables X and XI
    "9": (
        Layers("model.main_layers", "M", "main block layers", (2, 3, 4, 5, 6, 7, 8)),
        Layers("model.reuploads", "R", "re-upload number", (4, 6, 8)),
    ),
    "10": (
        Layers("model.reupload_layers", "N", "re-uploading layers", (1, 2, 4)),
        Layers("model.main_layers", "M", "main block layers", (2, 4, 6)),
    ),
}


@dataclass(frozen=True)
class Point:
    """Accuracy of one head."""

    curve: str  # label of its curve
    x: int  # number of qubits or layers
    accuracy: MeanInterval  # with the learning rate that validation selects, in [0, 1]
    lr: float  # that learning rate
    others: tuple[float, ...] = ()  # mean of each other learning rate; over layers every run


@dataclass(frozen=True)
class AccuracyFigure:
    """Data of one figure."""

    name: str  # its number
    circumstances: str  # data, body and epochs of every run
    points: tuple[Point, ...]  # by curve and place
    parameters: dict[int, int]  # number of trained ones by qubits; none over layers
    published: tuple[tuple[int, float], ...] = ()  # printed pairs of qubits and accuracy in %
    missing: tuple[str, ...] = ()  # names of the experiments without a run


def experiments(name: str, preset: str | None = None) -> dict[tuple[str, int], Experiment]:
    """Return the experiments of a figure by curve and place. Settings equal to the preset's are omitted.

    Args:
        name: number of the figure.
        preset: of the head whose layers vary; None for the paper's. Figures over qubits have their own.
    """
    if name in PRESETS:
        return {
            (label, q): Experiment(preset.format(q))
            for label, preset in PRESETS[name].items()
            for q in QUBITS
        }
    over, curves = LAYERS[name]
    base = preset or LAYERS_PRESET
    default = Experiment(base).config.model
    experiments_by_place = {}
    for curve, x in product(curves.values, over.values):
        settings = {curves.setting: curve, over.setting: x}
        overrides = {n: v for n, v in settings.items() if getattr(default, n.split(".")[1]) != v}
        experiments_by_place[f"${curves.symbol}$ = {curve}", x] = Experiment(base, overrides)
    return experiments_by_place


def accuracy_figure(request: FigureRequest) -> AccuracyFigure:
    """Return the data of one figure. It raises the errors of `select`."""
    name = request.name
    paper = paper_numbers()
    preset = request.preset
    figure_experiments = experiments(name, preset)
    selection = select(request, figure_experiments)
    points = []
    parameters = {}
    printed = []
    for (curve, x), measured in selection.measured.items():
        best_candidate = measured.chosen
        candidates = measured.candidates
        other_means = [c.test.mean for c in candidates if c is not best_candidate]
        accuracies = [accuracy.value for c in candidates for accuracy in c.tested]
        grey_values = tuple(accuracies if name in LAYERS else other_means)
        points.append(
            Point(
                curve,
                x,
                best_candidate.test,
                float(best_candidate.settings["train.lr"]),
                grey_values,
            )
        )
    if name in PRESETS:
        parameters = {
            q: count_parameters(e.preset) or 0 for (_, q), e in figure_experiments.items()
        }
        # its points mean nothing for other texts
        first = next(iter(selection.measured.values())).chosen.runs[0]
        if not difference_from_paper(first):
            values = [
                (q, paper.value_for_preset("accuracy", e.preset))
                for (_, q), e in figure_experiments.items()
            ]
            printed = [(q, value.value) for q, value in values if value is not None]
    missing = tuple(experiment.name for experiment in selection.missing)
    circumstances = (
        f"{preset}; {selection.circumstances}" if preset else str(selection.circumstances)
    )
    return AccuracyFigure(name, circumstances, tuple(points), parameters, tuple(printed), missing)


def noise_figure(study: StudyRecord) -> AccuracyFigure:
    """Return the data of figure 11 from a study whose rows have its presets, with any settings."""
    rows = {row.preset: row for row in study.rows}
    rows_by_place = {
        key: rows[e.preset] for key, e in experiments("11").items() if e.preset in rows
    }
    points = []
    for (curve, q), row in rows_by_place.items():
        lr = load_preset(row.preset).config(study.settings).train.lr
        points.append(Point(curve, q, row.test_interval, lr))
    parameters = {
        q: row.parameters[0]
        for (_, q), row in sorted(rows_by_place.items(), key=lambda pair: pair[0][1])
    }
    circumstances = (
        f"{study.data.source}, body {study.body} ({study.body.dimension}-d), {study.epochs} epochs"
    )
    return AccuracyFigure("11", circumstances, tuple(points), parameters)


@style.figure_style()
def draw_accuracy(data: AccuracyFigure) -> Any:
    """Draw means ± 95 % intervals over seeds above other results in grey, and the paper's values hollow.

    Over qubits the others are means of the sweep's other settings, over layers there is a box of all runs.
    """
    figure = style.new_figure()
    axes = figure.subplots()
    _draw_curves(axes, data)
    values = [100 * accuracy for point in data.points for accuracy in point.others]
    values += [accuracy for _, accuracy in data.published]
    wide = style.keep_in_view(axes, "y", [point.accuracy for point in data.points], values)
    seeds = [point.accuracy.n for point in data.points]
    if data.name in LAYERS:
        over, curves = LAYERS[data.name]
        axes.set_xticks(over.values)
        label = f"{over.words} ${over.symbol}$"
        margin = 0.5
        columns = 3
        curves_note = f"{curves.words} ${curves.symbol}$; {style.bars_note(seeds, wide)}"
        note = f"{data.circumstances}; {curves_note}; boxes: all runs"
    else:
        axes.set_xticks(list(data.parameters), [f"{q}\n{n:,}" for q, n in data.parameters.items()])
        label = "qubits $Q$, and trained parameters"
        margin = 0.7
        columns = 2
        note = f"here: {data.circumstances}; {style.bars_note(seeds, wide)}"
    ticks = axes.get_xticks()
    axes.set(xlabel=label, ylabel="test accuracy (%)", xlim=(ticks[0] - margin, ticks[-1] + margin))
    style.legend_above(figure, columns)
    style.note_below(figure, note)
    return figure


def _draw_curves(axes: Any, data: AccuracyFigure) -> None:
    labels = list(dict.fromkeys(label for label, _ in experiments(data.name)))
    several = len(labels) > 1
    layers = data.name in LAYERS
    if layers:
        _draw_boxes(axes, data.points)
    for i, label in enumerate(labels):
        # so that bars do not cover each other
        shift = (0.16 if layers else 0.12) * (i - (len(labels) - 1) / 2)
        points = [point for point in data.points if point.curve == label]
        places = [point.x + shift for point in points]
        if not layers:
            for place, point in zip(places, points, strict=True):
                grey_values = [100 * accuracy for accuracy in point.others]
                axes.plot(
                    [place] * len(grey_values), grey_values, ".", color=style.GREY, ms=4, zorder=2
                )
        if points:
            look = style.SERIES[i] | {"label": label if several else "here"}
            style.draw_means(axes, places, [point.accuracy for point in points], **look)
        if data.published and i == 0:
            paper = "paper, no gate noise" if several else "paper (768-d body, best of the sweep)"
            axes.plot(
                *zip(*data.published, strict=True), marker="D", label=paper, **style.PUBLISHED
            )
    if not layers and any(point.others for point in data.points):
        axes.plot([], [], ".", color=style.GREY, ms=4, label="other learning rates")


def _draw_boxes(axes: Any, points: Sequence[Point]) -> None:
    runs: dict[int, list[float]] = {}
    for point in points:
        runs.setdefault(point.x, []).extend(100 * accuracy for accuracy in point.others)
    # one run has no box
    places = sorted(x for x, accuracies in runs.items() if len(accuracies) > 1)
    if not places:
        return
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
