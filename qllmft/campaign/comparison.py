"""Subjects against baselines on the same splits: which pairs, the paired test, and McNemar's within a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from qllmft.campaign.record import RowResult, StudyRecord
from qllmft.run import RunFolder
from qllmft.statistics import PairedDifference, holm, mcnemar

ALPHA = 0.05
Outcome = Literal["better", "worse", "open"]


@dataclass(frozen=True)
class Comparison:
    """One subject against one baseline."""

    subject: str  # label of its row
    baseline: str  # label of its row
    difference: PairedDifference  # subject less baseline, by seed, of test accuracies, balanced where labels are uneven
    p_holm: float | None  # after Holm's correction over all comparisons of the study; None where it is not defined

    @property
    def outcome(self) -> Outcome:
        """``better`` or ``worse``, of the subject, where the corrected p is below 5 %; else ``open``."""
        if self.p_holm is None or self.p_holm >= ALPHA:
            return "open"
        return "better" if self.difference.mean > 0 else "worse"


def compare(record: StudyRecord) -> list[Comparison]:
    """All comparisons of a study, in the order of its rows.

    Where rows have groups, each subject is compared with the baselines of its group. Where they have none, the subject
    that validation prefers is compared with every baseline: comparing the other subjects too would only blunt these.
    """
    subjects = record.rows_of("subject")
    if not record.grouped:
        subjects = [preferred(subjects)]
    pairs = [
        (subject, baseline)
        for subject in subjects
        for baseline in record.rows_of("baseline")
        if subject.group == baseline.group
    ]
    return compare_pairs(pairs)


def compare_pairs(pairs: Sequence[tuple[RowResult, RowResult]]) -> list[Comparison]:
    """Subjects less baselines, pair by pair; p after Holm's correction over all pairs."""
    differences = [PairedDifference.of(subject.compared, baseline.compared) for subject, baseline in pairs]
    corrected = holm([difference.p for difference in differences])
    return [
        Comparison(subject.label, baseline.label, difference, p)
        for (subject, baseline), difference, p in zip(pairs, differences, corrected, strict=True)
    ]


def preferred(rows: list[RowResult]) -> RowResult:
    """The row that validation prefers: highest mean validation accuracy, then fewer parameters, then the first.

    The test set has no say in it.
    """
    return max(rows, key=lambda row: (row.validation_interval.mean, -sum(row.parameters)))


def leading(record: StudyRecord) -> tuple[RowResult, RowResult]:
    """The subject that validation prefers, and the baseline of its group that validation prefers."""
    subject = preferred(record.rows_of("subject"))
    return subject, preferred([row for row in record.rows_of("baseline") if row.group == subject.group])


def limits(record: StudyRecord) -> list[str]:
    """What the test does not say, each a sentence for the reader."""
    n = len(record.seeds)
    said = [
        f"{n} seeds: a t-test on so few leans on differences that are about normal, and misses small ones."
        if n > 1
        else "One seed: there is no scatter to judge a difference by, so there are no intervals and no tests."
    ]
    if record.redrawn:
        said.append(
            "Each seed draws its own training and validation texts, but the seeds share nearly all test texts: the "
            "intervals are about other draws from these texts and other initial weights, not about other texts."
            if record.protocol == "paper"
            else "Each seed draws its own training texts; the test texts are the same, and the intervals are not about "
            "other ones."
        )
    else:
        said.append(
            "The splits are given and do not depend on the seed: intervals are about initial weights alone, and a "
            "baseline without any, such as an SVC, has none."
        )
    if len(record.rows) > 2:
        said.append(
            "Validation chose among the rows from the same runs, which favours a row that was lucky in both; the test "
            "texts had no say in it."
        )
    said.append(
        "The interval of a difference is its own, 95 %; whether it counts is decided by p after Holm's correction, "
        "which is stricter: an interval may leave out 0 and the comparison still be open."
    )
    return said


@dataclass(frozen=True)
class Discordance:
    """Two trained heads on the same test texts."""

    seed: int  # of both
    only_subject: int  # texts that the subject alone got right
    only_baseline: int  # texts that the baseline alone got right

    @property
    def p(self) -> float:
        """Of McNemar's exact test, about these two trained heads on other texts like these, and nothing else."""
        return mcnemar(self.only_subject, self.only_baseline)


def discordances(folder: Path, subject: RowResult, baseline: RowResult) -> list[Discordance]:
    """Seed by seed, from the answers that the runs in ``folder`` kept; empty where a run kept none."""
    found = []
    for seed, (of_subject, of_baseline) in enumerate(zip(subject.runs, baseline.runs, strict=True)):
        ours = RunFolder(folder / "runs" / of_subject).read_predictions()
        theirs = RunFolder(folder / "runs" / of_baseline).read_predictions()
        if ours is None or theirs is None:
            return []
        right = ours.answers[subject.model] == ours.labels
        other = theirs.answers[baseline.model] == theirs.labels
        found.append(Discordance(seed, int((right & ~other).sum()), int((~right & other).sum())))
    return found
