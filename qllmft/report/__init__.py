"""Self-contained pages on runs and studies."""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft.config.presets import train_command as train_command
    from qllmft.report.energy import draw_energy as draw_energy
    from qllmft.report.pages import render_report as render_report
    from qllmft.report.pages import render_template as render_template
    from qllmft.report.pages import write_report as write_report
    from qllmft.run.verdict import verdict as verdict
    from qllmft.tasks.comparison import RESULTS as RESULTS

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
