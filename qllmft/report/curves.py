"""Loss and validation accuracy over the epochs, as SVG to stand in a page."""

from __future__ import annotations

from collections.abc import Sequence

from qllmft.report.svg import GRID, INK, TRAIN, VALIDATION, as_svg, drawing
from qllmft.training import EpochMetrics


def loss_svg(metrics: Sequence[EpochMetrics], selected: int) -> str:
    """Training and validation loss; ``selected`` is the epoch that is marked."""
    lines = {
        "training": (TRAIN, "-", [m.train_loss for m in metrics]),
        "validation": (VALIDATION, "--", [m.validation_loss for m in metrics]),
    }
    return _svg("loss", "cross-entropy (nats)", metrics, lines, selected)


def accuracy_svg(metrics: Sequence[EpochMetrics], selected: int) -> str:
    """Validation accuracy; ``selected`` is the epoch that is marked."""
    lines = {"validation": (VALIDATION, "-", [100 * m.validation_accuracy for m in metrics])}
    return _svg("accuracy", "right answers (%)", metrics, lines, selected)


def _svg(
    name: str,
    unit: str,
    metrics: Sequence[EpochMetrics],
    lines: dict[str, tuple[str, str, list[float]]],
    selected: int,
) -> str:
    from matplotlib.ticker import MaxNLocator

    with drawing() as Figure:  # noqa: N806 - a class
        figure = Figure(figsize=(4.6, 3.0), layout="constrained")
        axes = figure.subplots()
        epochs = [m.epoch for m in metrics]
        marker = "o" if len(epochs) < 2 else ""
        for label, (color, dashes, values) in lines.items():
            axes.plot(epochs, values, color=color, ls=dashes, lw=1.6, marker=marker, label=label)
            if selected in epochs:
                at = values[epochs.index(selected)]
                axes.plot([selected], [at], "o", ms=6, mfc="white", mec=color, mew=1.6, zorder=5, clip_on=False)
        axes.axvline(selected, color=INK, lw=0.8, ls=":", label=f"selected: epoch {selected}")
        axes.set_xlabel("epoch")
        axes.set_ylabel(unit)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.grid(True, color=GRID, lw=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside upper center", ncols=len(lines) + 1, frameon=False, fontsize=10, handlelength=1.6)
        return as_svg(figure, name)
