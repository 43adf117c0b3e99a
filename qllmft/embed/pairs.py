"""Vectors of pairs of texts, from the embeddings of both, as sentence-transformers' classifiers have them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qllmft.config.data import PairFeatures


def pair_vectors(
    u: NDArray[np.float32], v: NDArray[np.float32], features: PairFeatures
) -> NDArray[np.float32]:
    """Return features of pairs with the embeddings u and v (N, D).

    They are the difference |u - v| (N, D), the product u·v by entry (N, D), both one after the other (N, 2·D), or all:
    both, the length of u - v, and the cosine of u and v (N, 2·D + 2). The last two are sums of the others that would
    take a linear model D weights each.

    >>> pair_vectors(np.float32([[1, 2]]), np.float32([[3, 1]]), "both").tolist()
    [[2.0, 1.0, 3.0, 2.0]]
    """
    difference: NDArray[np.float32] = np.abs(u - v)
    product: NDArray[np.float32] = u * v
    if features == "difference":
        return difference
    if features == "product":
        return product
    if features == "both":
        return np.concatenate([difference, product], axis=1)
    lengths = np.linalg.norm([u, v], axis=2).prod(axis=0)
    cosine = product.sum(axis=1) / np.where(lengths > 0, lengths, 1.0)
    sums = np.stack([np.linalg.norm(difference, axis=1), cosine], axis=1)
    return np.concatenate([difference, product, sums], axis=1).astype(np.float32)


def pair_size(dimension: int, features: PairFeatures | None) -> int:
    """Return the length of `pair_vectors` of embeddings of D values, which is D of single texts."""
    sizes = {"both": 2 * dimension, "all": 2 * dimension + 2}
    return sizes.get(features or "", dimension)
