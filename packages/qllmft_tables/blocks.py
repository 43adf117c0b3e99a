"""What a table yields: rows that follow each other, and lines that are no rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Fault:
    """Line of a table that is no row."""

    line: int
    reason: str  # what was got, and what was expected


class Block(NamedTuple):
    """Rows that follow each other."""

    numbers: NDArray[np.int64]  # (N,) where each begins
    cells: list[list[Any]]  # of each column that is read, N each
