"""All answers of a study, compressed in one file, from which its comparisons are computed without training."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tokenize import TokenError
from typing import Annotated, Any, Literal
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qllmft.campaign.record import StudyRecord
from qllmft.errors import UserError
from qllmft.files import read_bytes, write_bytes
from qllmft.tasks import TASK_OF_SCORE
from qllmft.tasks.accuracy import ClassScores, confusion_of
from qllmft.tasks.measure import ScoreName
from qllmft_backends.validation import faults

FILE = "predictions.npz"
FORMAT = 1
MOST_BYTES = 512 * 2**20  # of all arrays, once decompressed
CURVE_UNIT = 1e-4  # of losses and of scores

_FAULTS = (
    ValueError, KeyError, TypeError, IndexError, EOFError, OSError, MemoryError, OverflowError, RecursionError,
    BadZipFile, zlib.error,
    TokenError,  # of numpy, for a header of many brackets on Python 3.12 and later
)  # fmt: skip
_LONGEST_REASON = 200  # characters of a fault; numpy repeats a whole header

Split = str  # "validation" or "test"
Arrays = Mapping[str, NDArray[Any]]  # of the file, by name


class _About(BaseModel):
    """Array ``about`` of the file, in JSON."""

    model_config = ConfigDict(strict=True, extra="forbid")

    format: Literal[1]
    rows: tuple[str, ...]
    seeds: tuple[int, ...]
    # number of labels of one per text, which are kept as differences; 1 for other scores
    labels: Annotated[int, Field(ge=1, le=2**16)]
    settings: dict[str, dict[str, Any]]
    curves: tuple[str, ...]
    score: ScoreName = "accuracy"


@dataclass(frozen=True)
class SplitAnswers:
    """Answers of all rows of a study on one split of one seed."""

    texts: NDArray[np.int64]  # (N,) indices into the study's texts, ascending
    labels: NDArray[Any]  # (N,) true labels, or (N, T) targets or labels of 0 and 1
    # (N, rows) predicted labels, or (N, rows, T) values or leads in single precision
    answers: NDArray[Any]

    def of(self, row: int) -> NDArray[Any]:
        """Return the answers of a row in the shape of the labels."""
        return self.answers[:, row]

    def packed(self, k: int) -> NDArray[Any]:
        """Return the answers as the file has them: labels as differences from the true ones, modulo k."""
        if self.labels.ndim > 1:
            return self.answers
        # mostly one number, which compresses well
        return np.asarray((self.answers - self.labels[:, None]) % k, _smallest(k))

    @classmethod
    def unpacked(
        cls, arrays: Arrays, name: str, labels: NDArray[Any], rows: int, k: int
    ) -> SplitAnswers:
        """Return the answers from the arrays of the file.

        Args:
            arrays: of the file.
            name: of the split and seed.
            labels: (P,) true labels of the study's texts, or (P, T) targets or labels of 0 and 1.
            rows: number of the study's rows.
            k: number of labels.

        Raises:
            ValueError: if the arrays have another form.
        """
        texts = _integers(arrays, f"{name}-steps").cumsum()
        found = _integers(arrays, name, 2) if labels.ndim == 1 else _reals(arrays, name, 3)
        shape = (len(texts), rows, *labels.shape[1:])
        if found.shape != shape or not len(texts) or texts.min() < 0:
            raise ValueError(f"its array {name!r} has answers of shape {found.shape}")
        true = labels[texts]
        return cls(texts, true, (found + true[:, None]) % k if labels.ndim == 1 else found)


@dataclass(frozen=True)
class StudyPredictions:
    """Content of ``predictions.npz``."""

    rows: tuple[str, ...]  # labels, in the table's order
    seeds: tuple[int, ...]
    # (P,) first 8 bytes of the SHA-256 of each text, ascending; no text is kept
    hashes: NDArray[np.uint64]
    labels: NDArray[Any]  # (P,) true labels of the texts, or (P, T) targets or labels of 0 and 1
    answers: Mapping[tuple[Split, int], SplitAnswers]  # by split and seed
    # of each row's first run, by dotted name, that differ from the defaults
    settings: Mapping[str, Mapping[str, Any]]
    # (2, E) mean training loss and validation score of a head, see the unit
    curves: Mapping[str, NDArray[np.int64]]
    score: ScoreName = "accuracy"  # by which rows are compared
    # (P,) whether a choosing seed drew the text; None without such seeds, and in older files
    drawn: NDArray[np.bool_] | None = None

    def write(self, folder: Path) -> Path:
        """Write the file and return its path. The same content gives the same bytes."""
        one = self.score == "accuracy"
        k = int(self.labels.max()) + 1 if one and len(self.labels) else 1
        about = {
            "format": FORMAT,
            "rows": self.rows,
            "seeds": self.seeds,
            "labels": k,
            "settings": self.settings,
            "curves": list(self.curves),
            **({} if one else {"score": self.score}),
        }
        arrays: dict[str, NDArray[Any]] = {
            "about": np.frombuffer(json.dumps(about, ensure_ascii=False).encode(), np.uint8),
            "hashes": self.hashes,
            "labels": self.labels.astype(_smallest(k)) if one else self.labels.astype(np.float64),
        }
        for (split, seed), found in self.answers.items():
            # steps between texts are mostly one number, which compresses well
            arrays[f"{split}-{seed}-steps"] = np.diff(found.texts, prepend=0).astype(np.uint32)
            arrays[f"{split}-{seed}"] = found.packed(k)
        for index, curve in enumerate(self.curves.values()):
            arrays[f"curve-{index}"] = np.diff(curve, prepend=0).astype(np.int32)
        if self.drawn is not None:
            arrays["drawn"] = np.packbits(self.drawn)
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
    def _of(cls, arrays: Arrays) -> StudyPredictions:
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
        labels, hashes = _labels(arrays, about), arrays["hashes"]
        if hashes.shape != labels.shape[:1] or hashes.dtype != np.uint64:
            raise ValueError(
                f"it has {hashes.shape} hashes of type {hashes.dtype} for {labels.shape} labels"
            )
        rows, k = len(about.rows), about.labels
        found = {
            (split, seed): SplitAnswers.unpacked(arrays, f"{split}-{seed}", labels, rows, k)
            for split in ("validation", "test")
            for seed in about.seeds
        }
        curves = {
            row: _integers(arrays, f"curve-{i}", 2).cumsum(axis=1)
            for i, row in enumerate(about.curves)
        }
        if any(len(curve) != 2 for curve in curves.values()):
            raise ValueError("it has a curve without two rows")
        drawn = _drawn(arrays["drawn"], len(hashes)) if "drawn" in arrays else None
        settings, score = about.settings, about.score
        return cls(about.rows, about.seeds, hashes, labels, found, settings, curves, score, drawn)

    def recomputed(self, record: StudyRecord) -> StudyRecord:
        """Return a record whose scores are computed from these answers.

        Numbers without answers stay: parameters, epochs, losses and scores without noise.

        Raises:
            UserError: if the answers are of other rows, seeds or another score.
        """
        labels = tuple(row.label for row in record.rows)
        if (labels, record.seeds, record.score) != (self.rows, self.seeds, self.score):
            raise UserError(
                f"the predictions are of the rows {', '.join(self.rows)}, seeds {self.seeds} and {self.score}, and "
                f"the record of {', '.join(labels)}, {record.seeds} and {record.score}. Keep both files of one study "
                "together."
            )
        n_classes = len(record.data.labels)
        rows = (replace(row, **self.scores(i, n_classes)) for i, row in enumerate(record.rows))
        return replace(record, rows=tuple(rows), test_drawn=self.test_drawn)

    @property
    def test_drawn(self) -> tuple[float, ...]:
        """Return the share of each seed's test texts that a choosing seed drew; () if these are not marked."""
        if self.drawn is None:
            return ()
        return tuple(float(self.drawn[found.texts].mean()) for found in self._on("test"))

    def scores(self, row: int, n_classes: int) -> dict[str, Any]:
        """Return the scores of a row, the fields of its `RowResult` that follow from answers."""
        task, tests = TASK_OF_SCORE[self.score], self._on("test")
        values = [task.values(found.labels, found.of(row)) for found in tests]
        by_name = {name: tuple(each[name] for each in values) for name in values[0]}
        found = {
            "validation": tuple(
                task.values(found.labels, found.of(row))[self.score]
                for found in self._on("validation")
            ),
            "test": by_name.pop(self.score),
            "others": by_name,
            "test_apart": self._apart(row, tests),
        }
        if not task.one_label:
            return found
        classes = [ClassScores.of(confusion_of(t.labels, t.of(row), n_classes)) for t in tests]
        uneven = any(each.uneven for each in classes)
        return {
            **found,
            "balanced": tuple(each.balanced for each in classes) if uneven else (),
            "constant": all(each.constant for each in classes),
        }

    def _on(self, split: Split) -> list[SplitAnswers]:
        """Return the answers on one split by seed."""
        return [self.answers[split, seed] for seed in self.seeds]

    def _apart(self, row: int, tests: Sequence[SplitAnswers]) -> tuple[float, ...]:
        """Return a row's scores on the test texts that no choosing seed drew.

        () if these are not marked, or if a seed has none.
        """
        if self.drawn is None:
            return ()
        scores = []
        for found in tests:
            apart = ~self.drawn[found.texts]
            if not apart.any():
                return ()
            values = TASK_OF_SCORE[self.score].values(found.labels[apart], found.of(row)[apart])
            scores.append(values[self.score])
        return tuple(scores)


