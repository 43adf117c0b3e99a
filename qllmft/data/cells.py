"""Cells of tables: bounds, so that a small file is not the cause of large work, blank texts, labels and lists."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qllmft.errors import UserError

MOST_BYTES = 1_000_000_000  # of a table, and of a group of rows that parquet unpacks
MOST_ROWS = 20_000_000
MOST_COLUMNS = 10_000  # each costs pandas about 1 ms
# bytes or characters of a cell; a body tokenises a text as a whole before it cuts it
MOST_TEXT = 1_000_000
MOST_LABEL = 200  # characters; int() refuses numbers of more than 4,300 digits


def check_columns(count: int, path: Path) -> None:
    """Raise UserError for a table with too many columns."""
    if count > MOST_COLUMNS:
        raise UserError(
            f"{path} has {count:,} columns, expected at most {MOST_COLUMNS:,}; leave out the unread ones."
        )


def is_blank(text: str) -> bool:
    r"""Return whether a text has no visible character.

    >>> [is_blank(text) for text in ("", " \n", "\u200b\ufeff\u00ad", "\u200ba")]
    [True, True, True, False]
    """
    return all(
        character.isspace() or unicodedata.category(character) in ("Cc", "Cf") for character in text
    )


def is_several(value: Any) -> bool:
    """Return whether a cell holds several values."""
    return isinstance(value, list | tuple | set | dict | np.ndarray)


def is_missing(value: Any) -> bool:
    """Return whether a cell is empty: None, or pandas' NaN or NA."""
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)


def label_of(value: Any) -> str:
    """Return a label as text, "1" for 1, 1.0 and '1', and "" if it is missing."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and value.bit_length() > 4 * MOST_LABEL:
        return hex(value)  # str() refuses more than 4,300 digits
    return "" if is_missing(value) else str(value).strip()


def sorted_labels(labels: Iterable[str]) -> list[str]:
    """Sort numbers by value and words by alphabet, without the empty label."""
    kept = [label for label in labels if label]
    return (
        sorted(kept, key=int)
        if all(label.removeprefix("-").isdecimal() for label in kept)
        else sorted(kept)
    )
