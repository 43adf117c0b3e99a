"""Errors of a model label by label, and the pairs of labels that it confuses most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qllmft.tasks.accuracy import LabelScores
from qllmft.tasks.multilabel import OneLabel

MAX_NAMED_COLUMNS = 12  # labels whose names fit above the columns of a matrix on a desk's screen


class LabelRow(NamedTuple):
    """One label of a model's errors."""

    name: str
    scores: LabelScores
    errors: int  # texts of the label with another answer
    confused_with: str  # most frequent wrong answer to the label's texts, empty without errors


class ConfusedPair(NamedTuple):
    """Texts of one label that got another one as answer."""

    label: str
    answer: str
    texts: int
    share: float  # of the label's texts, in [0, 1]


def label_order(confusion: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the labels of counts (k, k), true by predicted, with most errors first and equal ones as they were."""
    errors = confusion.sum(axis=1) - np.diag(confusion)
    return np.argsort(-errors, kind="stable")


def label_rows(
    confusion: NDArray[np.int64], names: Sequence[str], order: NDArray[np.int64]
) -> list[LabelRow]:
    """Return the labels of counts (k, k), true by predicted, in an order (k,)."""
    rows = []
    for label in order.tolist():
        right = int(confusion[label, label])
        texts = int(confusion[label].sum())
        wrong_answers = confusion[label].copy()
        wrong_answers[label] = 0
        errors = texts - right
        confused_with = names[int(wrong_answers.argmax())] if errors else ""
        scores = LabelScores(texts, int(confusion[:, label].sum()), right)
        rows.append(LabelRow(names[label], scores, errors, confused_with))
    return rows


def confused_pairs(confusion: NDArray[np.int64], names: Sequence[str]) -> list[ConfusedPair]:
    """Return all pairs of labels that counts (k, k), true by predicted, confuse, with the most texts first."""
    counts = confusion.copy()
    np.fill_diagonal(counts, 0)
    label_texts = confusion.sum(axis=1)
    places = np.argwhere(counts)
    order = np.argsort(-counts[counts > 0], kind="stable")
    return [
        ConfusedPair(
            names[label],
            names[answer],
            int(counts[label, answer]),
            float(counts[label, answer] / label_texts[label]),
        )
        for label, answer in places[order].tolist()
    ]


class Confusion(NamedTuple):
    """Errors of a model of one label per text, for a page."""

    rows: list[LabelRow]
    counts: list[list[int]]  # (k, k), true by predicted label, in the order of the rows
    pairs: list[ConfusedPair]
    many: bool  # labels are sorted by their errors, and their matrix is folded

    @classmethod
    def from_counts(cls, confusion: NDArray[np.int64], names: Sequence[str]) -> Confusion:
        """Return the errors of counts (k, k), true by predicted label; few labels stay as they are."""
        many = len(names) > MAX_NAMED_COLUMNS
        order = label_order(confusion) if many else np.arange(len(names))
        rows = label_rows(confusion, names, order)
        counts = confusion[np.ix_(order, order)].tolist()
        return cls(rows, counts, confused_pairs(confusion, names), many)


class LabelSetRow(NamedTuple):
    """One label of a model that gives a text several."""

    name: str
    scores: OneLabel
    errors: int  # missing and superfluous answers
    threshold: float | None


def label_set_rows(
    scores: Sequence[OneLabel], names: Sequence[str], thresholds: Sequence[float] | None
) -> list[LabelSetRow]:
    """Return the labels (L) of several labels per text, with most errors first and equal ones as they were."""
    rows = []
    for place, (name, label) in enumerate(zip(names, scores, strict=True)):
        threshold = None if thresholds is None else thresholds[place]
        errors = label.texts + label.answers - 2 * label.right
        rows.append(LabelSetRow(name, label, errors, threshold))
    return sorted(rows, key=lambda row: -row.errors)
