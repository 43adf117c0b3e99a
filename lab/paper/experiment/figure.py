"""Figure of the experiment: accuracy over qubits of the two families of heads, as printed and as read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab.paper.experiment.readings import Body, Choice, Row
from qllmft.report import style

FAMILIES = {"single": "one encoder", "multi": "two encoders of 14 qubits"}
QUBITS = (10, 12, 14, 16, 18)
CURVES: dict[tuple[Body, Choice], str] = {
    ("frozen", "validation"): "frozen body, validation chooses",
    ("frozen", "seed"): "frozen body, test texts choose",
    ("tuned", "validation"): "tuned body, validation chooses",
    ("tuned", "seed"): "tuned body, test texts choose",
}


@style.figure_style()
def draw_qubits(rows: Mapping[Body, Sequence[Row]]) -> Any:
    """Draw the accuracy in percent over the qubits of the head, hollow where the paper prints it."""
    figure = style.new_figure(style.WIDE_INCHES, style.HEIGHT_INCHES)
    panels = figure.subplots(1, len(FAMILIES), sharey=True)
    for axes, (family, words) in zip(panels, FAMILIES.items(), strict=True):
        for (curve, label), look in zip(CURVES.items(), style.SERIES, strict=True):
            body, choice = curve
            points = [
                (qubits, value)
                for qubits, row in _family(rows[body], family)
                if (value := row.value(choice)) is not None
            ]
            if points:
                axes.plot(*zip(*points, strict=True), label=label, **look)
        printed = [(qubits, row.published.value) for qubits, row in _family(rows["frozen"], family)]
        axes.plot(*zip(*printed, strict=True), marker="D", label="published", **style.PUBLISHED)
        axes.set_xticks(QUBITS)
        axes.set_xlabel(f"qubits, {words}")
    panels[0].set_ylabel("test accuracy, %")
    drawn = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(drawn.values(), drawn.keys(), loc="outside upper center", ncols=3)
    return figure


def _family(rows: Sequence[Row], family: str) -> list[tuple[int, Row]]:
    """Return the rows of presets such as single-10q with their qubits, in ascending order."""
    found = []
    for row in rows:
        name, _, size = str(row.published.preset).partition("-")
        if name == family and size.removesuffix("q").isdecimal():
            found.append((int(size.removesuffix("q")), row))
    return sorted(found, key=lambda pair: pair[0])
