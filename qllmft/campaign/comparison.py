"""Paired tests of subjects against baselines on the same splits, over the seeds and over the texts of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from qllmft.campaign.file import compared_pairs
from qllmft.campaign.predictions import StudyPredictions
from qllmft.campaign.record import RowResult, StudyRecord
from qllmft.campaign.results import best
from qllmft.tasks import TASK_OF_SCORE
from qllmft.tasks.accuracy import TextDifference
from qllmft.tasks.bootstrap import BootstrapDifference
from qllmft.tasks.measure import ACCURACY, Measure
from qllmft.tasks.statistics import PairedDifference, holm

ALPHA = 0.05
Outcome = Literal["better", "worse", "equal", "open"]


@dataclass(frozen=True)
class Comparison:
    """Comparison of one subject with one baseline."""

    subject: str  # label of its row
    baseline: str  # label of its row
    # subject minus baseline, by seed, of test scores; balanced accuracies if labels are uneven
    difference: PairedDifference
    # after Holm's correction over all comparisons; None if the test is not defined
    p_holm: float | None
    # of the test that the difference is within the margin, after Holm's correction
    p_equal: float | None = None
    # least true difference found with 80 % power at 5 % / number of comparisons
    detectable: float | None = None

    @property
    def outcome(self) -> Outcome:
        """Return the outcome for the subject: better or worse, equal within the margin, or open.

        Each is decided by a corrected p below 5 %. A difference that is found counts, also within the margin.
        """
        if self.p_holm is not None and self.p_holm < ALPHA:
            return "better" if self.difference.mean > 0 else "worse"
        return "equal" if self.p_equal is not None and self.p_equal < ALPHA else "open"


def compare(record: StudyRecord) -> list[Comparison]:
    """Return all comparisons of a study, in the order of its rows.

    If the study has contrasts, they are the comparisons. If rows have groups, each subject is compared with the
    baselines of its group. Otherwise the best subject on validation is compared with every baseline: more comparisons
    would make the correction stricter.
    """
    subjects = record.rows_of("subject")
    if not record.grouped:
        subjects = [best(subjects)]
    pairs = compared_pairs(record.rows, subjects, record.contrasts)
    return compare_pairs(pairs, record.margin, record.measure)


def compare_pairs(
    pairs: Sequence[tuple[RowResult, RowResult]], margin: float, measure: Measure = ACCURACY
) -> list[Comparison]:
    """Compare each subject with its baseline. p is corrected over all pairs.

    ``margin``, as the measure shows it, is that within which two heads count as equal.
    """
    differences = [
        PairedDifference.of(subject.compared, baseline.compared) for subject, baseline in pairs
    ]
    corrected = holm([difference.p for difference in differences])
    equal = holm([difference.equivalence_p(margin / measure.factor) for difference in differences])
    return [
        Comparison(
            subject.label,
            baseline.label,
            difference,
            p,
            q,
            difference.detectable(ALPHA / len(pairs)),
        )
        for (subject, baseline), difference, p, q in zip(
            pairs, differences, corrected, equal, strict=True
        )
    ]


def better_than_every(points: Sequence[Sequence[Comparison]]) -> list[float | None]:
    """Return, for each point of a map, the p that its head is better than every baseline there.

    A head that is not better than some baseline is found better than all of them only if it is found better than that
    one, so the largest p of a point needs no correction over its baselines (intersection-union test, Berger 1982).
    Holm's correction is over the points. A head below the mean of a baseline has p = 1.
    """
    return holm([_largest(comparisons) for comparisons in points])


def _largest(comparisons: Sequence[Comparison]) -> float | None:
    values = [c.difference.p if c.difference.mean > 0 else 1.0 for c in comparisons]
    return None if None in values else max(p for p in values if p is not None)


def leading(record: StudyRecord) -> tuple[RowResult, RowResult]:
    """Return the best subject on validation, and the best baseline of its group on validation.

    If the study has contrasts, return the rows of the first one.
    """
    if record.contrasts:
        return compared_pairs(record.rows, (), record.contrasts)[0]
    subject = best(record.rows_of("subject"))
    return subject, best(row for row in record.rows_of("baseline") if row.group == subject.group)


def differences_by_seed(
    predictions: StudyPredictions, subject: RowResult, baseline: RowResult
) -> dict[int, TextDifference | BootstrapDifference]:
    """Return the difference of a subject and a baseline on the test texts of each seed."""
    ours, theirs = (predictions.rows.index(row.label) for row in (subject, baseline))
    tests = {seed: predictions.answers["test", seed] for seed in predictions.seeds}
    paired = TASK_OF_SCORE[predictions.score].paired
    return {seed: paired(t.labels, t.of(ours), t.of(theirs)) for seed, t in tests.items()}
