"""Figure 5: energy of one inference over the number of qubits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qllmft.energy.curve import EnergyCurve, crossing
from qllmft.errors import UserError

FORMATS = (".svg", ".pdf", ".png")
QPU_COLOR, GPU_COLOR, INK = "#0b5fa5", "#c2410c", "#1f2937"  # distinct in grey and to colour-blind readers


def draw_energy(curve: EnergyCurve) -> Any:
    """Both curves on a logarithmic axis, the crossover marked.

    Returns:
        A matplotlib figure, one journal column wide.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 3.3), layout="constrained")
    axes = figure.subplots()
    qubits = [point.counts.n_qubits for point in curve.points]
    one = len(qubits) == 1  # a line needs two points
    style = {"lw": 1.8, "clip_on": False, "zorder": 3}
    gpu, qpu = [p.gpu for p in curve.points], [p.qpu for p in curve.points]
    axes.semilogy(qubits, gpu, color=GPU_COLOR, ls="--", marker="s" if one else "", label="GPU, state vector", **style)
    axes.semilogy(qubits, qpu, color=QPU_COLOR, marker="o" if one else "", label="QPU, trapped ions", **style)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=8.5)
    _mark_crossover(axes, curve)
    axes.set_xlabel("qubits $Q$", fontsize=9)
    of_what = "energy of one inference"
    axes.set_ylabel(f"{of_what} (kJ)" if curve.unit == "kJ" else f"{of_what} / {curve.unit}", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(True, which="major", color="#d1d5db", lw=0.5)
    axes.spines[["top", "right"]].set_visible(False)
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


def save_energy_figure(curve: EnergyCurve, file: Path) -> None:
    """Write the figure; the file's ending chooses the format.

    Raises:
        UserError: where the ending is unknown or the file cannot be written.
    """
    import matplotlib as mpl

    if file.suffix.lower() not in FORMATS:
        raise UserError(f"the figure is {file.name!r}; expected a name that ends in {', '.join(FORMATS)}.")
    try:
        with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "qllmft"}):
            draw_energy(curve).savefig(file, dpi=300)
    except OSError as error:
        raise UserError(f"the figure {file} cannot be written: {error.strerror}.") from error
