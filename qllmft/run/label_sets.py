"""Leads of all heads for the labels of the test set if texts have several, kept from its single reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.data import Table
from qllmft.errors import UserError
from qllmft.run.predictions import LONGEST_TEXT, MOST_MISTAKES

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class WrongSet:
    """Test text with other labels than the head gave it."""

    text: str  # its first 1,000 characters
    labels: tuple[str, ...]  # names of the true ones
    answer: tuple[str, ...]  # names of the predicted ones


@dataclass(frozen=True)
class LabelSetPredictions:
    """Content of ``predictions.json`` if texts have several labels.

    A lead is the score of a label over its threshold: a text gets the labels whose lead is not negative.
    """

    label_names: tuple[str, ...]  # L names
    labels: NDArray[np.int64]  # (N, L) true labels, 0 or 1, in the order of the test set
    leads: Mapping[str, Floats]  # (N, L) by the model's name
    mistakes: tuple[WrongSet, ...]  # of the first model, up to 20, evenly spaced
    validation: Mapping[str, Floats]  # (N, L) leads of the validation texts by the model's name

    @classmethod
    def of(
        cls, names: tuple[str, ...], test: Table, leads: Mapping[str, Floats], validation: Mapping[str, Floats]
    ) -> LabelSetPredictions:
        """Collect the leads on the test set, and on the validation texts, those of the run's head first."""
        given, items = next(iter(leads.values())) >= 0, test.items
        wrong = np.flatnonzero((given != test.labels).any(axis=1))
        shown = wrong[np.linspace(0, len(wrong) - 1, min(MOST_MISTAKES, len(wrong))).round().astype(np.int64)]

        def named(flags: NDArray[Any]) -> tuple[str, ...]:
            return tuple(name for name, flag in zip(names, flags.tolist(), strict=True) if flag)

        mistakes = tuple(WrongSet(items[i][:LONGEST_TEXT], named(test.labels[i]), named(given[i])) for i in shown)
        return cls(names, np.asarray(test.labels, np.int64), leads, mistakes, validation)

    def as_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "label_names": list(self.label_names),
            "labels": self.labels.tolist(),
            "leads": {name: values.tolist() for name, values in self.leads.items()},
            "mistakes": [asdict(mistake) for mistake in self.mistakes],
            "validation": {name: values.tolist() for name, values in self.validation.items()},
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> LabelSetPredictions:
        """Read JSON values, or raise ValueError, KeyError or TypeError."""
        names = tuple(map(str, record["label_names"]))
        labels = _table(record["labels"], len(names))
        if not np.isin(labels, (0.0, 1.0)).all():
            raise ValueError("a label is neither 0 nor 1")
        leads = {name: _table(given, len(names)) for name, given in record["leads"].items()}
        if any(len(given) != len(labels) for given in leads.values()):
            raise ValueError(f"a model does not have one row for each of {len(labels)} texts")
        mistakes = tuple(
            WrongSet(str(each["text"]), tuple(map(str, each["labels"])), tuple(map(str, each["answer"])))
            for each in record["mistakes"]
        )
        validation = {name: _table(given, len(names)) for name, given in record["validation"].items()}
        return cls(names, labels.astype(np.int64), leads, mistakes, validation)

    def leads_of(self, model: str) -> Floats:
        """Return the leads (N, L) of a model, or raise UserError if there are none."""
        if model not in self.leads:
            raise UserError(f"predictions.json has no answers of {model!r}: it belongs to another run. Delete it.")
        return self.leads[model]


def _table(given: Any, n_labels: int) -> Floats:
    """Return numbers (N, L), or raise ValueError."""
    values = np.array(given, np.float64)
    if values.ndim != 2 or values.shape[1] != n_labels or not np.isfinite(values).all():
        raise ValueError(f"expected {n_labels} finite numbers per text")
    return values
