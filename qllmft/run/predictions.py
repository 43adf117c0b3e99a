"""Answers of all heads on the test set, kept from its single reading, and on the validation texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from qllmft.config.data import Task
from qllmft.data import Table
from qllmft.errors import UserError
from qllmft.tasks.class_scores import ClassScores, confusion_of

MOST_MISTAKES = 20
LONGEST_TEXT = 1_000  # characters of a mistake's text that are kept

Answers = Mapping[str, NDArray[Any]]  # by the model's name


@dataclass(frozen=True)
class Mistake:
    """Test text with a wrong answer of the head, or with a large error."""

    text: str  # its first 1,000 characters
    label: Any  # the true one's name, the names of several, or (T,) targets
    answer: Any  # the same of the head


def _evenly(wrong: NDArray[np.bool_]) -> Iterable[int]:
    """Return up to `MOST_MISTAKES` places of the wrong answers, evenly spaced."""
    places = np.flatnonzero(wrong)
    chosen = (
        np.linspace(0, len(places) - 1, min(MOST_MISTAKES, len(places))).round().astype(np.int64)
    )
    return [int(place) for place in places[chosen]]


def _table(given: Any, k: int) -> NDArray[np.float64]:
    """Return numbers (N, k), or raise ValueError."""
    values = np.array(given, np.float64)
    if values.ndim != 2 or values.shape[1] != k or not np.isfinite(values).all():
        raise ValueError(f"expected {k} finite numbers per text")
    return values


@dataclass(frozen=True)
class Predictions:
    """Content of ``predictions.json``."""

    # functions of a task: places of the mistakes to keep by the head's answers and the labels; one
    # label, or answer, as a mistake has it, and that from JSON; answers of k labels from JSON
    _shown: ClassVar[Any]
    _named: ClassVar[Any]
    _read: ClassVar[Any]
    _values: ClassVar[Any]

    label_names: tuple[str, ...]  # k names of labels, or T of targets
    labels: NDArray[Any]  # (N,) or (N, k) true labels or targets, in the order of the test set
    answers: Answers  # of the models, in the shape of ``labels``
    mistakes: tuple[Mistake, ...]  # of the first model, up to 20
    validation: Answers  # answers for the validation texts

    @classmethod
    def of(
        cls,
        names: tuple[str, ...],
        test: Table,
        answers: Answers,
        validation: Answers | None = None,
    ) -> Self:
        """Collect the answers on the test set, and on the validation texts, those of the run's head first."""
        head, items = next(iter(answers.values())), test.items
        named = (
            (items[i][:LONGEST_TEXT], test.labels[i], head[i])
            for i in cls._shown(head, test.labels)
        )
        mistakes = tuple(
            Mistake(text, cls._named(names, a), cls._named(names, b)) for text, a, b in named
        )
        return cls(names, np.asarray(test.labels), answers, mistakes, validation or {})

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
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Read JSON values, or raise ValueError, KeyError or TypeError."""
        names = tuple(record["label_names"])
        labels = cls._labels(record["labels"], len(names))
        answers = {
            name: cls._values(given, len(names)) for name, given in record["answers"].items()
        }
        if any(len(given) != len(labels) for given in answers.values()):
            raise ValueError(f"a model does not have one answer for each of {len(labels)} labels")
        mistakes = tuple(
            Mistake(each["text"], cls._read(each["label"]), cls._read(each["answer"]))
            for each in record["mistakes"]
        )
        if not all(isinstance(text, str) for text in [*names, *(each.text for each in mistakes)]):
            raise TypeError("the names of the labels and the mistakes are not all text")
        validation = {
            name: cls._values(given, len(names)) for name, given in record["validation"].items()
        }
        return cls(names, labels, answers, mistakes, validation)

    def answers_of(self, model: str) -> NDArray[Any]:
        """Return the answers of a model, or raise UserError if there are none."""
        if model not in self.answers:
            raise UserError(
                f"predictions.json has no answers of {model!r}: it belongs to another run. Delete it."
            )
        return self.answers[model]

    @classmethod
    def _labels(cls, given: Any, k: int) -> NDArray[Any]:
        """Return labels from JSON, or raise ValueError."""
        return np.asarray(cls._values(given, k))


class TestPredictions(Predictions):
    """One label per text: labels and answers are indices (N,)."""

    __test__ = False  # the name looks like a test to pytest

    def confusion(self, model: str) -> NDArray[np.int64]:
        """Return the counts (k, k) of a model: true label by predicted label."""
        return confusion_of(self.labels, self.answers_of(model), len(self.label_names))

    def by_class(self, model: str) -> ClassScores:
        """Return the scores of a model class by class."""
        return ClassScores.of(self.confusion(model))

    @staticmethod
    def _shown(head: NDArray[Any], labels: NDArray[Any]) -> Iterable[int]:
        return _evenly(head != labels)

    @staticmethod
    def _named(names: tuple[str, ...], given: Any) -> str:
        return names[int(given)]

    @staticmethod
    def _read(given: Any) -> str:
        if not isinstance(given, str):
            raise TypeError("the names of the labels and the mistakes are not all text")
        return given

    @staticmethod
    def _values(given: Any, k: int) -> NDArray[np.int64]:
        if not isinstance(given, list) or not given:
            raise ValueError("expected a label or an answer for each text")
        for value in given:
            if type(value) is not int or not 0 <= value < k:
                raise ValueError(f"{str(value)[:40]!r} is not one of the {k} labels")
        return np.array(given, np.int64)


class LabelSetPredictions(Predictions):
    """Several labels per text: labels (N, L) are 0 or 1, and answers are leads (N, L).

    A lead is the score of a label over its threshold: a text gets the labels whose lead is not negative.
    """

    @staticmethod
    def _shown(head: NDArray[Any], labels: NDArray[Any]) -> Iterable[int]:
        return _evenly(((head >= 0) != labels).any(axis=1))

    @staticmethod
    def _named(names: tuple[str, ...], given: Any) -> tuple[str, ...]:
        has = given >= (0 if given.dtype.kind == "f" else 1)  # leads, or labels
        return tuple(name for name, flag in zip(names, has.tolist(), strict=True) if flag)

    @staticmethod
    def _read(given: Any) -> tuple[str, ...]:
        return tuple(map(str, given))

    _values = staticmethod(_table)

    @classmethod
    def _labels(cls, given: Any, k: int) -> NDArray[np.int64]:
        labels = cls._values(given, k)
        if not np.isin(labels, (0.0, 1.0)).all():
            raise ValueError("a label is neither 0 nor 1")
        return np.asarray(labels, np.int64)


class TargetPredictions(Predictions):
    """Real targets: labels and answers are values (N, T).

    Mistakes are the largest errors, in deviations of a target.
    """

    @staticmethod
    def _shown(head: NDArray[Any], labels: NDArray[Any]) -> Iterable[int]:
        distance = (np.abs(head - labels) / (labels.std(axis=0) + np.finfo(float).tiny)).max(axis=1)
        return [int(i) for i in np.argsort(-distance, kind="stable")[:MOST_MISTAKES]]

    @staticmethod
    def _named(names: tuple[str, ...], given: Any) -> tuple[float, ...]:
        del names
        return tuple(given.tolist())

    @staticmethod
    def _read(given: Any) -> tuple[float, ...]:
        return tuple(map(float, given))

    _values = staticmethod(_table)


PREDICTIONS: Mapping[Task, type[Predictions]] = {
    "classification": TestPredictions,
    "regression": TargetPredictions,
    "multilabel": LabelSetPredictions,
}
