"""Sentence that states what a study's numbers imply, whatever the outcome, and sentences on its limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from qllmft.campaign.comparison import (
    Comparison,
    Gain,
    best_of_group,
    compare,
    gains,
    gains_of_the_papers_heads,
    leading,
    papers_margin,
)
from qllmft.campaign.record import RowResult, StudyRecord
from qllmft.counts import count_of
from qllmft.tasks.measure import ACCURACY, Measure, percent
from qllmft.tasks.statistics import PairedDifference, p_value


def verdict(record: StudyRecord, comparisons: Sequence[Comparison] | None = None) -> str:
    """Return a sentence on the pair that validation prefers and the count of all comparisons.

    If the study has several bodies, a sentence on these comes first. If it has contrasts, the sentence is about them.
    """
    found = compare(record) if comparisons is None else comparisons
    sentence = _of_contrasts(record, found) if record.contrasts else _of_pair(record, found)
    return f"{': '.join(_of_bodies(record))} {sentence}" if record.bodies else sentence


def headline(record: StudyRecord, comparisons: Sequence[Comparison] | None = None) -> str:
    """Return the title of a study's page, which implies no more than `verdict`."""
    found = compare(record) if comparisons is None else comparisons
    if record.bodies:
        return _of_bodies(record)[0]
    if record.contrasts:
        count = Counter(c.outcome for c in found)
        return (
            f"Of {count_of(len(found), 'comparison')}: {count['better']} higher, {count['worse']} lower, "
            f"{count['equal']} equal, {count['open']} open"
        )
    subject, baseline = leading(record)
    return _finding(record, found, subject.label, baseline.label)[1]


def _of_contrasts(record: StudyRecord, comparisons: Sequence[Comparison]) -> str:
    """Return the count of the outcomes of the comparisons that the study names, and the largest that is decided."""
    measure, count = record.measure, Counter(c.outcome for c in comparisons)
    sentence = (
        f"Of the {len(comparisons)} comparisons that the study names, {count['better']} find a higher test score, "
        f"{count['worse']} a lower one, {count['equal']} equal ones within {measure.within(record.margin)}, and "
        f"{count['open']} are open ({len(record.seeds)} seeds, paired t-tests after Holm's correction)."
    )
    decided = [c for c in comparisons if c.outcome in ("better", "worse")]
    if not decided:
        return sentence
    largest = max(decided, key=lambda c: abs(c.difference.mean))
    return (
        f"{sentence} The largest difference is that of {largest.subject} and {largest.baseline}: "
        f"{measure.signed(largest.difference.mean)} {measure.unit} {measure.brackets(largest.difference.interval)}."
    )


def _of_bodies(record: StudyRecord) -> tuple[str, str]:
    """Return whether the body or the kind of head gains more test accuracy, and the numbers, paired by seed.

    The gains are that of the first body's best classical head on validation from the second body, and those of the
    kind of head on both.
    """
    first, second = record.bodies[:2]
    _, baseline = best_of_group(record, first)
    found = {(gain.of_body, gain.body, gain.heads): gain for gain in gains(record)}
    body = found[True, second, baseline.label]
    kinds = {gain.body: gain for gain in found.values() if not gain.of_body}
    ends = PairedDifference.of(body.seeds, kinds[first].seeds).interval
    more = "Whether the body or the kind of head gives more is open"
    if ends and ends[0] > 0.0:
        more = "For the heads that validation prefers, the body gives more than the kind of head"
    elif ends and ends[1] < 0.0:
        more = "For the heads that validation prefers, the kind of head gives more than the body"
    margin = f" of the paper's margin of {percent(papers_margin(), 2)} points"
    parts = [
        f"on the {gain.body}, {gain.heads} {'gains' if gain.of_body else 'is'} {gain_points(gain)} points "
        f"({gain_share(gain)}{margin if gain is body else ''})"
        for gain in (body, kinds[first], kinds[second])
    ]
    of_paper = [gain for gain in gains_of_the_papers_heads(record) if gain.body == first]
    own = "; ".join(f"{gain.heads} is {gain_points(gain)} points" for gain in of_paper)
    papers = f" The paper's own heads on the {first}: {own}." if own else ""
    return more, f"{'; '.join(parts)}.{papers}"


def gain_points(gain: Gain) -> str:
    """Return ``+3.9 [+2.5, +5.3]``, in points, or the mean alone for one seed."""
    difference = gain.difference
    return f"{ACCURACY.signed(difference.mean)} {ACCURACY.brackets(difference.interval)}".rstrip()


def gain_share(gain: Gain) -> str:
    """Return ``124 % [79, 168]``, of the paper's margin."""
    mean, *ends = (percent(value, 0).replace("-", "−") for value in gain.shares)
    return f"{mean} % [{', '.join(ends)}]" if ends else f"{mean} %"


