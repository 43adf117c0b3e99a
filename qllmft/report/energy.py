"""Figure of the energies of one inference."""

from __future__ import annotations

from typing import Any

from qllmft.energy.curve import EnergyCurve, crossing
from qllmft.report import style


@style.figure_style()
def draw_energy(curve: EnergyCurve, published: int | None = None) -> Any:
    """Draw both energies on a logarithmic axis with their crossover, and the published one as a hollow marker."""
    figure = style.new_figure()
    axes = figure.subplots()
    qubits = [point.counts.n_qubits for point in curve.points]
    single_width = len(qubits) == 1  # needs a marker, as a line has two points
    energies = {
        f"GPU, {curve.against.replace('-', ' ')}": ("gpu", style.ORANGE, "--", "s"),
        "QPU, trapped ions": ("qpu", style.BLUE, "-", "o"),
    }
    for label, (name, color, dashes, marker) in energies.items():
        values = [getattr(point, name) for point in curve.points]
        look = {"color": color, "ls": dashes, "marker": marker if single_width else "", "lw": 1.8}
        axes.semilogy(qubits, values, label=label, clip_on=False, zorder=3, **look)
    if (crossover := crossing(curve.points)) is not None:
        crossover_at, energy = crossover
        axes.plot(
            [crossover_at],
            [energy],
            marker="o",
            ms=6,
            mfc="white",
            mec=style.INK,
            mew=1.3,
            zorder=5,
        )
        axes.set_ylim(bottom=axes.get_ylim()[0])
        axes.vlines(crossover_at, axes.get_ylim()[0], energy, color=style.INK, lw=0.8, ls=":")
        label_left = crossover_at > (qubits[0] + qubits[-1]) / 2
        axes.annotate(
            f"crossover: {curve.crossover_qubits} qubits",
            crossover,
            xytext=(-14 if label_left else 14, 26 if label_left else -30),
            textcoords="offset points",
            ha="right" if label_left else "left",
            fontsize=8.5,
            color=style.INK,
            arrowprops={"arrowstyle": "-", "color": style.INK, "lw": 0.7, "shrinkB": 4},
        )
    if published is not None:
        bottom = axes.get_ylim()[0]
        axes.set_ylim(bottom=bottom)
        paper = {"marker": "D", "clip_on": False, **style.PUBLISHED}
        axes.plot([published], [bottom], label=f"paper: {published} qubits", **paper)
    style.legend_above(figure, 3)
    axes.set_xlabel("qubits $Q$")
    energy_label = "energy of one inference"
    axes.set_ylabel(
        f"{energy_label} (kJ)" if curve.unit == "kJ" else f"{energy_label} / {curve.unit}"
    )
    if not single_width:
        axes.set_xlim(qubits[0], qubits[-1])
    return figure
