"""Checks on the rows: copies, contradictions, other distributions, and what the numbers of rows can show."""

from __future__ import annotations

import numpy as np
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from qllmft.analysis.audit.case import AuditFinding, Case, least_difference, not_applicable
from qllmft.tasks.statistics import p_value

NEAR = 1e-3  # of the median distance between neighbours: a copy with rounding or noise
CONFLICTS = 0.01  # share of training rows
SHIFT_P = 1e-3  # of Kolmogorov and Smirnov's test, corrected over the columns
COARSE = 0.10  # least difference to be found, in accuracy
DISCORDANT = 0.2  # share of rows that one of two models has right
GAP = 0.05  # of training and test accuracy


def copies(case: Case) -> AuditFinding:
    """Check that no test row is a training row, or one within a thousandth of a usual distance."""
    neighbours = NearestNeighbors(n_neighbors=2).fit(case.train.inputs)
    usual = float(np.median(neighbours.kneighbors(case.train.inputs)[0][:, 1]))
    nearest = neighbours.kneighbors(case.test.inputs, n_neighbors=1)[0][:, 0]
    found, exact = int((nearest <= NEAR * usual).sum()), int((nearest == 0).sum())
    return AuditFinding.of(
        not found,
        f"{found} of {len(case.test)} rows",
        "No test row is a copy of a training row.",
        f"{found} test rows are copies of training rows, {exact} of them exactly. Leave them out of one part.",
    )


def conflicts(case: Case) -> AuditFinding:
    """Check that equal training rows have equal labels."""
    _, group = np.unique(case.train.inputs, axis=0, return_inverse=True)
    group = group.ravel()
    low = np.full(group.max() + 1, np.iinfo(np.int64).max)
    high = np.full(len(low), -1)
    np.minimum.at(low, group, case.train.y)
    np.maximum.at(high, group, case.train.y)
    found = int((low != high)[group].sum())
    return AuditFinding.of(
        found <= CONFLICTS * len(group),
        f"{found} of {len(group)} rows",
        "Equal training rows have equal labels.",
        f"{found} training rows equal another with another label, which no model can separate. Add inputs, or relabel.",
    )


def shift(case: Case) -> AuditFinding:
    """Check that no input has another distribution in the test rows than in the training rows."""
    if case.split_here:
        return not_applicable("The test rows were drawn from the rows given.")
    pairs = list(zip(case.train.inputs.T, case.test.inputs.T, strict=True))
    p = [stats.ks_2samp(train, test).pvalue for train, test in pairs]
    worst = int(np.argmin(p))
    corrected = min(1.0, len(p) * float(p[worst]))
    return AuditFinding.of(
        corrected >= SHIFT_P,
        p_value(corrected),
        "Training and test rows have the same distribution, input by input.",
        f"Input {worst} has another distribution in the test rows. Scale both parts by the training rows alone.",
    )


def power(case: Case) -> AuditFinding:
    """Check that a difference of ten points to a rival would be found if a fifth of the rows differ."""
    least = least_difference(DISCORDANT, len(case.test))
    figure = f"{100 * least:.1f} points"
    sentence = f"{len(case.test)} test rows show a difference of {figure} in four of five cases"
    remedy = ", and no smaller one. Give more test rows."
    return AuditFinding.of(least <= COARSE, figure, f"{sentence}.", sentence + remedy)


def gap(case: Case) -> AuditFinding:
    """Check that the accuracy on training rows is not above that on test rows."""
    if case.split_here:
        return not_applicable(
            "The test rows were drawn from the rows given; give test= rows that did not train the circuit."
        )
    ours, held = case.train_accuracy, case.accuracy
    error = sum(each.value * (1 - each.value) / each.total for each in (ours, held)) ** 0.5
    found = ours.value - held.value
    sentence = f"Accuracy on training rows {ours}, on test rows {held}"
    return AuditFinding.of(
        found - 1.96 * error <= GAP,
        f"{100 * found:+.1f} points",
        f"{sentence}.",
        f"{sentence}: the circuit is overfitted. Use fewer weights or more rows.",
    )
