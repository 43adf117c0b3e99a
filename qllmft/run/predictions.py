"""Answers of all heads on the test set, kept from its single reading, and on the validation texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.data import Table
from qllmft.errors import UserError
from qllmft.statistics import ClassScores, confusion_of

MOST_MISTAKES = 20
LONGEST_TEXT = 1_000  # characters of a mistake's text that are kept


@dataclass(frozen=True)
class Mistake:
    """Test text with a wrong answer of the head."""

    text: str  # its first 1,000 characters
    label: str  # the true one's name
    answer: str  # the predicted one's name


@dataclass(frozen=True)
class TestPredictions:
    """Content of ``predictions.json``."""

    __test__ = False  # the name looks like a test to pytest

    label_names: tuple[str, ...]  # k names
    labels: NDArray[np.int64]  # (N,) true labels, in the order of the test set
    answers: Mapping[str, NDArray[np.int64]]  # (N,) predicted labels by the model's name
    mistakes: tuple[Mistake, ...]  # of the first model, up to 20, evenly spaced
    validation: Mapping[str, NDArray[np.int64]]  # (N,) predicted labels of the validation texts by the model's name

    @classmethod
    def of(
        cls,
        label_names: tuple[str, ...],
        test: Table,
        answers: Mapping[str, NDArray[np.int64]],
        validation: Mapping[str, NDArray[np.int64]] | None = None,
    ) -> TestPredictions:
        """Collect the answers on the test set, and on the validation texts, those of the run's head first."""
        head = next(iter(answers.values()))
        wrong = np.flatnonzero(head != test.labels)
        shown = wrong[np.linspace(0, len(wrong) - 1, min(MOST_MISTAKES, len(wrong))).round().astype(np.int64)]
        items = test.items
        mistakes = tuple(
            Mistake(items[i][:LONGEST_TEXT], label_names[test.labels[i]], label_names[head[i]]) for i in shown
        )
        return cls(label_names, np.asarray(test.labels, np.int64), answers, mistakes, validation or {})

    def confusion(self, model: str) -> NDArray[np.int64]:
        """Return the counts (k, k) of a model: true label by predicted label."""
        return confusion_of(self.labels, self.answers_of(model), len(self.label_names))

    def by_class(self, model: str) -> ClassScores:
        """Return the scores of a model class by class."""
        return ClassScores.of(self.confusion(model))

    def as_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "label_names": list(self.label_names),
            "labels": self.labels.tolist(),
            "answers": {name: answers.tolist() for name, answers in self.answers.items()},
            "mistakes": [asdict(mistake) for mistake in self.mistakes],
            "validation": {name: answers.tolist() for name, answers in self.validation.items()},
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> TestPredictions:
        """Read JSON values, or raise ValueError, KeyError or TypeError."""
        names = tuple(record["label_names"])
        labels = _indices(record["labels"], len(names))
        answers = {name: _indices(given, len(names)) for name, given in record["answers"].items()}
        if any(len(given) != len(labels) for given in answers.values()):
            raise ValueError(f"a model does not have one answer for each of {len(labels)} labels")
        mistakes = tuple(Mistake(**mistake) for mistake in record["mistakes"])
        if not all(isinstance(text, str) for text in [*names, *(text for each in mistakes for text in astuple(each))]):
            raise TypeError("the names of the labels and the mistakes are not all text")
        validation = {name: _indices(given, len(names)) for name, given in record.get("validation", {}).items()}
        return cls(names, labels, answers, mistakes, validation)

    def answers_of(self, model: str) -> NDArray[np.int64]:
        """Return the answers (N,) of a model, or raise UserError if there are none."""
        if model not in self.answers:
            raise UserError(f"predictions.json has no answers of {model!r}: it belongs to another run. Delete it.")
        return self.answers[model]


def _indices(values: Any, k: int) -> NDArray[np.int64]:
    """Return labels (N,) as indices of k names, or raise ValueError."""
    if not isinstance(values, list) or not values:
        raise ValueError("expected a label or an answer for each text")
    for value in values:
        if type(value) is not int or not 0 <= value < k:
            raise ValueError(f"{str(value)[:40]!r} is not one of the {k} labels")
    return np.array(values, np.int64)
