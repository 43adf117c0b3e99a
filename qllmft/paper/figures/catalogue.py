"""The figures by name: what each shows, and how its data and its drawing are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qllmft.config import ModelConfig
from qllmft.energy import EnergyCurve, energy_curve
from qllmft.errors import UserError
from qllmft.experiments.records import FinishedRun
from qllmft.paper.figures.accuracy import AccuracyFigure, accuracy_figure, draw_accuracy
from qllmft.paper.figures.curves import PRESET, CurvesFigure, curves_figure, draw_curves
from qllmft.paper.figures.depth import DepthFigure, depth_figure, draw_depth
from qllmft.paper.figures.energy import draw_energy
from qllmft.paper.figures.samplers import SamplerFigure, draw_sampler, sampler_figure
from qllmft.published import published


@dataclass(frozen=True)
class Request:
    """What a figure is to be made of.

    Attributes:
        name: key of `FIGURES`.
        runs: all finished ones; empty for figures that need none.
        folder: where they came from, for errors.
        partial: draw what is there where runs are missing.
        preset: of figure 12, whose training.
    """

    name: str
    runs: Sequence[FinishedRun] = ()
    folder: Path = field(default_factory=lambda: Path("runs"))
    partial: bool = False
    preset: str = PRESET


@dataclass(frozen=True)
class PaperFigure:
    """A figure of the paper.

    Attributes:
        name: its number.
        title: what it shows.
        needs_runs: whether it is drawn from runs; the others are computed on the spot.
        data: what is drawn, a dataclass, from a request.
        draw: the matplotlib figure, from that dataclass.
    """

    name: str
    title: str
    needs_runs: bool
    data: Callable[[Request], Any]
    draw: Callable[[Any], Any]


def _draw_energy(data: EnergyCurve) -> Any:
    (crossover,) = published().of("crossover")
    return draw_energy(data, published=int(crossover.value))


def _accuracy(request: Request) -> AccuracyFigure:
    return accuracy_figure(request.name, request.runs, request.folder, partial=request.partial)


def _depth(request: Request) -> DepthFigure:
    return depth_figure(request.name, request.runs, request.folder, partial=request.partial)


def _curves(request: Request) -> CurvesFigure:
    return curves_figure(request.runs, request.folder, request.preset)


def _sampler(request: Request) -> SamplerFigure:
    return sampler_figure(request.name)


def _energy(_: Request) -> EnergyCurve:
    return energy_curve(ModelConfig(), range(10, 61))


FIGURES = {
    figure.name: figure
    for figure in (
        PaperFigure("5", "energy of one inference over qubits", False, _energy, _draw_energy),
        PaperFigure("6", "straightforward sampler: true shots, gradient blocked", False, _sampler, draw_sampler),
        PaperFigure("7", "differentiable sampler (eq. 2): the gradient passes", False, _sampler, draw_sampler),
        PaperFigure("8a", "accuracy over qubits, one encoder", True, _accuracy, draw_accuracy),
        PaperFigure("8b", "accuracy over qubits, two encoders", True, _accuracy, draw_accuracy),
        PaperFigure("9", "accuracy over main block layers and re-upload number", True, _depth, draw_depth),
        PaperFigure("10", "accuracy over re-uploading layers and main block layers", True, _depth, draw_depth),
        PaperFigure("11", "accuracy over qubits under gate noise", True, _accuracy, draw_accuracy),
        PaperFigure("12", "training loss and validation accuracy over epochs", True, _curves, draw_curves),
    )
}


def find_figure(name: str) -> PaperFigure:
    """A figure by its number.

    Raises:
        UserError: where there is none of that name.
    """
    if name not in FIGURES:
        raise UserError(f"there is no figure {name!r} here; expected one of {', '.join(FIGURES)}.")
    return FIGURES[name]


def make_figure(request: Request) -> tuple[Any, Any]:
    """A figure's data and its drawing.

    Raises:
        UserError: for an unknown name, and where runs are missing.
    """
    figure = find_figure(request.name)
    data = figure.data(request)
    return data, figure.draw(data)