def _drawn(packed: NDArray[Any], n: int) -> NDArray[np.bool_]:
    """Return the marks of n texts, or raise ValueError if they are of another kind."""
    if packed.dtype != np.uint8 or packed.shape != (-(-n // 8),):
        raise ValueError(f"its array 'drawn' has the shape {packed.shape} and type {packed.dtype}")
    found = np.unpackbits(packed, count=n).astype(bool)
    if found.all():
        raise ValueError("its array 'drawn' marks every text, which leaves none to test on")
    return found


def _labels(arrays: Arrays, about: _About) -> NDArray[Any]:
    """Return the true labels of the texts, or raise ValueError if they are not of the score's kind."""
    if about.score == "R²":
        return _reals(arrays, "labels")
    if about.score == "accuracy":
        labels, most = _integers(arrays, "labels"), about.labels - 1
    else:
        found, most = _reals(arrays, "labels"), 1
        labels = found.astype(np.int64)
        if not np.array_equal(labels, found):
            raise ValueError("its labels are neither 0 nor 1")
    if len(labels) and not 0 <= labels.min() <= labels.max() <= most:
        raise ValueError(f"its labels are {labels.min()} to {labels.max()}, expected 0 to {most}")
    return labels


def _smallest(k: int) -> type[np.unsignedinteger[Any]]:
    """Return the smallest type of k labels."""
    return np.uint8 if k <= 256 else np.uint16


def _integers(arrays: Arrays, name: str, axes: int = 1) -> NDArray[np.int64]:
    """Return an array of integers, or raise ValueError if it is of another kind."""
    return _array(arrays, name, axes, "iu").astype(np.int64)


def _reals(arrays: Arrays, name: str, axes: int = 2) -> NDArray[Any]:
    """Return an array of finite real numbers, or raise ValueError if it is of another kind."""
    found = _array(arrays, name, axes, "f")
    if not np.isfinite(found).all():
        raise ValueError(f"its array {name!r} has numbers that are not finite")
    return found


def _array(arrays: Arrays, name: str, axes: int, kinds: str) -> NDArray[Any]:
    found = arrays[name]
    if found.ndim != axes or found.dtype.kind not in kinds:
        raise ValueError(f"its array {name!r} has the shape {found.shape} and type {found.dtype}")
    return found
