"""Figure of a study's lines over qubits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markupsafe import Markup

from qllmft.campaign.record import StudyRecord
from qllmft.campaign.trend import Trend
from qllmft.report import style


@style.figure_style(in_a_page=True)
def trends_svg(record: StudyRecord, trends: list[Trend]) -> Markup:
    """Draw the lines for a page."""
    return style.as_svg(draw_trends(record, trends), "trends")


def draw_trends(record: StudyRecord, trends: list[Trend]) -> Any:
    """Draw mean ± 95 % interval over the seeds of every row on a line, by its number of qubits."""
    figure = style.new_figure(style.WIDE_INCHES, 3.8)
    axes = figure.subplots()
    shown, measure = [], record.measure
    names = list(dict.fromkeys(line.series for line in trends))
    for place, name in enumerate(names):
        rows = sorted(
            (row for row in record.rows if row.series == name),
            key=lambda row: row.qubits or 0,
        )
        places = [(row.qubits or 0) + 0.12 * (place - (len(names) - 1) / 2) for row in rows]
        look = style.look(place) | {"label": name}
        means = [row.test_interval for row in rows]
        style.draw_means(axes, places, means, measure.factor, lw=1.1, ls="-", **look)
        shown += means
    axes.set(
        xlabel="qubits",
        ylabel=measure.axis("test"),
        xticks=sorted({q for line in trends for q in line.qubits}),
    )
    wide = style.keep_in_view(axes, "y", shown, factor=measure.factor)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    bars = style.bars_note([len(record.seeds)], wide)
    style.note_below(
        figure,
        f"{record.data.source}; body {record.body} ({record.body.dimension}-d); {record.epochs} epochs; {bars}",
    )
    return figure


def write_trends(folder: Path, record: StudyRecord, trends: list[Trend]) -> None:
    """Draw the lines into ``figures/`` of a folder, in the file to which the study's table links, if there are any."""
    if trends:
        (folder / "figures").mkdir(exist_ok=True)
        with style.figure_style():
            style.save_figure(
                draw_trends(record, trends), folder / "figures" / f"{record.study}.svg"
            )
