"""Score of a model on the texts of one split, and its form in tables and sentences."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from qllmft.tasks.statistics import INTERVAL_QUANTILES, MeanInterval

ScoreName = Literal["accuracy", "R²", "macro-F1"]
LOWEST_R2 = -1e9  # R² of values far from their targets; lower ones would overflow in a mean


def percent(share: float, digits: int = 1) -> str:
    """Return 0.825 as ``82.5``."""
    return f"{100 * share:.{digits}f}"


def with_minus(number: float, form: str) -> str:
    """Return a number in a format, with the sign of all negative numbers in tables: ``−0.25``."""
    return f"{number:{form}}".replace("-", "−")


@dataclass(frozen=True)
class Measure:
    """Score by which the models of a task are compared, the higher the better, in tables and sentences."""

    name: ScoreName
    plural: str
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
    def largest_difference(self) -> float:
        """Return the largest possible difference of two scores."""
        return 1.0 - self.lowest

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
        return f"{split} {self.name} (%)" if self.in_percent else f"{split} {self.name}"

    def mean(self, interval: MeanInterval, digits: int | None = None) -> str:
        """Return ``76.40 ± 0.85``, or ``76.40`` for one seed."""
        values = (interval.mean, interval.half_width)
        return " ± ".join(self._number(number, digits) for number in values if number is not None)

    def with_unit(self, value: float, digits: int | None = None) -> str:
        """Return ``76.40 %``, or ``R² 0.764``."""
        number = self._number(value, digits)
        return f"{number} %" if self.in_percent else f"{self.name} {number}"

    def percent(self, value: float, digits: int | None = None) -> str:
        """Return ``76.40 %``, or ``0.764`` in a column of its own."""
        return self._number(value, digits) + (" %" if self.in_percent else "")

    def size(self, difference: float) -> str:
        """Return a difference without its sign: ``1.2``, or ``0.012``."""
        return self._number(abs(difference), self.coarse)

    def effect(self, detectable: float) -> str:
        """Return a minimum detectable effect, ``5.4``, or ``> 100.0`` if no two scores differ as much.

        >>> ACCURACY.effect(0.054), ACCURACY.effect(1.09)
        ('5.4', '> 100.0')
        """
        largest = self.largest_difference
        return self.size(detectable) if detectable <= largest else f"> {self.size(largest)}"

    def with_sign(self, difference: float, digits: int | None = None) -> str:
        """Return a difference with its sign: ``+1.2``, ``−1.2``."""
        text = self._number(difference, digits or self.coarse)
        return f"+{text}" if difference > 0 and float(text) else text

    def per_qubit(self, slope: float) -> str:
        """Return a slope with the digits of a mean: ``+0.71``."""
        return self.with_sign(slope, self.digits)

    def brackets(self, ends: tuple[float, float] | None, digits: int | None = None) -> str:
        """Return the interval of a difference: ``[+2.5, +5.3]``, or "" if there is none.

        That of few texts or seeds may go beyond what is possible, and ends there.

        >>> ACCURACY.brackets((-0.73, 1.4))
        '[−73.0, +100.0]'
        """
        if ends is None:
            return ""
        largest = self.largest_difference
        possible_ends = (min(max(end, -largest), largest) for end in ends)
        return f"[{', '.join(self.with_sign(end, digits) for end in possible_ends)}]"

    def difference(self, value: float, interval: tuple[float, float] | None) -> str:
        """Return a difference with its interval: ``+3.9 [+2.5, +5.3]``, or ``+3.9`` if there is none."""
        return f"{self.with_sign(value)} {self.brackets(interval)}".rstrip()

    def ends(self, interval: tuple[float, float]) -> str:
        """Return the limits of an interval of scores: ``76.1, 78.0``."""
        return ", ".join(self._number(end, self.coarse) for end in interval)

    def with_interval(self, value: float, interval: tuple[float, float]) -> str:
        """Return ``76.40 % [72.1, 80.3]``, or ``0.764 [0.721, 0.803]``."""
        return f"{self.percent(value)} [{self.ends(interval)}]"

    def within(self, margin: float) -> str:
        """Return a margin with its unit: ``0.5 points``, or ``0.01 in R²``."""
        return f"{margin:g} {self.unit}"

    def _number(self, value: float, digits: int | None = None) -> str:
        text = f"{self.factor * value:.{self.digits if digits is None else digits}f}"
        return text.replace("-", "−" if float(text) else "")


ACCURACY = Measure("accuracy", "accuracies", margin=0.5, factor=100, digits=2, coarse=1)
R2 = Measure("R²", "R²", lowest=LOWEST_R2)
MACRO_F1 = Measure("macro-F1", "macro-F1")


class ScorePart(NamedTuple):
    """One of several scores of a model."""

    short: str  # in narrow tables
    name: str
    value: float
    interval: tuple[float, float]  # 95 %, over bootstrap samples of the texts

    @property
    def plain(self) -> str:
        """Return ``0.812``."""
        return with_minus(self.value, ".3g")

    @property
    def with_interval(self) -> str:
        """Return ``0.812 [0.79, 0.83]``."""
        low, high = (with_minus(end, ".3g") for end in self.interval)
        return f"{self.plain} [{low}, {high}]"


class Score(ABC):
    """Score of a model on N texts, with its 95 % interval, and the scores beside it."""

    measure: ClassVar[Measure]
    total: int  # N

    @classmethod
    @abstractmethod
    def from_answers(cls, labels: NDArray[Any], answers: NDArray[Any]) -> Self:
        """Return the score of a model's answers for true labels or targets; see `Task.answers`."""

    @property
    @abstractmethod
    def value(self) -> float:
        """Return the number by which models are compared."""

    @property
    @abstractmethod
    def interval(self) -> tuple[float, float]:
        """Return the limits of its 95 % interval, which covers only the sampling of the texts."""

    @property
    def beside(self) -> list[ScorePart]:
        """Return the other scores, none beside an accuracy."""
        return []

    @property
    def plain(self) -> str:
        """Return the score without its interval: ``76.4 %``, or ``0.764``."""
        return self.measure.percent(self.value, self.measure.coarse)

    @property
    def exactly(self) -> str:
        """Return the score for a comparison: ``170 of 200 right answers``, or ``R² 0.764321``."""
        return self.measure.with_unit(self.value, 6)

    def __str__(self) -> str:
        """Return the score with its interval."""
        return self.measure.with_interval(self.value, self.interval)

    @abstractmethod
    def as_dict(self) -> dict[str, object]:
        """Return JSON values."""


