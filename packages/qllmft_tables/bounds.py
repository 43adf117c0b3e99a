"""Bounds of tables in files, so that a small file is not the cause of large work."""

from __future__ import annotations

from dataclasses import dataclass

MAX_BYTES = 1_000_000_000  # of a table
MAX_ROWS = 20_000_000
MAX_COLUMNS = 10_000  # each costs pandas about 1 ms
MAX_LINE = 10_000_000  # bytes of a line of a table, which may have several texts, and of a record
# bytes or characters of a cell; a body tokenises a text as a whole before it cuts it
MAX_TEXT = 1_000_000
MAX_LABEL = 200  # characters; int() refuses numbers of more than 4,300 digits
MAX_LIST = (
    20_000  # characters of a list of labels as text; Python's parser needs 600 times as many bytes
)
MAX_BLANK_ROWS = 10_000  # of a workbook, between two others
MAX_WAIT_S = 60  # for the process that reads a file, beyond ten times its processor time

# records in JSON
MAX_INCOMPLETE_RECORDS = 10_000  # without a column that each must have
MAX_NESTING = 20  # of a field that an error names
MAX_PATH_CHARACTERS = 200  # of its path

# a damaged line
MAX_DAMAGED_FIELDS = 200  # the time grows with the square of their number
MAX_DAMAGED_STEPS = 1_000  # of reading one line
MAX_DAMAGED_CHARACTERS = 10_000_000  # in all steps together


@dataclass(frozen=True)
class ReadingLimits:
    """What reading a file may cost that is not plain text: as much as a small one needs, and more for a large one.

    Attributes:
        seconds: of processor time.
        memory_bytes: beyond that of the imports.
        output_bytes: of its content as plain text or rows.
        rows: lines or rows.
    """

    seconds: int
    memory_bytes: int
    output_bytes: int
    rows: int


def limit_reading(size: int) -> ReadingLimits:
    """Return the limits for a file of ``size`` bytes.

    >>> limit_reading(0)
    ReadingLimits(seconds=3, memory_bytes=400000000, output_bytes=60000000, rows=200000)
    """
    return ReadingLimits(
        seconds=3 + size // 1_000_000,
        memory_bytes=min(400_000_000 + 10 * size, 2_000_000_000),
        output_bytes=min(60_000_000 + 20 * size, MAX_BYTES),
        rows=min(200_000 + size // 2, MAX_ROWS),
    )
