"""All answers of a study, compressed in one file, from which its comparisons are computed without training."""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qllmft.campaign.record import RowResult, StudyRecord
from qllmft.data import Splits, Table
from qllmft.errors import UserError
from qllmft.files import read_bytes, write_bytes
from qllmft.statistics import Accuracy, ClassScores, confusion_of
from qllmft_backends.validation import faults

FILE = "predictions.npz"
FORMAT = 1
MOST_BYTES = 512 * 2**20  # of all arrays, once decompressed
CURVE_UNIT = 1e-4  # of losses in nats and of accuracies in [0, 1]

_FAULTS = (
    ValueError, KeyError, TypeError, IndexError, EOFError, OSError, MemoryError, OverflowError, RecursionError,
    BadZipFile, zlib.error,
)  # fmt: skip
_LONGEST_REASON = 200  # characters of a fault; numpy repeats a whole header

Split = str  # "validation" or "test"


@dataclass(frozen=True)
class Answers:
    """Answers of all rows of a study on one split of one seed."""

    texts: NDArray[np.int64]  # (N,) indices into the study's texts, ascending
    labels: NDArray[np.int64]  # (N,) true labels
    answers: NDArray[np.int64]  # (N, rows) predicted labels

    def accuracy(self, row: int) -> Accuracy:
        """Return the accuracy of a row."""
        return Accuracy.of(self.labels, self.answers[:, row])

    def scores(self, row: int, n_labels: int) -> ClassScores:
        """Return the scores of a row class by class."""
        return ClassScores.of(confusion_of(self.labels, self.answers[:, row], n_labels))


class _About(BaseModel):
    """Array ``about`` of the file, in JSON."""

    model_config = ConfigDict(strict=True, extra="forbid")

    format: Literal[1]
    rows: tuple[str, ...]
    seeds: tuple[int, ...]
    labels: Annotated[int, Field(ge=1, le=2**16)]
    settings: dict[str, dict[str, Any]]
    curves: tuple[str, ...]


