"""Pages, tables and figures of studies."""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft_studies.report.pages import finish_from_predictions as finish_from_predictions
    from qllmft_studies.report.pages import finish_study as finish_study
    from qllmft_studies.report.pages import write_study_figures as write_study_figures
    from qllmft_studies.report.pages import write_study_report as write_study_report
    from qllmft_studies.report.pages import write_study_table as write_study_table
    from qllmft_studies.report.sweep import write_sweep_report as write_sweep_report
    from qllmft_studies.report.sweep import write_sweep_table as write_sweep_table
    from qllmft_studies.report.table import parameters as parameters

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
