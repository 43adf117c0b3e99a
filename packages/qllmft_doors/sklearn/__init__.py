"""Classifiers and regressors of vectors and of texts for scikit-learn, and a transformer of texts."""

from qllmft_doors.sklearn.head import QuantumHeadClassifier, QuantumHeadRegressor
from qllmft_doors.sklearn.text import QuantumTextClassifier, QuantumTextRegressor, TextEmbedder

__all__ = [
    "QuantumHeadClassifier",
    "QuantumHeadRegressor",
    "QuantumTextClassifier",
    "QuantumTextRegressor",
    "TextEmbedder",
]
