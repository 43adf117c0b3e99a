"""Groups and times of rows, which decide on the part of a split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qllmft.config import DataConfig
from qllmft.data.cells import is_blank, is_missing
from qllmft.errors import UserError


def keys_of(frames: Mapping[str, pd.DataFrame], config: DataConfig) -> dict[str, NDArray[Any]]:
    """Return the numbers of the rows' groups, or their times, of each table; nothing if no column is named.

    Groups have equal numbers in all tables. Times are nanoseconds of dates, or numbers as they are.

    Raises:
        UserError: if a cell is empty or no time; the message names its row.
    """
    column = config.key_column
    if column is None:
        return {}
    cells = {split: frame[column].tolist() for split, frame in frames.items()}
    for split, frame in frames.items():
        for row, cell in zip(frame.index.tolist(), cells[split], strict=True):
            if is_missing(cell) or (isinstance(cell, str) and is_blank(cell)):
                raise UserError(
                    f"{config.source}, split {split!r}, row {row}: the column {column!r} is empty. Fill it in, or "
                    "leave the row out."
                )
    if config.group_column is not None:
        names: dict[str, int] = {}
        return {
            split: np.array([names.setdefault(str(cell), len(names)) for cell in given], np.int64)
            for split, given in cells.items()
        }
    return {split: _times(frame, column, split, config) for split, frame in frames.items()}


def _times(frame: pd.DataFrame, column: str, split: str, config: DataConfig) -> NDArray[np.float64]:
    """Return the times of a table: numbers if all cells are, else dates."""
    numbers = pd.to_numeric(frame[column], errors="coerce")
    if np.isfinite(numbers).all():
        return np.asarray(numbers, np.float64)
    dates = pd.to_datetime(frame[column], errors="coerce", format="mixed", utc=True)
    if dates.isna().any():
        row = frame.index[int(dates.isna().argmax())]
        raise UserError(
            f"{config.source}, split {split!r}, row {row}: {frame[column].loc[row]!r} in the column {column!r} is no "
            "date and no number. Write dates as 2026-11-23, or choose another column with --time."
        )
    return np.asarray(dates.astype("int64"), np.float64)
