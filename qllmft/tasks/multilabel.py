"""Scores of several labels per text, each with its uncertainty over the texts, and thresholds of labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from qllmft.tasks.bootstrap import INTERVAL, BootstrapScores, resampled_rows

MOST_NUMBERS = 4_000_000  # counts of bootstrap samples in memory at once

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class LabelScores:
    """Scores of one label, each None if it is a share of no texts."""

    texts: int  # number of texts with the label
    answers: int  # number of texts with the label as answer
    right: int  # number of texts with both

    @property
    def precision(self) -> float | None:
        """Return the share of right answers among the answers, in [0, 1]."""
        return self.right / self.answers if self.answers else None

    @property
    def recall(self) -> float | None:
        """Return the share of right answers among the texts, in [0, 1]."""
        return self.right / self.texts if self.texts else None

    @property
    def f1(self) -> float | None:
        """Return the harmonic mean of precision and recall, in [0, 1]."""
        return 2 * self.right / (self.texts + self.answers) if self.texts + self.answers else None

    def as_dict(self) -> dict[str, float | None]:
        """Return the scores for JSON."""
        return {
            "texts": self.texts,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
        }


@dataclass(frozen=True)
class OneLabel(LabelScores):
    """Scores of one label of several per text."""

    # area under precision by recall, as scikit-learn defines it; None without texts
    average_precision: float | None


@dataclass(frozen=True)
class LabelSetScores(BootstrapScores):
    """Scores of the labels that a model gives texts, each with its 95 % interval.

    Intervals are those of 1,000 bootstrap samples of the texts. They cover only the sampling of the test set.
    """

    NAME: ClassVar = "macro-F1"
    NAMES: ClassVar = {
        "macro_f1": ("macro-F1", "macro-F1"),
        "micro_f1": ("micro", "micro-F1"),
        "average_precision": ("AP", "average precision"),
        "subset_accuracy": ("exact", "subset accuracy"),
        "hamming_loss": ("Hamming", "Hamming loss"),
    }

    total: int  # N, number of texts
    macro_f1: float  # mean F1 of the labels with texts or answers, in [0, 1]
    macro_f1_interval: tuple[float, float]
    micro_f1: float  # F1 of all decisions on a label of a text together, in [0, 1]
    micro_f1_interval: tuple[float, float]
    # mean over the labels with texts, in [0, 1]; it does not depend on thresholds
    average_precision: float
    average_precision_interval: tuple[float, float]
    subset_accuracy: float  # share of texts with exactly their labels, in [0, 1]
    subset_accuracy_interval: tuple[float, float]
    hamming_loss: float  # share of wrong decisions on a label of a text, in [0, 1]
    hamming_loss_interval: tuple[float, float]
    by_label: tuple[OneLabel, ...]  # L

    @classmethod
    def of(cls, labels: Integers, leads: Floats) -> LabelSetScores:
        """Return the scores for true labels (N, L), 0 or 1, of leads (N, L): scores of labels over their thresholds.

        A text gets the labels whose lead is not negative.
        """
        n = len(labels)
        answers = leads >= 0
        each = _scores(np.ones((1, n), np.int32), labels, leads)[0]
        size = max(1, MOST_NUMBERS // n)
        samples = [np.bincount(rows, minlength=n).astype(np.int32) for rows in resampled_rows(n)]
        drawn = np.concatenate(
            [
                _scores(np.stack(samples[at : at + size]), labels, leads)
                for at in range(0, len(samples), size)
            ]
        )
        low, high = np.quantile(drawn, INTERVAL, axis=0)
        parts = [(float(each[i]), (float(low[i]), float(high[i]))) for i in range(len(each))]
        counts = labels.sum(axis=0), answers.sum(axis=0), (answers * labels).sum(axis=0)
        one = np.ones((1, n), np.int32)
        precisions = [
            _average_precision(one, labels[:, i], leads[:, i])[0] for i in range(labels.shape[1])
        ]
        by_label = tuple(
            OneLabel(int(texts), int(given), int(right), float(found) if texts else None)
            for texts, given, right, found in zip(*counts, precisions, strict=True)
        )
        return cls(n, *parts[0], *parts[1], *parts[2], *parts[3], *parts[4], by_label)

    def as_dict(self) -> dict[str, object]:
        """Return the scores as JSON values."""
        return super().as_dict() | {"by_label": [asdict(each) for each in self.by_label]}


def label_set_values(labels: Integers, leads: Floats) -> dict[str, float]:
    """Return the scores of leads (N, L) for true labels (N, L) by name, without intervals."""
    each = _scores(np.ones((1, len(labels)), np.int32), labels, leads)[0]
    return LabelSetScores.by_name(each)


def macro_f1(labels: Integers, answers: NDArray[np.bool_], weights: Floats | None = None) -> float:
    """Return the mean F1 of the labels with texts or answers, of texts (N,) with weights or without."""
    share = np.ones(len(labels)) if weights is None else weights
    return float(
        _f1(share @ (answers * labels), share @ labels, share @ answers.astype(np.float64)).item()
    )


def best_thresholds(scores: Floats, labels: Integers, usual: float) -> Floats:
    """Return the thresholds (L,) of scores (N, L) with the highest F1 of each label on texts with labels (N, L).

    They lie halfway between two neighbouring scores. The usual one is kept if none is better, and among equals the
    nearest to it is taken.
    """
    found = np.full(scores.shape[1], usual)
    for i in range(scores.shape[1]):
        own = np.unique(scores[:, i])
        tried = np.concatenate([[usual], (own[1:] + own[:-1]) / 2])
        answers = scores[:, i][None] >= tried[:, None]
        right, given, texts = answers @ labels[:, i], answers.sum(axis=1), labels[:, i].sum()
        f1 = np.where(given + texts > 0, 2 * right / np.maximum(given + texts, 1), 0.0)
        best = np.flatnonzero(f1 == f1.max())
        found[i] = tried[best[np.abs(tried[best] - usual).argmin()]]
    return found


def _f1(right: Floats, texts: Floats, answers: Floats) -> Floats:
    """Return the mean (...) over L labels with texts or answers of F1 by counts (..., L); 0 without such labels."""
    both = texts + answers
    found = np.where(both > 0, 2 * right / np.where(both > 0, both, 1), 0.0).sum(axis=-1)
    return np.asarray(found / np.maximum((both > 0).sum(axis=-1), 1))


def _scores(counts: NDArray[np.int32], labels: Integers, leads: Floats) -> Floats:
    """Return the five scores (S, 5) of S samples, each with the number of times (S, N) that it holds a text."""
    answers = (leads >= 0).astype(np.float64)
    n_labels, weights = labels.shape[1], counts.astype(np.float64)
    right, texts, given = (
        weights @ part for part in (answers * labels, labels.astype(np.float64), answers)
    )
    wrong = answers != labels
    size = weights.sum(axis=1)
    exact, hamming = (
        weights @ ~wrong.any(axis=1) / size,
        weights @ wrong.sum(axis=1) / (size * n_labels),
    )
    micro = _f1(*(part.sum(axis=1, keepdims=True) for part in (right, texts, given)))
    precision = np.stack(
        [_average_precision(counts, labels[:, i], leads[:, i]) for i in range(n_labels)], axis=1
    )
    present = texts > 0
    mean = np.where(present, precision, 0.0).sum(axis=1) / np.maximum(present.sum(axis=1), 1)
    return np.stack([_f1(right, texts, given), micro, mean, exact, hamming], axis=1)


def _average_precision(counts: NDArray[np.int32], labels: Integers, leads: Floats) -> Floats:
    """Return the average precision (S,) of one label: Σ over its texts of the precision at their lead, over their sum.

    It is 0 for a sample without a text of the label.
    """
    order = np.argsort(-leads, kind="stable")
    ordered = leads[order]
    last = np.searchsorted(-ordered, -ordered, side="right") - 1  # last row of equal leads
    own = np.flatnonzero(labels[order])
    taken = counts[:, order]
    above = np.cumsum(taken, axis=1)[:, last[own]]  # texts with at least that lead
    hits = np.concatenate(
        [np.zeros((len(counts), 1), np.int64), np.cumsum(taken[:, own], axis=1)], axis=1
    )
    right = hits[:, np.searchsorted(own, last[own], side="right")]
    total = hits[:, -1]
    found = (taken[:, own] * right / np.maximum(above, 1)).sum(axis=1)
    return np.asarray(found / np.maximum(total, 1))
