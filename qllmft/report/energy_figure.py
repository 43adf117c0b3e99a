"""Figure 5: energy of one inference over the number of qubits."""

from __future__ import annotations

from typing import Any

from qllmft.energy.curve import EnergyCurve, crossing
from qllmft.report.style import BLUE, INK, ORANGE, PUBLISHED, figure_style, legend_above, new_figure


@figure_style()
def draw_energy(curve: EnergyCurve, published: int | None = None) -> Any:
    """Draw both energies on a logarithmic axis with their crossover, and the published one as a hollow marker."""
    figure = new_figure()
    axes = figure.subplots()
    qubits = [point.counts.n_qubits for point in curve.points]
    one = len(qubits) == 1  # needs a marker, as a line has two points
    style = {"lw": 1.8, "clip_on": False, "zorder": 3}
    gpu, qpu = [p.gpu for p in curve.points], [p.qpu for p in curve.points]
    axes.semilogy(
        qubits,
        gpu,
        color=ORANGE,
        ls="--",
        marker="s" if one else "",
        label=f"GPU, {curve.against.replace('-', ' ')}",
        **style,
    )
    axes.semilogy(
        qubits, qpu, color=BLUE, marker="o" if one else "", label="QPU, trapped ions", **style
    )
    _mark_crossover(axes, curve)
    if published is not None:
        bottom = axes.get_ylim()[0]
        axes.set_ylim(bottom=bottom)
        axes.plot(
            [published],
            [bottom],
            marker="D",
            label=f"paper: {published} qubits",
            clip_on=False,
            **PUBLISHED,
        )
    legend_above(figure, 3)
    axes.set_xlabel("qubits $Q$")
    of_what = "energy of one inference"
    axes.set_ylabel(f"{of_what} (kJ)" if curve.unit == "kJ" else f"{of_what} / {curve.unit}")
    if not one:
        axes.set_xlim(qubits[0], qubits[-1])
    return figure


def _mark_crossover(axes: Any, curve: EnergyCurve) -> None:
    met = crossing(curve.points)
    if met is None:
        return
    at, energy = met
    first, last = curve.points[0].counts.n_qubits, curve.points[-1].counts.n_qubits
    axes.plot([at], [energy], marker="o", ms=6, mfc="white", mec=INK, mew=1.3, zorder=5)
    axes.set_ylim(bottom=axes.get_ylim()[0])
    axes.vlines(at, axes.get_ylim()[0], energy, color=INK, lw=0.8, ls=":")
    left = at > (first + last) / 2
    axes.annotate(
        f"crossover: {curve.crossover_qubits} qubits",
        (at, energy),
        xytext=(-14 if left else 14, 26 if left else -30),
        textcoords="offset points",
        ha="right" if left else "left",
        fontsize=8.5,
        color=INK,
        arrowprops={"arrowstyle": "-", "color": INK, "lw": 0.7, "shrinkB": 4},
    )
