"""Vectors of pairs of texts, from the embeddings of both, as sentence-transformers' classifiers have them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qllmft.config.data import PairFeatures


def pair_vectors(
    u: NDArray[np.float32], v: NDArray[np.float32], features: PairFeatures
) -> NDArray[np.float32]:
    """Return |u - v|, u·v by entry, or both one after the other, of embeddings (N, D): (N, D) or (N, 2·D).

    >>> pair_vectors(np.float32([[1, 2]]), np.float32([[3, 1]]), "both").tolist()
    [[2.0, 1.0, 3.0, 2.0]]
    """
    parts = {"difference": [np.abs(u - v)], "product": [u * v], "both": [np.abs(u - v), u * v]}
    return np.ascontiguousarray(np.concatenate(parts[features], axis=1))
