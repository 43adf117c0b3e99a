"""Paired tests of subjects against baselines on the same splits, and McNemar's test within a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from qllmft.campaign.predictions import StudyPredictions
from qllmft.campaign.record import RowResult, StudyRecord
from qllmft.campaign.results import best
from qllmft.statistics import PairedDifference, holm, mcnemar

ALPHA = 0.05
Outcome = Literal["better", "worse", "open"]


@dataclass(frozen=True)
class Comparison:
    """Comparison of one subject with one baseline."""

    subject: str  # label of its row
    baseline: str  # label of its row
    difference: PairedDifference  # subject minus baseline, by seed, of test accuracies; balanced if labels are uneven
    p_holm: float | None  # after Holm's correction over all comparisons; None if the test is not defined

    @property
    def outcome(self) -> Outcome:
        """Return the outcome for the subject: ``open`` unless the corrected p is below 5 %."""
        if self.p_holm is None or self.p_holm >= ALPHA:
            return "open"
        return "better" if self.difference.mean > 0 else "worse"


def compare(record: StudyRecord) -> list[Comparison]:
    """Return all comparisons of a study, in the order of its rows.

    If rows have groups, each subject is compared with the baselines of its group. Otherwise the best subject on
    validation is compared with every baseline: more comparisons would make the correction stricter.
    """
    subjects = record.rows_of("subject")
    if not record.grouped:
        subjects = [best(subjects)]
    pairs = [
        (subject, baseline)
        for subject in subjects
        for baseline in record.rows_of("baseline")
        if subject.group == baseline.group
    ]
    return compare_pairs(pairs)


def compare_pairs(pairs: Sequence[tuple[RowResult, RowResult]]) -> list[Comparison]:
    """Compare each subject with its baseline. p is corrected over all pairs."""
    differences = [PairedDifference.of(subject.compared, baseline.compared) for subject, baseline in pairs]
    corrected = holm([difference.p for difference in differences])
    return [
        Comparison(subject.label, baseline.label, difference, p)
        for (subject, baseline), difference, p in zip(pairs, differences, corrected, strict=True)
    ]


def leading(record: StudyRecord) -> tuple[RowResult, RowResult]:
    """Return the best subject on validation, and the best baseline of its group on validation."""
    subject = best(record.rows_of("subject"))
    return subject, best(row for row in record.rows_of("baseline") if row.group == subject.group)


def limits(record: StudyRecord) -> list[str]:
    """Return sentences for the reader on the limits of the test."""
    n = len(record.seeds)
    sentences = [
        f"{n} seeds: a t-test on so few assumes differences that are about normal, and misses small ones."
        if n > 1
        else "One seed: there is no scatter to judge a difference by, so there are no intervals and no tests."
    ]
    if record.redrawn:
        sentences.append(
            "Each seed draws its own training and validation texts, but the seeds share nearly all test texts: the "
            "intervals are about other draws from these texts and other initial weights, not about other texts."
            if record.protocol == "paper"
            else "Each seed draws its own training texts; the test texts are the same, and the intervals are not about "
            "other ones."
        )
    else:
        sentences.append(
            "The splits are given and do not depend on the seed: intervals are about initial weights alone, and a "
            "baseline without any, such as an SVC, has none."
        )
    if len(record.rows) > 2:
        sentences.append(
            "Validation chose among the rows from the same runs, which favours a row that was lucky in both; the test "
            "texts were not used to choose."
        )
    sentences.append(
        "The interval of a difference is its own, 95 %; whether it counts is decided by p after Holm's correction, "
        "which is stricter: a comparison may be open even if its interval excludes 0."
    )
    return sentences


@dataclass(frozen=True)
class Discordance:
    """Disagreement of two trained heads on the same test texts."""

    seed: int  # of both heads
    only_subject: int  # number of texts that only the subject got right
    only_baseline: int  # number of texts that only the baseline got right

    @property
    def p(self) -> float:
        """Return the p of McNemar's exact test. It is about these two trained heads alone, on other such texts."""
        return mcnemar(self.only_subject, self.only_baseline)


def discordances(predictions: StudyPredictions, subject: RowResult, baseline: RowResult) -> list[Discordance]:
    """Return the disagreements of two rows by seed."""
    ours, theirs = (predictions.rows.index(row.label) for row in (subject, baseline))
    found = []
    for seed in predictions.seeds:
        test = predictions.answers["test", seed]
        right, other = (test.answers[:, row] == test.labels for row in (ours, theirs))
        found.append(Discordance(seed, int((right & ~other).sum()), int((~right & other).sum())))
    return found
