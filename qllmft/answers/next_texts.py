"""Which texts to label next: those that a model is least sure of, and among them those that are unlike the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SHORTLIST = 3  # times as many texts of the least margins, among which distances decide
Floats = NDArray[np.floating]


def margins(probabilities: Floats) -> Floats:
    """Return the lead (N,) of the highest probability over the second, from all (N, k)."""
    ordered = np.sort(probabilities, axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])


def select_next(
    lead: Floats, vectors: Floats, known: Floats | None, count: int
) -> tuple[NDArray[np.int64], Floats]:
    """Return the places of texts to label next in their order, and their distances when they were taken.

    The texts with the least leads are a shortlist, three times as many as are taken. Of these the next one is always
    the one that is furthest from the known texts and those that were taken before, by the cosine of the embeddings
    (greedy farthest-first). Without known texts the first one is that of the least lead. Of equals the first is taken.

    Args:
        lead: of the most probable label (N,), see `margins`.
        vectors: embeddings (N, D).
        known: embeddings (M, D) of texts with labels; None: not known.
        count: number of texts.
    """
    shortlist = np.argsort(lead, kind="stable")[: SHORTLIST * count]
    directions = _directions(vectors[shortlist])
    if known is None:
        distance = np.full(len(shortlist), np.inf)
    else:
        distance = 1.0 - (directions @ _directions(known).T).max(axis=1)
    places = []
    distances = []
    for _ in range(min(count, len(shortlist))):
        best = int(np.argmax(distance))
        places.append(best)
        distances.append(float(distance[best]))
        distance = np.minimum(distance, 1.0 - directions @ directions[best])
        distance[places] = -np.inf
    return shortlist[places], np.array(distances)


def _directions(x: Floats) -> Floats:
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(lengths == 0, 1, lengths), np.float64)
