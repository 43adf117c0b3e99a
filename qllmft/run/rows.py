"""Rows of a run's table: fitted models with the vectors of their texts."""

from __future__ import annotations

from typing import NamedTuple

from qllmft.baselines import (
    FittedHead,
)
from qllmft.run.cross_validation import (
    HeldOutResults,
)
from qllmft.run.vectors import Vectors
from qllmft.tasks.accuracy import balanced_accuracy


class Row(NamedTuple):
    """Fitted model of the run's table, with the vectors of its texts."""

    fitted: FittedHead
    vectors: Vectors
    fold_results: HeldOutResults | None = None  # results of the folds; None without folds

    @property
    def validation_balanced(self) -> float:
        """Return the balanced accuracy on the validation texts, of one label per text."""
        texts = self.vectors.train if self.fold_results else self.vectors.validation
        return balanced_accuracy(texts.y.numpy(), self.fitted.validation_answers)
