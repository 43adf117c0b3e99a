"""Sentence that states what a study's numbers imply, whatever the outcome, and sentences on its limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from qllmft.campaign.comparison import (
    Comparison,
    Gain,
    best_of_group,
    compare,
    find_leaders,
    gains,
    gains_of_the_papers_heads,
    papers_margin,
)
from qllmft.campaign.record import RowResult, StudyRecord
from qllmft.counts import format_count
from qllmft.tasks.measure import ACCURACY, Measure, percent
from qllmft.tasks.statistics import PairedDifference, p_value


def verdict(record: StudyRecord, comparisons: Sequence[Comparison] | None = None) -> str:
    """Return a sentence on the pair that validation prefers and the count of all comparisons.

    If the study has several bodies, a sentence on these comes first. If it has contrasts, the sentence is about them.
    """
    all_comparisons = compare(record) if comparisons is None else comparisons
    sentence = (
        _contrasts_sentence(record, all_comparisons)
        if record.contrasts
        else _pair_sentence(record, all_comparisons)
    )
    return f"{': '.join(_bodies_sentences(record))} {sentence}" if record.bodies else sentence


def headline(record: StudyRecord, comparisons: Sequence[Comparison] | None = None) -> str:
    """Return the title of a study's page, which implies no more than `verdict`."""
    all_comparisons = compare(record) if comparisons is None else comparisons
    if record.bodies:
        return _bodies_sentences(record)[0]
    if record.contrasts:
        count = Counter(c.outcome for c in all_comparisons)
        return (
            f"Of {format_count(len(all_comparisons), 'comparison')}: {count['better']} higher, {count['worse']} lower, "
            f"{count['equal']} equal, {count['open']} open"
        )
    subject, baseline = find_leaders(record)
    return _finding(record, all_comparisons, subject.label, baseline.label)[1]


def _contrasts_sentence(record: StudyRecord, comparisons: Sequence[Comparison]) -> str:
    """Return the count of the outcomes of the comparisons that the study names, and the largest that is decided."""
    measure = record.measure
    count = Counter(c.outcome for c in comparisons)
    sentence = (
        f"Of the {len(comparisons)} comparisons that the study names, {count['better']} find a higher test score, "
        f"{count['worse']} a lower one, {count['equal']} equal ones within {measure.within(record.margin)}, and "
        f"{count['open']} are open ({len(record.seeds)} seeds, paired t-tests after Holm's correction)."
    )
    significant = [c for c in comparisons if c.outcome in ("better", "worse")]
    if not significant:
        return sentence
    largest = max(significant, key=lambda c: abs(c.difference.mean))
    return (
        f"{sentence} The largest difference is that of {largest.subject} and {largest.baseline}: "
        f"{measure.with_sign(largest.difference.mean)} {measure.unit} {measure.brackets(largest.difference.interval)}."
    )


def _bodies_sentences(record: StudyRecord) -> tuple[str, str]:
    """Return whether the body or the kind of head gains more test accuracy, and the numbers, paired by seed.

    The gains are that of the first body's best classical head on validation from the second body, and those of the
    kind of head on both.
    """
    first, second = record.bodies[:2]
    _, baseline = best_of_group(record, first)
    gains_by_key = {(gain.of_body, gain.body, gain.heads): gain for gain in gains(record)}
    body = gains_by_key[True, second, baseline.label]
    head_gains = {gain.body: gain for gain in gains_by_key.values() if not gain.of_body}
    ends = PairedDifference.from_values(body.seeds, head_gains[first].seeds).interval
    body_verdict = "Whether the body or the kind of head gives more is open"
    if ends and ends[0] > 0.0:
        body_verdict = (
            "For the heads that validation prefers, the body gives more than the kind of head"
        )
    elif ends and ends[1] < 0.0:
        body_verdict = (
            "For the heads that validation prefers, the kind of head gives more than the body"
        )
    margin = f" of the paper's margin of {percent(papers_margin(), 2)} points"
    gain_texts = [
        f"on the {gain.body}, {gain.heads} {'gains' if gain.of_body else 'is'} {gain_points(gain)} points "
        f"({gain_share(gain)}{margin if gain is body else ''})"
        for gain in (body, head_gains[first], head_gains[second])
    ]
    paper_gains = [gain for gain in gains_of_the_papers_heads(record) if gain.body == first]
    paper_heads_text = "; ".join(
        f"{gain.heads} is {gain_points(gain)} points" for gain in paper_gains
    )
    paper_sentence = (
        f" The paper's own heads on the {first}: {paper_heads_text}." if paper_heads_text else ""
    )
    return body_verdict, f"{'; '.join(gain_texts)}.{paper_sentence}"


