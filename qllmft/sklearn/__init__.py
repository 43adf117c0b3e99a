"""scikit-learn classifiers of vectors and of texts, for pipelines, grid searches and cross-validation."""

from qllmft.sklearn.head import QuantumHeadClassifier
from qllmft.sklearn.text import QuantumTextClassifier

__all__ = ["QuantumHeadClassifier", "QuantumTextClassifier"]
