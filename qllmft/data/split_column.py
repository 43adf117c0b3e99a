"""Splits of one table that a column of it names, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qllmft.config import DataConfig
from qllmft_base.errors import UserError
from qllmft_base.text import format_count
from qllmft_tables.cells import label_text, python_text
from qllmft_tables.columns import plain

if TYPE_CHECKING:
    import pandas as pd

    from qllmft.data.labels import Frames

SPLIT_NAMES = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
_ORDER = ("train", "validation", "test")


def divide_by_column(frames: Frames, config: DataConfig) -> dict[str, pd.DataFrame]:
    """Return the rows of one table by the split that ``config.split_column`` names.

    Rows keep their numbers.

    Raises:
        UserError: for several tables, a cell that names no split, and without rows for training or the test.
    """
    column = config.split_column
    if len(frames) > 1:
        raise UserError(
            f"{config.source} has the splits {', '.join(frames)} already, and --split-column is {column!r}. Leave the "
            "option out."
        )
    (frame,) = frames.values()
    splits = [SPLIT_NAMES.get(plain(label_text(cell)), "") for cell in frame[column]]
    if "" in splits:
        place = splits.index("")
        cell = python_text(frame[column].iloc[place])
        others = splits.count("") - 1
        more = f" {format_count(others, 'more row')} name none." if others else ""
        raise UserError(
            f"{config.source}, row {frame.index[place]}: {cell:.60} in the column {column!r} names no split.{more} "
            f"Expected train, validation (val, dev) or test."
        )
    places = {split: np.flatnonzero(np.array(splits) == split) for split in _ORDER}
    for split in ("train", "test"):
        if not len(places[split]):
            counts = ", ".join(f"{name} {len(rows):,}" for name, rows in places.items())
            raise UserError(
                f"{config.source}: the column {column!r} has no row of {split} ({counts}). Add such rows, or leave "
                "--split-column out. Then 20 % of all rows are the test."
            )
    return {split: frame.iloc[rows] for split, rows in places.items() if len(rows)}
