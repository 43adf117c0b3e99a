"""Scores of a model class by class, which its accuracy hides if the classes are uneven."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qllmft.tasks.statistics import Accuracy

UNEVEN = 0.6  # share of the largest class above which accuracy alone says little


def confusion_of(
    labels: NDArray[np.int64], answers: NDArray[np.int64], k: int
) -> NDArray[np.int64]:
    """Return counts (k, k) of true label by predicted label, from true labels (N,) and answers (N,)."""
    return np.bincount(labels * k + answers, minlength=k * k).reshape(k, k)


@dataclass(frozen=True)
class ClassScores:
    """Result of a model class by class, which its accuracy hides if the classes are uneven."""

    texts: tuple[int, ...]  # number of texts by true label (k,)
    answers: tuple[int, ...]  # number of texts by predicted label (k,)
    right: tuple[int, ...]  # number of right answers by label (k,)

    def __post_init__(self) -> None:
        """Raise ValueError for counts that no texts have."""
        counts = list(zip(self.texts, self.answers, self.right, strict=True))
        if not sum(self.texts) or not all(
            0 <= right <= min(texts, answers) for texts, answers, right in counts
        ):
            raise ValueError(
                f"got {counts} texts, answers and right answers by label; expected 0 ≤ right ≤ both"
            )

    @classmethod
    def of(cls, confusion: NDArray[np.int64]) -> ClassScores:
        """Return the scores of counts (k, k), see `confusion_of`.

        >>> ClassScores.of(np.array([[0, 2], [0, 8]])).balanced
        0.5
        """
        counts = (confusion.sum(axis=1), confusion.sum(axis=0), np.diag(confusion))
        return cls(*(tuple(map(int, of_class)) for of_class in counts))

    @property
    def majority(self) -> float:
        """Return the most frequent class's share of the texts, in [0, 1], which is the accuracy of its name alone."""
        return max(self.texts) / sum(self.texts)

    @property
    def uneven(self) -> bool:
        """Return whether more than 60 % of the texts have one label. Balanced accuracies are then compared."""
        return self.majority > UNEVEN

    @property
    def constant(self) -> bool:
        """Return whether every text got the same answer."""
        return sum(map(bool, self.answers)) == 1

    @property
    def _recalls(self) -> list[Accuracy]:
        return [
            Accuracy(right, total)
            for right, total in zip(self.right, self.texts, strict=True)
            if total
        ]

    @property
    def balanced(self) -> float:
        """Return the balanced accuracy in [0, 1]: mean share of right answers over the classes with texts."""
        return math.fsum(recall.value for recall in self._recalls) / len(self._recalls)

    @property
    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the balanced accuracy, from Wilson's of each class (Zou and Donner 2008)."""
        ends = [(recall.value, *recall.interval) for recall in self._recalls]
        below = math.sqrt(math.fsum((value - low) ** 2 for value, low, _ in ends)) / len(ends)
        above = math.sqrt(math.fsum((high - value) ** 2 for value, _, high in ends)) / len(ends)
        return self.balanced - below, self.balanced + above

    @property
    def macro_f1(self) -> float:
        """Return the mean F1 over the classes with texts or answers, in [0, 1]."""
        parts = zip(self.right, self.texts, self.answers, strict=True)
        scores = [
            2 * right / (texts + answers) for right, texts, answers in parts if texts + answers
        ]
        return math.fsum(scores) / len(scores)

    def as_dict(self) -> dict[str, object]:
        """Return the counts as JSON values, with the scores for people who read the file."""
        scores = {
            "balanced": self.balanced,
            "balanced_interval95": list(self.interval),
            "macro_f1": self.macro_f1,
        }
        return {
            **scores,
            "majority": self.majority,
            **{name: list(n) for name, n in vars(self).items()},
        }
