"""Scores of labels that are ordered whole numbers, such as stars: how far an answer is off, not only whether."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from qllmft_base.errors import UserError

MAX_RANGE = (
    1_000  # of the labels, whose square is the size of the table that kappa is computed from
)


@dataclass(frozen=True)
class OrderedScores:
    """Scores of answers for ordered labels.

    >>> OrderedScores.from_answers(np.array([1, 3, 5, 4]), np.array([1, 3, 4, 4]))
    OrderedScores(mean_absolute_error=0.25, quadratic_kappa=0.93...)
    """

    mean_absolute_error: float  # in units of the labels
    # Cohen's kappa with the squares of the distances as weights, at most 1; 0 is chance. None: all labels and answers
    # are the same
    quadratic_kappa: float | None

    @classmethod
    def from_answers(cls, labels: NDArray[np.int64], answers: NDArray[np.int64]) -> OrderedScores:
        """Return the scores of answers (N,) for true labels (N,), both as their numbers."""
        from sklearn.metrics import cohen_kappa_score, mean_absolute_error

        error = float(mean_absolute_error(labels, answers))
        values = np.concatenate([labels, answers])
        if values.min() == values.max():
            return cls(error, None)
        # with a place for each number, so that the distance of 1 and 5 is 4 also if no text has 3
        numbers = np.arange(values.min(), values.max() + 1)
        kappa = cohen_kappa_score(labels, answers, labels=numbers, weights="quadratic")
        return cls(error, float(kappa))

    @property
    def in_words(self) -> str:
        """Return ``mean absolute error 0.42, quadratic kappa 0.81``."""
        error = f"mean absolute error {self.mean_absolute_error:.2f}"
        if self.quadratic_kappa is None:
            return error
        return f"{error}, quadratic kappa {self.quadratic_kappa:.2f}".replace("-", "−")

    def as_dict(self) -> dict[str, float]:
        """Return the scores as JSON values."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def ordered_values(names: Sequence[str], source: str) -> NDArray[np.int64]:
    """Return the numbers (k,) of ordered labels, or raise UserError if one is no whole number."""
    values = []
    for name in names:
        try:
            values.append(int(name))
        except ValueError:
            raise UserError(
                f"{source}: --ordered needs whole numbers as labels, and {name[:40]!r} is none. Write the labels as "
                "numbers in their order, or omit --ordered."
            ) from None
    if max(values) - min(values) > MAX_RANGE:
        raise UserError(
            f"{source}: --ordered needs labels within a range of {MAX_RANGE:,}, and they are {min(values)} to "
            f"{max(values)}. Use --task regression for such numbers."
        )
    return np.array(values, np.int64)