def _of_pair(record: StudyRecord, comparisons: Sequence[Comparison]) -> str:
    """Return the sentence on the two rows that validation prefers."""
    leaders, n, measure = leading(record), len(record.seeds), record.measure
    pair, found = _finding(record, comparisons, *(_name(row, record) for row in leaders))
    if leaders[0].constant:
        return f"{found}, so it beats nothing."
    difference = f"{found}: the difference is {measure.signed(pair.difference.mean)} {_unit(leaders[0], measure)}"
    if n == 1:
        return f"{difference} on the test texts, and there is no scatter to judge it by."
    count = _count(record, comparisons)
    if pair.difference.interval is None or pair.p_holm is None:
        return (
            f"{difference} with each of {n} seeds alike, and the paired test is not defined{count}."
        )
    several = f" after Holm's correction over {len(comparisons)} comparisons"
    corrected = several if len(comparisons) > 1 else ""
    tried, others = (row.tried for row in leaders)
    numbers = "each" if tried == others else f"and of {others}"
    seeds = f"{n} seeds, " + (f"best of {tried} settings {numbers}, " if tried is not None else "")
    test, least = f"paired t-test, {p_value(pair.p_holm)}", ""
    if pair.outcome == "equal":
        test = f"two one-sided t-tests, {p_value(pair.p_equal)}"
    elif pair.outcome == "open" and pair.detectable is not None:
        least = (
            f"; a true difference of {measure.size(pair.detectable)} {measure.unit} would have been found in four of "
            "five cases"
        )
    if pair.outcome in ("equal", "open"):
        found = f"{difference} {measure.brackets(pair.difference.interval)}"
    return f"{found} on the test texts ({seeds}{test}{corrected}){least}{count}."


def _finding(
    record: StudyRecord, comparisons: Sequence[Comparison], subject: str, baseline: str
) -> tuple[Comparison, str]:
    """Return the comparison of the rows that validation prefers, and what it finds: ``Q beats SVC by 5.9 points``."""
    leaders, measure = leading(record), record.measure
    (pair,) = (c for c in comparisons if [c.subject, c.baseline] == [row.label for row in leaders])
    if leaders[0].constant:
        return pair, f"{subject} gives the same answer to every test text"
    if pair.outcome == "equal":
        within = measure.within(record.margin)
        return pair, f"{subject} and {baseline} are equal within {within}"
    if pair.outcome == "open":
        seeds = " from one seed" if len(record.seeds) == 1 else ""
        return pair, f"Nothing can be said{seeds} about {subject} against {baseline}"
    verb = "beats" if pair.outcome == "better" else "loses to"
    size = f"{measure.size(pair.difference.mean)} {_unit(leaders[0], measure)}"
    # both ends have the same sign: the corrected p is below 5 %, so the 95 % interval excludes 0
    near, far = map(measure.size, sorted(pair.difference.interval or (), key=abs))
    return pair, f"{subject} {verb} {baseline} by {size} [{near}, {far}]"


def _unit(subject: RowResult, measure: Measure) -> str:
    return "points of balanced accuracy" if subject.balanced else measure.unit


def _name(row: RowResult, record: StudyRecord) -> str:
    """Return ``Multi sQE 14Q (the quantum head that validation prefers)``, or the label alone without a choice."""
    word = record.subject if row.side == "subject" else record.baseline
    of_side = record.rows_of(row.side)
    choice = [each for each in of_side if row.side == "subject" or each.group == row.group]
    return f"{row.label} (the {word} that validation prefers)" if len(choice) > 1 else row.label


def _count(record: StudyRecord, comparisons: Sequence[Comparison]) -> str:
    """Return the outcomes of all comparisons, or "" if there is only one."""
    if len(comparisons) < 2:
        return ""
    count = Counter(comparison.outcome for comparison in comparisons)
    subject, baseline = map(_with_article, (record.subject, record.baseline))
    pairs = f"of {subject} and {baseline}" if record.grouped else f"with {baseline}"
    return (
        f"; of all {len(comparisons)} comparisons {pairs}, {count['better']} are won, {count['worse']} lost, "
        f"{count['equal']} equal within {record.measure.within(record.margin)}, and {count['open']} open"
    )


def _with_article(name: str) -> str:
    """Return ``a quantum head``, ``an adapter`` or ``another head``, of ``other head``."""
    if name.startswith("other "):
        return f"an{name}"
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def limits(record: StudyRecord) -> list[str]:
    """Return sentences for the reader on the limits of the test."""
    n = len(record.seeds)
    sentences = [
        f"{n} seeds: a t-test on so few assumes differences that are about normal, and misses small ones."
        if n > 1
        else "One seed: there is no scatter to judge a difference by, so there are no intervals and no tests."
    ]
    if not record.redrawn:
        sentences.append(
            "The splits are given and do not depend on the seed: intervals are about initial weights alone, and a "
            "baseline without any, such as an SVC, has none."
        )
    elif record.protocol == "paper":
        sentences.append(
            "Each seed draws its own training and validation texts, but the seeds share nearly all test texts: the "
            "intervals are about other draws from these texts and other initial weights, not about other texts."
        )
    else:
        sentences.append(
            "Each seed draws its own training texts; the test texts are the same, and the intervals are not about "
            "other ones."
        )
    if len(record.rows) > 2 and not record.contrasts:
        sentences.append(
            "Validation chose among the rows from the same runs, which favours a row that was lucky in both; the test "
            "texts were not used to choose."
        )
    return [
        *sentences,
        "Least seen: the least true difference that the test at 5 % divided by the number of comparisons finds with "
        "80 % power, if the scatter over the seeds is the true one. Equal: two one-sided t-tests place the difference "
        f"within {record.measure.within(record.margin)}, the margin said beforehand, at 5 % after Holm's correction. "
        "Open: neither.",
        "The interval of a difference is its own, 95 %; whether it counts is decided by p after Holm's correction, "
        "which is stricter: a comparison may be open even if its interval excludes 0.",
    ]
