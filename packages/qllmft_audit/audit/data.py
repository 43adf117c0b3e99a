"""Checks on the rows: copies, contradictions, other distributions, and what the numbers of rows can show."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from qllmft.tasks.accuracy import Accuracy
from qllmft.tasks.statistics import p_value
from qllmft_audit.audit.case import (
    ALPHA,
    AuditFinding,
    Case,
    least_difference,
    not_applicable,
    points_text,
)
from qllmft_base.text import format_count

COPY_DISTANCE = 1e-3  # of the median distance between neighbours: a copy with rounding or noise
CONFLICT_SHARE = 0.01  # share of training rows
SHIFT_P = 1e-3  # of Kolmogorov and Smirnov's test, corrected over the columns
LARGEST_DETECTABLE_DIFFERENCE = 0.10  # least difference to be found, in accuracy
DISCORDANT_SHARE = 0.2  # share of rows that one of two models has right
MAX_GAP = 0.05  # of training and test accuracy, for which they count as the same


def copies(case: Case) -> AuditFinding:
    """Check that no test row is a training row, or one within a thousandth of a usual distance."""
    neighbours = NearestNeighbors(n_neighbors=2).fit(case.train.inputs)
    typical_distance = float(np.median(neighbours.kneighbors(case.train.inputs)[0][:, 1]))
    nearest = neighbours.kneighbors(case.test.inputs, n_neighbors=1)[0][:, 0]
    n_copies = int((nearest <= COPY_DISTANCE * typical_distance).sum())
    n_exact_copies = int((nearest == 0).sum())
    return AuditFinding.from_condition(
        not n_copies,
        f"{n_copies} of {len(case.test)} rows",
        "No test row is a copy of a training row.",
        f"{n_copies} test rows are copies of training rows, {n_exact_copies} of them exactly. Leave them out of "
        "one part.",
    )


def conflicts(case: Case) -> AuditFinding:
    """Check that equal training rows have equal labels."""
    _, group = np.unique(case.train.inputs, axis=0, return_inverse=True)
    group = group.ravel()
    low = np.full(group.max() + 1, np.iinfo(np.int64).max)
    high = np.full(len(low), -1)
    np.minimum.at(low, group, case.train.y)
    np.maximum.at(high, group, case.train.y)
    n_conflicts = int((low != high)[group].sum())
    return AuditFinding.from_condition(
        n_conflicts <= CONFLICT_SHARE * len(group),
        f"{n_conflicts} of {len(group)} rows",
        f"{format_count(n_conflicts, 'training row', ('equals', 'equal'))} another with another label."
        if n_conflicts
        else "Equal training rows have equal labels.",
        f"{n_conflicts} training rows equal another with another label, which no model can separate. Add inputs, "
        "or relabel.",
    )


def shift(case: Case) -> AuditFinding:
    """Check that no input has another distribution in the test rows than in the training rows."""
    if case.split_here:
        return not_applicable("The test rows were drawn from the rows given.")
    pairs = list(zip(case.train.inputs.T, case.test.inputs.T, strict=True))
    p = [stats.ks_2samp(train, test).pvalue for train, test in pairs]
    worst = int(np.argmin(p))
    corrected = min(1.0, len(p) * float(p[worst]))
    return AuditFinding.from_condition(
        corrected >= SHIFT_P,
        p_value(corrected),
        f"No input has a significantly different distribution in the {len(case.test)} test rows (at {SHIFT_P:g}, "
        "corrected over the inputs).",
        f"Input {worst} has another distribution in the test rows. Scale both parts by the training rows alone.",
    )


def power(case: Case) -> AuditFinding:
    """Check that a difference of ten points to a rival would be found if a fifth of the rows differ."""
    detectable_difference = least_difference(DISCORDANT_SHARE, len(case.test))
    figure = f"{100 * detectable_difference:.1f} points"
    sentence = f"{len(case.test)} test rows show a difference of {figure} in four of five cases"
    remedy = ", and no smaller one. Give more test rows."
    return AuditFinding.from_condition(
        detectable_difference <= LARGEST_DETECTABLE_DIFFERENCE,
        figure,
        f"{sentence}.",
        sentence + remedy,
    )


def gap(case: Case) -> AuditFinding:
    """Check that the accuracy on training rows is at most five points above that on test rows.

    Fisher's exact test on other rows decides that it is higher, and Newcombe's 95 % interval that it is not.
    """
    if case.split_here:
        return not_applicable(
            "The test rows were drawn from the rows given. Give test= rows that did not train the circuit."
        )
    train = case.train_accuracy
    test = case.accuracy
    low, high = unpaired_interval(train, test)
    figure = points_text(train.value - test.value, (low, high))
    sentence = f"Accuracy on training rows {train}, on test rows {test}"
    limit = f"{100 * MAX_GAP:.0f} points"
    if high <= MAX_GAP:
        return AuditFinding("holds", figure, f"{sentence}. The 95 % interval is below {limit}.")
    if higher_p(train, test) < ALPHA:
        remedy = "The circuit is overfitted. Use fewer weights or more rows."
        return AuditFinding("issue", figure, f"{sentence}. {remedy}")
    remedy = f"The 95 % interval includes {limit} and no difference. Give more test rows."
    if low > 0:
        remedy = f"The 95 % interval is above 0 and includes {limit}. Give more test rows."
    return AuditFinding("inconclusive", figure, f"{sentence}. {remedy}")


def unpaired_interval(first: Accuracy, second: Accuracy) -> tuple[float, float]:
    """Return the 95 % interval of the difference of two accuracies on different rows (Newcombe 1998, method 10)."""
    difference = first.value - second.value
    (first_low, first_high), (second_low, second_high) = first.interval, second.interval
    return (
        difference - math.hypot(first.value - first_low, second_high - second.value),
        difference + math.hypot(first_high - first.value, second.value - second_low),
    )


def higher_p(first: Accuracy, second: Accuracy) -> float:
    """Return the one-sided p of Fisher's exact test that the first accuracy is not above the second one."""
    counts = np.array([[part.right, part.total - part.right] for part in (first, second)])
    return float(stats.fisher_exact(counts, alternative="greater").pvalue)
