"""Groups and times of rows, by which a table is split."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qllmft.config import DataConfig
from qllmft.data.cells import is_empty, is_number, label_text
from qllmft.data.label_names import comparison_key
from qllmft.data.labels import Frames
from qllmft.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

LAST_MONTH = 12
# 3/4/2026, 03.04.26, 03-04-2026 12:30
_DAY_AND_MONTH = re.compile(r"\s*(\d{1,2})[/.-](\d{1,2})[/.-]\d{2}(?:\d{2})?\b")
_TIME_REMEDY = "Write dates as 2026-11-23, or choose another column with --time."


def read_split_keys(frames: Frames, config: DataConfig) -> dict[str, NDArray[Any]]:
    """Return the numbers of the rows' groups, or their times, of each table; nothing if no column is named.

    Groups have equal numbers in all tables. Names that differ only in writing, as "Ann" and "ann ", or 1 and 1.0, are
    one group. Times are microseconds of dates, or numbers as they are.

    Raises:
        UserError: if a cell is empty or no time, or if some are numbers and others dates; the message names the row.
    """
    column = config.key_column
    if column is None:
        return {}
    for split, row, cell in _cells(frames, column):
        if is_empty(cell):
            raise UserError(
                f"{config.source}, split {split!r}, row {row}: the column {column!r} is empty. Fill it in, or "
                "leave the row out."
            )
    if config.group_column is None:
        return _read_times(frames, column, config)
    names: dict[str, int] = {}
    return {
        split: np.array(
            [
                names.setdefault(comparison_key(label_text(cell)), len(names))
                for cell in frame[column]
            ]
        )
        for split, frame in frames.items()
    }


def _cells(frames: Frames, column: str) -> Iterator[tuple[str, int, Any]]:
    """Yield the split, the number and the cell of each row."""
    for split, frame in frames.items():
        for row, cell in zip(frame.index.tolist(), frame[column].tolist(), strict=True):
            yield split, row, cell


def _read_times(frames: Frames, column: str, config: DataConfig) -> dict[str, NDArray[np.float64]]:
    """Return the times of each table: numbers if all cells of all tables are, and microseconds of dates otherwise."""
    cells = [*_cells(frames, column)]
    dates = [cell for _, _, cell in cells if not _reads_as_number(cell)]
    if not dates:
        return {
            split: np.array([float(cell) for cell in frame[column].tolist()])
            for split, frame in frames.items()
        }
    for split, row, cell in cells:  # as a date, the year 2020 would be so many nanoseconds
        if _is_plain_number(cell):
            raise UserError(
                f"{config.source}, split {split!r}, row {row}: {cell!r} in the column {column!r} is a number, and "
                f"another row has {str(dates[0])[:40]!r}, expected dates or numbers in all rows. {_TIME_REMEDY}"
            )
    day_first = _day_first([cell for _, _, cell in cells if isinstance(cell, str)], column, config)
    return {
        split: _microseconds(frame[column], day_first, f"{config.source}, split {split!r}")
        for split, frame in frames.items()
    }


def _is_plain_number(cell: Any) -> bool:
    """Return whether a cell is a finite number, and no text, truth value or date."""
    return isinstance(cell, Real | Decimal) and not isinstance(cell, bool) and math.isfinite(cell)


def _reads_as_number(cell: Any) -> bool:
    """Return whether a cell is a number, or the text of one."""
    return _is_plain_number(cell) or (isinstance(cell, str) and is_number(cell))


def _microseconds(cells: pd.Series[Any], day_first: bool, table: str) -> NDArray[np.float64]:
    """Return the microseconds from 1970 to the dates of a column."""
    import pandas as pd  # takes a third of a second, and predictions need no frame

    dates = pd.to_datetime(cells, errors="coerce", format="mixed", dayfirst=day_first, utc=True)
    if dates.isna().any():
        row = cells.index[int(dates.isna().argmax())]
        raise UserError(
            f"{table}, row {row}: {cells.loc[row]!r} in the column {cells.name!r} is no date and no number. "
            f"{_TIME_REMEDY}"
        )
    # the unit that pandas chooses depends on the cells
    return np.asarray(dates.dt.as_unit("us").astype("int64"), np.float64)


def _day_first(dates: Sequence[str], column: str, config: DataConfig) -> bool:
    """Return whether dates such as 23/11/2026 have the day first, in all tables.

    Raises:
        UserError: if no cell, or both orders, have a number beyond 12.
    """
    firsts: dict[bool, str] = {}  # example of each order
    open_ones = []
    for date in dates:
        if not (match := _DAY_AND_MONTH.match(date)):
            continue
        first, second = map(int, match.groups())
        if (first > LAST_MONTH) != (second > LAST_MONTH):
            firsts.setdefault(first > LAST_MONTH, date)
        elif first != second:
            open_ones.append(date)
    if len(firsts) == 1 or not (firsts or open_ones):
        return firsts.keys() == {True}
    reason = (
        f"{firsts[True]!r} and {firsts[False]!r} have the day at two places"
        if firsts
        else f"{open_ones[0]!r} may be a day and a month or a month and a day, as all other dates"
    )
    raise UserError(f"{config.source}: in the column {column!r}, {reason}. {_TIME_REMEDY}")
