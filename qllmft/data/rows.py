"""Conversion of tables with named columns to validated texts and labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qllmft.config import DataConfig
from qllmft.data.cells import (
    MOST_LABEL,
    MOST_TEXT,
    is_blank,
    is_missing,
    is_several,
    label_of,
    sorted_labels,
)
from qllmft.data.corpus import FIRST_ROWS, Corpus, Findings, Seconds, Table, listed
from qllmft.data.keys import keys_of
from qllmft.data.label_sets import label_sets_of, targets_of
from qllmft.errors import UserError
from qllmft.tasks import TASKS

SPLIT_NAMES = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test",
}  # fmt: skip


_TEXTS = ("text", "second text")  # names of the columns of texts in errors


def counted(frame: pd.DataFrame, first: int = 1) -> pd.DataFrame:
    """Index the rows of a table from ``first``, for errors."""
    return frame.set_axis(range(first, first + len(frame)))


def corpus_of(
    frames: Mapping[str, pd.DataFrame], names: list[str] | None, config: DataConfig
) -> Corpus:
    """Convert tables by split, with numbered rows, to a corpus.

    If ``names`` of labels are given, the labels are indices into them.
    """
    _check_columns(frames, config)
    kept, found = _without_bad_rows(frames, config)
    label_names, labels = _labels_of(kept, names, config)
    keys = keys_of(kept, config)
    tables = {
        split: Table(
            frame[config.text_columns[0]].tolist(),
            labels[split],
            _seconds(frame, config),
            keys.get(split),
        )
        for split, frame in kept.items()
    }
    corpus = Corpus(config.source, label_names, tables, found)
    if config.duplicates == "drop":
        corpus = corpus.without_duplicates()
    if not TASKS[config.task].one_label:
        return corpus
    present = sorted({int(y) for table in corpus.splits.values() for y in np.unique(table.labels)})
    if len(present) < 2:
        only = corpus.label_names[present[0]]
        raise UserError(
            f"{config.source}: every text has the label {only!r}; a classifier needs two labels or more. "
            "Is --label-column right?"
        )
    return corpus


def _labels_of(
    frames: Mapping[str, pd.DataFrame], names: list[str] | None, config: DataConfig
) -> tuple[tuple[str, ...], Mapping[str, NDArray[Any]]]:
    """Return the names of the labels or targets, and the labels of each table as in `Table.labels`."""
    task = TASKS[config.task]
    if task.real:
        targets = {split: targets_of(frame, split, config) for split, frame in frames.items()}
        return config.label_columns, targets
    if task.several:
        return label_sets_of(frames, names, config)
    raw = {
        split: [label_of(v) for v in frame[config.label_column].tolist()]
        for split, frame in frames.items()
    }
    if names is None:
        values = sorted_labels({label for labels in raw.values() for label in labels})
        names = _label_names(values, frames, raw, config)
    else:
        values = [str(i) for i in range(len(names))]
    index_of = {value: i for i, value in enumerate(values)}
    for split, frame in frames.items():
        for row, label in zip(frame.index.tolist(), raw[split], strict=True):
            if label not in index_of:
                raise UserError(
                    f"{config.source}, split {split!r}, row {row}: the label is {label!r}, expected one of {values}."
                )
    labels = {
        split: np.array([index_of[label] for label in of_split], dtype=np.int64)
        for split, of_split in raw.items()
    }
    return tuple(names), labels


def _check_columns(frames: Mapping[str, pd.DataFrame], config: DataConfig) -> None:
    for split, frame in frames.items():
        if not len(frame):
            raise UserError(
                f"{config.source}, split {split!r}: it has no row. Fill it in, or leave it out."
            )
        for column in config.columns:
            if column not in frame.columns:
                found = list(map(str, frame.columns))
                remedy = "Choose with --text-column and --label-column"
                if len(found) == 1 and any(mark in found[0] for mark in ";\t|,"):
                    remedy = "Name the character between the fields with --delimiter"
                elif column == config.key_column:
                    remedy = "Choose with --group or --time"
                raise UserError(
                    f"{config.source}, split {split!r}: there is no column {column!r}; its columns are "
                    f"{', '.join(found)}. {remedy}."
                )


def _without_bad_rows(
    frames: Mapping[str, pd.DataFrame], config: DataConfig
) -> tuple[dict[str, pd.DataFrame], Findings]:
    """Return the rows with text and label, and the number of the others, which are errors unless they are skipped."""
    kept, bad = {}, []
    for split, frame in frames.items():
        good = []
        labels = zip(*(frame[column].tolist() for column in config.label_columns), strict=True)
        given = zip(*(frame[column].tolist() for column in config.text_columns), strict=True)
        for row, texts, of_text in zip(frame.index.tolist(), given, labels, strict=True):
            where = f"split {split!r}, row {row}"
            if faulty := [
                text for text in texts if not isinstance(text, str) and not is_missing(text)
            ]:
                raise UserError(
                    f"{config.source}, {where}: the text is {faulty[0]!r}, expected a string. Is --text-column right?"
                )
            label = next((each for each in of_text if is_several(each)), of_text[0])
            if is_several(label) and not config.has_lists:
                raise UserError(
                    f"{config.source}, {where}: the label is {label!r}, several values; expected one label per text. "
                    "Choose another column with --label-column, or --task multilabel for lists of labels."
                )
            sizes = {
                "text": (
                    max(len(text) if isinstance(text, str) else 0 for text in texts),
                    MOST_TEXT,
                )
            }
            if not config.has_lists:
                sizes["label"] = (max(len(label_of(label)) for label in of_text), MOST_LABEL)
            for name, (size, most) in sizes.items():
                if size > most:
                    raise UserError(
                        f"{config.source}, {where}: the {name} has {size:,} characters, expected at most {most:,}. "
                        "Are the columns right?"
                    )
            missing = next(
                (
                    name
                    for name, text in zip(_TEXTS, texts, strict=False)
                    if is_missing(text) or is_blank(text)
                ),
                "",
            )
            unlabelled = is_missing(label) if config.has_lists else not all(map(label_of, of_text))
            missing = missing or "label" * unlabelled
            if missing:
                bad.append(f"{where}: the {missing} is empty")
            good.append(not missing)
        kept[split] = frame[good]
        if config.bad_rows == "skip" and not any(good):
            raise UserError(
                f"{config.source}, split {split!r}: no row has a text and a label. Are the columns right?"
            )
    if bad and config.bad_rows == "error":
        raise UserError(
            f"{config.source}: of {sum(map(len, frames.values())):,} rows {len(bad):,} have no text or no label: "
            f"{listed(bad, len(bad))}. Fill them in, or leave them out with --bad-rows skip."
        )
    return kept, Findings(skipped_rows=len(bad), first_skipped=tuple(bad[:FIRST_ROWS]))


def _seconds(frame: pd.DataFrame, config: DataConfig) -> Seconds | None:
    return None if config.pair is None else Seconds(frame[config.pair_column].tolist(), config.pair)


def _label_names(
    values: list[str],
    frames: Mapping[str, pd.DataFrame],
    raw: dict[str, list[str]],
    config: DataConfig,
) -> list[str]:
    """Return the labels' names: those of the column ``LABEL_text`` (SetFit's convention), else the labels."""
    column = f"{config.label_column}_text"
    names: dict[str, str] = {}
    for split, frame in frames.items():
        if column in frame.columns:
            names.update(zip(raw[split], map(str, frame[column].tolist()), strict=True))
    return [names.get(value, value) for value in values]
