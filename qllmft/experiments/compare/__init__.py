"""Studies: rows of heads and several seeds of each, compared on the same splits; their table and their page."""

from qllmft.experiments.compare.catalogue import STUDIES, quick
from qllmft.experiments.compare.comparison import Comparison, compare
from qllmft.experiments.compare.plan import Job, Published, Row, Study, jobs
from qllmft.experiments.compare.record import RowResult, StudyRecord, read_record
from qllmft.experiments.compare.verdict import verdict
from qllmft.experiments.compare.work import StudyReporter, run_study

__all__ = [
    "STUDIES",
    "Comparison",
    "Job",
    "Published",
    "Row",
    "RowResult",
    "Study",
    "StudyRecord",
    "StudyReporter",
    "compare",
    "jobs",
    "quick",
    "read_record",
    "run_study",
    "verdict",
]
