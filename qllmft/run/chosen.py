"""Record of the choice of a run's structure."""

from __future__ import annotations

from dataclasses import dataclass

MARGIN = 0.01  # difference of accuracies that counts as none: half a standard error on 500 texts


@dataclass(frozen=True)
class Tried:
    """Result of one candidate on texts that it was not trained on."""

    name: str  # of its preset
    # number of correct labels; sum of the weights of their texts if those have weights
    right: int | float
    total: int  # number of texts
    loss: float  # mean cross-entropy in nats
    parameters: int  # number of trained parameters

    def __str__(self) -> str:
        return f"{self.name} {100 * self.right / self.total:.1f} %"


@dataclass(frozen=True)
class Choice:
    """Candidates of a run and the one that was taken: the smallest of those with about the highest accuracy."""

    tried: tuple[Tried, ...]  # in the order of the configuration
    folds: int  # number of folds; 1: trained on the training texts, judged on the validation texts

    @property
    def taken(self) -> Tried:
        """Return the candidate that the run trains.

        It has the fewest parameters of those whose accuracy is at most `MARGIN` below the highest, then the lowest
        loss.
        """
        limit = max(each.right for each in self.tried) - MARGIN * self.tried[0].total
        return min(
            (each for each in self.tried if each.right >= limit),
            key=lambda each: (each.parameters, each.loss),
        )

    def __str__(self) -> str:
        """Return one sentence with the rule and the results."""
        where = f"{self.folds}-fold cross-validation" if self.folds > 1 else "validation"
        results = ", ".join(map(str, self.tried))
        return (
            f"structure {self.taken.name}: the smallest of {len(self.tried)} with the highest accuracy, to a point, in "
            f"{where} on {self.taken.total:,} texts: {results}"
        )
