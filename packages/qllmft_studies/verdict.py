"""Verdict that a study's paired tests imply, whatever the outcome, and sentences on its limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from qllmft.run.verdict import Verdict, capitalize
from qllmft.tasks.comparison import RESULTS, Comparison, PairedDifference
from qllmft.tasks.measure import ACCURACY, percent
from qllmft.tasks.statistics import interval_side, p_value
from qllmft_base.text import format_count
from qllmft_studies.comparison import (
    Gain,
    best_of_group,
    compare,
    find_leaders,
    gains,
    gains_of_the_papers_heads,
)
from qllmft_studies.record import RowResult, StudyRecord

MAX_TITLE_WORDS = 12
MAX_TITLE_CHARACTERS = 120
# a minimum detectable effect of so many margins is large: its title says that the study is inconclusive
LARGE_EFFECT_MARGINS = 10


def verdict(record: StudyRecord, comparisons: Sequence[Comparison] | None = None) -> Verdict:
    """Return the verdict on the pair that validation selects, with the count of all comparisons.

    If the study has several bodies, the headline is about their gains. If it has contrasts, the verdict is about them.
    """
    all_comparisons = compare(record) if comparisons is None else comparisons
    sentences = {"lead": _lead(record)}
    if record.contrasts:
        headline = _contrasts_headline(all_comparisons)
        return Verdict(headline, sentences, dict(_contrasts_facts(record, all_comparisons)))
    facts = dict(_pair_facts(record, all_comparisons))
    if record.bodies:
        body_gains, head_gains = _compared_gains(record)
        difference = PairedDifference.from_values(body_gains, head_gains)
        body_facts = dict(_bodies_facts(record, difference))
        headline = _bodies_headline(body_gains, head_gains)
        return Verdict(headline, sentences, {**body_facts, **facts})
    return Verdict(_pair_headline(record, all_comparisons), sentences, facts)


def _lead(record: StudyRecord) -> str:
    """Return sentences on the selection of the models and on what the intervals cover."""
    selected_labels = [row.label for row in find_leaders(record) if _is_selected(row, record)]
    if record.contrasts:
        selection = "The study's plan names the comparisons."
    elif len(selected_labels) == 1:
        selection = f"Validation selected {selected_labels[0]}."
    else:
        selection = "Both models were selected on validation." if selected_labels else ""
    if len(record.seeds) == 1:
        intervals = "One seed cannot show variability."
    elif record.redrawn:
        intervals = "Intervals cover training samples and initial weights, not new texts."
    else:
        intervals = "Intervals cover initial weights, not new texts."
    return f"{selection} {intervals}".lstrip()


def _is_selected(row: RowResult, record: StudyRecord) -> bool:
    """Return whether validation selected a row among several of its side, of its group if it is a baseline."""
    candidates = [
        candidate
        for candidate in record.select_rows(row.side)
        if row.side == "subject" or candidate.group == row.group
    ]
    return len(candidates) > 1


def _contrasts_headline(comparisons: Sequence[Comparison]) -> str:
    total = format_count(len(comparisons), "comparison")
    return f"{total}: {_outcome_counts(comparisons)}"


def _contrasts_facts(
    record: StudyRecord, comparisons: Sequence[Comparison]
) -> Iterator[tuple[str, str]]:
    """Yield the largest significant difference, and the tests."""
    significant = [c for c in comparisons if c.outcome in ("better", "worse")]
    if significant:
        largest = max(significant, key=lambda c: abs(c.difference.value))
        yield "largest significant difference", _names_difference(largest)
        yield "difference", _difference_text(largest.difference, record)
    seeds = format_count(len(record.seeds), "seed")
    yield "test", f"paired t-tests, {seeds}{_holm(len(comparisons))}"
    yield "equivalence margin", _margin(record)


def _compared_gains(record: StudyRecord) -> tuple[Sequence[float], Sequence[float]]:
    """Return by seed the gain from the second body, and that from the kind of head on the first one.

    The gain from the body is that of the first body's best classical head on validation.
    """
    first, second = record.bodies[:2]
    _, baseline = best_of_group(record, first)
    gains_by_key = {(gain.of_body, gain.body, gain.heads): gain for gain in gains(record)}
    head_gains = {gain.body: gain for gain in gains_by_key.values() if not gain.of_body}
    body = gains_by_key[True, second, baseline.label]
    return body.seeds, head_gains[first].seeds


def _bodies_headline(body_gains: Sequence[float], head_gains: Sequence[float]) -> str:
    """Return whether the body or the kind of head changes the test accuracy more, up or down.

    |a| is larger than |b| if a - b and a + b have one sign, and smaller if they have different ones.
    """
    losses = [-gain for gain in head_gains]
    signs = [
        interval_side(PairedDifference.from_values(body_gains, changes).interval)
        for changes in (head_gains, losses)
    ]
    if signs[0] * signs[1] > 0:
        return "The language model matters more than the kind of head"
    if signs[0] * signs[1] < 0:
        return "The kind of head matters more than the language model"
    return "Unclear whether language model or kind of head matters more"


def _bodies_facts(record: StudyRecord, difference: PairedDifference) -> Iterator[tuple[str, str]]:
    """Yield the gains from the second body and from the kind of head, and their difference."""
    first, second = record.bodies[:2]
    _, baseline = best_of_group(record, first)
    yield "gains, language model minus kind of head", _difference_text(difference, record)
    for gain in gains(record):  # those from the language model come first
        if gain.of_body and (gain.body, gain.heads) == (second, baseline.label):
            yield f"gain from language model ({second})", _gain_text(gain)
        elif not gain.of_body and gain.body in (first, second):
            yield f"gain from kind of head ({gain.body})", _gain_text(gain)
    for gain in gains_of_the_papers_heads(record):
        if gain.body == first:
            yield f"paper's head: {gain.heads}", f"{gain_points(gain)} points on the {first}"


def _gain_text(gain: Gain) -> str:
    return f"{gain.heads}: {gain_points(gain)} points"


def gain_points(gain: Gain) -> str:
    """Return ``+3.9 [+2.5, +5.3]``, in points, or the mean alone for one seed."""
    difference = gain.difference
    return ACCURACY.difference(difference.value, difference.interval)


def gain_share(gain: Gain) -> str:
    """Return ``124 % [79, 168]``, of the paper's margin."""
    mean, *ends = (percent(value, 0).replace("-", "−") for value in gain.shares)
    return f"{mean} % [{', '.join(ends)}]" if ends else f"{mean} %"


