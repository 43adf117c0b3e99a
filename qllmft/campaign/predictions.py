"""All answers of a study, compressed in one file, from which its comparisons are computed without training."""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tokenize import TokenError
from typing import Annotated, Any, Literal, get_args
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qllmft.campaign.record import StudyRecord
from qllmft.config import DataConfig, parse_config
from qllmft.config.settings import with_settings
from qllmft.data import Table
from qllmft.errors import UserError
from qllmft.files import read_bytes, write_bytes
from qllmft.run import SharedInputs
from qllmft.run.record import Answers, DataRecord
from qllmft.tasks import TASK_OF_SCORE
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

Split = Literal["validation", "test"]
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
class SplitAnswers(Answers):
    """Answers of all rows of a study on one split of one seed; values and leads are in single precision."""

    texts: NDArray[np.int64]  # (N,) indices into the study's texts, ascending


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
        smallest = np.uint8 if k <= 256 else np.uint16
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
            "labels": self.labels.astype(smallest if one else np.float64),
        }
        for (split, seed), found in self.answers.items():
            # steps between texts, and differences from the true labels, are mostly one number, which compresses well
            arrays[f"{split}-{seed}-steps"] = np.diff(found.texts, prepend=0).astype(np.uint32)
            given = np.stack([found.answers[row] for row in self.rows], axis=1)
            if one:
                given = ((given - found.labels[:, None]) % k).astype(smallest)
            arrays[f"{split}-{seed}"] = given
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
        for name in ("rows", "seeds", "curves"):
            entries = getattr(about, name)
            if len(set(entries)) < len(entries):  # each would be read again and again
                raise ValueError(f"its array 'about' has an entry of {name} twice")
        labels, hashes = _labels(arrays, about), arrays["hashes"]
        if hashes.shape != labels.shape[:1] or hashes.dtype != np.uint64:
            raise ValueError(
                f"it has {hashes.shape} hashes of type {hashes.dtype} for {labels.shape} labels"
            )
        found: dict[tuple[Split, int], SplitAnswers] = {}
        for split in get_args(Split):
            for seed in about.seeds:
                name, one = f"{split}-{seed}", labels.ndim == 1
                texts = _array(arrays, f"{name}-steps", 1, "iu").cumsum()
                given = _array(arrays, name, 2 if one else 3, "iu" if one else "f")
                shape = (len(texts), len(about.rows), *labels.shape[1:])
                if given.shape != shape or not len(texts) or texts.min() < 0:
                    raise ValueError(f"its array {name!r} has answers of shape {given.shape}")
                true = labels[texts]
                given = (given + true[:, None]) % about.labels if one else given
                by_row = dict(zip(about.rows, np.moveaxis(given, 1, 0), strict=True))
                found[split, seed] = SplitAnswers(TASK_OF_SCORE[about.score], true, by_row, texts)
        curves = {
            row: _array(arrays, f"curve-{i}", 2, "iu").cumsum(axis=1)
            for i, row in enumerate(about.curves)
        }
        if any(len(curve) != 2 for curve in curves.values()):
            raise ValueError("it has a curve without two rows")
        drawn = None
        if "drawn" in arrays:
            packed = _array(arrays, "drawn", 1, "u")
            if arrays["drawn"].dtype != np.uint8 or len(packed) != -(-len(hashes) // 8):
                raise ValueError(f"its array 'drawn' has the shape {packed.shape}")
            drawn = np.unpackbits(arrays["drawn"], count=len(hashes)).astype(bool)
            if drawn.all():
                raise ValueError("its array 'drawn' marks every text, which leaves none to test on")
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
        rows = (replace(row, **self.scores(row.label, record.data)) for row in record.rows)
        return replace(record, rows=tuple(rows), test_drawn=self.test_drawn)

    @property
    def test_drawn(self) -> tuple[float, ...]:
        """Return the share of each seed's test texts that a choosing seed drew; () if these are not marked."""
        if self.drawn is None:
            return ()
        texts = (self.answers["test", seed].texts for seed in self.seeds)
        return tuple(float(self.drawn[each].mean()) for each in texts)

    def scores(self, row: str, data: DataRecord) -> dict[str, Any]:
        """Return the scores of a row, the fields of its `RowResult` that follow from answers.

        Scores apart from the texts that a choosing seed drew are () if a seed has no other test texts.

        Args:
            row: its label.
            data: the texts; their training labels decide whether rows are compared by balanced accuracy, and in
                records of earlier versions the test labels.
        """
        task = TASK_OF_SCORE[self.score]
        validation, tests = (
            [self.answers[split, seed] for seed in self.seeds] for split in get_args(Split)
        )
        values = [task.values(found.labels, found.answers[row]) for found in tests]
        by_name = {name: tuple(each[name] for each in values) for name in values[0]}
        kept = [] if self.drawn is None else [~self.drawn[found.texts] for found in tests]
        apart = [
            task.values(found.labels[rows], found.answers[row][rows])[self.score]
            for found, rows in zip(tests if kept else (), kept, strict=True)
            if rows.any()
        ]
        scores: dict[str, Any] = {
            "validation": tuple(
                task.values(found.labels, found.answers[row])[self.score] for found in validation
            ),
            "test": by_name.pop(self.score),
            "others": by_name,
            "test_apart": tuple(apart) if len(apart) == len(tests) else (),
        }
        by_class = [task.by_class(t.labels, t.answers[row], len(data.labels)) for t in tests]
        classes = [each for each in by_class if each is not None]
        if classes:
            balanced = data.balanced
            if balanced is None:
                balanced = any(each.uneven for each in classes)
            scores["balanced"] = tuple(each.balanced for each in classes) if balanced else ()
            scores["constant"] = all(each.constant for each in classes)
        return scores

    def with_drawn_texts(self, record: StudyRecord, source: str) -> StudyPredictions:
        """Return the answers with the texts that the record's choosing seeds drew from the data ``source``.

        Raises:
            UserError: if the study has no choosing seeds, or the data is not the study's.
        """
        if not record.choosing_seeds:
            raise UserError(
                f"--data {source} marks the texts on which settings were chosen, and the study {record.study} chose "
                "none on seeds of its own; omit --data."
            )
        first = self.settings[self.rows[0]]
        given = with_settings({}, {**first, **record.settings, "data.source": source})
        data, inputs = parse_config(given, f"settings of {record.study}").data, SharedInputs()
        found = inputs.corpus(data).fingerprint
        if found != record.data.fingerprint:
            raise UserError(
                f"--data {source} has the fingerprint {found}, and the study's data {record.data.fingerprint}; give "
                "the same texts."
            )
        return replace(self, drawn=drawn_by(record.choosing_seeds, data, inputs, self.hashes))


def drawn_by(
    seeds: Iterable[int], data: DataConfig, inputs: SharedInputs, hashes: NDArray[np.uint64]
) -> NDArray[np.bool_]:
    """Return whether each text is a training or validation text of one of the seeds.

    Args:
        seeds: of the splits.
        data: the texts and their protocol.
        inputs: reads the data.
        hashes: (P,) of the texts, see `text_keys`.

    Returns:
        (P,) marks.
    """
    splits = [inputs.splits(data, seed) for seed in seeds]
    drawn = [
        key for each in splits for table in (each.train, each.validation) for key in _hashes(table)
    ]
    return np.isin(hashes, np.array(drawn, np.uint64))


def _hashes(table: Table) -> list[int]:
    """Return the first 8 bytes of the SHA-256 of each text."""
    items = (item.encode("utf-8", "surrogatepass") for item in table.items)
    return [int.from_bytes(hashlib.sha256(item).digest()[:8], "big") for item in items]


def text_keys(table: Table) -> list[tuple[int, Any]]:
    """Return the hash of each text with its label, or with its targets or labels of 0 and 1 as a tuple."""
    found = table.labels.tolist()
    labels = found if table.labels.ndim == 1 else map(tuple, found)
    return list(zip(_hashes(table), labels, strict=True))


def _labels(arrays: Arrays, about: _About) -> NDArray[Any]:
    """Return the true labels of the texts, or raise ValueError if they are not of the score's kind."""
    if about.score == "accuracy":
        labels, most = _array(arrays, "labels", 1, "iu"), about.labels - 1
    else:
        found, most = _array(arrays, "labels", 2, "f"), 1
        if about.score == "R²":
            return found
        labels = found.astype(np.int64)
        if not np.array_equal(labels, found):
            raise ValueError("its labels are neither 0 nor 1")
    if len(labels) and not 0 <= labels.min() <= labels.max() <= most:
        raise ValueError(f"its labels are {labels.min()} to {labels.max()}, expected 0 to {most}")
    return labels


def _array(arrays: Arrays, name: str, axes: int, kinds: str) -> NDArray[Any]:
    """Return an array of integers or of finite real numbers, or raise ValueError if it is of another kind."""
    found = arrays[name]
    if found.ndim != axes or found.dtype.kind not in kinds:
        raise ValueError(f"its array {name!r} has the shape {found.shape} and type {found.dtype}")
    if kinds == "f" and not np.isfinite(found).all():
        raise ValueError(f"its array {name!r} has numbers that are not finite")
    return found if kinds == "f" else found.astype(np.int64)
