"""Score of a model on the texts of one split, by the task, and its form in tables and sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from qllmft.tasks.bootstrap import BootstrapDifference
from qllmft.tasks.multilabel import LabelSetScores, label_set_values, macro_f1
from qllmft.tasks.regression import TargetScores, r2, target_values
from qllmft.tasks.statistics import Accuracy, MeanInterval, TextDifference

# several scores, with intervals of a bootstrap over the texts
BootstrapScore = TargetScores | LabelSetScores
Score = Accuracy | BootstrapScore
ScoreName = Literal["accuracy", "R²", "macro-F1"]
LOWEST = -1e9  # R² of values far from their targets; lower ones would overflow in a mean


def short(score: Score) -> str:
    """Return a score without its interval.

    >>> short(Accuracy(right=7, total=10))
    '70.0 %'
    """
    return f"{100 * score.value:.1f} %" if isinstance(score, Accuracy) else f"{score.value:.3f}"


@dataclass(frozen=True)
class Measure:
    """Score by which the models of a task are compared, the higher the better, and its form in tables and sentences.

    Functions take true labels or targets, and answers of a model on the same texts.
    """

    task: Literal["classification", "regression", "multilabel"]  # ``data.task``
    name: ScoreName
    plural: str
    # the score and the ones beside it, by name
    values: Callable[[NDArray[Any], NDArray[Any]], Mapping[str, float]]
    # difference of two models on the same texts, with its interval over the texts
    paired: Callable[
        [NDArray[Any], NDArray[Any], NDArray[Any]], TextDifference | BootstrapDifference
    ]
    lowest: float = 0.0  # possible value
    margin: float = 0.01  # within which two models count as equal, as shown
    factor: float = 1.0  # of the numbers in tables
    digits: int = 3  # of a mean
    coarse: int = 3  # of a difference

    @property
    def in_percent(self) -> bool:
        """Return whether tables have percent, and differences are points."""
        return self.factor == 100

    @property
    def unit(self) -> str:
        """Return ``points``, or ``in R²``, behind a difference in sentences."""
        return "points" if self.in_percent else f"in {self.name}"

    @property
    def scale(self) -> str:
        """Return ``points``, or ``R²``, behind a difference in headings."""
        return "points" if self.in_percent else self.name

    def column(self, split: str) -> str:
        """Return the heading of a column: ``test, %``, or ``test R²``."""
        return f"{split}, %" if self.in_percent else f"{split} {self.name}"

    def in_column(self, split: str) -> str:
        """Return the heading of a column of `percent`: ``test``, or ``test R²``."""
        return split if self.in_percent else f"{split} {self.name}"

    def axis(self, split: str) -> str:
        """Return the label of an axis: ``test accuracy (%)``, or ``test R²``."""
        return f"{split} {self.name}{' (%)' * self.in_percent}"

    def mean(self, interval: MeanInterval, digits: int | None = None) -> str:
        """Return ``76.40 ± 0.85``, or ``76.40`` for one seed."""
        mean = self._number(interval.mean, digits)
        if interval.half_width is None:
            return mean
        return f"{mean} ± {self._number(interval.half_width, digits)}"

    def coarse_mean(self, interval: MeanInterval) -> str:
        """Return a mean with the digits of a difference."""
        return self.mean(interval, self.coarse)

    def stated(self, value: float, digits: int | None = None) -> str:
        """Return ``76.40 %``, or ``R² 0.764``."""
        number = self._number(value, digits)
        return f"{number} %" if self.in_percent else f"{self.name} {number}"

    def percent(self, value: float, digits: int | None = None) -> str:
        """Return ``76.40 %``, or ``0.764`` in a column of its own."""
        return self._number(value, digits) + " %" * self.in_percent

    def size(self, difference: float) -> str:
        """Return a difference without its sign: ``1.2``, or ``0.012``."""
        return self._number(abs(difference), self.coarse)

    def signed(self, difference: float, digits: int | None = None) -> str:
        """Return a difference with its sign: ``+1.2``, ``−1.2``."""
        text = self._number(difference, digits or self.coarse)
        return f"+{text}" if difference > 0 and float(text) else text

    def per_qubit(self, slope: float) -> str:
        """Return a slope with the digits of a mean: ``+0.71``."""
        return self.signed(slope, self.digits)

    def brackets(self, ends: tuple[float, float] | None) -> str:
        """Return the interval of a difference: ``[+2.5, +5.3]``, or "" if there is none."""
        return "" if ends is None else f"[{self.signed(ends[0])}, {self.signed(ends[1])}]"

    def ends(self, interval: tuple[float, float]) -> str:
        """Return the limits of an interval of scores: ``76.1, 78.0``."""
        return ", ".join(self._number(end, self.coarse) for end in interval)

    def within(self, margin: float) -> str:
        """Return a margin with its unit: ``0.5 points``, or ``0.01 in R²``."""
        return f"{margin:g} {self.unit}"

    def _number(self, value: float, digits: int | None = None) -> str:
        digits = self.digits if digits is None else digits
        text = f"{self.factor * value:.{digits}f}"
        return text.replace("-", "−") if float(text) else f"{0:.{digits}f}"


def _accuracy(labels: NDArray[Any], answers: NDArray[Any]) -> dict[str, float]:
    return {"accuracy": Accuracy.of(labels, answers).value}


def _macro_f1(labels: NDArray[Any], leads: NDArray[Any]) -> float:
    return macro_f1(labels, leads >= 0)


ACCURACY = Measure(
    "classification",
    "accuracy",
    "accuracies",
    _accuracy,
    TextDifference.of,
    margin=0.5,
    factor=100,
    digits=2,
    coarse=1,
)
R2 = Measure("regression", "R²", "R²", target_values, BootstrapDifference.maker(r2), lowest=LOWEST)
MACRO_F1 = Measure(
    "multilabel", "macro-F1", "macro-F1", label_set_values, BootstrapDifference.maker(_macro_f1)
)
MEASURES: Mapping[str, Measure] = {each.task: each for each in (ACCURACY, R2, MACRO_F1)}
MEASURE_NAMED: Mapping[ScoreName, Measure] = {each.name: each for each in MEASURES.values()}
