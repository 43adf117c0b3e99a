"""Reliability diagram of a run's heads: share of right answers against their probability."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from qllmft.report import style
from qllmft.tasks.calibration import Calibration


@style.figure_style(in_a_page=True)
def reliability_svg(calibrations: Mapping[str, Calibration]) -> Markup:
    """Draw a line per model, one point per bin with texts; calibrated probabilities lie on the diagonal."""
    figure = style.new_figure(height=3.4 + 0.2 * len(calibrations))
    axes = figure.subplots()
    axes.plot([0, 100], [0, 100], color=style.GREY, lw=1.0, label="calibrated")
    for place, (name, found) in enumerate(calibrations.items()):
        bins = [i for i, n in enumerate(found.texts) if n]
        shares = [100 * found.right[i] / found.texts[i] for i in bins]
        places = [100 * found.confidence[i] for i in bins]
        axes.plot(places, shares, label=name, clip_on=False, **style.look(place))
    least = min(i for found in calibrations.values() for i, n in enumerate(found.texts) if n)
    axes.set(
        xlabel="mean probability of the answers (%)",
        ylabel="right answers (%)",
        xlim=(10 * least, 100),
    )
    axes.set_ylim(0, 100)
    figure.legend(loc="outside upper center", ncols=1)
    return style.as_svg(figure, "reliability")
