"""Task of a model, from which the meaning of its labels and outputs follows, and the task of one label per text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from qllmft.tasks.accuracy import (
    Accuracy,
    ClassScores,
    DiscordantTexts,
    balanced_accuracy,
    balanced_difference,
    confusion_matrix,
    is_uneven,
)
from qllmft.tasks.comparison import PairedDifference, bootstrap_difference
from qllmft.tasks.measure import ACCURACY, Measure, Score, percent

if TYPE_CHECKING:
    from torch import Tensor

TaskName = Literal["classification", "regression", "multilabel"]
MAX_MISTAKES = 100

Real = NDArray[np.float32]
Labels = NDArray[np.int64]
# maps true labels or targets and a model's answers to a score
Judge = Callable[[NDArray[Any], NDArray[Any]], float]


class Task(ABC):
    """Meaning of labels, of a model's outputs (B, k) and of its answers.

    Weights (B,) of texts have mean 1 over all texts, or are None if all are equal.
    """

    name: ClassVar[TaskName]  # setting ``data.task``
    measure: ClassVar[Measure]  # score by which models are compared
    scores: ClassVar[type[Score]]  # that score with its interval, and the scores beside it
    loss_name: str  # with its unit
    # sentence on the share of `changed_share`, with a place for it; its "it" is the circuit or the device
    dependence: ClassVar[str]
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

    def paired_difference(
        self,
        labels: NDArray[Any],
        first: NDArray[Any],
        second: NDArray[Any],
        *,
        balanced: bool = False,
    ) -> PairedDifference:
        """Return the difference of two models on the same texts, with its interval over the texts.

        Args:
            labels: true labels or targets, one entry for each text.
            first: answers of the first model.
            second: answers of the second model.
            balanced: compare balanced accuracies, of one label per text.
        """
        del balanced
        return bootstrap_difference(self.value, labels, first, second)

    def difference_as_dict(
        self, labels: NDArray[Any], first: NDArray[Any], second: NDArray[Any]
    ) -> dict[str, object]:
        """Return the difference of two models on N texts as JSON values, of one label per text with counts of texts."""
        difference = self.paired_difference(labels, first, second)
        return {**difference.as_dict(), "total": len(labels)}

    @abstractmethod
    def value(self, labels: NDArray[Any], answers: NDArray[Any]) -> float:
        """Return the score by which models are compared, without its interval."""

    def judge(self, labels: NDArray[Any]) -> Judge:
        """Return the score by which models that learnt these labels are chosen and compared, the higher the better.

        Training labels decide on it, so that choices and comparisons have the same one. It is `value` unless one of
        them is far more frequent than the others.
        """
        del labels
        return self.value

    @abstractmethod
    def changed_share(self, first: NDArray[Any], second: NDArray[Any]) -> float:
        """Return the share of texts with other answers, or of the answers' variance that is lost, in [0, 1]."""

    def by_class(self, labels: NDArray[Any], answers: NDArray[Any], k: int) -> ClassScores | None:
        """Return the scores class by class of k classes, or None unless each text has one label."""
        del labels, answers, k
        return None

    def circuit_dependence(self, share: float) -> str:
        """Return the share of answers, see `changed_share`, that depends on the circuit, as a sentence."""
        digits = 0 if share >= 0.1 else 1
        return self.dependence.format(share=f"{percent(share, digits)} %")

    @abstractmethod
    def gives(self, names: Sequence[str]) -> str:
        """Return the answers of a model with these labels or targets in words."""

    def column_fault(self, targets: Sequence[str]) -> str:
        """Return the fault and the remedy of several columns of labels, or "" if the columns suit the task."""
        del targets
        return ""

    @abstractmethod
    def mistakes(self, answers: NDArray[Any], labels: NDArray[Any]) -> list[int]:
        """Return the places of up to `MAX_MISTAKES` texts with wrong answers, or with the largest errors."""

    @abstractmethod
    def describe_answer(self, names: Sequence[str], answer: Any) -> Any:
        """Return one label or answer as a mistake has it: a name, names, or values."""

    @abstractmethod
    def description_from_json(self, json_answer: Any) -> Any:
        """Return that from JSON, or raise ValueError or TypeError."""

    def answers_from_json(self, json_answers: Any, k: int) -> NDArray[Any]:
        """Return the answers (N, k) or (N,) of a model with k names from JSON, or raise ValueError or TypeError."""
        values = np.array(json_answers, np.float64)
        if values.ndim != 2 or values.shape[1] != k or not np.isfinite(values).all():
            raise ValueError(f"expected {k} finite numbers per text")
        return values

    def labels_from_json(self, json_labels: Any, k: int) -> NDArray[Any]:
        """Return true labels or targets from JSON, or raise ValueError or TypeError."""
        return self.answers_from_json(json_labels, k)


