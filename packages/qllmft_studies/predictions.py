"""All answers of a study, compressed in one file, from which its comparisons are computed without training."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from tokenize import TokenError
from typing import Any, Literal, get_args
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from qllmft.config import DataConfig, parse_config
from qllmft.config.settings import with_settings
from qllmft.data import Table
from qllmft.run import SharedInputs
from qllmft.run.predictions import Answers
from qllmft.run.record import DataRecord
from qllmft.tasks import TASK_OF_SCORE
from qllmft.tasks.measure import ScoreName
from qllmft_base.errors import UserError
from qllmft_base.files import read_bytes, write_bytes
from qllmft_base.validation import faults
from qllmft_studies.bounds import MAX_PREDICTIONS_BYTES
from qllmft_studies.prediction_arrays import (
    FORMAT,
    Arrays,
    Header,
    read_array,
    read_choosing_mask,
    read_labels,
)
from qllmft_studies.record import StudyRecord

FILE_NAME = "predictions.npz"
CURVE_UNIT = 1e-4  # of losses and of scores

_READ_ERRORS = (
    ValueError, KeyError, TypeError, IndexError, EOFError, OSError, MemoryError, OverflowError, RecursionError,
    BadZipFile, zlib.error,
    TokenError,  # of numpy, for a header of many brackets on Python 3.12 and later
)  # fmt: skip
_LONGEST_REASON = 200  # characters of a fault; numpy repeats a whole header

Split = Literal["validation", "test"]


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
    choosing_mask: NDArray[np.bool_] | None = None

    def write(self, folder: Path) -> Path:
        """Write the file and return its path. The same content gives the same bytes."""
        is_accuracy = self.score == "accuracy"
        n_labels = self._count_labels() if is_accuracy else 1
        label_type = np.uint8 if n_labels <= 256 else np.uint16
        about = {
            "format": FORMAT,
            "rows": self.rows,
            "seeds": self.seeds,
            "labels": n_labels,
            "settings": self.settings,
            "curves": list(self.curves),
            **({} if is_accuracy else {"score": self.score}),
        }
        arrays: dict[str, NDArray[Any]] = {
            "about": np.frombuffer(json.dumps(about, ensure_ascii=False).encode(), np.uint8),
            "hashes": self.hashes,
            "labels": self.labels.astype(label_type if is_accuracy else np.float64),
        }
        for (split, seed), split_answers in self.answers.items():
            # steps between texts, and differences from the true labels, are mostly one number, which compresses well
            arrays[f"{split}-{seed}-steps"] = np.diff(split_answers.texts, prepend=0).astype(
                np.uint32
            )
            stacked_answers = np.stack([split_answers.answers[row] for row in self.rows], axis=1)
            if is_accuracy:
                stacked_answers = (
                    (stacked_answers - split_answers.labels[:, None]) % n_labels
                ).astype(label_type)
            arrays[f"{split}-{seed}"] = stacked_answers
        for index, curve in enumerate(self.curves.values()):
            arrays[f"curve-{index}"] = np.diff(curve, prepend=0).astype(np.int32)
        if self.choosing_mask is not None:
            arrays["drawn"] = np.packbits(self.choosing_mask)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        write_bytes(folder / FILE_NAME, buffer.getvalue())
        return folder / FILE_NAME

    def _count_labels(self) -> int:
        """Return the number of labels of texts and of answers, one of which may be in the training texts alone."""
        answers = [
            row_answers
            for split_answers in self.answers.values()
            for row_answers in split_answers.answers.values()
        ]
        return 1 + max(int(labels.max(initial=0)) for labels in (self.labels, *answers))

    @classmethod
    def from_folder(cls, folder: Path) -> StudyPredictions:
        """Read the file. UserError if it is missing or has another form."""
        path = folder / FILE_NAME
        remedy = "The study's own command makes it again."
        if not path.exists():
            raise UserError(
                f"there are no predictions in {folder} ({FILE_NAME} is missing). {remedy}"
            )
        try:
            content = read_bytes(path)
            with ZipFile(io.BytesIO(content)) as archive:
                if (
                    size := sum(member.file_size for member in archive.infolist())
                ) > MAX_PREDICTIONS_BYTES:
                    raise ValueError(
                        f"its arrays have {size:,} bytes, expected at most {MAX_PREDICTIONS_BYTES:,}"
                    )
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                return cls._from_arrays(arrays)
        except _READ_ERRORS as error:
            raise UserError(
                f"{path} cannot be read: {str(error)[:_LONGEST_REASON]}. {remedy}"
            ) from error

    @classmethod
    def _from_arrays(cls, arrays: Arrays) -> StudyPredictions:
        try:
            about = Header.model_validate_json(arrays["about"].tobytes())
        except ValidationError as error:
            raise ValueError(f"its array 'about': {faults(error)[0]}") from None
        for name in ("rows", "seeds", "curves"):
            entries = getattr(about, name)
            if len(set(entries)) < len(entries):  # each would be read again and again
                raise ValueError(f"its array 'about' has an entry of {name} twice")
        labels = read_labels(arrays, about)
        hashes = arrays["hashes"]
        if hashes.shape != labels.shape[:1] or hashes.dtype != np.uint64:
            raise ValueError(
                f"it has {hashes.shape} hashes of type {hashes.dtype} for {labels.shape} labels"
            )
        answers_by_split: dict[tuple[Split, int], SplitAnswers] = {}
        for split in get_args(Split):
            for seed in about.seeds:
                answers_by_split[split, seed] = _read_answers(
                    arrays, about, labels, f"{split}-{seed}"
                )
        curves = {
            row: read_array(arrays, f"curve-{i}", 2, "iu").cumsum(axis=1)
            for i, row in enumerate(about.curves)
        }
        if any(len(curve) != 2 for curve in curves.values()):
            raise ValueError("it has a curve without two rows")
        return cls(
            about.rows,
            about.seeds,
            hashes,
            labels,
            answers_by_split,
            about.settings,
            curves,
            about.score,
            read_choosing_mask(arrays, len(hashes)),
        )

    def recompute(self, record: StudyRecord) -> StudyRecord:
        """Return a record whose scores are computed from these answers.

        Numbers without answers stay: parameters, epochs, losses and scores without noise.

        Raises:
            UserError: if the answers are of other rows, seeds or another score.
        """
        self.check_record(record)
        rows = (replace(row, **self.scores(row.label, record.data)) for row in record.rows)
        return replace(
            record, rows=tuple(rows), test_drawn=self.test_drawn, test_shared=self.test_shared
        )

    def check_record(self, record: StudyRecord) -> None:
        """Raise UserError if a record is of other rows, seeds or another score than the answers."""
        labels = tuple(row.label for row in record.rows)
        if (labels, record.seeds, record.score) != (self.rows, self.seeds, self.score):
            raise UserError(
                f"the predictions are of the rows {', '.join(self.rows)}, seeds {self.seeds} and {self.score}, and "
                f"the record of {', '.join(labels)}, {record.seeds} and {record.score}. Keep both files of one study "
                "together. The study's own command makes both again."
            )

    @property
    def test_shared(self) -> float | None:
        """Return the mean share of its test texts that a seed has in common with another one; None for one seed."""
        texts = [self.answers["test", seed].texts for seed in self.seeds]
        shares = [np.isin(first, second).mean() for first, second in permutations(texts, 2)]
        return float(np.mean(shares)) if shares else None

    @property
    def test_drawn(self) -> tuple[float, ...]:
        """Return the share of each seed's test texts that a choosing seed drew; () if these are not marked."""
        if self.choosing_mask is None:
            return ()
        texts = (self.answers["test", seed].texts for seed in self.seeds)
        return tuple(float(self.choosing_mask[text_indices].mean()) for text_indices in texts)

    def scores(self, row: str, data: DataRecord) -> dict[str, Any]:
        """Return the scores of a row, the fields of its `RowResult` that follow from answers.

        Scores apart from the texts that a choosing seed drew are () if a seed has no other test texts.

        Args:
            row: its label.
            data: the texts; their training labels decide whether rows are compared by balanced accuracy, and in
                records of earlier versions the test labels.
        """
        task = TASK_OF_SCORE[self.score]
        k = len(data.labels)
        validation, tests = (
            [self.answers[split, seed] for seed in self.seeds] for split in get_args(Split)
        )
        values = [
            task.values(split_answers.labels, split_answers.answers[row]) for split_answers in tests
        ]
        by_name = {name: tuple(seed_scores[name] for seed_scores in values) for name in values[0]}
        unchosen_masks = (
            []
            if self.choosing_mask is None
            else [~self.choosing_mask[split_answers.texts] for split_answers in tests]
        )
        unchosen_scores = [
            task.values(split_answers.labels[rows], split_answers.answers[row][rows])[self.score]
            for split_answers, rows in zip(
                tests if unchosen_masks else (), unchosen_masks, strict=True
            )
            if rows.any()
        ]
        scores: dict[str, Any] = {
            "validation": tuple(
                task.values(split_answers.labels, split_answers.answers[row])[self.score]
                for split_answers in validation
            ),
            "test": by_name.pop(self.score),
            "others": by_name,
            "test_apart": tuple(unchosen_scores) if len(unchosen_scores) == len(tests) else (),
        }
        classes, validation_classes = (
            [
                class_scores
                for answers in split
                if (class_scores := task.by_class(answers.labels, answers.answers[row], k))
            ]
            for split in (tests, validation)
        )
        if classes:
            balanced = data.balanced
            if balanced is None:
                balanced = any(class_scores.uneven for class_scores in classes)
            for name, split_classes in (
                ("balanced", classes),
                ("validation_balanced", validation_classes),
            ):
                scores[name] = tuple(c.balanced for c in split_classes) if balanced else ()
            scores["constant"] = all(class_scores.is_constant for class_scores in classes)
        return scores

    def with_choosing_mask(self, record: StudyRecord, source: str) -> StudyPredictions:
        """Return the answers with the texts that the record's choosing seeds drew from the data ``source``.

        Raises:
            UserError: if the study has no choosing seeds, or the data is not the study's.
        """
        if not record.choosing_seeds:
            raise UserError(
                f"--data {source} marks the texts on which settings were chosen, and the study {record.study} chose "
                "none on seeds of its own. Omit --data."
            )
        first_row_settings = self.settings[self.rows[0]]
        data_settings = with_settings(
            {}, {**first_row_settings, **record.settings, "data.source": source}
        )
        data = parse_config(data_settings, f"settings of {record.study}").data
        inputs = SharedInputs()
        fingerprint = inputs.corpus(data).fingerprint
        if fingerprint != record.data.fingerprint:
            raise UserError(
                f"--data {source} has the fingerprint {fingerprint}, and the study's data "
                f"{record.data.fingerprint}. Give the same texts."
            )
        return replace(
            self, choosing_mask=mask_drawn_texts(record.choosing_seeds, data, inputs, self.hashes)
        )


