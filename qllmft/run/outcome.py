"""What a run or a part of it left in its folder."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Self

from qllmft.run.folder import RunFolder
from qllmft.run.record import RunRecord
from qllmft.run.table import table_html


@dataclass(frozen=True, repr=False)
class Outcome:
    """Outcome of a run."""

    folder: RunFolder  # the run's folder
    # content of ``result.json``, or of ``validation.json`` if the test set was not read; None if
    # training was interrupted
    record: RunRecord | None
    epochs_done: int  # number of trained epochs
    signal: int | None = None  # number of the signal that interrupted training, or None

    def __repr__(self) -> str:
        """Return the folder, the score of the head, and the best model on the validation texts."""
        facts = self._interruption_text
        if self.record is not None:
            head = self.record.head
            best_model = max(self.record.models, key=lambda m: m.validation.value)
            facts = f"selected on validation: {best_model.name} {best_model.validation.plain}"
            if head.test is not None:
                name = head.test.measure.name
                facts = f"{head.name} {head.test} {name} on the test texts, {facts}"
        return f"<{type(self).__name__} {self.folder.path}: {facts}>"

    def _repr_html_(self) -> str:
        """Return the table of its models, for a notebook."""
        return table_html(self.record) if self.record else self._interruption_text

    @property
    def _interruption_text(self) -> str:
        return f"interrupted after epoch {self.epochs_done}"


@dataclass(frozen=True, repr=False)
class TrainedRun(Outcome):
    """Outcome of a finished run, which always has a record."""

    record: RunRecord  # content of ``result.json``

    @classmethod
    def from_outcome(cls, outcome: Outcome) -> Self:
        """Return a finished run's outcome.

        Raises:
            KeyboardInterrupt: if Ctrl-C interrupted the training.
            SystemExit: if SIGTERM did.
        """
        if outcome.record is not None:
            return cls(outcome.folder, outcome.record, outcome.epochs_done)
        if outcome.signal == signal.SIGTERM:
            raise SystemExit(128 + signal.SIGTERM)
        raise KeyboardInterrupt(f"after epoch {outcome.epochs_done}. The same call resumes the run")
