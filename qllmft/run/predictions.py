"""Answers of a run's models to the same texts, the content of predictions.json, and their paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.data import Table
from qllmft.tasks import Task
from qllmft.tasks.accuracy import ClassScores, confusion_matrix
from qllmft.tasks.comparison import PairedDifference
from qllmft.tasks.ordered import OrderedScores, ordered_values
from qllmft_base.errors import UserError

LONGEST_TEXT = 1_000  # characters of a mistake's text that are kept


ByModel = Mapping[str, NDArray[Any]]  # answers by the model's name


@dataclass(frozen=True)
class Answers:
    """Answers of models to the same texts: those of a run, or of all rows of a study with one seed."""

    task: Task
    labels: NDArray[Any]  # (N,) or (N, k) true labels or targets
    answers: ByModel  # in the shape of ``labels``

    def model_answers(self, model: str) -> NDArray[Any]:
        """Return the answers of a model, or raise UserError if there are none."""
        if model not in self.answers:
            raise UserError(
                f"predictions.json has no answers of {model!r}: it belongs to another run. Delete it."
            )
        return self.answers[model]

    def difference_as_dict(self, first: str, second: str) -> dict[str, object]:
        """Return the difference of two models on the same texts as JSON values."""
        return self.task.difference_as_dict(
            self.labels, self.model_answers(first), self.model_answers(second)
        )


@dataclass(frozen=True)
class Mistake:
    """Test text with a wrong answer of the head, or with a large error."""

    text: str  # its first 1,000 characters
    label: Any  # the true one's name, the names of several, or (T,) targets
    answer: Any  # the same of the head
    row: int | None = None  # number of its row in the file; None: not known

    def as_dict(self) -> dict[str, Any]:
        """Return JSON values, without a row that is not known."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Predictions(Answers):
    """Content of ``predictions.json``: answers to the test texts, in the order of the test set."""

    label_names: tuple[str, ...]  # k names of labels, or T of targets
    mistakes: tuple[Mistake, ...] = ()  # of the first model, up to `MAX_MISTAKES`
    validation: ByModel = field(default_factory=dict)  # answers to the validation texts
    text_hashes: tuple[int, ...] = ()  # N, see `Table.text_hashes`

    @classmethod
    def from_answers(
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
        head_answers = next(iter(answers.values()))
        items = test.items
        mistakes = []
        for i in task.mistakes(head_answers, test.labels):
            label = task.describe_answer(names, test.labels[i])
            answer = task.describe_answer(names, head_answers[i])
            row = None if test.rows is None else int(test.rows[i])
            mistakes.append(Mistake(items[i][:LONGEST_TEXT], label, answer, row))
        labels = np.asarray(test.labels)
        hashes = tuple(test.text_hashes)
        return cls(task, labels, answers, names, tuple(mistakes), validation or {}, hashes)

    @classmethod
    def pool(cls, parts: Sequence[Predictions]) -> Predictions:
        """Join the answers to the texts of several runs, of the models that all of them have.

        Mistakes are chosen among those that the runs kept.

        Args:
            parts: answers of one task and the same labels; the first model of the first run is the head.
        """
        first_part, *other_parts = parts
        names = [
            name for name in first_part.answers if all(name in part.answers for part in other_parts)
        ]
        head = next(iter(first_part.answers))
        task = first_part.task
        labels = np.concatenate([part.labels for part in parts])
        answers = {name: np.concatenate([part.answers[name] for part in parts]) for name in names}
        validation = {
            name: np.concatenate([part.validation[name] for part in parts])
            for name in names
            if all(name in part.validation for part in parts)
        }
        mistakes = _pool_mistakes(task, head, parts)
        hashes = tuple(chain.from_iterable(part.text_hashes for part in parts))
        return cls(task, labels, answers, first_part.label_names, mistakes, validation, hashes)

    def as_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "label_names": list(self.label_names),
            "text_hashes": [f"{text_hash:016x}" for text_hash in self.text_hashes],
            "labels": self.labels.tolist(),
            "answers": {name: answers.tolist() for name, answers in self.answers.items()},
            "mistakes": [mistake.as_dict() for mistake in self.mistakes],
            "validation": {name: answers.tolist() for name, answers in self.validation.items()},
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], task: Task) -> Predictions:
        """Read JSON values, or raise ValueError, KeyError or TypeError."""
        names = tuple(record["label_names"])
        k = len(names)
        labels = task.labels_from_json(record["labels"], k)
        answers, validation = (
            {
                name: task.answers_from_json(json_answers, k)
                for name, json_answers in record[part].items()
            }
            for part in ("answers", "validation")
        )
        if any(len(model_answers) != len(labels) for model_answers in answers.values()):
            raise ValueError(f"a model does not have one answer for each of {len(labels)} labels")
        mistakes = []
        for mistake in record["mistakes"]:
            label = task.description_from_json(mistake["label"])
            answer = task.description_from_json(mistake["answer"])
            row = mistake.get("row")
            if row is not None and type(row) is not int:
                raise TypeError("the row of a mistake is no whole number")
            mistakes.append(Mistake(mistake["text"], label, answer, row))
        if not all(
            isinstance(text, str) for text in [*names, *(mistake.text for mistake in mistakes)]
        ):
            raise TypeError("the names of the labels and the mistakes are not all text")
        hashes = tuple(int(text_hash, 16) for text_hash in record["text_hashes"])
        if len(hashes) != len(labels):
            raise ValueError(f"{len(hashes)} texts have a hash, expected {len(labels)}")
        return cls(task, labels, answers, names, tuple(mistakes), validation, hashes)

    def with_model_first(self, model: str) -> Predictions:
        """Return the predictions with another model first, without the head's mistakes."""
        first = {model: self.model_answers(model)}
        return replace(self, answers=first | dict(self.answers), mistakes=())

    def against_head(self, model: str, *, balanced: bool) -> PairedDifference:
        """Return the score of the first model minus that of another one, on the same texts.

        Args:
            model: the other one.
            balanced: compare balanced accuracies.
        """
        head_answers = self.model_answers(next(iter(self.answers)))
        return self.task.paired_difference(
            self.labels, head_answers, self.model_answers(model), balanced=balanced
        )

    def confusion(self, model: str) -> NDArray[np.int64]:
        """Return the counts (k, k) of a model of one label per text: true label by predicted label."""
        return confusion_matrix(self.labels, self.model_answers(model), len(self.label_names))

    def ordered_scores(self, model: str) -> OrderedScores:
        """Return the scores of a model of ordered labels."""
        values = ordered_values(self.label_names, "predictions.json")
        return OrderedScores.from_answers(values[self.labels], values[self.model_answers(model)])

    def by_class(self, model: str) -> ClassScores | None:
        """Return the scores of a model class by class, or None unless each text has one label."""
        return self.task.by_class(self.labels, self.model_answers(model), len(self.label_names))


def _pool_mistakes(task: Task, head: str, parts: Sequence[Predictions]) -> tuple[Mistake, ...]:
    """Return mistakes of the head over several runs, in the order and number of those of one run."""
    mistakes: list[Mistake] = []
    labels = []
    answers = []
    for part in parts:
        head_answers = part.model_answers(head)
        places = task.mistakes(head_answers, part.labels)[: len(part.mistakes)]
        mistakes += part.mistakes[: len(places)]
        labels.append(part.labels[places])
        answers.append(head_answers[places])
    if not mistakes:
        return ()
    places = task.mistakes(np.concatenate(answers), np.concatenate(labels))
    return tuple(mistakes[place] for place in places)
