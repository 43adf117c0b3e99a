"""Change of the test score per qubit along a study's rows of one series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qllmft.campaign.record import RowResult, StudyRecord
from qllmft.statistics import LEVEL


@dataclass(frozen=True)
class Trend:
    """Slope of a series of rows, each with its number of qubits."""

    series: str
    qubits: tuple[int, ...]  # ascending
    seeds: int  # of each row
    slope: float  # of test scores, per qubit
    # 95 % by Student's t; None if there is no scatter to judge by
    interval: tuple[float, float] | None


def trends(record: StudyRecord) -> list[Trend]:
    """Return the slope of every series with two or more numbers of qubits, in the order of the rows."""
    names = list(dict.fromkeys(row.series for row in record.rows if row.qubits is not None))
    found = [
        [row for row in record.rows if row.series == name and row.qubits is not None]
        for name in names
    ]
    return [trend(rows) for rows in found if len({row.qubits for row in rows}) > 1]


def trend(rows: list[RowResult]) -> Trend:
    """Return the slope b of the regression y = a_s + b·q, with a mean a_s of its own for each seed s (a block).

    The seeds are the same in all rows, so b depends on differences within a seed alone.
    """
    rows = sorted(rows, key=lambda row: row.qubits or 0)
    q = np.array([row.qubits for row in rows], dtype=float)
    y = np.array([row.compared for row in rows])  # (rows, seeds)
    centred, within = q - q.mean(), y - y.mean(axis=0)
    seeds, spread = y.shape[1], y.shape[1] * float(centred @ centred)
    slope = float((centred @ within).sum() / spread)
    freedom = y.size - seeds - 1
    qubits = tuple(row.qubits or 0 for row in rows)
    if freedom < 1:
        return Trend(rows[0].series, qubits, seeds, slope, None)
    from scipy import stats

    left = within - slope * centred[:, None]
    half = float(
        stats.t.ppf((1 + LEVEL) / 2, freedom) * np.sqrt((left**2).sum() / freedom / spread)
    )
    return Trend(rows[0].series, qubits, seeds, slope, (slope - half, slope + half))
