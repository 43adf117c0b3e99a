"""Estimators for scikit-learn, of `qllmft_doors`."""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft_doors.sklearn import QuantumHeadClassifier as QuantumHeadClassifier
    from qllmft_doors.sklearn import QuantumHeadRegressor as QuantumHeadRegressor
    from qllmft_doors.sklearn import QuantumTextClassifier as QuantumTextClassifier
    from qllmft_doors.sklearn import QuantumTextRegressor as QuantumTextRegressor
    from qllmft_doors.sklearn import TextEmbedder as TextEmbedder

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
