"""Bounds of tables, so that a small file is not the cause of large work."""

from __future__ import annotations

from pathlib import Path

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