def _pair_headline(record: StudyRecord, comparisons: Sequence[Comparison]) -> str:
    """Return the result of the two rows that validation selects, with their labels if there is room for them."""
    subject, baseline = find_leaders(record)
    comparison = _leading_comparison(record, comparisons)
    pairs = [(subject.label, baseline.label), (capitalize(record.subject), record.baseline)]
    if subject.constant:
        return _first_short(f"{name} gives every text the same answer" for name, _ in pairs)
    if comparison.outcome in ("better", "worse"):
        size = record.measure.size(comparison.difference.value)
        result = f"{size} {record.scale} {comparison.outcome} than"
        statements = [
            f"{name}{joint} {result} {other}" for name, other in pairs for joint in (" is", ":")
        ]
        return _first_short([*statements, f"Selected model is {result} the baseline"])
    if comparison.outcome == "equal":
        result = f"Equivalent within {_margin(record)}"
    elif len(record.seeds) == 1:
        result = "No conclusion from one seed"
    elif comparison.p_holm is None:
        result = "No test is possible"
    elif side := interval_side(comparison.difference.interval):
        return _leaning_headline(record, comparison, side, pairs)
    elif (
        detectable := comparison.detectable
    ) is not None and detectable * record.measure.factor > LARGE_EFFECT_MARGINS * record.margin:
        # a difference of several margins could stay unseen, so that its absence says little
        effect = record.measure.effect(detectable)
        result = f"Inconclusive (MDE {effect} {record.scale})"
    else:
        result = "Inconclusive, no difference established"
    return _first_short([*(f"{result}: {_join(*pair)}" for pair in pairs), result])


def _leaning_headline(
    record: StudyRecord, comparison: Comparison, side: int, pairs: Sequence[tuple[str, str]]
) -> str:
    """Return the title of a difference whose interval excludes 0 and whose p after correction does not."""
    size = f"{record.measure.size(comparison.difference.value)} {record.scale}"
    result = f"{size} {'above' if side > 0 else 'below'}"
    titles = [
        f"{name}{joint} {result} {other}, but not significantly"
        for name, other in pairs
        for joint in (" is", ":")
    ]
    return _first_short([*titles, f"Inconclusive: {result} the baseline, but not significantly"])


def _first_short(titles: Iterable[str]) -> str:
    """Return the first title that is short enough, or the last one."""
    for title in titles:
        if len(title.split()) <= MAX_TITLE_WORDS and len(title) <= MAX_TITLE_CHARACTERS:
            break
    return title


def _join(first: str, second: str) -> str:
    """Return ``A, B``, or ``A and B`` if one of them has a comma itself."""
    return f"{first} and {second}" if "," in first + second else f"{first}, {second}"


def _leading_comparison(record: StudyRecord, comparisons: Sequence[Comparison]) -> Comparison:
    """Return the comparison of the rows that validation selects."""
    labels = [row.label for row in find_leaders(record)]
    (comparison,) = (c for c in comparisons if [c.subject, c.baseline] == labels)
    return comparison


