"""The paper's numbers as data, and ours beside them from the records of runs."""

from qllmft.paper.measured import Candidate, Circumstances, Experiment, Measured, Summary, measure
from qllmft.paper.published import Paper, Published, published
from qllmft.paper.records import Curve, Record, Row, read_records, write_summary

__all__ = [
    "Candidate",
    "Circumstances",
    "Curve",
    "Experiment",
    "Measured",
    "Paper",
    "Published",
    "Record",
    "Row",
    "Summary",
    "measure",
    "published",
    "read_records",
    "write_summary",
]
