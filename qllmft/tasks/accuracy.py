"""Accuracy of one label per text, the difference of two on the same texts, and scores label by label.

Scores class by class show what an accuracy hides if the classes are uneven.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qllmft.tasks.comparison import PairedDifference
from qllmft.tasks.measure import ACCURACY, Score
from qllmft.tasks.statistics import CONFIDENCE_LEVEL, Z95, normal_p
from qllmft_base.text import format_count

Counts = ArrayLike
Floats = NDArray[np.float64]
UNEVEN_SHARE = 0.6  # share of the largest class above which accuracy alone says little
FEW_LABEL_TEXTS = (
    15  # texts of a label below which the interval of its share of right answers is wide and uneven
)


def majority_share(labels: NDArray[np.int64]) -> float:
    """Return the share of the most frequent of labels (N,), in [0, 1].

    Above `UNEVEN_SHARE` of the training texts, the models of a run are compared by balanced accuracy.
    """
    return float(np.bincount(labels).max() / len(labels))


def is_uneven(labels: NDArray[np.int64]) -> bool:
    """Return whether more than 60 % of the labels (N,) are the same one. Balanced accuracies are then compared."""
    return majority_share(labels) > UNEVEN_SHARE


def balanced_accuracy(labels: NDArray[np.int64], answers: NDArray[np.int64]) -> float:
    """Return the mean share of right answers (N,) over the labels that texts (N,) have, in [0, 1].

    >>> balanced_accuracy(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]))
    0.8333...
    """
    k = 1 + max(int(labels.max()), int(answers.max()))
    return ClassScores.from_confusion(confusion_matrix(labels, answers, k)).balanced


@dataclass(frozen=True)
class Accuracy(Score):
    """Number of right answers out of N, with Wilson's 95 % interval (Wilson 1927).

    >>> Accuracy(right=90, total=100).interval
    (0.8256..., 0.9447...)
    >>> str(Accuracy(right=90, total=100))
    '90.00 % [82.6, 94.5]'
    """

    measure: ClassVar = ACCURACY

    right: int
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.right <= self.total or not self.total:
            counts = f"{self.right} right of {self.total}"
            raise ValueError(f"{counts}, expected 0 ≤ right ≤ total, total at least 1.")

    @classmethod
    def from_answers(cls, labels: NDArray[np.int64], answers: NDArray[np.int64]) -> Accuracy:
        """Return the accuracy of answers (N,) for true labels (N,)."""
        return cls(int((answers == labels).sum()), len(labels))

    @property
    def value(self) -> float:
        """Return the share of right answers, in [0, 1]."""
        return self.right / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Return the limits of the 95 % interval, in [0, 1]. It covers only the sampling of the test set."""
        from scipy import stats

        interval = stats.binomtest(self.right, self.total).proportion_ci(
            CONFIDENCE_LEVEL, method="wilson"
        )
        return float(interval.low), float(interval.high)

    @property
    def exactly(self) -> str:
        """Return ``170 of 200 right answers``."""
        return f"{self.right} of {self.total} right answers"

    def as_dict(self) -> dict[str, object]:
        """Return the accuracy as JSON values."""
        return {**vars(self), "value": self.value, "interval95": list(self.interval)}