def gain_points(gain: Gain) -> str:
    """Return ``+3.9 [+2.5, +5.3]``, in points, or the mean alone for one seed."""
    difference = gain.difference
    return (
        f"{ACCURACY.with_sign(difference.mean)} {ACCURACY.brackets(difference.interval)}".rstrip()
    )


def gain_share(gain: Gain) -> str:
    """Return ``124 % [79, 168]``, of the paper's margin."""
    mean, *ends = (percent(value, 0).replace("-", "−") for value in gain.shares)
    return f"{mean} % [{', '.join(ends)}]" if ends else f"{mean} %"


def _pair_sentence(record: StudyRecord, comparisons: Sequence[Comparison]) -> str:
    """Return the sentence on the two rows that validation prefers."""
    leaders = find_leaders(record)
    n = len(record.seeds)
    measure = record.measure
    comparison, finding = _finding(
        record, comparisons, *(_describe_row(row, record) for row in leaders)
    )
    if leaders[0].constant:
        return f"{finding}, so it beats nothing."
    difference = (
        f"{finding}: the difference is {measure.with_sign(comparison.difference.mean)} "
        f"{_unit(leaders[0], measure)}"
    )
    if n == 1:
        return f"{difference} on the test texts, and there is no scatter to judge it by."
    count = _outcome_counts(record, comparisons)
    if comparison.difference.interval is None or comparison.p_holm is None:
        return (
            f"{difference} with each of {n} seeds alike, and the paired test is not defined{count}."
        )
    holm_text = f" after Holm's correction over {len(comparisons)} comparisons"
    correction_text = holm_text if len(comparisons) > 1 else ""
    subject_tried, baseline_tried = (row.tried for row in leaders)
    numbers = "each" if subject_tried == baseline_tried else f"and of {baseline_tried}"
    seeds = f"{n} seeds, " + (
        f"best of {subject_tried} settings {numbers}, " if subject_tried is not None else ""
    )
    test = f"paired t-test, {p_value(comparison.p_holm)}"
    detectable_text = ""
    if comparison.outcome == "equal":
        test = f"two one-sided t-tests, {p_value(comparison.p_equal)}"
    elif comparison.outcome == "open" and comparison.detectable is not None:
        detectable_text = (
            f"; a true difference of {measure.size(comparison.detectable)} {measure.unit} would have been found in "
            "four of "
            "five cases"
        )
    if comparison.outcome in ("equal", "open"):
        finding = f"{difference} {measure.brackets(comparison.difference.interval)}"
    return f"{finding} on the test texts ({seeds}{test}{correction_text}){detectable_text}{count}."


def _finding(
    record: StudyRecord, comparisons: Sequence[Comparison], subject: str, baseline: str
) -> tuple[Comparison, str]:
    """Return the comparison of the rows that validation prefers, and what it finds: ``Q beats SVC by 5.9 points``."""
    leaders = find_leaders(record)
    measure = record.measure
    (comparison,) = (
        c for c in comparisons if [c.subject, c.baseline] == [row.label for row in leaders]
    )
    if leaders[0].constant:
        return comparison, f"{subject} gives the same answer to every test text"
    if comparison.outcome == "equal":
        within = measure.within(record.margin)
        return comparison, f"{subject} and {baseline} are equal within {within}"
    if comparison.outcome == "open":
        seeds = " from one seed" if len(record.seeds) == 1 else ""
        return comparison, f"Nothing can be said{seeds} about {subject} against {baseline}"
    verb = "beats" if comparison.outcome == "better" else "loses to"
    size = f"{measure.size(comparison.difference.mean)} {_unit(leaders[0], measure)}"
    # both ends have the same sign: the corrected p is below 5 %, so the 95 % interval excludes 0
    near, far = map(measure.size, sorted(comparison.difference.interval or (), key=abs))
    return comparison, f"{subject} {verb} {baseline} by {size} [{near}, {far}]"


def _unit(subject: RowResult, measure: Measure) -> str:
    return "points of balanced accuracy" if subject.balanced else measure.unit


def _describe_row(row: RowResult, record: StudyRecord) -> str:
    """Return ``Multi sQE 14Q (the quantum head that validation prefers)``, or the label alone without a choice."""
    word = record.subject if row.side == "subject" else record.baseline
    side_rows = record.select_rows(row.side)
    candidates = [
        candidate
        for candidate in side_rows
        if row.side == "subject" or candidate.group == row.group
    ]
    return f"{row.label} (the {word} that validation prefers)" if len(candidates) > 1 else row.label


def _outcome_counts(record: StudyRecord, comparisons: Sequence[Comparison]) -> str:
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
