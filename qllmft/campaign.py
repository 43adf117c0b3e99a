"""Studies over many runs, of `qllmft_studies`."""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft.tasks.comparison import Comparison as Comparison
    from qllmft_studies import FinishedRun as FinishedRun
    from qllmft_studies import RowResult as RowResult
    from qllmft_studies import SeededResult as SeededResult
    from qllmft_studies import Study as Study
    from qllmft_studies import StudyRecord as StudyRecord
    from qllmft_studies import Trend as Trend
    from qllmft_studies import best as best
    from qllmft_studies import better_than_every as better_than_every
    from qllmft_studies import collect as collect
    from qllmft_studies import compare as compare
    from qllmft_studies import compare_pairs as compare_pairs
    from qllmft_studies import load_study as load_study
    from qllmft_studies import read_study as read_study
    from qllmft_studies import run_study as run_study
    from qllmft_studies import trends as trends

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
