"""What a study's numbers imply, in one sentence, whoever wins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from qllmft.campaign.bodies import Move, of_the_sentence, papers_margin
from qllmft.campaign.comparison import Comparison, compare, leading
from qllmft.campaign.record import RowResult, StudyRecord
from qllmft.statistics import PairedDifference


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
    """One sentence about the pair that validation prefers, with all comparisons' count; before it that of bodies."""
    of_bodies = [body_sentence(record)] if record.bodies else []
    return " ".join([*of_bodies, _of_the_pair(record, comparisons)])


def body_sentence(record: StudyRecord) -> str:
    """Whether the body gives more points of test accuracy than the kind of head, by their difference paired by seed."""
    body, kind, kind_after = of_the_sentence(record)
    ends = PairedDifference.of(body.seeds, kind.seeds).interval
    more = "Whether the body or the kind of head gives more is open"
    if ends and ends[0] > 0.0:
        more = "The body gives more than the kind of head"
    elif ends and ends[1] < 0.0:
        more = "The kind of head gives more than the body"
    margin = f" of the paper's margin of {100 * papers_margin():.2f} points"
    said = [
        f"on the {move.where}, {move.what} {'gains' if move.of_body else 'is'} {with_interval(move)} points "
        f"({share(move)}{margin if move is body else ''})"
        for move in (body, kind, kind_after)
    ]
    return f"{more}: {'; '.join(said)}."


def with_interval(move: Move) -> str:
    """``+3.9 [+2.5, +5.3]``, in points; without brackets where there is one seed."""
    ends = move.difference.interval
    return signed(move.difference.mean) + (f" [{signed(ends[0])}, {signed(ends[1])}]" if ends else "")


def share(move: Move) -> str:
    """``124 % [79, 168]``, of the paper's margin."""
    mean, *ends = (f"{100 * value:.0f}".replace("-", "−") for value in move.shares)
    return f"{mean} % [{', '.join(ends)}]" if ends else f"{mean} %"


def _of_the_pair(record: StudyRecord, comparisons: Sequence[Comparison] | None) -> str:
    """One sentence about the pair that validation prefers, and the count of all comparisons."""
    comparisons = compare(record) if comparisons is None else comparisons
    leaders = leading(record)
    pair = next(c for c in comparisons if (c.subject, c.baseline) == tuple(row.label for row in leaders))
    subject, baseline = (_name(row, record) for row in leaders)
    mean, n, count = pair.difference.mean, len(record.seeds), _count(record, comparisons)
    if leaders[0].constant:
        return f"{subject} gives the same answer to every test text, so it beats nothing."
    unit = "points of balanced accuracy" if leaders[0].balanced else "points"
    difference = f"the difference is {signed(mean)} {unit}"
    if n == 1:
        return (
            f"Nothing can be said from one seed about {subject} against {baseline}: {difference} on the test texts, and "
            "there is no scatter to judge it by."
        )
    if pair.difference.interval is None or pair.p_holm is None:
        return (
            f"Nothing can be said about {subject} against {baseline}: {difference} with each of {n} seeds alike, and the "
            f"paired test is not defined{count}."
        )
    low, high = pair.difference.interval
    corrected = f" after Holm's correction over {len(comparisons)} comparisons" if len(comparisons) > 1 else ""
    test = f"on the test texts ({n} seeds, {_budget(*leaders)}paired t-test, {p_value(pair.p_holm)}{corrected})"
    if pair.outcome == "open":
        return (
            f"Nothing can be said about {subject} against {baseline}: {difference} [{signed(low)}, {signed(high)}] "
            f"{test}{count}."
        )
    verb = "beats" if pair.outcome == "better" else "loses to"
    # both ends have one sign: the corrected p is below 5 %, so the 95 % interval leaves out 0
    near, far = sorted((abs(low), abs(high)))
    return f"{subject} {verb} {baseline} by {points(mean)} {unit} [{points(near)}, {points(far)}] {test}{count}."


def _budget(subject: RowResult, baseline: RowResult) -> str:
    """``best of 6 settings each, ``, how many validation chose among; nothing in a study without a budget."""
    if subject.tried is None:
        return ""
    numbers = "each" if subject.tried == baseline.tried else f"and of {baseline.tried}"
    return f"best of {subject.tried} settings {numbers}, "


def _name(row: RowResult, record: StudyRecord) -> str:
    """``Multi sQE 14Q (the quantum head that validation prefers)``, or the label alone where there is no choice."""
    word = record.subject if row.side == "subject" else record.baseline
    choice = [other for other in record.rows_of(row.side) if row.side == "subject" or other.group == row.group]
    return f"{row.label} (the {word} that validation prefers)" if len(choice) > 1 else row.label


def _count(record: StudyRecord, comparisons: Sequence[Comparison]) -> str:
    """How all comparisons ended; nothing where there is one."""
    if len(comparisons) < 2:
        return ""
    count = Counter(comparison.outcome for comparison in comparisons)
    whose = f"of a {record.subject} with a {record.baseline}" if record.grouped else f"with a {record.baseline}"
    return (
        f"; of all {len(comparisons)} comparisons {whose} it wins {count['better']}, loses {count['worse']}, and "
        f"{count['open']} are open"
    )
