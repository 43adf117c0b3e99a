"""The figures by name, each with its data and its drawing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab.paper.accuracy import accuracy_figure, draw_accuracy
from lab.paper.curves import curves_figure, draw_curves
from lab.paper.samplers import draw_sampler, sampler_figure
from lab.paper.selection import FigureRequest
from qllmft import UserError
from qllmft.config import ModelConfig
from qllmft.energy import energy_curve
from qllmft.report import draw_energy
from qllmft_studies.published import paper_numbers


@dataclass(frozen=True)
class PaperFigure:
    """Figure of the paper."""

    title: str
    data: Callable[[FigureRequest], Any]  # returns a dataclass
    draw: Callable[[Any], Any]  # returns the matplotlib figure of that dataclass
    needs_runs: bool = True  # whether it is drawn from runs; otherwise it is computed directly


_ACCURACY = (accuracy_figure, draw_accuracy)
_SAMPLER = (lambda request: sampler_figure(request.name), draw_sampler)

FIGURES = {
    "5": PaperFigure(
        "energy of one inference over qubits",
        lambda _: energy_curve(ModelConfig(), range(10, 61)),
        lambda data: draw_energy(
            data, published=int(paper_numbers().values_for("crossover")[0].value)
        ),
        needs_runs=False,
    ),
    "6": PaperFigure(
        "straightforward sampler: true shots, gradient blocked", *_SAMPLER, needs_runs=False
    ),
    "7": PaperFigure(
        "differentiable sampler (eq. 2): the gradient passes", *_SAMPLER, needs_runs=False
    ),
    "8a": PaperFigure("accuracy over qubits, one encoder", *_ACCURACY),
    "8b": PaperFigure("accuracy over qubits, two encoders", *_ACCURACY),
    "9": PaperFigure("accuracy over main block layers and re-upload number", *_ACCURACY),
    "10": PaperFigure("accuracy over re-uploading layers and main block layers", *_ACCURACY),
    "11": PaperFigure("accuracy over qubits under gate noise", *_ACCURACY),
    "12": PaperFigure(
        "training loss and validation accuracy over epochs", curves_figure, draw_curves
    ),
}


def find_figure(name: str) -> PaperFigure:
    """Return a figure by its number. UserError for an unknown one."""
    if name not in FIGURES:
        raise UserError(f"there is no figure {name!r} here, expected one of {', '.join(FIGURES)}.")
    return FIGURES[name]
