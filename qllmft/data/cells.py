"""Cells of tables: missing values, labels as texts, and lists."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from qllmft.data.bounds import MOST_LABEL


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
