"""Studies: rows of heads and several seeds of each, compared on the same splits; their table and their page."""

from qllmft.experiments.compare.gather import run_study
from qllmft.experiments.compare.plan import Study, load_study, study_names
from qllmft.experiments.compare.record import StudyRecord
from qllmft.experiments.compare.verdict import verdict

__all__ = ["Study", "StudyRecord", "load_study", "run_study", "study_names", "verdict"]
