"""Task of one label per text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from qllmft.tasks.accuracy import Accuracy, ClassScores, TextDifference, confusion_of
from qllmft.tasks.measure import ACCURACY
from qllmft.tasks.task import Real, Task, evenly

if TYPE_CHECKING:
    from torch import Tensor

Labels = NDArray[np.int64]


class Classification(Task):
    """One label per text: outputs are logits, the loss is their cross-entropy, and the score is the accuracy."""

    name: ClassVar = "classification"
    measure: ClassVar = ACCURACY
    scores: ClassVar = Accuracy
    loss_name = "cross-entropy (nats)"
    change: ClassVar = "of the labels of {} change"
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
            from qllmft_backends.adjoint.compiled import layers

            return float(layers.cross_entropy(outputs, y.numpy()))
        from scipy.special import softmax

        rows, labels, share = np.arange(len(y)), y.numpy(), weight.numpy() / len(y)
        found = softmax(outputs.astype(np.float64), axis=1)
        loss = float(-(np.log(found[rows, labels]) * share).sum())
        found[rows, labels] -= 1.0
        outputs[:] = found * share[:, None]
        return loss

    def score(self, outputs: Tensor, y: Tensor, weight: Tensor | None = None) -> float:
        right = (outputs.argmax(dim=1) == y).double()
        return float((right if weight is None else right * weight).mean())

    def probabilities(self, outputs: Tensor) -> NDArray[np.floating]:
        return np.asarray(outputs.softmax(dim=1).numpy())

    def answers(self, outputs: Tensor) -> Labels:
        return np.asarray(outputs.argmax(dim=1).numpy(), np.int64)

    def value(self, labels: Labels, answers: Labels) -> float:
        return Accuracy.of(labels, answers).value

    def changed(self, first: Labels, second: Labels) -> float:
        return float((first != second).mean())

    def paired(self, labels: Labels, first: Labels, second: Labels) -> TextDifference:
        return TextDifference.of(labels, first, second)

    def by_class(self, labels: Labels, answers: Labels, k: int) -> ClassScores:
        return ClassScores.of(confusion_of(labels, answers, k))

    def gives(self, names: Sequence[str]) -> str:
        return f"one of the labels {', '.join(names)}"

    def misnamed(self, targets: Sequence[str]) -> str:
        if not targets:
            return ""
        return (
            f"label_column is {', '.join(targets)} and the task is {self.name}; set task to 'regression', or to "
            "'multilabel' for columns of 0 and 1"
        )

    def mistakes(self, answers: Labels, labels: Labels) -> list[int]:
        return evenly(answers != labels)

    def shown(self, names: Sequence[str], given: Any) -> str:
        return names[int(given)]

    def shown_from_json(self, given: Any) -> str:
        if not isinstance(given, str):
            raise TypeError("the names of the labels and the mistakes are not all text")
        return given

    def answers_from_json(self, given: Any, k: int) -> Labels:
        if not isinstance(given, list) or not given:
            raise ValueError("expected a label or an answer for each text")
        wrong = [value for value in given if type(value) is not int or not 0 <= value < k]
        if wrong:
            raise ValueError(f"{str(wrong[0])[:40]!r} is not one of the {k} labels")
        return np.array(given, np.int64)


CLASSIFICATION = Classification()