@dataclass(frozen=True)
class DiscordantTexts:
    """Texts that only one of two models got right.

    >>> DiscordantTexts(only_first=12, only_second=4, total=100).interval
    (-0.00..., 0.15...)
    """

    only_first: int  # number of texts that only the first model got right
    only_second: int  # number of texts that only the second model got right
    total: int  # number of all texts

    @classmethod
    def from_answers(
        cls, labels: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]
    ) -> DiscordantTexts:
        """Return the counts of two models' answers (N,) for true labels (N,)."""
        first_right = first == labels
        second_right = second == labels
        return cls(
            int((first_right & ~second_right).sum()),
            int((second_right & ~first_right).sum()),
            len(labels),
        )

    @property
    def difference(self) -> PairedDifference:
        """Return the difference of the accuracies of these two trained models, with McNemar's p."""
        return PairedDifference(self.value, self.interval, self.p)

    @property
    def value(self) -> float:
        """Return the accuracy of the first model minus that of the second, in [-1, 1]."""
        return (self.only_first - self.only_second) / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Return the limits of the 95 % interval for paired shares by Bonett and Price (2012).

        One more text of either kind keeps it from vanishing if the models differ on no text.
        """
        n = self.total + 2
        first = (self.only_first + 1) / n
        second = (self.only_second + 1) / n
        error = Z95 * math.sqrt((first + second - (first - second) ** 2) / n)
        return first - second - error, first - second + error

    @property
    def p(self) -> float:
        """Return the p of McNemar's exact test, two-sided binomial at 1/2; 1 if no text differs (McNemar 1947).

        It is about these two trained models alone, on other such texts.

        >>> DiscordantTexts(only_first=10, only_second=2, total=12).p
        0.0385...
        """
        from scipy import stats

        n = self.only_first + self.only_second
        return float(stats.binomtest(self.only_first, n).pvalue) if n else 1.0

    def as_dict(self) -> dict[str, object]:
        """Return the counts and the difference as JSON values."""
        return {**vars(self), **self.difference.as_dict()}


def balanced_difference(
    labels: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]
) -> PairedDifference:
    """Return the difference of the balanced accuracies of two models' answers (N,) for true labels (N,).

    The interval is from those of each label, and p is two-sided, by the normal distribution with its deviation.
    """
    return average_differences(
        [
            DiscordantTexts.from_answers(labels[rows], first[rows], second[rows])
            for rows in (labels == label for label in np.unique(labels))
        ]
    )


def average_differences(by_label: Sequence[DiscordantTexts]) -> PairedDifference:
    """Return the mean over labels of the differences of accuracies."""
    value = math.fsum(counts.value for counts in by_label) / len(by_label)
    interval = mean_interval([(counts.value, *counts.interval) for counts in by_label])
    return PairedDifference(value, interval, normal_p(value, interval))


def mean_interval(parts: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """Return the limits of the mean of independent values from each one's own limits (Zou and Donner 2008).

    Args:
        parts: value, lower and upper limit of each.
    """
    n = len(parts)
    mean = math.fsum(value for value, _, _ in parts) / len(parts)
    below = math.sqrt(math.fsum((value - low) ** 2 for value, low, _ in parts)) / n
    above = math.sqrt(math.fsum((value - high) ** 2 for value, _, high in parts)) / n
    return mean - below, mean + above


def confusion_matrix(
    labels: NDArray[np.int64], answers: NDArray[np.int64], k: int
) -> NDArray[np.int64]:
    """Return counts (k, k) of true label by predicted label, from true labels (N,) and answers (N,)."""
    return np.bincount(labels * k + answers, minlength=k * k).reshape(k, k)


def f1(right: Counts, texts: Counts, answers: Counts) -> Floats:
    """Return F1 (...) of labels with counts (...): the harmonic mean of precision and recall, scikit-learn's.

    Args:
        right: numbers of texts with the label whose answer has it.
        texts: numbers of texts with the label.
        answers: numbers of answers with the label. Without both it is 0.
    """
    texts_and_answers = np.add(texts, answers)
    return np.where(
        texts_and_answers > 0,
        2 * np.asarray(right) / np.where(texts_and_answers > 0, texts_and_answers, 1),
        0.0,
    )


def mean_f1(right: Counts, texts: Counts, answers: Counts) -> Floats:
    """Return the mean (...) of `f1` by counts (..., L) over the labels with texts or answers, 0 without such labels."""
    used = (np.add(texts, answers) > 0).sum(axis=-1)
    return np.asarray(f1(right, texts, answers).sum(axis=-1) / np.maximum(used, 1))


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
        texts_and_answers = self.texts + self.answers
        return float(f1(self.right, self.texts, self.answers)) if texts_and_answers else None

    def as_dict(self) -> dict[str, float | None]:
        """Return the scores for JSON."""
        return {name: getattr(self, name) for name in ("texts", "precision", "recall", "f1")}


@dataclass(frozen=True)
class ClassScores:
    """Result of a model class by class, which its accuracy hides if the classes are uneven."""

    texts: tuple[int, ...]  # number of texts by true label (k,)
    answers: tuple[int, ...]  # number of texts by predicted label (k,)
    right: tuple[int, ...]  # number of right answers by label (k,)

    def __post_init__(self) -> None:
        """Raise ValueError for counts that no texts have."""
        counts = list(zip(self.texts, self.answers, self.right, strict=True))
        fits = all(0 <= right <= min(texts, answers) for texts, answers, right in counts)
        if not sum(self.texts) or not fits:
            raise ValueError(
                f"got {counts} texts, answers and right answers by label, expected 0 ≤ right ≤ both"
            )

    @classmethod
    def from_confusion(cls, confusion: NDArray[np.int64]) -> ClassScores:
        """Return the scores of counts (k, k), see `confusion_matrix`.

        >>> ClassScores.from_confusion(np.array([[0, 2], [0, 8]])).balanced
        0.5
        """
        counts = (confusion.sum(axis=1), confusion.sum(axis=0), np.diag(confusion))
        return cls(*(tuple(map(int, class_counts)) for class_counts in counts))

    @property
    def majority(self) -> float:
        """Return the most frequent class's share of the texts, in [0, 1], which is the accuracy of its name alone."""
        return max(self.texts) / sum(self.texts)

    @property
    def uneven(self) -> bool:
        """Return whether more than 60 % of the texts have one label."""
        return self.majority > UNEVEN_SHARE

    @property
    def bound(self) -> str:
        """Return the sentence on an interval that a label of fewer than 15 texts makes a bound, or ""."""
        if (rarest := min(self.texts)) >= FEW_LABEL_TEXTS:
            return ""
        return (
            "The interval of the balanced accuracy is only a bound: a label has "
            f"{format_count(rarest, 'text')}, fewer than {FEW_LABEL_TEXTS}."
        )

    @property
    def is_constant(self) -> bool:
        """Return whether every text got the same answer."""
        return sum(map(bool, self.answers)) == 1

    @property
    def _recalls(self) -> list[Accuracy]:
        pairs = zip(self.right, self.texts, strict=True)
        return [Accuracy(right, total) for right, total in pairs if total]

    @property
    def balanced(self) -> float:
        """Return the balanced accuracy in [0, 1]: mean share of right answers over the classes with texts."""
        return math.fsum(recall.value for recall in self._recalls) / len(self._recalls)

    @property
    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the balanced accuracy, from Wilson's of each class."""
        return mean_interval([(recall.value, *recall.interval) for recall in self._recalls])

    @property
    def macro_f1(self) -> float:
        """Return the mean F1 over the classes with texts or answers, in [0, 1]."""
        return float(mean_f1(self.right, self.texts, self.answers))

    def __str__(self) -> str:
        """Return the balanced accuracy with its interval."""
        return ACCURACY.with_interval(self.balanced, self.interval)

    def as_dict(self) -> dict[str, object]:
        """Return the counts as JSON values, with the scores for people who read the file."""
        return {
            "balanced": self.balanced,
            "balanced_interval95": list(self.interval),
            "macro_f1": self.macro_f1,
            "majority": self.majority,
            **{name: list(counts) for name, counts in vars(self).items()},
        }
