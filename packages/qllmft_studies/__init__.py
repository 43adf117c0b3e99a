"""Campaigns of many runs: plans, execution, results over seeds, and comparisons."""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft_studies.comparison import Trend as Trend
    from qllmft_studies.comparison import better_than_every as better_than_every
    from qllmft_studies.comparison import compare as compare
    from qllmft_studies.comparison import compare_pairs as compare_pairs
    from qllmft_studies.comparison import trends as trends
    from qllmft_studies.file import Study as Study
    from qllmft_studies.file import load_study as load_study
    from qllmft_studies.record import RowResult as RowResult
    from qllmft_studies.record import StudyRecord as StudyRecord
    from qllmft_studies.record import read_study as read_study
    from qllmft_studies.runs import FinishedRun as FinishedRun
    from qllmft_studies.runs import SeededResult as SeededResult
    from qllmft_studies.runs import best as best
    from qllmft_studies.runs import collect as collect
    from qllmft_studies.study import run_study as run_study

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
