"""Campaigns of many runs: plans, execution, results over seeds, and comparisons."""

from typing import TYPE_CHECKING

from qllmft_backends.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft.campaign.comparison import Comparison as Comparison
    from qllmft.campaign.comparison import Trend as Trend
    from qllmft.campaign.comparison import better_than_every as better_than_every
    from qllmft.campaign.comparison import compare as compare
    from qllmft.campaign.comparison import compare_pairs as compare_pairs
    from qllmft.campaign.comparison import trends as trends
    from qllmft.campaign.file import Study as Study
    from qllmft.campaign.file import load_study as load_study
    from qllmft.campaign.record import RowResult as RowResult
    from qllmft.campaign.record import StudyRecord as StudyRecord
    from qllmft.campaign.record import read_study as read_study
    from qllmft.campaign.runs import Curve as Curve
    from qllmft.campaign.runs import FinishedRun as FinishedRun
    from qllmft.campaign.runs import SeededResult as SeededResult
    from qllmft.campaign.runs import best as best
    from qllmft.campaign.runs import collect as collect
    from qllmft.studies import run_study as run_study
    from qllmft.tasks.statistics import ALPHA as ALPHA

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
