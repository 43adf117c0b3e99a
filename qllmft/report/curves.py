"""Loss and validation accuracy over the epochs, as SVG to stand in a page."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

from qllmft.training import EpochMetrics

TRAIN, VALIDATION, INK, GRID = "#0b5fa5", "#c2410c", "#1f2937", "#d1d5db"
_STYLE: Any = {  # Any: matplotlib types each name of a setting
    "svg.fonttype": "none",  # text stays text: searchable, and in the reader's own font
    "svg.hashsalt": "qllmft",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
}


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
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with mpl.rc_context(_STYLE):
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
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _for_page(file.getvalue(), name)


def _for_page(svg: str, name: str) -> str:
    """The element alone, as wide as its place, with ids that no other figure of the page has."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(
        r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1), count=1
    )
    return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg).strip()
