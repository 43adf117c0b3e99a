"""Training, validation and test texts of one run, and what is said about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from qllmft.data.all_rows import Rows
from qllmft.data.corpus import Corpus, Findings, Table, find_copies
from qllmft.data.label_names import is_missing_mark, label_table, with_counts
from qllmft.tasks import infer_task
from qllmft_base.text import format_count

# names of tables for people
_PART_NAMES = {
    "train": "training",
    "validation": "validation",
    "test": "test",
    "known": "calibration",
}


@dataclass(frozen=True)
class Splits:
    """Disjoint tables. Models are chosen on ``validation``; ``test`` is read once, for the chosen model.

    With folds, ``validation`` is ``train``: each fold validates models that are trained on the others.
    """

    train: Table
    validation: Table
    test: Table
    rare_counts: Mapping[str, int] = field(default_factory=dict)  # see `Findings.drawn`
    requested: int = 0  # see `Findings.requested`
    rule: str = ""  # of the split, in words
    folds: Rows | None = None  # (N,) of the training rows; None: no cross-validation
    # kept apart as calibration texts; None: the validation texts are
    calibration: Table | None = None
    weights: str = ""  # of the training rows, in words

    @property
    def in_words(self) -> str:
        """Return the number of rows of each part, and the rule of the split."""
        sizes = {name: len(table) for name, table in self._disjoint.items()}
        test_size = sizes.pop("test")
        parts = [f"{size:,} {_PART_NAMES[name]}" for name, size in sizes.items()]
        if self.folds is not None:
            parts[0] += f" (cross-validated in {self.n_folds} folds)"
        total = f"{sum(sizes.values()) + test_size:,}"
        return f"{total} rows: {', '.join(parts)}, {test_size:,} test ({self.rule})."

    @property
    def n_folds(self) -> int:
        """Return the number of folds that validate, 0 without folds."""
        return 0 if self.folds is None else int(self.folds.max()) + 1

    def take_fold(self, fold: int) -> Splits:
        """Return the splits of a fold: the others train, and it validates."""
        in_fold = self.folds == fold
        train, validation = (self.train.take(np.flatnonzero(rows)) for rows in (~in_fold, in_fold))
        return replace(self, train=train, validation=validation, folds=None, calibration=None)

    @property
    def _disjoint(self) -> dict[str, Table]:
        """Return the tables by split, without a validation that is the training, with texts that are kept apart."""
        tables = self.tables
        if self.folds is not None:
            del tables["validation"]
        return tables if self.calibration is None else {**tables, "known": self.calibration}

    def label_table(self, corpus: Corpus) -> tuple[str, ...]:
        """Return lines with the number of texts of each label in each part, or none for real targets."""
        tables = self._disjoint
        if infer_task(self.train.labels).real:
            return ()
        labels = [table.labels for table in tables.values()]
        counts = {
            label: [int(((y == i) if y.ndim == 1 else y[:, i]).sum()) for y in labels]
            for i, label in enumerate(corpus.label_names)
        }
        return label_table(counts, [_PART_NAMES[name] for name in tables])

    @property
    def sizes(self) -> dict[str, int]:
        """Return the number of texts by split."""
        return {name: len(table) for name, table in self.tables.items()}

    @property
    def tables(self) -> dict[str, Table]:
        """Return the tables by split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def findings(self, corpus: Corpus) -> Findings:
        """Return the findings of reading and splitting ``corpus``, with duplicates counted over the three tables."""
        repeated = corpus.repeated
        repeated_tables = {
            name: table.take(np.flatnonzero([item in repeated for item in table.items]))
            for name, table in self._disjoint.items()
            if repeated
        }
        copies_by_text = find_copies(repeated_tables)
        copies = copies_by_text.values()
        missing = {
            text: len(places) for text, places in copies_by_text.items() if is_missing_mark(text)
        }
        missing_text = ""
        if missing:
            count_text = format_count(sum(missing.values()), "text", ("looks", "look"))
            missing_text = f"{count_text} missing: {with_counts(sorted(missing), missing)}."
        number_of = {name: label for label, name in enumerate(corpus.label_names)}
        return replace(
            corpus.findings,
            missing_texts=missing_text,
            repeated_texts=len(copies),
            crossing_texts=sum(
                len({split for split, _, _ in text_copies}) > 1 for text_copies in copies
            ),
            contradictory_texts=sum(
                len({label for _, _, label in text_copies}) > 1 for text_copies in copies
            ),
            drawn=self.rare_counts,
            tested={
                name: int((self.test.labels == number_of[name]).sum()) for name in self.rare_counts
            },
            requested=self.requested if self.rare_counts else 0,
            weights=self.weights,
        )
