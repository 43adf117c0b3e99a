"""Scatter of a head's values against real targets."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from qllmft.report import style
from qllmft.run.predictions import Predictions

MOST_POINTS = 2_000  # of a target; more make the page large


@style.figure_style(in_a_page=True)
def scatter_svg(found: Predictions, model: str) -> Markup:
    """Draw a point per text and target; several targets are drawn in deviations from their means."""
    targets, values = found.labels, found.answers_of(model)
    if several := len(found.label_names) > 1:
        mean, deviation = targets.mean(axis=0), targets.std(axis=0) + np.finfo(float).tiny
        targets, values = (targets - mean) / deviation, (values - mean) / deviation
    rows = np.linspace(0, len(targets) - 1, min(MOST_POINTS, len(targets))).round().astype(np.int64)
    figure = style.new_figure(height=3.6)
    axes = figure.subplots()
    for place, name in enumerate(found.label_names):
        places = targets[rows, place], values[rows, place]
        axes.plot(*places, ls="", label=name, ms=3, alpha=0.5, **style.look(place))
    ends = [float(targets[rows].min()), float(targets[rows].max())]
    axes.plot(ends, ends, color=style.GREY, lw=1.0)
    unit = " (deviations)" if several else ""
    axes.set(xlabel=f"target{unit}", ylabel=f"value{unit}")
    if several:
        figure.legend(loc="outside upper center", ncols=2)
    return style.as_svg(figure, "scatter")
