"""scikit-learn classifiers of vectors and of texts, and a transformer of texts, for pipelines and searches."""

from qllmft.sklearn.embeddings import TextEmbedder
from qllmft.sklearn.head import QuantumHeadClassifier
from qllmft.sklearn.text import QuantumTextClassifier

__all__ = ["QuantumHeadClassifier", "QuantumTextClassifier", "TextEmbedder"]