def mask_drawn_texts(
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
    drawn_hashes = [
        key
        for split in splits
        for table in (split.train, split.validation)
        for key in table.text_hashes
    ]
    return np.isin(hashes, np.array(drawn_hashes, np.uint64))


def text_keys(table: Table) -> list[tuple[int, Any]]:
    """Return the hash of each text with its label, or with its targets or labels of 0 and 1 as a tuple."""
    label_list = table.labels.tolist()
    labels = label_list if table.labels.ndim == 1 else map(tuple, label_list)
    return list(zip(table.text_hashes, labels, strict=True))


def _read_answers(arrays: Arrays, about: Header, labels: NDArray[Any], name: str) -> SplitAnswers:
    """Return the answers of every row to the texts of a split and a seed."""
    one_label = labels.ndim == 1
    texts = read_array(arrays, f"{name}-steps", 1, "iu").cumsum()
    stacked_answers = read_array(arrays, name, 2 if one_label else 3, "iu" if one_label else "f")
    shape = (len(texts), len(about.rows), *labels.shape[1:])
    if stacked_answers.shape != shape or not len(texts) or texts.min() < 0:
        raise ValueError(f"its array {name!r} has answers of shape {stacked_answers.shape}")
    true_labels = labels[texts]
    if one_label:
        stacked_answers = (stacked_answers + true_labels[:, None]) % about.labels
    by_row = dict(zip(about.rows, np.moveaxis(stacked_answers, 1, 0), strict=True))
    return SplitAnswers(TASK_OF_SCORE[about.score], true_labels, by_row, texts)
