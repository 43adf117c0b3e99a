"""Statistics of a study's rows: paired tests of subjects against baselines, gains of bodies, and slopes per qubit.

Tests are on the same splits, over the seeds and over the texts of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qllmft.tasks.comparison import Comparison, PairedDifference, judge_differences
from qllmft.tasks.measure import ACCURACY, Measure
from qllmft.tasks.statistics import MeanInterval, holm
from qllmft_studies.file import select_pairs
from qllmft_studies.predictions import StudyPredictions
from qllmft_studies.published import paper_numbers
from qllmft_studies.record import RowResult, StudyRecord
from qllmft_studies.runs import best

# numbers of qubits of a series; its upper half then has three, so that the slope has a residual
MIN_POINTS_FOR_HALVES = 5


def compare(record: StudyRecord) -> list[Comparison]:
    """Return all comparisons of a study, in the order of its rows.

    If the study has contrasts, they are the comparisons. If rows have groups, each subject is compared with the
    baselines of its group. Otherwise the best subject on validation is compared with every baseline: more comparisons
    would make the correction stricter.
    """
    subjects = record.select_rows("subject")
    if not record.grouped:
        subjects = [best(subjects)]
    pairs = select_pairs(record.rows, subjects, record.contrasts)
    return compare_pairs(pairs, record.margin, record.measure)


def compare_pairs(
    pairs: Sequence[tuple[RowResult, RowResult]], margin: float, measure: Measure = ACCURACY
) -> list[Comparison]:
    """Compare each subject with its baseline. p is corrected over all pairs.

    ``margin``, as the measure shows it, is that within which two heads count as equal.
    """
    differences = [
        (
            subject.label,
            baseline.label,
            PairedDifference.from_values(subject.compared, baseline.compared),
        )
        for subject, baseline in pairs
    ]
    return judge_differences(differences, margin / measure.factor)


def better_than_every(points: Sequence[Sequence[Comparison]]) -> list[float | None]:
    """Return, for each point of a map, the p that its head is better than every baseline there.

    A head that is not better than some baseline is found better than all of them only if it is found better than that
    one, so the largest p of a point needs no correction over its baselines (intersection-union test, Berger 1982).
    Holm's correction is over the points. A head below the mean of a baseline has p = 1.
    """
    p_values = [
        [c.difference.p if c.difference.value > 0 else 1.0 for c in point_comparisons]
        for point_comparisons in points
    ]
    return holm(
        [
            None if None in point_p_values else max(p or 0.0 for p in point_p_values)
            for point_p_values in p_values
        ]
    )


def find_leaders(record: StudyRecord) -> tuple[RowResult, RowResult]:
    """Return the best subject on validation, and the best baseline of its group on validation.

    If the study has contrasts, return the rows of the first one.
    """
    if record.contrasts:
        return select_pairs(record.rows, (), record.contrasts)[0]
    subject = best(record.select_rows("subject"))
    return subject, best_of_group(record, subject.group)[1]


def differences_by_seed(
    predictions: StudyPredictions, subject: RowResult, baseline: RowResult
) -> dict[int, dict[str, Any]]:
    """Return the difference of a subject and a baseline on the test texts of each seed, as JSON values."""
    row_labels = subject.label, baseline.label
    return {
        seed: predictions.answers["test", seed].difference_as_dict(*row_labels)
        for seed in predictions.seeds
    }


# --- gains of bodies: the share of the paper's margin that the body explains, beside that of the kind of head


@dataclass(frozen=True)
class Gain:
    """Effect of one change on the test accuracy, paired by seed."""

    heads: str  # the head whose body changes, or a quantum head minus a classical one
    body: str  # the new body, or the body of both heads
    of_body: bool  # whether the body changes
    seeds: tuple[float, ...]  # differences of test accuracies by seed, in [-1, 1]

    @property
    def difference(self) -> PairedDifference:
        """Return the mean difference with its 95 % interval."""
        return PairedDifference.from_values(self.seeds, (0.0,) * len(self.seeds))

    @property
    def shares(self) -> tuple[float, ...]:
        """Return mean and 95 % interval as shares of `papers_margin`, or the mean alone for one seed."""
        difference = self.difference
        margin = papers_margin()
        return tuple(gain / margin for gain in (difference.value, *(difference.interval or ())))


def papers_margin() -> float:
    """Return, in [0, 1], table II's best quantum head minus SVC 296, its best classical head of similar size."""
    return (
        next(
            printed_value.value
            for printed_value in paper_numbers().values_for("difference")
            if printed_value.than == "svc"
        )
        / 100
    )


