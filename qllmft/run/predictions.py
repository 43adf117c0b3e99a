"""Kept answers of models: those of a run to its test texts, from their single reading, and to its validation texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.data import Table
from qllmft.errors import UserError
from qllmft.tasks import Task
from qllmft.tasks.accuracy import ClassScores, TextDifference, balanced_accuracy, confusion_of
from qllmft.tasks.statistics import BootstrapDifference

LONGEST_TEXT = 1_000  # characters of a mistake's text that are kept

ByModel = Mapping[str, NDArray[Any]]  # answers by the model's name


@dataclass(frozen=True)
class Answers:
    """Answers of models to the same texts: those of a run, or of all rows of a study with one seed."""

    task: Task
    labels: NDArray[Any]  # (N,) or (N, k) true labels or targets
    answers: ByModel  # in the shape of ``labels``

    def answers_of(self, model: str) -> NDArray[Any]:
        """Return the answers of a model, or raise UserError if there are none."""
        if model not in self.answers:
            raise UserError(
                f"predictions.json has no answers of {model!r}: it belongs to another run. Delete it."
            )
        return self.answers[model]

    def paired(self, first: str, second: str) -> TextDifference | BootstrapDifference:
        """Return the difference of two models on the same texts."""
        return self.task.paired(self.labels, self.answers_of(first), self.answers_of(second))


@dataclass(frozen=True)
class Mistake:
    """Test text with a wrong answer of the head, or with a large error."""

    text: str  # its first 1,000 characters
    label: Any  # the true one's name, the names of several, or (T,) targets
    answer: Any  # the same of the head


@dataclass(frozen=True)
class Predictions(Answers):
    """Content of ``predictions.json``: answers to the test texts, in the order of the test set."""

    label_names: tuple[str, ...]  # k names of labels, or T of targets
    mistakes: tuple[Mistake, ...] = ()  # of the first model, up to 20
    validation: ByModel = field(default_factory=dict)  # answers to the validation texts

    @classmethod
    def of(
        cls,
        task: Task,
        names: tuple[str, ...],
        test: Table,
        answers: ByModel,
        validation: ByModel | None = None,
    ) -> Predictions:
        """Collect the answers of a run's models.

        Args:
            task: the meaning of labels and answers.
            names: k names of labels, or T of targets.
            test: N texts with true labels or targets.
            answers: those of the models for the test texts, the run's head first.
            validation: those for the validation texts.
        """
        head, items = next(iter(answers.values())), test.items
        mistakes = tuple(
            Mistake(
                items[i][:LONGEST_TEXT],
                *(task.shown(names, given[i]) for given in (test.labels, head)),
            )
            for i in task.mistakes(head, test.labels)
        )
        return cls(task, np.asarray(test.labels), answers, names, mistakes, validation or {})

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
    def from_dict(cls, record: Mapping[str, Any], task: Task) -> Predictions:
        """Read JSON values, or raise ValueError, KeyError or TypeError."""
        names = tuple(record["label_names"])
        labels = task.labels_from_json(record["labels"], len(names))
        answers, validation = (
            {
                name: task.answers_from_json(given, len(names))
                for name, given in record[part].items()
            }
            for part in ("answers", "validation")
        )
        if any(len(given) != len(labels) for given in answers.values()):
            raise ValueError(f"a model does not have one answer for each of {len(labels)} labels")
        mistakes = tuple(
            Mistake(
                each["text"], *(task.shown_from_json(each[part]) for part in ("label", "answer"))
            )
            for each in record["mistakes"]
        )
        if not all(isinstance(text, str) for text in [*names, *(each.text for each in mistakes)]):
            raise TypeError("the names of the labels and the mistakes are not all text")
        return cls(task, labels, answers, names, mistakes, validation)

    def led_by(self, model: str) -> Predictions:
        """Return the predictions with another model first, without the head's mistakes."""
        first = {model: self.answers_of(model)}
        return replace(self, answers=first | dict(self.answers), mistakes=())

    def against_head(self, model: str) -> TextDifference | BootstrapDifference:
        """Return the score of the first model minus that of another one, on the same texts.

        It is the difference of balanced accuracies if most texts have one label.
        """
        head = next(iter(self.answers))
        classes = self.by_class(head)
        if classes is None or not classes.uneven:
            return self.paired(head, model)
        pair = self.answers_of(head), self.answers_of(model)
        return BootstrapDifference.of(balanced_accuracy, self.labels, *pair)

    def confusion(self, model: str) -> NDArray[np.int64]:
        """Return the counts (k, k) of a model of one label per text: true label by predicted label."""
        return confusion_of(self.labels, self.answers_of(model), len(self.label_names))

    def by_class(self, model: str) -> ClassScores | None:
        """Return the scores of a model class by class, or None unless each text has one label."""
        return self.task.by_class(self.labels, self.answers_of(model), len(self.label_names))
