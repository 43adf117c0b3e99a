"""Texts that scikit-learn passes, and their embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.config import BodyConfig
from qllmft.data.blank import is_blank
from qllmft.embed import check_vectors, embed
from qllmft.errors import UserError


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
