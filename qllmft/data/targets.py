"""Real targets of texts from the cells of tables."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qllmft.config import DataConfig
from qllmft.errors import UserError


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
            values.append(number)
        columns.append(values)
    return np.array(columns, dtype=np.float64).T.copy()


def _number(cell: Any) -> float:
    """Return the number of a cell, or NaN."""
    try:
        return math.nan if isinstance(cell, bool) else float(cell)
    except (TypeError, ValueError, OverflowError):
        return math.nan
