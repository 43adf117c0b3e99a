"""Points of maps, and their figures: test accuracy of heads along an axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from qllmft import load_preset
from qllmft.campaign import RowResult, StudyRecord
from qllmft.energy import linear_energy_j, quantum_energies_j
from qllmft.report import style

# between curves at one place, as a share of the axis; else 0.012
_SHIFTS = {"parameters": 0.004, "energy": 0.004}
_COLORS = {"subject": (*style.COLORS[:4], style.GREY), "baseline": (style.INK, *style.COLORS[4:])}
_MARKERS = {"subject": style.MARKERS, "baseline": "v<s>oD"}


@dataclass(frozen=True)
class MapPoint:
    """Row of a study of a map."""

    record: StudyRecord
    row: RowResult

    @property
    def linear_energy_j(self) -> float:
        """Return the joules of one inference if the head is one matrix."""
        return linear_energy_j(self.record.body.dimension, len(self.record.data.labels))

    @cached_property
    def energies_j(self) -> tuple[float, float]:
        """Return the joules of one inference on a GPU, and with circuits on a QPU. A classical head is one matrix."""
        if self.row.side == "baseline":
            return self.linear_energy_j, self.linear_energy_j
        preset = load_preset(self.row.preset, self.record.presets)
        model = preset.config({**self.row.settings, **self.record.settings}).model
        return quantum_energies_j(model, self.record.body.dimension, len(self.record.data.labels))


Value = Callable[[MapPoint], float]


@style.figure_style()
def draw_map(
    axis: str,
    points: Sequence[MapPoint],
    parts: Mapping[str, Value],
    page_points: Sequence[MapPoint],
) -> Any:
    """Draw mean ± 95 % interval over the seeds of each row with a series, hollow for classical heads.

    Args:
        axis: name of the map; parts of "energy" share their scale, and no line joins their points.
        points: points of the map, sorted along its axis.
        parts: one or two values, which are side by side, by the label of the horizontal axis.
        page_points: all points of the page, so that a series has the same style in every map.
    """
    from matplotlib.ticker import LogLocator

    figure = style.new_figure(style.WIDE_INCHES, 4.2)
    series_points = [point for point in points if point.row.series]
    names = sorted(
        {
            (point.row.side == "baseline", point.row.series, point.row.side)
            for point in series_points
        }
    )
    panels = figure.subplots(1, len(parts), sharex=axis == "energy", sharey=True, squeeze=False)[0]
    for axes, (label, value) in zip(panels, parts.items(), strict=True):
        ticks = sorted(set(map(value, series_points)))
        for i, (_, name, side) in enumerate(names):
            row_points = sorted(
                (point for point in series_points if point.row.series == name), key=value
            )
            shift = (ticks[-1] / ticks[0]) ** (
                _SHIFTS.get(axis, 0.012) * (i - (len(names) - 1) / 2)
            )
            style_number = sorted(
                {p.row.series for p in page_points if p.row.side == side and p.row.series}
            ).index(name)
            look: dict[str, Any] = {
                "color": _cycle(_COLORS[side], style_number),
                "marker": _cycle(_MARKERS[side], style_number),
                "lw": 1.1,
                "label": name,
            }
            look |= {"mfc": "white"} if side == "baseline" else {}
            look |= {"ls": "" if axis == "energy" else "-" if side == "subject" else ":"}
            places = [shift * value(point) for point in row_points]
            style.draw_means(
                axes, places, [point.row.test_interval for point in row_points], **look
            )
        axes.set(xscale="log", xlabel=label)
        axes.xaxis.set_minor_formatter("")
        if ticks[-1] < 100 * ticks[0]:
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter("{x:,g}")
        if axis in ("classes", "texts"):
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.set_xticks([], minor=True)
    panels[0].set_ylabel("test accuracy (%)")
    wide = style.keep_in_view(panels[0], "y", [point.row.test_interval for point in series_points])
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    record = series_points[0].record
    bars = style.bars_note([len(series_points[0].row.test)], wide)
    sources = ", ".join(dict.fromkeys(point.record.data.source for point in series_points))
    style.note_below(
        figure,
        f"{sources}; body {record.body} ({record.body.dimension}-d); {bars}. Filled: quantum; hollow: classical "
        "(LR: logistic regression), side by side if they are at one place",
    )
    return figure


def _cycle(looks: Sequence[str], number: int) -> str:
    return looks[number % len(looks)]
