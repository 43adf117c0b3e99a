"""Figure 12: training loss and validation accuracy over the epochs of the head with two encoders, 18 qubits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab.paper.measured import Experiment
from lab.paper.selection import FigureRequest, select
from qllmft import UserError
from qllmft.report import style
from qllmft_studies.runs import Curve

PRESET = "multi-18q"
# a summary keeps their curves: the figure's preset and the paper's best head
KEPT = (PRESET, "multi-14q")


@dataclass(frozen=True)
class CurvesFigure:
    """Data of the figure."""

    preset: str
    circumstances: str  # data, body and epochs of every run
    lr: float  # learning rate that validation selects
    curves: dict[int, Curve]  # by seed


def curves_figure(request: FigureRequest) -> CurvesFigure:
    """Return the curves of every seed. UserError if there is no run, or none with a curve."""
    preset = request.preset or PRESET
    selection = select(request, {preset: Experiment(preset)})
    best_candidate = selection.measured[preset].chosen
    curves = {
        run.config.seed: run.curve for run in best_candidate.runs if run.curve and run.curve.epochs
    }
    if not curves:
        raise UserError(
            f"figure 12 needs the curve of a run of {preset}, and {request.folder} has none: a summary keeps curves of "
            f"{' and '.join(KEPT)}. Give the folder of the run itself."
        )
    return CurvesFigure(
        preset, str(selection.circumstances), float(best_candidate.settings["train.lr"]), curves
    )


@style.figure_style()
def draw_curves(data: CurvesFigure) -> Any:
    """Draw loss above accuracy, the mean over the seeds with a thin line for each seed."""
    import numpy as np

    figure = style.new_figure(height=4.0)
    above, below = figure.subplots(2, sharex=True)
    losses = [c.train_loss for c in data.curves.values()]
    accuracies = [tuple(100 * a for a in c.score) for c in data.curves.values()]
    panels = (
        (above, style.BLUE, "training loss (nats)", losses),
        (below, style.ORANGE, "validation accuracy (%)", accuracies),
    )
    epochs = next(iter(data.curves.values())).epochs
    for axes, color, label, curves in panels:
        if len(curves) > 1:
            for curve in curves:
                axes.plot(epochs, curve, color=color, lw=0.7, alpha=0.4)
        axes.plot(epochs, np.mean(curves, axis=0), color=color)
        axes.set_ylabel(label)
    below.set(xlabel="epoch", xlim=(0, epochs[-1]))
    seeds = (
        "one seed" if len(data.curves) == 1 else f"{len(data.curves)} seeds (thin) and their mean"
    )
    style.note_below(
        figure, f"{data.preset}; {data.circumstances}, learning rate {data.lr:g}; {seeds}"
    )
    return figure