def evenly_spaced_places(wrong: NDArray[np.bool_]) -> list[int]:
    """Return up to `MAX_MISTAKES` places of the wrong answers, evenly spaced."""
    places = np.flatnonzero(wrong)
    positions = np.linspace(0, len(places) - 1, min(MAX_MISTAKES, len(places))).round()
    return [int(place) for place in places[positions.astype(np.int64)]]


class Classification(Task):
    """One label per text: outputs are logits, the loss is their cross-entropy, and the score is the accuracy."""

    name: ClassVar = "classification"
    measure: ClassVar = ACCURACY
    scores: ClassVar = Accuracy
    loss_name = "cross-entropy (nats)"
    dependence: ClassVar = "{share} of predicted labels change if it returns pure noise."
    baselines: ClassVar = ("logistic_regression", "svc", "mlp")
    one_label: ClassVar = True

    def loss(self, outputs: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
        """See `Task`; ``y`` (B,) are indices of labels."""
        from torch.nn.functional import cross_entropy

        if weight is None:
            return cross_entropy(outputs, y)
        return (cross_entropy(outputs, y, reduction="none") * weight).mean()

    def gradient(self, outputs: Real, y: Tensor, weight: Tensor | None = None) -> float:
        if weight is None:
            from qllmft_engine import layers

            return float(layers.cross_entropy(outputs, y.numpy()))
        from scipy.special import softmax

        rows = np.arange(len(y))
        labels = y.numpy()
        share = weight.numpy() / len(y)
        probabilities = softmax(outputs.astype(np.float64), axis=1)
        loss = float(-(np.log(probabilities[rows, labels]) * share).sum())
        probabilities[rows, labels] -= 1.0
        outputs[:] = probabilities * share[:, None]
        return loss

    def score(self, outputs: Tensor, y: Tensor, weight: Tensor | None = None) -> float:
        right = (outputs.argmax(dim=1) == y).double()
        return float((right if weight is None else right * weight).mean())

    def probabilities(self, outputs: Tensor) -> NDArray[np.floating]:
        return np.asarray(outputs.softmax(dim=1).numpy())

    def answers(self, outputs: Tensor) -> Labels:
        return np.asarray(outputs.argmax(dim=1).numpy(), np.int64)

    def value(self, labels: Labels, answers: Labels) -> float:
        return Accuracy.from_answers(labels, answers).value

    def judge(self, labels: Labels) -> Judge:
        return balanced_accuracy if is_uneven(labels) else self.value

    def changed_share(self, first: Labels, second: Labels) -> float:
        return float((first != second).mean())

    def paired_difference(
        self, labels: Labels, first: Labels, second: Labels, *, balanced: bool = False
    ) -> PairedDifference:
        if balanced:
            return balanced_difference(labels, first, second)
        return DiscordantTexts.from_answers(labels, first, second).difference

    def difference_as_dict(
        self, labels: Labels, first: Labels, second: Labels
    ) -> dict[str, object]:
        return DiscordantTexts.from_answers(labels, first, second).as_dict()

    def by_class(self, labels: Labels, answers: Labels, k: int) -> ClassScores:
        return ClassScores.from_confusion(confusion_matrix(labels, answers, k))

    def gives(self, names: Sequence[str]) -> str:
        return f"one of the labels {', '.join(names)}"

    def column_fault(self, targets: Sequence[str]) -> str:
        if not targets:
            return ""
        return (
            f"label_column is {', '.join(targets)} and the task is {self.name}. Set task to 'regression', or to "
            "'multilabel' for columns of 0 and 1"
        )

    def mistakes(self, answers: Labels, labels: Labels) -> list[int]:
        return evenly_spaced_places(answers != labels)

    def describe_answer(self, names: Sequence[str], answer: Any) -> str:
        return names[int(answer)]

    def description_from_json(self, json_answer: Any) -> str:
        if not isinstance(json_answer, str):
            raise TypeError("the names of the labels and the mistakes are not all text")
        return json_answer

    def answers_from_json(self, json_answers: Any, k: int) -> Labels:
        if not isinstance(json_answers, list) or not json_answers:
            raise ValueError("expected a label or an answer for each text")
        wrong = [value for value in json_answers if type(value) is not int or not 0 <= value < k]
        if wrong:
            raise ValueError(f"{str(wrong[0])[:40]!r} is not one of the {k} labels")
        return np.array(json_answers, np.int64)


CLASSIFICATION = Classification()
