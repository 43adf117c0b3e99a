"""Rivals: classical heads as peers of the quantum one, so that a comparison is a loop."""

from qllmft.rivals.classical import GridRival, logistic_regression, support_vectors
from qllmft.rivals.contender import Contender
from qllmft.rivals.trained import TrainedHead, perceptron_rival

__all__ = ["Contender", "GridRival", "TrainedHead", "logistic_regression", "perceptron_rival", "support_vectors"]
