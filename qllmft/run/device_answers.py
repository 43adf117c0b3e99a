"""Answers of a device to labelled texts beside the exact ones, as the folder of a run keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from qllmft.answers.agreement import BackendAgreement
from qllmft.answers.probabilities import LabelProbabilities
from qllmft.bounds import MAX_DEVICES
from qllmft.run.predictions import LONGEST_TEXT
from qllmft.tasks.accuracy import Accuracy
from qllmft_base.files import folder_name, parse_json, read_text, reading, write_json, writing

FOLDER = "devices"  # in the folder of a run, with a file for each backend


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DeviceAnswer(_Record):
    """Answer of a device to one text."""

    text: str  # its first 1,000 characters
    label: str  # the true one
    answer: str  # of the device
    probability: float = Field(ge=0, le=1)  # of this answer, as measured
    standard_error: float = Field(ge=0)  # of the probability
    exact_answer: str  # computed without noise
    exact_probability: float = Field(ge=0, le=1)  # of the device's answer, computed without noise
    reliable: bool  # see `LabelProbabilities.decided`

    @property
    def differs(self) -> bool:
        """Return whether the device gave another label than the exact model."""
        return self.answer != self.exact_answer


class DeviceAnswers(_Record):
    """Answers of a device to N texts with one label each, the result of one call."""

    backend: str  # its name
    source: str  # of the texts
    date: str  # of the call, in ISO 8601 and UTC
    agreement: str  # sentences, see `BackendAgreement`
    texts: tuple[DeviceAnswer, ...] = Field(min_length=1)

    @property
    def accuracy(self) -> Accuracy:
        """Return the accuracy of the device."""
        right = sum(text.answer == text.label for text in self.texts)
        return Accuracy(right, len(self.texts))

    @property
    def exact_accuracy(self) -> Accuracy:
        """Return the accuracy of the exact model on the same texts."""
        right = sum(text.exact_answer == text.label for text in self.texts)
        return Accuracy(right, len(self.texts))

    @property
    def by_interest(self) -> list[DeviceAnswer]:
        """Return the texts whose labels differ from the exact ones first, then by the measured probability."""
        return sorted(self.texts, key=lambda text: (not text.differs, text.probability))


def collect_device_answers(
    backend: str,
    source: str,
    agreement: BackendAgreement,
    names: Sequence[str],
    texts: Sequence[str],
    labels: NDArray[np.int64],
    measured: LabelProbabilities,
    exact: LabelProbabilities,
) -> DeviceAnswers:
    """Return the answers of a device as a record.

    Args:
        backend: its name.
        source: of the texts.
        agreement: of the device with the exact model.
        names: of the k labels, and of those that only the texts have.
        texts: N of them.
        labels: (N,) indices into ``names``.
        measured: answers of the device.
        exact: answers of the exact model.
    """
    rows = np.arange(len(labels))
    given = measured.labels
    columns = zip(
        texts,
        labels.tolist(),
        given.tolist(),
        measured.probabilities[rows, given].tolist(),
        measured.standard_errors[rows, given].tolist(),
        exact.labels.tolist(),
        exact.probabilities[rows, given].tolist(),
        measured.decided.tolist(),
        strict=True,
    )
    answers = [
        DeviceAnswer(
            text=text[:LONGEST_TEXT],
            label=names[label],
            answer=names[answer],
            probability=probability,
            standard_error=error,
            exact_answer=names[exact_answer],
            exact_probability=exact_probability,
            reliable=reliable,
        )
        for text, label, answer, probability, error, exact_answer, exact_probability, reliable in columns
    ]
    return DeviceAnswers(
        backend=backend,
        source=source,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        agreement=str(agreement),
        texts=tuple(answers),
    )


def write_device_answers(run: Path, answers: DeviceAnswers) -> Path:
    """Write the answers into the folder of a run, in the place of earlier ones of the backend, and return the file."""
    file = run / FOLDER / f"{folder_name(answers.backend)}.json"
    with writing(f"the answers of {answers.backend}"):
        write_json(file, answers.model_dump(mode="json"))
    return file


def read_device_answers(run: Path) -> list[DeviceAnswers]:
    """Return the answers that the folder of a run keeps, those of each backend.

    Raises:
        UserError: if a file is malformed.
    """
    answers = []
    for file in islice(sorted((run / FOLDER).glob("*.json")), MAX_DEVICES):
        with reading(file, "Delete it. The report is then made without it."):
            answers.append(DeviceAnswers.model_validate(parse_json(read_text(file))))
    return answers