def _pair_facts(
    record: StudyRecord, comparisons: Sequence[Comparison]
) -> Iterator[tuple[str, str]]:
    """Yield the difference of the two rows that validation selects, its test, and the count of all comparisons."""
    comparison = _leading_comparison(record, comparisons)
    yield "compared", _names_difference(comparison)
    yield "difference", _difference_text(comparison.difference, record)
    yield "test", _test_text(record, comparison, len(comparisons))
    tried = [row.tried for row in find_leaders(record) if row.tried is not None]
    if tried:
        yield "settings tried", " and ".join(f"{count:,}" for count in tried)
    if len(comparisons) > 1:
        yield "all comparisons", _outcome_counts(comparisons)
        yield "equivalence margin", _margin(record)
    if comparison.outcome == "open" and comparison.detectable is not None:
        yield "MDE", _detectable_text(comparison.detectable, record)


def _detectable_text(detectable: float, record: StudyRecord) -> str:
    """Return ``2.8 points``, or ``> 100.0 points`` with the remedy if no two scores differ as much."""
    text = f"{record.measure.effect(detectable)} {record.scale}"
    if detectable <= record.measure.largest_difference:
        return text
    return f"{text}, and two scores cannot differ more. Give more --seeds"


def _test_text(record: StudyRecord, comparison: Comparison, n_comparisons: int) -> str:
    """Return the test of one of several comparisons: ``paired t-test, 5 seeds, p = 0.012``."""
    seeds = format_count(len(record.seeds), "seed")
    if len(record.seeds) == 1:
        return "none with one seed"
    if comparison.p_holm is None:
        return f"not defined, as {seeds} have the same difference"
    if comparison.outcome == "equal":
        test = f"two one-sided t-tests within {_margin(record)}"
        p = p_value(comparison.p_equal)
    else:
        test = "paired t-test"
        p = p_value(comparison.p_holm)
    return f"{test}, {seeds}, {p}{_holm(n_comparisons)}"


def _holm(n_comparisons: int) -> str:
    """Return ``(Holm, 7 comparisons)``, or "" for one, which needs no correction."""
    return f" (Holm, {n_comparisons} comparisons)" if n_comparisons > 1 else ""


def _names_difference(comparison: Comparison) -> str:
    return f"{comparison.subject} minus {comparison.baseline}"


def _difference_text(difference: PairedDifference, record: StudyRecord) -> str:
    """Return ``−1.8 points, 95 % CI [−2.3, −1.2]``, without an interval if the seeds do not give one."""
    text = f"{record.measure.with_sign(difference.value)} {record.scale}"
    if difference.deviation is None:
        return text
    return f"{text}, 95 % CI {record.measure.brackets(difference.interval)}"


def _outcome_counts(comparisons: Sequence[Comparison]) -> str:
    count = Counter[str](comparison.outcome for comparison in comparisons)
    return ", ".join(f"{count[outcome]} {result}" for outcome, result in RESULTS.items())


def _margin(record: StudyRecord) -> str:
    return f"{record.margin:g} {record.scale}"


def limits(record: StudyRecord) -> list[str]:
    """Return sentences on the limits of the tests and on the words of the table of comparisons."""
    n = len(record.seeds)
    selection = []
    if len(record.rows) > 2 and not record.contrasts:
        selection = [
            "Validation selects among rows of the same runs, which favours a row that was lucky in both. The test "
            "texts were not used to select."
        ]
    if n == 1:
        sentence = "One seed cannot show variability, so there are no intervals and no tests."
        return [sentence, *selection]
    sentences = [
        f"A t-test on {n} seeds assumes differences that are about normal, and misses small ones."
    ]
    if not record.redrawn:
        sentences += [
            "The splits are given and do not depend on the seed.",
            "Intervals cover initial weights alone. A baseline without any, such as an SVC, has none.",
        ]
    elif record.test_shared is not None and record.test_shared < 1:
        shared = percent(record.test_shared, 0)
        sentences += [
            f"Each seed draws its own texts. Two seeds have {shared} % of their test texts in common, on average.",
            "Intervals cover other draws from these texts and other initial weights, not other texts.",
        ]
    elif record.protocol == "paper" and record.test_shared is None:
        sentences += [
            "Each seed draws its own training and validation texts, but the seeds share nearly all test texts.",
            "Intervals cover other draws from these texts and other initial weights, not other texts.",
        ]
    else:
        sentences.append(
            "Each seed draws its own training texts. The test texts are the same, and intervals do not cover other "
            "ones."
        )
    return [
        *sentences,
        *selection,
        "MDE is the minimum detectable effect, the true difference that a test finds with 80 % power. The test is at "
        "5 % divided by the number of comparisons, and the variability over the seeds is taken as the true one.",
        f"Equivalent: two one-sided t-tests place the difference within {_margin(record)}, a margin set beforehand, "
        "at 5 % after Holm's correction. Inconclusive: neither equivalent nor significantly different.",
        "CIs are not corrected for multiple comparisons, and p values are. A CI that excludes 0 can still be "
        "inconclusive.",
    ]
