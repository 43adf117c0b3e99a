"""Groups and times of rows, by which a table is split."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qllmft.config import DataConfig
from qllmft.data.label_names import comparison_key
from qllmft.data.labels import Frames
from qllmft_base.errors import UserError
from qllmft_tables.cells import is_empty, is_number, label_text, python_text

if TYPE_CHECKING:
    import pandas as pd

_LAST_MONTH = 12
_LAST_DAY = 31
_LAST_YEAR_OF_2000 = 68  # of two digits, as programs read them; 69 is 1969
_MIN_DAYS = 12  # different numbers at the place of the day, if the year might be there
_HOURS = re.compile(
    r"(?<!\d)\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: *(?:[ap]m|z|utc|gmt))*(?: *[+-]\d{2}:?\d{2}(?!\d))?",
    re.IGNORECASE,
)
_MONTH = r"(?:0?[1-9]|1[0-2])(?!\d)"
# 2026, 2026-11, Mon 2026/11/23, 20261123T1230, 2026Q4, 11/2026, 4Q2026
_WITH_YEAR = re.compile(
    rf"\D*\d{{4}}(?:[-/.\s]+{_MONTH}|\d{{4}}(?!\d)|\d{{10}}(?!\d)|-?[Qq]\d|\D*\Z)"
    rf"|\D*{_MONTH}[-/.\s]+\d{{4}}\D*\Z"
    r"|\s*\d[Qq][- ]?\d{4}\D*\Z"
)
_MONTH_NAME = re.compile(
    r"(?<![a-z])(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", re.IGNORECASE
)
# 3/4/2026, 03.04.26, Tue 03-04-2026, 3. 4. 2026
_THREE_NUMBERS = re.compile(r"(?<!\d)(\d{1,2})\s*([/. -])\s*(\d{1,2})\s*\2\s*(\d{4}|\d{2})(?!\d)")
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
                f"{config.source}, split {split!r}, row {row}: {python_text(cell)} in the column {column!r} is a "
                f"number, and another row has {str(dates[0])[:40]!r}, expected dates or numbers in all rows. "
                f"{_TIME_REMEDY}"
            )
    texts = [str(cell) for _, _, cell in cells if isinstance(cell, str)]
    iso_dates = _iso_dates(texts, column, config)
    return {
        split: _microseconds(frame[column], iso_dates, f"{config.source}, split {split!r}")
        for split, frame in frames.items()
    }


def _is_plain_number(cell: Any) -> bool:
    """Return whether a cell is a finite number, and no text, truth value or date."""
    return isinstance(cell, Real | Decimal) and not isinstance(cell, bool) and math.isfinite(cell)


def _reads_as_number(cell: Any) -> bool:
    """Return whether a cell is a number, or the text of one."""
    return _is_plain_number(cell) or (isinstance(cell, str) and is_number(cell))


def _microseconds(
    cells: pd.Series[Any], iso_dates: Mapping[str, str], table: str
) -> NDArray[np.float64]:
    """Return the microseconds from 1970 to the dates of a column."""
    import pandas as pd  # takes a third of a second, and predictions need no frame

    iso_cells = cells
    if cells.dtype.kind != "M":
        values = [iso_dates.get(cell) if isinstance(cell, str) else cell for cell in cells.tolist()]
        iso_cells = pd.Series(values, cells.index, dtype=object)
    dates = pd.to_datetime(iso_cells, errors="coerce", format="mixed", utc=True)
    if dates.isna().any():
        row = cells.index[int(dates.isna().argmax())]
        raise UserError(
            f"{table}, row {row}: {python_text(cells.loc[row])} in the column {cells.name!r} is no date and no number. "
            f"{_TIME_REMEDY}"
        )
    # the unit that pandas chooses depends on the cells
    return np.asarray(dates.dt.as_unit("us").astype("int64"), np.float64)


def _iso_dates(texts: Iterable[str], column: str, config: DataConfig) -> dict[str, str]:
    """Return texts with their dates as 2026-11-23, by the texts as they are; none for one that is no date with a year.

    Raises:
        UserError: if the texts do not tell the order of day, month and year, or have several.
    """
    iso_dates = {}
    readings = {}
    matches = {}
    for text in dict.fromkeys(texts):
        without_hours = _HOURS.sub(lambda hours: "_" * len(hours[0]), text)
        if _WITH_YEAR.match(without_hours) or _names_month(without_hours):
            iso_dates[text] = text
        elif (match := _THREE_NUMBERS.search(without_hours)) and (found := _readings(match)):
            matches[text] = match
            readings[text] = found
    if readings:
        order = _find_order(readings, column, config)
        for text, match in matches.items():
            iso_dates[text] = f"{text[: match.start()]}{readings[text][order]}{text[match.end() :]}"
    return iso_dates


def _names_month(text: str) -> bool:
    """Return whether a text without hours has a month's name and a year, as 3 Apr 2026 or 03-Apr-26."""
    numbers = re.findall(r"\d+", text)
    has_year = len(numbers) == 2 or any(len(number) == 4 for number in numbers)
    return has_year and _MONTH_NAME.search(text) is not None


def _readings(match: re.Match[str]) -> dict[str, str]:
    """Return the dates that three numbers may be, by what is first: the day, the month or the year."""
    first, _, second, last = match.groups()
    orders = {"day": (last, second, first), "month": (last, first, second)}
    if len(first) == len(last):
        orders["year"] = (first, second, last)
    return {
        order: f"{_full_year(year)}-{int(month):02}-{int(day):02}"
        for order, (year, month, day) in orders.items()
        if 1 <= int(month) <= _LAST_MONTH and 1 <= int(day) <= _LAST_DAY
    }


def _full_year(digits: str) -> str:
    """Return a year of four digits."""
    if len(digits) > 2:
        return digits
    return f"20{digits}" if int(digits) <= _LAST_YEAR_OF_2000 else f"19{digits}"


def _vary_as_days(dates: Sequence[str]) -> bool:
    """Return whether dates have many days, and fewer than half as many years, as if the year were not first."""
    days = {date[-2:] for date in dates}
    years = {date[:4] for date in dates}
    return len(days) > max(_MIN_DAYS, 2 * len(years))


def _find_order(readings: Mapping[str, Mapping[str, str]], column: str, config: DataConfig) -> str:
    """Return what is first in all dates of a column: the day, the month or the year.

    Args:
        readings: the dates that each text may be, by what is first.
        column: their name, for messages.
        config: names the source.
    """
    orders = set.intersection(*({*dates} for dates in readings.values()))
    if {"day", "year"} <= orders and _vary_as_days([dates["day"] for dates in readings.values()]):
        orders.remove("year")
    open_ones = [
        text
        for text, dates in readings.items()
        if len({date for order, date in dates.items() if order in orders}) > 1
    ]
    if orders and not open_ones:
        return min(orders)
    if not orders:
        # the day may be first in all dates unless it cannot be in one
        one = next(text for text, dates in readings.items() if "day" not in dates)
        other = next(
            text for text, dates in readings.items() if not dates.keys() & readings[one].keys()
        )
        first, second = sorted([one, other], key=lambda text: min(readings[text]))
        reason = f"{first!r} and {second!r} have the day at two places"
    elif "year" in orders:
        reason = f"{open_ones[0]!r} may have the year first or last, as all other dates"
    else:
        reason = (
            f"{open_ones[0]!r} may be a day and a month or a month and a day, as all other dates"
        )
    raise UserError(f"{config.source}: in the column {column!r}, {reason}. {_TIME_REMEDY}")
