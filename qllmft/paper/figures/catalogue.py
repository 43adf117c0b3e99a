"""The figures by name, each with its data and its drawing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qllmft.config import ModelConfig
from qllmft.energy import energy_curve
from qllmft.errors import UserError
from qllmft.paper.figures.accuracy import accuracy_figure, draw_accuracy
from qllmft.paper.figures.curves import curves_figure, draw_curves
from qllmft.paper.figures.energy import draw_energy
from qllmft.paper.figures.samplers import draw_sampler, sampler_figure
from qllmft.paper.figures.selection import Request
from qllmft.published import published


@dataclass(frozen=True)
class PaperFigure:
    """Figure of the paper."""

    name: str  # its number
    title: str
    needs_runs: bool  # whether it is drawn from runs; otherwise it is computed directly
    data: Callable[[Request], Any]  # returns a dataclass
    draw: Callable[[Any], Any]  # returns the matplotlib figure of that dataclass


_ENERGY = (
    lambda _: energy_curve(ModelConfig(), range(10, 61)),
    lambda data: draw_energy(data, published=int(published().of("crossover")[0].value)),
)
_ACCURACY = (accuracy_figure, draw_accuracy)
_SAMPLER = (lambda request: sampler_figure(request.name), draw_sampler)

FIGURES = {
    figure.name: figure
    for figure in (
        PaperFigure("5", "energy of one inference over qubits", False, *_ENERGY),
        PaperFigure("6", "straightforward sampler: true shots, gradient blocked", False, *_SAMPLER),
        PaperFigure("7", "differentiable sampler (eq. 2): the gradient passes", False, *_SAMPLER),
        PaperFigure("8a", "accuracy over qubits, one encoder", True, *_ACCURACY),
        PaperFigure("8b", "accuracy over qubits, two encoders", True, *_ACCURACY),
        PaperFigure("9", "accuracy over main block layers and re-upload number", True, *_ACCURACY),
        PaperFigure("10", "accuracy over re-uploading layers and main block layers", True, *_ACCURACY),
        PaperFigure("11", "accuracy over qubits under gate noise", True, *_ACCURACY),
        PaperFigure("12", "training loss and validation accuracy over epochs", True, curves_figure, draw_curves),
    )
}


def find_figure(name: str) -> PaperFigure:
    """Return a figure by its number. UserError for an unknown one."""
    if name not in FIGURES:
        raise UserError(f"there is no figure {name!r} here; expected one of {', '.join(FIGURES)}.")
    return FIGURES[name]


def make_figure(request: Request) -> tuple[Any, Any]:
    """Return a figure's data and drawing. UserError if the figure is unknown or runs are missing."""
    figure = find_figure(request.name)
    data = figure.data(request)
    return data, figure.draw(data)
