"""The figures by name: what each shows, and how its data and its drawing are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qllmft.errors import UserError
from qllmft.paper import FinishedRun
from qllmft.paper.figures.accuracy import accuracy_figure, draw_accuracy
from qllmft.paper.figures.curves import PRESET, curves_figure, draw_curves
from qllmft.paper.figures.depth import depth_figure, draw_depth
from qllmft.paper.figures.samplers import draw_sampler, sampler_figure
from qllmft.report import style


@dataclass(frozen=True)
class Request:
    """What a figure is to be made of.

    Attributes:
        name: key of `FIGURES`.
        records: of finished runs; empty for figures that need none.
        folder: where they came from, for errors.
        partial: draw what is there where runs are missing.
        preset: of figure 12, whose training.
    """

    name: str
    records: Sequence[FinishedRun] = ()
    folder: Path = field(default_factory=lambda: Path("runs"))
    partial: bool = False
    preset: str = PRESET


@dataclass(frozen=True)
class PaperFigure:
    """A figure of the paper.

    Attributes:
        name: its number.
        title: what it shows.
        needs_runs: whether it is drawn from records; the others are computed on the spot.
        data: to what is drawn, a dataclass.
        draw: from that to a matplotlib figure.
    """

    name: str
    title: str
    needs_runs: bool
    data: Callable[[Request], Any]
    draw: Callable[[Any], Any]


def _energy(request: Request) -> Any:  # noqa: ARG001
    from qllmft.config import ModelConfig
    from qllmft.energy import energy_curve

    return energy_curve(ModelConfig(), range(10, 61))


def _draw_energy(data: Any) -> Any:
    from qllmft.paper import published
    from qllmft.paper.figures.energy import draw_energy

    (crossover,) = published().of("crossover")
    return draw_energy(data, published=int(crossover.value))


def _sampler(request: Request) -> Any:
    return sampler_figure(request.name)


def _accuracy(request: Request) -> Any:
    return accuracy_figure(request.name, request.records, request.folder, partial=request.partial)


def _depth(request: Request) -> Any:
    return depth_figure(request.name, request.records, request.folder, partial=request.partial)


def _curves(request: Request) -> Any:
    return curves_figure(request.records, request.folder, request.preset)


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
    with style.house_style():
        return data, figure.draw(data)
