"""Real targets, and several labels per text: from lists, texts with a separator, or columns of 0 and 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qllmft.config import DataConfig
from qllmft.data.cells import MOST_LABEL, is_several, label_of, sorted_labels
from qllmft.data.corpus import listed
from qllmft.errors import UserError

MOST_LABELS = 1_000
LARGEST = 1e15  # size of a target; squares of larger ones would overflow in training
_INDICATORS = {"0": 0, "1": 1, "false": 0, "true": 1}

Indicators = NDArray[np.int64]  # (N, L), 1 for each label of a text, else 0


def targets_of(frame: pd.DataFrame, split: str, config: DataConfig) -> NDArray[np.float64]:
    """Return the targets (N, T) of a table with numbered rows, or raise UserError for a cell that is no number."""
    columns = []
    for column in config.label_columns:
        values = []
        for row, cell in zip(frame.index.tolist(), frame[column].tolist(), strict=True):
            number = _number(cell)
            if not math.isfinite(number):
                raise UserError(
                    f"{config.source}, split {split!r}, row {row}: the target {column!r} is {str(cell)[:40]!r}, "
                    "expected a finite number. Choose another column with --label-column, or omit --task for labels."
                )
            if abs(number) > LARGEST:
                raise UserError(
                    f"{config.source}, split {split!r}, row {row}: the target {column!r} is {number:g}, expected a "
                    f"number of at most {LARGEST:g} in size. Correct it, or use another unit."
                )
            values.append(number)
        columns.append(values)
    return np.array(columns, dtype=np.float64).T.copy()


def _number(cell: Any) -> float:
    """Return the number of a cell, or NaN."""
    try:
        return math.nan if isinstance(cell, bool | np.bool_) else float(cell)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def label_sets_of(
    frames: Mapping[str, pd.DataFrame], declared: Sequence[str] | None, config: DataConfig
) -> tuple[tuple[str, ...], dict[str, Indicators]]:
    """Return the names of L labels and the labels (N, L) of each table with numbered rows.

    If names are ``declared``, the labels in lists are indices into them.

    Raises:
        UserError: for a cell that is no list, no text with the separator or no 0 or 1, or for fewer than two labels.
    """
    if not config.has_lists:
        tables = {split: _of_columns(frame, split, config) for split, frame in frames.items()}
        names = config.targets
    else:
        lists = {split: _of_lists(frame, split, config) for split, frame in frames.items()}
        found = {label for sets in lists.values() for labels in sets for label in labels}
        values = (
            sorted_labels(found) if declared is None else [str(i) for i in range(len(declared))]
        )
        if unknown := sorted(found - {*values}):
            raise UserError(
                f"{config.source}: a text has the label {unknown[0]!r}, expected 0 to {len(values) - 1} for "
                f"{listed(list(declared or ()), len(values), ', ')}."
            )
        names = tuple(values if declared is None else declared)
        _check_names(names, config)
        index_of = {value: i for i, value in enumerate(values)}
        tables = {
            split: np.zeros((len(sets), len(values)), np.int64) for split, sets in lists.items()
        }
        for split, sets in lists.items():
            for row, labels in enumerate(sets):
                tables[split][row, [index_of[label] for label in labels]] = 1
    if not any(table.any() for table in tables.values()):
        raise UserError(
            f"{config.source}: no text has any of the labels {listed(names, len(names), ', ')}. Are the columns of the "
            "labels right?"
        )
    return names, tables


def _check_names(names: Sequence[str], config: DataConfig) -> None:
    if not names:
        raise UserError(
            f"{config.source}: every list of labels is empty. Is --label-column {config.label_column} right?"
        )
    if len(names) == 1:
        separator = (
            ""
            if config.label_separator is None
            else f" and --label-separator {config.label_separator!r}"
        )
        raise UserError(
            f"{config.source}: {names[0]!r} is the only label, expected two or more. Is --label-column "
            f"{config.label_column}{separator} right? For texts with it or without it, omit --task and give a column "
            "with two values."
        )
    if len(names) > MOST_LABELS:
        raise UserError(
            f"{config.source}: there are {len(names):,} labels, expected at most {MOST_LABELS:,}. Is the column right?"
        )


def _of_lists(frame: pd.DataFrame, split: str, config: DataConfig) -> list[list[str]]:
    """Return the labels of each text."""
    sets = []
    for row, cell in zip(frame.index.tolist(), frame[config.label_column].tolist(), strict=True):
        where = f"{config.source}, split {split!r}, row {row}"
        if isinstance(cell, str) and config.label_separator is not None:
            cell = [part for part in cell.split(config.label_separator) if part.strip()]
        elif isinstance(cell, str) or not is_several(cell) or isinstance(cell, dict):
            raise UserError(
                f"{where}: the labels are {str(cell)[:40]!r}, expected a list. Name the character between labels with "
                '--label-separator, or the columns of 0 and 1 with --set \'data.label_column=["a", "b"]\'.'
            )
        labels = [label_of(each) for each in cell]
        if faulty := [label for label in labels if not label or len(label) > MOST_LABEL]:
            raise UserError(
                f"{where}: a label is {faulty[0][:40]!r}, expected 1 to {MOST_LABEL} characters. Is --label-column "
                f"{config.label_column} right?"
            )
        sets.append(labels)
    return sets


def _of_columns(frame: pd.DataFrame, split: str, config: DataConfig) -> Indicators:
    columns = []
    for column in config.targets:
        values = []
        for row, cell in zip(frame.index.tolist(), frame[column].tolist(), strict=True):
            values.append(_INDICATORS.get(label_of(cell).lower()))
            if values[-1] is None:
                raise UserError(
                    f"{config.source}, split {split!r}, row {row}: {column!r} is {str(cell)[:40]!r}, expected 0 or 1. "
                    "Are the columns in data.label_column right? For a column of lists, give --label-column instead."
                )
        columns.append(values)
    return np.array(columns, dtype=np.int64).T.copy()
