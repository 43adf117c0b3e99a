"""Rivals: classical heads as peers of the quantum one, so that a comparison is a loop."""

from qllmft.rivals.classical import GridRival, logistic_regression, support_vectors
from qllmft.rivals.head import Head, Rival
from qllmft.rivals.registry import RIVALS, check_rivals, make_rivals
from qllmft.rivals.scoring import FittedHead, accuracy_of, fit_and_score, scored
from qllmft.rivals.trained import TrainedHead, perceptron_rival

__all__ = [
    "RIVALS",
    "FittedHead",
    "GridRival",
    "Head",
    "Rival",
    "TrainedHead",
    "accuracy_of",
    "check_rivals",
    "fit_and_score",
    "logistic_regression",
    "make_rivals",
    "perceptron_rival",
    "scored",
    "support_vectors",
]
