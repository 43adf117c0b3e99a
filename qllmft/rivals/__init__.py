"""Rivals: classical heads as peers of the quantum one, so that a comparison is a loop."""

from qllmft.rivals.classical import GridRival
from qllmft.rivals.head import FittedHead, Rival, accuracy_of, fit_and_score, scored
from qllmft.rivals.registry import RIVALS, check_rivals, make_rivals
from qllmft.rivals.trained import TrainedHead

__all__ = [
    "RIVALS",
    "FittedHead",
    "GridRival",
    "Rival",
    "TrainedHead",
    "accuracy_of",
    "check_rivals",
    "fit_and_score",
    "make_rivals",
    "scored",
]
