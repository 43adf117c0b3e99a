"""Task of a model: the meaning of its labels and outputs, and everything that follows from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from qllmft.tasks.accuracy import ClassScores, TextDifference
from qllmft.tasks.measure import Measure, Score, percent
from qllmft.tasks.statistics import BootstrapDifference

if TYPE_CHECKING:
    from torch import Tensor

TaskName = Literal["classification", "regression", "multilabel"]
MOST_MISTAKES = 20

Real = NDArray[np.float32]


class Task(ABC):
    """Meaning of labels, of a model's outputs (B, k) and of its answers.

    Weights (B,) of texts have mean 1 over all texts, or are None if all are equal.
    """

    name: ClassVar[TaskName]  # setting ``data.task``
    measure: ClassVar[Measure]  # score by which models are compared
    scores: ClassVar[type[Score]]  # that score with its interval, and the scores beside it
    loss_name: str  # with its unit
    change: ClassVar[str]  # share of `changed` in words, behind "%", with a place for the texts
    baselines: ClassVar[tuple[str, ...]]  # names of those that are fitted unless others are given
    one_label: ClassVar[bool] = False  # each text has one label
    several: ClassVar[bool] = False  # each text has any number of labels
    real: ClassVar[bool] = False  # each text has real targets
    fewest_names: ClassVar[int] = 2  # labels or targets of a model

    @abstractmethod
    def loss(self, outputs: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the mean loss of a batch, in nats for labels."""

    @abstractmethod
    def gradient(self, outputs: Real, y: Tensor, weight: Tensor | None = None) -> float:
        """Return the mean loss of a batch, and overwrite the outputs (B, k) with its gradient."""

    @abstractmethod
    def score(self, outputs: Tensor, y: Tensor, weight: Tensor | None = None) -> float:
        """Return the number by which the epoch is selected, the higher the better."""

    def probabilities(self, outputs: Tensor) -> NDArray[np.floating] | None:
        """Return probabilities (B, k) of labels, or None if there are none."""
        del outputs
        return None

    @abstractmethod
    def answers(self, outputs: Tensor) -> NDArray[Any]:
        """Return labels (B,), values (B, T), or of several labels the leads (B, L) of probabilities over 1/2."""

    def values(self, labels: NDArray[Any], answers: NDArray[Any]) -> dict[str, float]:
        """Return the scores of answers for true labels or targets by name, without intervals."""
        return {self.measure.name: self.value(labels, answers)}

    def paired(
        self, labels: NDArray[Any], first: NDArray[Any], second: NDArray[Any]
    ) -> TextDifference | BootstrapDifference:
        """Return the difference of two models' answers on the same texts, with its interval over the texts."""
        return BootstrapDifference.of(self.value, labels, first, second)

    @abstractmethod
    def value(self, labels: NDArray[Any], answers: NDArray[Any]) -> float:
        """Return the score by which models are compared, without its interval."""

    @abstractmethod
    def changed(self, first: NDArray[Any], second: NDArray[Any]) -> float:
        """Return the share of texts with other answers, or of the answers' variance that is lost, in [0, 1]."""

    def by_class(self, labels: NDArray[Any], answers: NDArray[Any], k: int) -> ClassScores | None:
        """Return the scores class by class of k classes, or None unless each text has one label."""
        del labels, answers, k
        return None

    def load_in_words(self, share: float, texts: str) -> str:
        """Return the effect of a circuit that returns only noise, see `changed`, on texts in words."""
        return f"{percent(share)} % {self.change.format(texts)} if the circuit returns only noise"

    @abstractmethod
    def gives(self, names: Sequence[str]) -> str:
        """Return the answers of a model with these labels or targets in words."""

    def misnamed(self, targets: Sequence[str]) -> str:
        """Return the fault and the remedy of several columns of labels, or "" if the columns suit the task."""
        del targets
        return ""

    @abstractmethod
    def mistakes(self, answers: NDArray[Any], labels: NDArray[Any]) -> list[int]:
        """Return the places of up to 20 texts with wrong answers, or with the largest errors."""

    @abstractmethod
    def shown(self, names: Sequence[str], given: Any) -> Any:
        """Return one label or answer as a mistake has it: a name, names, or values."""

    @abstractmethod
    def shown_from_json(self, given: Any) -> Any:
        """Return that from JSON, or raise ValueError or TypeError."""

    def answers_from_json(self, given: Any, k: int) -> NDArray[Any]:
        """Return the answers (N, k) or (N,) of a model with k names from JSON, or raise ValueError or TypeError."""
        values = np.array(given, np.float64)
        if values.ndim != 2 or values.shape[1] != k or not np.isfinite(values).all():
            raise ValueError(f"expected {k} finite numbers per text")
        return values

    def labels_from_json(self, given: Any, k: int) -> NDArray[Any]:
        """Return true labels or targets from JSON, or raise ValueError or TypeError."""
        return self.answers_from_json(given, k)


def evenly(wrong: NDArray[np.bool_]) -> list[int]:
    """Return up to `MOST_MISTAKES` places of the wrong answers, evenly spaced."""
    places = np.flatnonzero(wrong)
    chosen = np.linspace(0, len(places) - 1, min(MOST_MISTAKES, len(places))).round()
    return [int(place) for place in places[chosen.astype(np.int64)]]