@dataclass(frozen=True)
class BootstrapScore(Score):
    """Several scores of a model, the first of which models are compared by, each with its 95 % interval.

    Intervals are those of 1,000 bootstrap samples of the texts.
    """

    # names of each score by its field, in narrow tables and in full; its interval is a field too
    NAMES: ClassVar[Mapping[str, tuple[str, str]]]

    @classmethod
    def with_intervals(
        cls, values: NDArray[np.float64], sampled_scores: NDArray[np.float64]
    ) -> dict[str, Any]:
        """Return the fields of scores (S,) and of their intervals, from scores (B, S) of bootstrap samples."""
        ends = np.quantile(sampled_scores, INTERVAL_QUANTILES, axis=0).T.tolist()
        intervals = zip((f"{field}_interval" for field in cls.NAMES), map(tuple, ends), strict=True)
        return dict(zip(cls.NAMES, values.tolist(), strict=True)) | dict(intervals)

    @classmethod
    def by_name(cls, values: NDArray[np.float64]) -> dict[str, float]:
        """Return values of all scores by their names."""
        names = (name for _, name in cls.NAMES.values())
        return dict(zip(names, values.tolist(), strict=True))

    @property
    def parts(self) -> list[ScorePart]:
        """Return all scores."""
        return [
            ScorePart(short, name, getattr(self, field), getattr(self, f"{field}_interval"))
            for field, (short, name) in self.NAMES.items()
        ]

    @property
    def value(self) -> float:
        """Return the first score."""
        return self.parts[0].value

    @property
    def interval(self) -> tuple[float, float]:
        """Return its interval."""
        return self.parts[0].interval

    @property
    def beside(self) -> list[ScorePart]:
        """Return all scores but the first."""
        return self.parts[1:]

    def as_dict(self) -> dict[str, object]:
        """Return the scores as JSON values."""
        return asdict(self)
