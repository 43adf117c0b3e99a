"""Page of an analysis, ``analysis.html`` in the run's folder, and its record ``analysis.json``."""

from __future__ import annotations

from pathlib import Path

from qllmft.analysis.analysis import Analysis
from qllmft.analysis.certificate import MOST_BOND
from qllmft.analysis.figures import analysis_figures
from qllmft.analysis.kernels import RIDGE
from qllmft.files import write_bytes, write_json
from qllmft.inference.card import ANALYSIS
from qllmft.report import style
from qllmft.report.render import identified, render_template

PAGE = "analysis.html"


def write_analysis(run: Path, found: Analysis, figures: Path | None = None) -> Path:
    """Write page and record into the run's folder and figures as SVG files into ``figures``, and return the page."""
    write_json(run / ANALYSIS, found.as_dict())
    write_bytes(run / PAGE, render_analysis(found).encode("utf-8", "replace"))
    if figures is not None:
        figures.mkdir(parents=True, exist_ok=True)
        with style.figure_style():
            for name, figure in analysis_figures(found).items():
                style.save_figure(figure, figures / f"analysis-{name}.svg")
    return run / PAGE


def render_analysis(found: Analysis) -> str:
    """Return the page as HTML that needs no network."""
    with style.figure_style(in_a_page=True):
        drawn = {
            name: style.as_svg(figure, name) for name, figure in analysis_figures(found).items()
        }
    return render_template(
        "qllmft.report",
        "analysis.html.j2",
        verdict=found.certificate.sentence,
        found=found,
        figures=drawn,
        ridge=RIDGE,
        most_bond=MOST_BOND,
        made_with=[*identified(found.run.data, found.run.body), *found.run.versions.items()],
    )
