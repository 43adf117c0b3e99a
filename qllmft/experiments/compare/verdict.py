"""What a study's numbers imply, in one sentence, whoever wins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from qllmft.experiments.compare.comparison import Comparison, compare, leading
from qllmft.experiments.compare.record import RowResult, StudyRecord


def points(difference: float) -> str:
    """A difference of accuracies as percentage points: 0.0123 as ``1.2``, without its sign."""
    return f"{100 * abs(difference):.1f}"


def signed(difference: float) -> str:
    """The same with its sign: ``+1.2``, ``−1.2``."""
    text = f"{100 * difference:+.1f}"
    return text.replace("-", "−") if float(text) else "0.0"


def p_value(p: float | None) -> str:
    """``p = 0.012`` or ``p < 0.001``."""
    if p is None:
        return "no p"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def verdict(record: StudyRecord, comparisons: Sequence[Comparison] | None = None) -> str:
    """One sentence about the pair that validation prefers, and the count of all comparisons."""
    comparisons = compare(record) if comparisons is None else comparisons
    leaders = leading(record)
    pair = next(c for c in comparisons if (c.subject, c.rival) == tuple(row.label for row in leaders))
    subject, rival = (_name(row, record) for row in leaders)
    mean, n, count = pair.difference.mean, len(record.seeds), _count(record, comparisons)
    if leaders[0].constant:
        return f"{subject} gives the same answer to every test text, so it beats nothing."
    unit = "points of balanced accuracy" if leaders[0].balanced else "points"
    difference = f"the difference is {signed(mean)} {unit}"
    if n == 1:
        return (
            f"Nothing can be said from one seed about {subject} against {rival}: {difference} on the test texts, and "
            "there is no scatter to judge it by."
        )
    if pair.difference.interval is None or pair.p_holm is None:
        return (
            f"Nothing can be said about {subject} against {rival}: {difference} with each of {n} seeds alike, and the "
            f"paired test is not defined{count}."
        )
    low, high = pair.difference.interval
    corrected = f" after Holm's correction over {len(comparisons)} comparisons" if len(comparisons) > 1 else ""
    test = f"on the test texts ({n} seeds, {_budget(*leaders)}paired t-test, {p_value(pair.p_holm)}{corrected})"
    if pair.outcome == "open":
        return (
            f"Nothing can be said about {subject} against {rival}: {difference} [{signed(low)}, {signed(high)}] "
            f"{test}{count}."
        )
    verb = "beats" if pair.outcome == "better" else "loses to"
    # both ends have one sign: the corrected p is below 5 %, so the 95 % interval leaves out 0
    near, far = sorted((abs(low), abs(high)))
    return f"{subject} {verb} {rival} by {points(mean)} {unit} [{points(near)}, {points(far)}] {test}{count}."


def _budget(subject: RowResult, rival: RowResult) -> str:
    """``best of 6 settings each, ``, how many validation chose among; nothing in a study without a budget."""
    if subject.tried is None:
        return ""
    numbers = "each" if subject.tried == rival.tried else f"and of {rival.tried}"
    return f"best of {subject.tried} settings {numbers}, "


def _name(row: RowResult, record: StudyRecord) -> str:
    """``Multi sQE 14Q (the quantum head that validation prefers)``, or the label alone where there is no choice."""
    word = record.subject if row.side == "subject" else record.rival
    choice = [other for other in record.rows_of(row.side) if row.side == "subject" or other.group == row.group]
    return f"{row.label} (the {word} that validation prefers)" if len(choice) > 1 else row.label


def _count(record: StudyRecord, comparisons: Sequence[Comparison]) -> str:
    """How all comparisons ended; nothing where there is one."""
    if len(comparisons) < 2:
        return ""
    count = Counter(comparison.outcome for comparison in comparisons)
    whose = f"of a {record.subject} with a {record.rival}" if record.grouped else f"with a {record.rival}"
    return (
        f"; of all {len(comparisons)} comparisons {whose} it wins {count['better']}, loses {count['worse']}, and "
        f"{count['open']} are open"
    )
