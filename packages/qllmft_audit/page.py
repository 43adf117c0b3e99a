"""Page and figures of an analysis, ``analysis.html`` in the run's folder, and its record ``analysis.json``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from qllmft.inference.card import ANALYSIS
from qllmft.report import style
from qllmft.report.pages import identity_rows, render_template
from qllmft_audit.analysis import Analysis
from qllmft_audit.certificate import MAX_BOND
from qllmft_audit.entanglement import BondResult
from qllmft_audit.forms import FormsResult
from qllmft_audit.gradients import GradientVariance
from qllmft_audit.kernels import RIDGE, GeometricDifference
from qllmft_base.files import write_json, write_text

PAGE = "analysis.html"
# largest value of an axis over the largest eigenvalue, whose line is below the frame
SPACE_ABOVE = 1.08


def write_analysis(run: Path, analysis: Analysis, figures: Path | None = None) -> Path:
    """Write page and record into the run's folder and figures as SVG files into ``figures``, and return the page.

    The page is HTML that needs no network.
    """
    write_json(run / ANALYSIS, analysis.as_dict())
    with style.figure_style(in_a_page=True):
        named_figures = analysis_figures(analysis).items()
        figure_svgs = {name: style.as_svg(figure, name) for name, figure in named_figures}
    page = render_template(
        "qllmft_audit",
        "analysis.html.j2",
        verdict=analysis.certificate.sentence,
        found=analysis,
        figures=figure_svgs,
        ridge=RIDGE,
        most_bond=MAX_BOND,
        made_with=[
            *identity_rows(analysis.run.data, analysis.run.body),
            *analysis.run.versions.items(),
        ],
    )
    write_text(run / PAGE, page)
    if figures is not None:
        figures.mkdir(parents=True, exist_ok=True)
        with style.figure_style():
            for name, figure in analysis_figures(analysis).items():
                style.save_figure(figure, figures / f"analysis-{name}.svg")
    return run / PAGE


def analysis_figures(analysis: Analysis) -> dict[str, Any]:
    """Return the figures of an analysis by name. Call it within a `figure_style`."""
    figures = {}
    if analysis.forms is not None:
        figures["forms"] = draw_spectra(analysis.forms)
    if analysis.bond is not None:
        figures["bond"] = draw_bond(analysis.bond)
    if analysis.geometry:
        figures["geometry"] = draw_geometry(analysis.geometry)
    figures["gradients"] = draw_gradients(analysis.gradients, analysis.decay)
    return figures


def draw_spectra(forms: FormsResult) -> Any:
    """Draw |λ| of each form, descending, with a mark at its effective rank."""
    figure = style.new_figure()
    axes = figure.subplots()
    for q, (spectrum, rank) in enumerate(zip(forms.spectra, forms.effective_ranks, strict=True)):
        sizes = sorted(map(abs, spectrum), reverse=True)
        color = style.COLORS[q % len(style.COLORS)]
        axes.plot(range(1, len(sizes) + 1), sizes, color=color, lw=1.0, alpha=0.8)
        height = sizes[min(len(sizes), round(rank)) - 1]
        label = None if q else "effective rank"
        axes.plot(rank, height, "o", color=color, label=label)
    largest = max(abs(value) for spectrum in forms.spectra for value in spectrum)
    limits = 0, SPACE_ABOVE * largest
    axes.set(xlabel="eigenvalue, by size", ylabel="|λ| of the form of ⟨Z⟩", ylim=limits)
    figure.legend(loc="outside upper center")
    return figure


def draw_bond(bond: BondResult) -> Any:
    """Draw the Schmidt ranks by cut: measured, without 1e-4 of the weight, and their two bounds."""
    figure = style.new_figure()
    axes = figure.subplots()
    cuts = range(1, len(bond.ranks) + 1)
    lines: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
        "bound by the gates": (bond.bounds, {"color": style.INK, "ls": ":"}),
        # below the measured
        "limit of the cut": (bond.limits, {"color": style.GREY, "lw": 7.0, "alpha": 0.4}),
        "measured": (bond.ranks, style.SERIES[0]),
        "without 1e-4 of the weight": (bond.truncated, {**style.SERIES[1], "markersize": 3.0}),
    }
    for label, (values, look) in lines.items():
        axes.plot(cuts, [math.log2(value) for value in values], label=label, **look)
    axes.set(xlabel="qubits before the cut", ylabel="log₂ of the Schmidt rank", ylim=(0, None))
    axes.set_xticks(list(cuts))
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def draw_geometry(geometry: dict[str, GeometricDifference]) -> Any:
    """Draw the geometric differences over the ridge λ, and √N of the texts that the kernels are compared on."""
    from matplotlib.ticker import LogLocator, NullFormatter

    figure = style.new_figure()
    axes = figure.subplots()
    for (name, difference), look in zip(geometry.items(), style.SERIES, strict=False):
        axes.plot(difference.ridges, difference.general, label=f"to the {name} kernel", **look)
    texts = next(iter(geometry.values())).texts
    axes.axhline(math.sqrt(texts), color=style.INK, ls=":", lw=1.0, label=f"√N of {texts} texts")
    axes.axvline(RIDGE, color=style.GREY, lw=0.8, label=f"λ = {RIDGE:g} of the text")
    axes.set(xscale="log", yscale="log", xlabel="ridge λ", ylabel="geometric difference g")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def draw_gradients(gradients: tuple[GradientVariance, ...], decay: float) -> Any:
    """Draw the variance of gradients over the number of qubits, with the rate of its fall."""
    figure = style.new_figure()
    axes = figure.subplots()
    widths = [gradient.n_qubits for gradient in gradients]
    variances = [gradient.variance for gradient in gradients]
    middle = sum(map(math.log2, variances)) / len(widths) - decay * sum(widths) / len(widths)
    axes.plot(widths, variances, label="over random weights", **style.SERIES[0])
    line = [2 ** (middle + decay * width) for width in widths]
    axes.plot(widths, line, color=style.GREY, ls="--", label=f"fit, 2^({decay:.2f} Q)")
    axes.set_yscale("log", base=2)
    axes.set(xlabel="qubits Q", ylabel="variance of ∂⟨Z⟩/∂θ")
    axes.set_xticks(widths)
    axes.legend()
    return figure
