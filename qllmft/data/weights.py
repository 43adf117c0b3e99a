"""Weights of rows, which count in training alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qllmft.config import DataConfig
from qllmft.data.corpus import Corpus, Table
from qllmft_base.errors import UserError
from qllmft_base.text import format_count
from qllmft_tables.cells import is_empty, python_text

if TYPE_CHECKING:
    from qllmft.data.labels import Frames


def read_weights(frames: Frames, config: DataConfig) -> dict[str, NDArray[np.float64]]:
    """Return the weights (N,) of the rows of each table, nothing if no column is named.

    Raises:
        UserError: for a cell that is empty, no number, not finite or negative; the message names the row.
    """
    column = config.weight_column
    if column is None:
        return {}
    weights = {}
    for split, frame in frames.items():
        values = np.empty(len(frame))
        for place, cell in enumerate(frame[column].tolist()):
            values[place] = _as_number(cell)
            if not (0.0 <= values[place] < math.inf):
                raise UserError(
                    f"{config.source}, split {split!r}, row {frame.index[place]}: the weight in the column {column!r} "
                    f"{_describe_fault(cell)}, expected a number of 0 or more. Correct it, or leave the row out."
                )
        weights[split] = values
    return weights


def _as_number(cell: Any) -> float:
    """Return the number in a cell, NaN if there is none."""
    try:
        return math.nan if isinstance(cell, bool) or "_" in str(cell) else float(cell)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _describe_fault(cell: Any) -> str:
    return "is missing" if is_empty(cell) else f"is {python_text(cell):.40}"


def leave_out_zeros(table: Table, corpus: Corpus, config: DataConfig) -> Table:
    """Return the training rows with a weight above 0, or raise UserError if there are none."""
    kept = without_zeros(table)
    if not len(kept):
        raise UserError(
            f"{corpus.source}: the weights of all {len(table):,} training rows in the column "
            f"{config.weight_column!r} are 0. Give some of them a weight above 0."
        )
    return kept


def without_zeros(table: Table) -> Table:
    """Return the rows with a weight above 0, or all of a table without weights."""
    if table.weights is None or table.weights.all():
        return table
    return table.take(np.flatnonzero(table.weights))


def describe_weights(train: Table, n_left_out: int) -> str:
    """Return the range of the weights of training rows and the number of those of weight 0, in words."""
    if train.weights is None:
        return ""
    low, high = train.weights.min(), train.weights.max()
    left_out = ""
    if n_left_out:
        rows = format_count(n_left_out, "training row", ("has", "have"))
        left_out = f" {rows} a weight of 0 and {'is' if n_left_out == 1 else 'are'} left out."
    return f"Weights of training rows are {low:g} to {high:g}. They do not count in validation and test.{left_out}"
