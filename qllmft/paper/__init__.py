"""The paper's numbers as data, and ours beside them from the records of runs."""

from qllmft.experiments.records import Curve, FinishedRun, read_finished_runs, write_finished_runs
from qllmft.paper.measured import Candidate, Circumstances, Experiment, Measured, measure
from qllmft.published import Paper, Published, published

__all__ = [
    "Candidate",
    "Circumstances",
    "Curve",
    "Experiment",
    "FinishedRun",
    "Measured",
    "Paper",
    "Published",
    "measure",
    "published",
    "read_finished_runs",
    "write_finished_runs",
]
