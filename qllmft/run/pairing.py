"""Two runs on the same test texts: their answers in one order and with one list of labels, and their differences."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qllmft.config import RunConfig
from qllmft.run.comparison import best_on_validation
from qllmft.run.folder import RunFolder
from qllmft.run.predictions import Predictions
from qllmft.run.record import WITHOUT_CIRCUIT, RunRecord

# texts of which a part of two test sets must have so many, so that an interval says something
MIN_SHARED_TEXTS = 10
NO_LABEL = -1.0  # answer of a model to a label that its run does not have: below any threshold


class ComparedRun(NamedTuple):
    """Finished run, or finished folds of a cross-validation, that is compared with another one."""

    config: RunConfig
    record: RunRecord
    predictions: Predictions | None

    @classmethod
    def read(cls, folder: RunFolder) -> ComparedRun:
        """Read a run or the folds in a folder, or raise UserError if they are not finished."""
        if folder.folds:
            return cls(
                folder.folds_config(), folder.require_pooled(), folder.read_pooled_predictions()
            )
        return cls(folder.read_config(), folder.require_record(), folder.read_predictions())

    @property
    def head(self) -> str:
        """Return the name of the run's head."""
        return self.record.head.name

    @property
    def best(self) -> str:
        """Return the name of the run's row that validation prefers, the first of equals."""
        return best_on_validation(self.record.models).name


class PairedAnswers(NamedTuple):
    """Answers of two runs to the same N texts, row by row, with the same labels or targets."""

    first: Predictions
    second: Predictions
    sizes: tuple[int, int]  # number of test texts of each run

    @property
    def total(self) -> int:
        """Return N, the number of texts that both runs have with the same label."""
        return len(self.first.labels)

    @property
    def is_whole(self) -> bool:
        """Return whether both runs have the same test texts."""
        return self.sizes == (self.total, self.total)

    def difference(self, first: str, second: str) -> dict[str, Any]:
        """Return the difference of a row of the first run and one of the second in JSON values."""
        return self.first.task.difference_as_dict(
            self.first.labels, self.first.model_answers(first), self.second.model_answers(second)
        )

    def differences(self, heads: tuple[str, str]) -> dict[str, dict[str, Any]]:
        """Return the difference of the heads, by the name of the first, and that of each other row of both runs.

        Each is in JSON values, see `Task.difference_as_dict`.
        """
        shared_names = [name for name in self.first.answers if name in self.second.answers]
        shared_names.sort(key=lambda name: name == WITHOUT_CIRCUIT)
        rows = [(name, name) for name in shared_names if name not in heads]
        return {
            first_name: self.difference(first_name, second_name)
            for first_name, second_name in [heads, *rows]
        }


def pair_runs(first: ComparedRun, second: ComparedRun) -> PairedAnswers | str:
    """Return the answers of two runs to the test texts that both have, or the reason for which there are none."""
    if first.predictions is None or second.predictions is None:
        return "the answers in predictions.json are missing"
    return pair_answers(first.predictions, second.predictions)


def pair_answers(first: Predictions, second: Predictions) -> PairedAnswers | str:
    """Return the answers of two runs to the test texts that both have, in the order of the first run.

    A text is shared if both runs have it with the same label. Of a text that occurs more than once, as many copies are
    shared as both have. Rows and labels may have another order in each run, and one run may have more labels.
    The reason is returned if the runs have other tasks or targets, or share too few texts.
    """
    sizes = len(first.labels), len(second.labels)
    if first.task.name != second.task.name:
        return f"the runs have other tasks: {first.task.name} and {second.task.name}"
    if first.task.real and {*first.label_names} != {*second.label_names}:
        targets = (", ".join(part.label_names) for part in (first, second))
        return f"the runs have other targets: {' and '.join(targets)}"
    names = tuple(dict.fromkeys((*first.label_names, *second.label_names)))
    first, second = (_with_names(part, names) for part in (first, second))
    rows = _shared_rows(first, second)
    shared = len(rows[0])
    if not shared or (shared < MIN_SHARED_TEXTS and sizes != (shared, shared)):
        return (
            f"the runs share {shared:,} of {sizes[0]:,} and {sizes[1]:,} test texts with the same label, expected "
            f"{MIN_SHARED_TEXTS} or more"
        )
    return PairedAnswers(_take(first, rows[0]), _take(second, rows[1]), sizes)


def _shared_rows(
    first: Predictions, second: Predictions
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of the texts that both runs have, copy by copy, in the order of the first run."""
    second_rows: dict[Any, deque[int]] = defaultdict(deque)
    for row, key in enumerate(_text_keys(second)):
        second_rows[key].append(row)
    pairs = [
        (row, second_rows[key].popleft())
        for row, key in enumerate(_text_keys(first))
        if second_rows.get(key)
    ]
    rows = np.array(pairs, np.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]


def _text_keys(predictions: Predictions) -> list[tuple[int, Any]]:
    """Return the hash of each text with its label, or with its targets or labels of 0 and 1."""
    labels = predictions.labels.tolist()
    keys = labels if predictions.labels.ndim == 1 else map(tuple, labels)
    return list(zip(predictions.text_hashes, keys, strict=True))


def _with_names(predictions: Predictions, names: Sequence[str]) -> Predictions:
    """Return answers with labels or targets in the order of ``names``, which have all of them."""
    places = np.array([names.index(name) for name in predictions.label_names], np.int64)

    def rename(values: NDArray[Any], missing: float) -> NDArray[Any]:
        if values.ndim == 1:
            return np.asarray(places[values])
        renamed = np.full((len(values), len(names)), missing, values.dtype)
        renamed[:, places] = values
        return renamed

    return replace(
        predictions,
        labels=rename(predictions.labels, 0),
        answers={name: rename(part, NO_LABEL) for name, part in predictions.answers.items()},
        label_names=tuple(names),
        mistakes=(),
        validation={},
    )


def _take(predictions: Predictions, rows: NDArray[np.int64]) -> Predictions:
    """Return the answers to the texts of ``rows``, in that order."""
    return replace(
        predictions,
        labels=predictions.labels[rows],
        answers={name: answers[rows] for name, answers in predictions.answers.items()},
        text_hashes=tuple(predictions.text_hashes[row] for row in rows.tolist()),
    )
