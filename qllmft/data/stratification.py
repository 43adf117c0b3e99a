"""Iterative stratification of texts with several labels (Sechidis, Tsoumakas and Vlahavas 2011)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray


def stratify(
    labels: NDArray[np.int64], shares: Sequence[float], random: np.random.Generator
) -> NDArray[np.int64]:
    """Return the part (N,) of each text, with about the same shares of each label's texts in all parts.

    The texts of the rarest label are dealt first, each to the part that lacks most of them. Every label has a text in
    the first part.

    Args:
        labels: 0 and 1 (N, L).
        shares: of each part, with the sum 1; the first is the largest, or as large as the others.
        random: draws the order of the texts, and between parts that lack equally many.
    """
    n_texts = len(labels)
    part = np.full(n_texts, -1)
    lacks = np.outer(shares, labels.sum(axis=0)).astype(np.float64)  # (parts, L)
    lacks_texts = np.array(shares, np.float64) * n_texts
    order = random.permutation(n_texts)
    remaining = labels.sum(axis=0)
    while remaining.any():
        label = int(np.where(remaining > 0, remaining, n_texts + 1).argmin())
        for row in order[(labels[order, label] == 1) & (part[order] < 0)].tolist():
            chosen = _most_lacking(lacks[:, label], lacks_texts, random)
            part[row] = chosen
            lacks[chosen] -= labels[row]
            lacks_texts[chosen] -= 1
            remaining = remaining - labels[row]
    for row in order[part[order] < 0].tolist():
        chosen = _most_lacking(lacks_texts, lacks_texts, random)
        part[row] = chosen
        lacks_texts[chosen] -= 1
    _complete_first_part(labels, part, order)
    return part


def stratify_folds(
    labels: NDArray[np.int64], count: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Return the fold (N,) of each text, by `stratify`; the texts of a label are in two folds or more if it has two.

    Args:
        labels: 0 and 1 (N, L).
        count: number of folds.
        random: see `stratify`.
    """
    fold = stratify(labels, [1.0 / count] * count, random)
    for label in np.flatnonzero(labels_in_one_fold(labels, fold, count)):
        for row, step in product(np.flatnonzero(labels[:, label]), range(1, count)):
            n_before = labels_in_one_fold(labels, fold, count).sum()
            other = fold.copy()
            other[row] = (fold[row] + step) % count
            if labels_in_one_fold(labels, other, count).sum() < n_before:
                fold = other
                break
    return fold


def labels_in_one_fold(
    labels: NDArray[np.int64], fold: NDArray[np.int64], count: int
) -> NDArray[np.bool_]:
    """Return whether all texts of each label (L,) are in one fold, so that none trains when it is the test."""
    has_label = np.array([labels[fold == i].any(axis=0) for i in range(count)])
    return np.asarray(has_label.sum(axis=0) == 1)


def _most_lacking(
    lacks: NDArray[np.float64], lacks_texts: NDArray[np.float64], random: np.random.Generator
) -> int:
    """Return the part that lacks most texts of a label; of several, the one that lacks most texts, or one by chance."""
    best = np.flatnonzero(lacks == lacks.max())
    best = best[lacks_texts[best] == lacks_texts[best].max()]
    return int(best[0] if len(best) == 1 else random.choice(best))


def _complete_first_part(
    labels: NDArray[np.int64], part: NDArray[np.int64], order: NDArray[np.int64]
) -> None:
    """Move a text of each label that the first part lacks into that part.

    Texts with rarer labels may have taken all texts of a label to other parts.
    """
    for label in np.flatnonzero(labels.any(axis=0) & ~labels[part == 0].any(axis=0)):
        if not labels[part == 0, label].any():
            part[order[labels[order, label] == 1][0]] = 0
