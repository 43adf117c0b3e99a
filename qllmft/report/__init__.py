"""Self-contained pages on runs and studies."""

from qllmft.report.run_page import render_report, write_report
from qllmft.report.study_page import finish_from_predictions, finish_study, write_study_report, write_study_table
from qllmft.run.verdict import verdict

__all__ = [
    "finish_from_predictions",
    "finish_study",
    "render_report",
    "verdict",
    "write_report",
    "write_study_report",
    "write_study_table",
]
