"""Texts of a run whose label is likely wrong, by probabilities of models that were not trained on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qllmft.answers.label_errors import prune_by_class, self_confidence
from qllmft.data import Table
from qllmft.events import OnEvent, ignore
from qllmft.inference.predictor import Predictor
from qllmft.inference.run_texts import texts_of_run
from qllmft.run import RunFolder
from qllmft.run.comparison import best_on_validation
from qllmft.run.folder import BEST_ROW
from qllmft_base.errors import UserError
from qllmft_base.text import format_count


@dataclass(frozen=True)
class Suspect:
    """Text with its label, and what a model that was not trained on it says."""

    row: int | None  # number in the file; None: not known
    part: str  # of the run that has the text: test, validation, or the test of a fold
    text: str
    label: str  # in the data
    predicted: str  # the most probable one
    probability_of_label: float  # of the label in the data
    likely_wrong: bool  # see `prune_by_class`


@dataclass(frozen=True)
class Suspects:
    """Texts by the probability of their own label, the least first."""

    model: str  # name of the row of the run's table
    found: tuple[Suspect, ...]  # all texts that are covered
    total: int  # number of all texts of the run
    parts: tuple[str, ...]  # whose texts are covered, in words

    @property
    def n_likely_wrong(self) -> int:
        """Return the estimated number of wrong labels among the covered texts."""
        return sum(suspect.likely_wrong for suspect in self.found)

    @property
    def coverage(self) -> str:
        """Return which texts were covered, as sentences."""
        sentence = f"{len(self.found):,} of {format_count(self.total, 'text')} are covered: {', '.join(self.parts)}."
        if len(self.found) < self.total:
            sentence += " To cover all texts, train with --folds 5."
        return sentence


class _HeldOut(NamedTuple):
    """Texts that a model was not trained on, with their probabilities."""

    part: str
    table: Table
    probabilities: NDArray[np.float64]  # (N, k)
    names: tuple[str, ...]  # of the labels


def find_suspects(run: Path, row: str | None = None, on_event: OnEvent = ignore) -> Suspects:
    """Return the texts of a run or of the folds of a cross-validation, the most suspicious labels first.

    Folds cover every text by the model that was not trained on it. One run covers its test texts, and the validation
    texts unless they trained the model.

    Args:
        run: folder of a finished run, or of folds.
        row: of the run's table; None: the head.
        on_event: receives the progress of the embedding.

    Raises:
        UserError: if the run is not finished, its texts cannot be read or have changed, or a text has not one label.
    """
    folder = RunFolder(run)
    folds = folder.folds
    covered: tuple[str, ...]
    if folds:
        record = folder.require_pooled()
        name = best_on_validation(record.models).name if row == BEST_ROW else row
        parts = [
            part
            for number, fold in enumerate(folds, start=1)
            for part in _held_out(fold.path, name, on_event, f"test of fold {number}", folds=True)
        ]
        covered = (f"the test texts of {len(folds)} folds",)
    else:
        folder.require_record()
        parts = list(_held_out(folder.path, row, on_event, "test", folds=False))
        name = row
        covered = tuple(f"{part.part} ({len(part.table):,})" for part in parts)
    total = sum(map(len, texts_of_run((folds or [folder])[0].path)[1].splits.values()))
    probabilities = np.concatenate([part.probabilities for part in parts])
    labels = np.concatenate([np.asarray(part.table.labels) for part in parts])
    own = self_confidence(probabilities, labels)
    is_error = prune_by_class(probabilities, labels)
    predicted = probabilities.argmax(axis=1)
    names = parts[0].names
    places = [(part, place) for part in parts for place in range(len(part.table))]
    found = []
    for i in np.argsort(own, kind="stable").tolist():
        part, place = places[i]
        rows = part.table.rows
        found.append(
            Suspect(
                None if rows is None else int(rows[place]),
                part.part,
                part.table.items[place],
                names[labels[i]],
                names[predicted[i]],
                float(own[i]),
                bool(is_error[i]),
            )
        )
    return Suspects(name or "the run's head", tuple(found), total, covered)


def _held_out(
    run: Path, row: str | None, on_event: OnEvent, test: str, *, folds: bool
) -> Iterator[_HeldOut]:
    """Yield the test texts of a run, and without folds its validation texts if they did not train the model."""
    predictor = Predictor.load(run, model=row)
    predictor.check_one_label("suspects are about")
    _, corpus, splits = texts_of_run(run)
    if corpus.label_names != predictor.model.label_names:
        raise UserError(
            f"{run}: the labels of the texts have changed since the run. Train it again."
        )
    tables = {test: splits.test}
    if not folds and splits.folds is None:
        tables["validation"] = splits.validation
    for (part, table), examples in zip(
        tables.items(), predictor.embed_tables(tables, on_event), strict=True
    ):
        probabilities = np.asarray(predictor.answer(examples.x.numpy()).probabilities, np.float64)
        yield _HeldOut(part, table, probabilities, predictor.model.label_names)