def gains(record: StudyRecord) -> list[Gain]:
    """Return the gain of each head from every other body, then the gain of the kind of head on each body.

    The heads of a kind are the best of the body's group on validation. A study without bodies has no gains.
    """
    groups = {body: [row for row in record.rows if row.group == body] for body in record.bodies}
    rows_on_first_body = {row.head: row for row in groups[record.bodies[0]]} if groups else {}
    all_gains = [
        Gain(unchanged_row.label, body, True, _score_differences(changed_row, unchanged_row))
        for body in record.bodies[1:]
        for changed_row in groups[body]
        if (unchanged_row := rows_on_first_body.get(changed_row.head))
    ]
    for body in groups:
        pair = best_of_group(record, body)
        names = [rows_on_first_body.get(row.head, row).label for row in pair]
        all_gains.append(Gain(" minus ".join(names), body, False, _score_differences(*pair)))
    return all_gains


def gains_of_the_papers_heads(record: StudyRecord) -> list[Gain]:
    """Return, on each body, the paper's own quantum heads minus the classical head that validation prefers.

    A head that validation prefers among the quantum ones is left out, because `gains` has it.
    """
    return [
        Gain(f"{row.label} minus {baseline.label}", body, False, _score_differences(row, baseline))
        for body in record.bodies
        for leader, baseline in [best_of_group(record, body)]
        for row in record.select_rows("subject")
        if row.group == body
        and row is not leader
        and paper_numbers().value_for_preset("accuracy", row.preset)
    ]


def best_of_group(record: StudyRecord, group: str) -> tuple[RowResult, RowResult]:
    """Return the best subject and the best baseline of a group on validation."""
    group_rows = [row for row in record.rows if row.group == group]
    return best(r for r in group_rows if r.side == "subject"), best(
        r for r in group_rows if r.side == "baseline"
    )


def _score_differences(row: RowResult, reference: RowResult) -> tuple[float, ...]:
    return tuple(np.subtract(row.compared, reference.compared).tolist())


# --- slopes: change of the test score per qubit along rows of one series


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
    all_trends = []
    for rows in by_series.values():
        qubit_counts = sorted({row.qubits or 0 for row in rows})
        if len(qubit_counts) > 1:
            all_trends.append(trend(rows))
        if len(qubit_counts) >= MIN_POINTS_FOR_HALVES:
            middle = qubit_counts[len(qubit_counts) // 2]
            all_trends.append(trend([row for row in rows if (row.qubits or 0) >= middle]))
    return all_trends


def trend(rows: list[RowResult]) -> Trend:
    """Return the mean over seeds of the least-squares slope through the scores of a seed, with its interval.

    Each seed has its own level and its own slope, so the interval contains the scatter of both kinds.
    """
    rows = sorted(rows, key=lambda row: row.qubits or 0)
    q = np.array([row.qubits for row in rows], dtype=float)
    y = np.array([row.compared for row in rows])  # (rows, seeds)
    centred = q - q.mean()
    slopes = MeanInterval.from_values((centred @ y / (centred @ centred)).tolist())
    qubits = tuple(row.qubits or 0 for row in rows)
    return Trend(rows[0].series, qubits, slopes.n, slopes.mean, slopes.interval)
