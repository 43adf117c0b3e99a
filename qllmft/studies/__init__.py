"""Studies: rows of heads and several seeds of each, compared on the same splits; their table and their page."""

from qllmft.studies.catalogue import STUDIES, quick
from qllmft.studies.comparison import Comparison, compare
from qllmft.studies.page import write_study_report
from qllmft.studies.plan import Job, Published, Row, Study, jobs
from qllmft.studies.record import RowResult, StudyRecord, read_record
from qllmft.studies.statistics import MeanInterval, PairedDifference, holm
from qllmft.studies.verdict import verdict
from qllmft.studies.work import StudyReporter, run_study
from qllmft.studies.write import finish_study

__all__ = [
    "STUDIES",
    "Comparison",
    "Job",
    "MeanInterval",
    "PairedDifference",
    "Published",
    "Row",
    "RowResult",
    "Study",
    "StudyRecord",
    "StudyReporter",
    "compare",
    "finish_study",
    "holm",
    "jobs",
    "quick",
    "read_record",
    "run_study",
    "verdict",
    "write_study_report",
]
