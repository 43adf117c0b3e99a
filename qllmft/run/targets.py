"""Values of all heads for the real targets of the test set, kept from its single reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.data import Table
from qllmft.errors import UserError

MOST_ERRORS = 20
LONGEST_TEXT = 1_000  # characters of an error's text that are kept

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LargeError:
    """Test text with one of the largest errors of the head."""

    text: str  # its first 1,000 characters
    target: tuple[float, ...]  # (T,)
    value: tuple[float, ...]  # (T,) of the head


@dataclass(frozen=True)
class TargetPredictions:
    """Content of ``predictions.json`` of a regression."""

    target_names: tuple[str, ...]  # T names
    targets: Floats  # (N, T) in the order of the test set
    answers: Mapping[str, Floats]  # (N, T) values by the model's name
    errors: tuple[LargeError, ...]  # largest errors of the first model, in deviations of the targets; up to 20
    validation: Mapping[str, Floats]  # (N, T) values for the validation texts by the model's name

    @classmethod
    def of(
        cls, names: tuple[str, ...], test: Table, answers: Mapping[str, Floats], validation: Mapping[str, Floats]
    ) -> TargetPredictions:
        """Collect the values for the test set, and for the validation texts, those of the run's head first."""
        head = next(iter(answers.values()))
        distance = (np.abs(head - test.labels) / (test.labels.std(axis=0) + np.finfo(float).tiny)).max(axis=1)
        items = test.items
        errors = tuple(
            LargeError(items[i][:LONGEST_TEXT], tuple(test.labels[i].tolist()), tuple(head[i].tolist()))
            for i in np.argsort(-distance, kind="stable")[:MOST_ERRORS].tolist()
        )
        return cls(names, np.asarray(test.labels, np.float64), answers, errors, validation)

    def as_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "target_names": list(self.target_names),
            "targets": self.targets.tolist(),
            "answers": {name: values.tolist() for name, values in self.answers.items()},
            "errors": [asdict(error) for error in self.errors],
            "validation": {name: values.tolist() for name, values in self.validation.items()},
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> TargetPredictions:
        """Read JSON values, or raise ValueError, KeyError or TypeError."""
        names = tuple(map(str, record["target_names"]))
        targets = _values(record["targets"], len(names))
        answers = {name: _values(given, len(names)) for name, given in record["answers"].items()}
        if any(len(given) != len(targets) for given in answers.values()):
            raise ValueError(f"a model does not have one value for each of {len(targets)} texts")
        errors = tuple(
            LargeError(str(each["text"]), tuple(each["target"]), tuple(each["value"])) for each in record["errors"]
        )
        validation = {name: _values(given, len(names)) for name, given in record["validation"].items()}
        return cls(names, targets, answers, errors, validation)

    def answers_of(self, model: str) -> Floats:
        """Return the values (N, T) of a model, or raise UserError if there are none."""
        if model not in self.answers:
            raise UserError(f"predictions.json has no values of {model!r}: it belongs to another run. Delete it.")
        return self.answers[model]


def _values(given: Any, n_targets: int) -> Floats:
    """Return values (N, T), or raise ValueError."""
    values = np.array(given, np.float64)
    if values.ndim != 2 or values.shape[1] != n_targets or not np.isfinite(values).all():
        raise ValueError(f"expected {n_targets} finite values per text")
    return values
