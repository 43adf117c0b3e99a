"""A run on one page: `report.html`, self-contained, for people."""

from qllmft.report.page import render_report, write_report
from qllmft.report.verdict import verdict

__all__ = ["render_report", "verdict", "write_report"]