@dataclass(frozen=True)
class StudyPredictions:
    """Content of ``predictions.npz``."""

    rows: tuple[str, ...]  # labels, in the table's order
    seeds: tuple[int, ...]
    # (P,) first 8 bytes of the SHA-256 of each text, ascending; no text is kept
    hashes: NDArray[np.uint64]
    labels: NDArray[np.int64]  # (P,) true labels of the texts
    answers: Mapping[tuple[Split, int], Answers]  # by split and seed
    # of each row's first run, by dotted name, that differ from the defaults
    settings: Mapping[str, Mapping[str, Any]]
    # (2, E) mean training loss and validation accuracy of a head, see the unit
    curves: Mapping[str, NDArray[np.int64]]

    def write(self, folder: Path) -> Path:
        """Write the file and return its path. The same content gives the same bytes."""
        k = int(self.labels.max()) + 1 if len(self.labels) else 1
        small = np.uint8 if k <= 256 else np.uint16
        about = {
            "format": FORMAT,
            "rows": self.rows,
            "seeds": self.seeds,
            "labels": k,
            "settings": self.settings,
            "curves": list(self.curves),
        }
        arrays: dict[str, NDArray[Any]] = {
            "about": np.frombuffer(json.dumps(about, ensure_ascii=False).encode(), np.uint8),
            "hashes": self.hashes,
            "labels": self.labels.astype(small),
        }
        for (split, seed), found in self.answers.items():
            # steps between texts and differences from true labels are mostly one number, which
            # compresses well
            arrays[f"{split}-{seed}-steps"] = np.diff(found.texts, prepend=0).astype(np.uint32)
            arrays[f"{split}-{seed}"] = ((found.answers - found.labels[:, None]) % k).astype(small)
        for index, curve in enumerate(self.curves.values()):
            arrays[f"curve-{index}"] = np.diff(curve, prepend=0).astype(np.int32)
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        write_bytes(folder / FILE, file.getvalue())
        return folder / FILE

    @classmethod
    def read(cls, folder: Path) -> StudyPredictions:
        """Read the file. UserError if it is missing or has another form."""
        path = folder / FILE
        remedy = "The study's own command makes it again."
        if not path.exists():
            raise UserError(f"there are no predictions in {folder} ({FILE} is missing). {remedy}")
        try:
            content = read_bytes(path)
            with ZipFile(io.BytesIO(content)) as archive:
                if (size := sum(part.file_size for part in archive.infolist())) > MOST_BYTES:
                    raise ValueError(
                        f"its arrays have {size:,} bytes, expected at most {MOST_BYTES:,}"
                    )
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                return cls._of(arrays)
        except _FAULTS as error:
            raise UserError(
                f"{path} cannot be read: {str(error)[:_LONGEST_REASON]}. {remedy}"
            ) from error

    @classmethod
    def _of(cls, arrays: Mapping[str, NDArray[Any]]) -> StudyPredictions:
        try:
            about = _About.model_validate_json(arrays["about"].tobytes())
        except ValidationError as error:
            raise ValueError(f"its array 'about': {faults(error)[0]}") from None
        for name, entries in (
            ("rows", about.rows),
            ("seeds", about.seeds),
            ("curves", about.curves),
        ):
            if len(set(entries)) < len(entries):  # each would be read again and again
                raise ValueError(f"its array 'about' has an entry of {name} twice")
        labels, hashes = _integers(arrays, "labels"), arrays["hashes"]
        if hashes.shape != labels.shape or hashes.dtype != np.uint64:
            raise ValueError(
                f"it has {hashes.shape} hashes of type {hashes.dtype} for {labels.shape} labels"
            )
        if len(labels) and not 0 <= labels.min() <= labels.max() < about.labels:
            raise ValueError(
                f"its labels are {labels.min()} to {labels.max()}, expected 0 to {about.labels - 1}"
            )
        found = {}
        for split in ("validation", "test"):
            for seed in about.seeds:
                texts = _integers(arrays, f"{split}-{seed}-steps").cumsum()
                offsets = _integers(arrays, f"{split}-{seed}", 2)
                if (
                    offsets.shape != (len(texts), len(about.rows))
                    or not len(texts)
                    or texts.min() < 0
                ):
                    raise ValueError(f"{split} of seed {seed} has answers of shape {offsets.shape}")
                true = labels[texts]
                found[split, seed] = Answers(texts, true, (offsets + true[:, None]) % about.labels)
        curves = {
            row: _integers(arrays, f"curve-{i}", 2).cumsum(axis=1)
            for i, row in enumerate(about.curves)
        }
        if any(len(curve) != 2 for curve in curves.values()):
            raise ValueError("it has a curve without two rows")
        return cls(about.rows, about.seeds, hashes, labels, found, about.settings, curves)

    def recomputed(self, record: StudyRecord) -> StudyRecord:
        """Return a record whose accuracies are counted from these answers.

        Numbers without answers stay: parameters, epochs, losses and accuracies without noise.

        Raises:
            UserError: if the answers are of other rows or seeds.
        """
        labels = tuple(row.label for row in record.rows)
        if (labels, record.seeds) != (self.rows, self.seeds):
            raise UserError(
                f"the predictions are of the rows {', '.join(self.rows)} and seeds {self.seeds}, and the record of "
                f"{', '.join(labels)} and {record.seeds}. Keep both files of one study together."
            )
        k = len(record.data.labels)
        return replace(
            record, rows=tuple(self._row(row, index, k) for index, row in enumerate(record.rows))
        )

    def _row(self, row: RowResult, index: int, k: int) -> RowResult:
        test = [self.answers["test", seed] for seed in self.seeds]
        scores = [answers.scores(index, k) for answers in test]
        return replace(
            row,
            validation=tuple(
                self.answers["validation", seed].accuracy(index).value for seed in self.seeds
            ),
            test=tuple(answers.accuracy(index).value for answers in test),
            balanced=tuple(each.balanced for each in scores)
            if any(each.uneven for each in scores)
            else (),
            constant=all(each.constant for each in scores),
        )


def _integers(arrays: Mapping[str, NDArray[Any]], name: str, axes: int = 1) -> NDArray[np.int64]:
    """Return an array of integers, or raise ValueError if it is of another kind."""
    found = arrays[name]
    if found.ndim != axes or found.dtype.kind not in "iu":
        raise ValueError(f"its array {name!r} has the shape {found.shape} and type {found.dtype}")
    return found.astype(np.int64)


@dataclass(frozen=True)
class TextIndex:
    """Different texts of a study, with their labels, in the order of their hashes."""

    hashes: NDArray[np.uint64]  # (P,) as in `StudyPredictions`
    labels: NDArray[np.int64]  # (P,)

    @classmethod
    def of(cls, splits: Sequence[Splits]) -> TextIndex:
        """Collect the validation and test texts of several seeds."""
        pairs = {
            pair
            for each in splits
            for table in (each.validation, each.test)
            for pair in _keys(table)
        }
        hashes, labels = zip(*sorted(pairs), strict=True)
        return cls(np.array(hashes, np.uint64), np.array(labels, np.int64))

    def answers(self, table: Table, by_row: Sequence[NDArray[np.int64]]) -> Answers:
        """Return answers on a table (N,) of each row, in the order of this index."""
        place = {
            pair: i
            for i, pair in enumerate(zip(self.hashes.tolist(), self.labels.tolist(), strict=True))
        }
        texts = np.array([place[pair] for pair in _keys(table)], np.int64)
        order = np.argsort(texts, kind="stable")
        return Answers(texts[order], table.labels[order], np.stack(by_row, axis=1)[order])


def _keys(table: Table) -> list[tuple[int, int]]:
    hashes = (
        hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8] for text in table.texts
    )
    return [
        (int.from_bytes(key, "big"), label)
        for key, label in zip(hashes, table.labels.tolist(), strict=True)
    ]
