"""Change of the test score per qubit along a study's rows of one series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qllmft.campaign.record import RowResult, StudyRecord
from qllmft.tasks.statistics import MeanInterval

HALVED_FROM = 5  # numbers of qubits of a series; its upper half then has three, so that the slope has a residual


@dataclass(frozen=True)
class Trend:
    """Slope of a series of rows, each with its number of qubits."""

    series: str
    qubits: tuple[int, ...]  # ascending
    seeds: int  # of each row
    slope: float  # of test scores, per qubit
    # 95 % by Student's t over the seeds' own slopes; None for one seed
    interval: tuple[float, float] | None


def trends(record: StudyRecord) -> list[Trend]:
    """Return the slope of every series with two or more numbers of qubits, in the order of the rows.

    A series of five or more also has the slope over its upper half, with the middle one: the slope over all hides that
    a line levels off.
    """
    by_series: dict[str, list[RowResult]] = {}
    for row in record.rows:
        if row.qubits is not None:
            by_series.setdefault(row.series, []).append(row)
    found = []
    for rows in by_series.values():
        places = sorted({row.qubits or 0 for row in rows})
        if len(places) > 1:
            found.append(trend(rows))
        if len(places) >= HALVED_FROM:
            middle = places[len(places) // 2]
            found.append(trend([row for row in rows if (row.qubits or 0) >= middle]))
    return found


def trend(rows: list[RowResult]) -> Trend:
    """Return the mean over seeds of the least-squares slope through the scores of a seed, with its interval.

    Each seed has its own level and its own slope, so the interval contains the scatter of both kinds.
    """
    rows = sorted(rows, key=lambda row: row.qubits or 0)
    q = np.array([row.qubits for row in rows], dtype=float)
    y = np.array([row.compared for row in rows])  # (rows, seeds)
    centred = q - q.mean()
    slopes = MeanInterval.of((centred @ y / (centred @ centred)).tolist())
    qubits = tuple(row.qubits or 0 for row in rows)
    return Trend(rows[0].series, qubits, slopes.n, slopes.mean, slopes.interval)
