"""Baselines: classical heads as peers of the quantum one, so that a comparison is a loop."""

from qllmft.baselines.classical import GridBaseline
from qllmft.baselines.head import Baseline, FittedHead, accuracy_of, fit_and_score, probabilities_of, score_of, scored
from qllmft.baselines.registry import BASELINES, check_baselines, make_baselines
from qllmft.baselines.trained import TrainedHead

__all__ = [
    "BASELINES",
    "Baseline",
    "FittedHead",
    "GridBaseline",
    "TrainedHead",
    "accuracy_of",
    "check_baselines",
    "fit_and_score",
    "make_baselines",
    "probabilities_of",
    "score_of",
    "scored",
]
