"""Curves over the epochs of a training, as SVG that stands in a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from qllmft.report import style
from qllmft.training import EpochMetrics

_COLORS = {"training": 0, "validation": 1}  # the same in every figure of a run
LONG_LABEL = 22  # characters: longer ones stand one below the other in the legend


def loss_svg(metrics: Sequence[EpochMetrics], selected: int) -> Markup:
    """Training and validation loss of a run; the epoch ``selected`` is marked."""
    lines = {
        "training": [m.train_loss for m in metrics],
        "validation": [m.validation_loss for m in metrics],
    }
    return curves_svg("loss", "cross-entropy (nats)", lines, [m.epoch for m in metrics], selected)


def accuracy_svg(metrics: Sequence[EpochMetrics], selected: int) -> Markup:
    """Validation accuracy of a run; the epoch ``selected`` is marked."""
    lines = {"validation": [100 * m.validation_accuracy for m in metrics]}
    return curves_svg("accuracy", "right answers (%)", lines, [m.epoch for m in metrics], selected)


@style.house_style(in_a_page=True)
def curves_svg(
    name: str,
    unit: str,
    lines: Mapping[str, Sequence[float]],
    epochs: Sequence[int] | None = None,
    selected: int | None = None,
) -> Markup:
    """A line for each label.

    Args:
        name: of the figure, for its ids.
        unit: label of the vertical axis.
        lines: values by label, one an epoch.
        epochs: of all lines; from 1 on, as far as each line has values, where None.
        selected: the epoch that is marked; None: none is.
    """
    from matplotlib.ticker import MaxNLocator

    columns = 1 if max(map(len, lines)) > LONG_LABEL else 2 if selected is None else 3
    figure = style.new_figure(height=2.8 + 0.2 * -(-len(lines) // columns))
    axes = figure.subplots()
    for place, (label, values) in enumerate(lines.items()):
        turn, index = divmod(_COLORS.get(label, place), len(style.COLORS))
        color, dashes = style.COLORS[index], style.DASHES[(index + turn) % len(style.DASHES)]
        at = range(1, len(values) + 1) if epochs is None else epochs
        axes.plot(at, values, color=color, ls=dashes, marker="o" if len(values) < 2 else "", label=label)
        if selected in at:
            marked = values[at.index(selected)]
            axes.plot(selected, marked, "o", ms=6, mfc="white", mec=color, mew=1.6, zorder=5, clip_on=False)
    if selected is not None:
        axes.axvline(selected, color=style.INK, lw=0.8, ls=":", label=f"selected: epoch {selected}")
    axes.set_xlabel("epoch")
    axes.set_ylabel(unit)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    figure.legend(loc="outside upper center", ncols=columns)
    return style.as_svg(figure, name)
