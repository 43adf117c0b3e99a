"""Studies: rows of heads and several seeds of each, compared on the same splits; their table and their page."""

from qllmft.experiments.compare.comparison import Comparison, compare
from qllmft.experiments.compare.gather import run_study
from qllmft.experiments.compare.plan import Study, load_study, study_names, study_runs
from qllmft.experiments.compare.record import PaperResult, RowResult, StudyRecord, read_record
from qllmft.experiments.compare.verdict import verdict

__all__ = [
    "Comparison",
    "PaperResult",
    "RowResult",
    "Study",
    "StudyRecord",
    "compare",
    "load_study",
    "read_record",
    "run_study",
    "study_names",
    "study_runs",
    "verdict",
]
