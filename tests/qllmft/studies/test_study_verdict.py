"""The verdict on made-up tables of every outcome."""

from dataclasses import replace

import pytest
from tiny_studies import record, row

from qllmft.campaign.comparison import compare, find_leaders
from qllmft.campaign.verdict import headline, limits, verdict
from qllmft.report.studies.table import format_test_score
from qllmft.tasks.measure import ACCURACY
from qllmft.tasks.statistics import holm, p_value

LOW = (0.700, 0.712, 0.705, 0.708, 0.698)
HIGH = (0.760, 0.768, 0.766, 0.765, 0.757)
BEST = (0.860, 0.869, 0.861, 0.867, 0.859)
MARGIN = "5.9 points [5.6, 6.1] on the test texts (5 seeds, paired t-test, p < 0.001)."
ODD = (0.790, 0.700, 0.760, 0.720, 0.780)


def outcomes(found):
    return [comparison.outcome for comparison in compare(found)]


@pytest.mark.parametrize(
    ("subject", "baseline", "title"),
    [
        (HIGH, LOW, "Multi beats SVC by 5.9 points [5.6, 6.1]"),
        (LOW, HIGH, "Multi loses to SVC by 5.9 points [5.6, 6.1]"),
        (HIGH, tuple(x + d for x, d in zip(HIGH, (1e-4, -1e-4, 0, 0, 1e-4), strict=True)),
         "Multi and SVC are equal within 0.5 points"),
        (ODD, HIGH, "Nothing can be said about Multi against SVC"),
        ((0.9,), (0.5,), "Nothing can be said from one seed about Multi against SVC"),
    ],
)  # fmt: skip
def test_the_title_of_a_page_is_the_start_of_the_sentence(subject, baseline, title):
    others = [row(f"NN {i}", "baseline", baseline, validation=(0.1,) * len(baseline)) for i in "ab"]
    pair = row("Multi", "subject", subject), row("SVC", "baseline", baseline)
    for found in (record(*pair), record(*pair, *others)):
        assert headline(found) == title


def test_a_count_of_other_heads_is_grammatical():
    rows = [row("A", "subject", HIGH), *(row(name, "baseline", LOW) for name in "BC")]
    found = replace(record(*rows), baseline="other head")
    assert "; of all 2 comparisons with another head, 2 are won" in verdict(found)


@pytest.mark.parametrize(
    ("subject", "baseline", "sentence"),
    [
        (HIGH, LOW, f"Multi beats SVC by {MARGIN}"),
        (LOW, HIGH, f"Multi loses to SVC by {MARGIN}"),
        (
            ODD,
            HIGH,
            "Nothing can be said about Multi against SVC: the difference is −1.3 points [−6.6, +4.0] on the test texts "
            "(5 seeds, paired t-test, p = 0.53); a true difference of 7.2 points would have been found in four of five "
            "cases.",
        ),
        (
            (0.9,),
            (0.5,),
            "Nothing can be said from one seed about Multi against SVC: the difference is +40.0 points on the test "
            "texts, and there is no scatter to judge it by.",
        ),
        (
            (0.9, 0.8, 0.85),
            (0.8, 0.7, 0.75),
            "Nothing can be said about Multi against SVC: the difference is +10.0 points with each of 3 seeds alike, "
            "and the paired test is not defined.",
        ),
    ],
    ids=["a win", "a loss", "open", "one seed", "no scatter"],
)
def test_the_sentence_of_a_pair(subject, baseline, sentence):
    found = record(row("Multi", "subject", subject), row("SVC", "baseline", baseline))
    assert verdict(found) == sentence
    assert limits(found)[0].startswith("One seed") == (len(subject) == 1)


def test_validation_chooses_the_pair_and_the_test_set_does_not():
    lucky = row("Lucky", "subject", HIGH, validation=(0.5,) * 5)
    chosen = row("Chosen", "subject", LOW, validation=(0.9,) * 5)
    baseline = row("SVC", "baseline", HIGH, validation=(0.8,) * 5)
    weak = row("NN", "baseline", LOW, validation=(0.7,) * 5)
    found = record(lucky, chosen, baseline, weak)
    assert [r.label for r in find_leaders(found)] == ["Chosen", "SVC"]
    assert verdict(found).startswith(
        "Chosen (the quantum head that validation prefers) loses to SVC (the classical head that validation prefers) by"
    )


def test_of_equal_validation_the_smaller_one_is_taken():
    same = (0.8,) * 5
    large = row("Large", "subject", LOW, validation=same, parameters=900)
    small = row("Small", "subject", LOW, validation=same, parameters=300)
    assert find_leaders(record(large, small, row("SVC", "baseline", HIGH)))[0].label == "Small"


def test_the_count_is_over_all_comparisons():
    tests = {"SVC": ODD, "NN": LOW, "LR": HIGH, "Best": BEST}
    baselines = [row(label, "baseline", test) for label, test in tests.items()]
    found = record(row("A", "subject", HIGH), row("B", "subject", LOW), *baselines)
    # B is not what validation prefers
    assert {comparison.subject for comparison in compare(found)} == {"A"}
    # A and LR are equal: the test is not defined
    assert outcomes(found) == ["open", "better", "open", "worse"]
    assert verdict(found).endswith(
        "; of all 4 comparisons with a classical head, 1 are won, 1 lost, 0 equal within 0.5 points, and 2 open."
    )


def test_the_correction_can_take_a_win_back():
    """Compare one pair with p = 0.02, a win, and then with more comparisons, no win."""
    near = tuple(a + d for a, d in zip(LOW, (0.004, 0.011, 0.016, 0.003, 0.012), strict=True))
    alone = record(row("Q", "subject", near), row("SVC", "baseline", LOW))
    assert 0.01 < compare(alone)[0].p_holm < 0.05
    assert "Q beats SVC" in verdict(alone)
    others = [row(f"NN {i}", "baseline", ODD, validation=(0.1,) * 5) for i in range(4)]
    crowd = record(row("Q", "subject", near), row("SVC", "baseline", LOW), *others)
    assert "Nothing can be said about Q against SVC (the classical" in verdict(crowd)
    low, _ = compare(crowd)[0].difference.interval
    assert low > 0  # its own interval excludes 0 all the same, as a sentence states
    assert any(
        "may be open even if its interval excludes 0" in sentence for sentence in limits(crowd)
    )


def test_groups_are_compared_within():
    rows = [
        row(f"{q} {s}", s, LOW if s == "baseline" else HIGH, group=q)
        for q in ("10Q", "12Q")
        for s in ("subject", "baseline")
    ]
    assert [(c.subject, c.baseline) for c in compare(record(*rows))] == [
        ("10Q subject", "10Q baseline"),
        ("12Q subject", "12Q baseline"),
    ]
    sentence = verdict(record(*rows))
    assert "12Q baseline" not in sentence
    assert sentence.endswith(
        "of all 2 comparisons of a quantum head and a classical head, 2 are won, 0 lost, "
        "0 equal within 0.5 points, and 0 open."
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "share nearly all test texts"),
        ({"protocol": "given"}, "the test texts are the same"),
        ({"protocol": "given", "redrawn": False}, "about initial weights alone"),
    ],
)
def test_the_limits_state_what_differs_between_seeds(changes, words):
    found = record(row("A", "subject", HIGH), row("B", "baseline", LOW), **changes)
    assert sum(words in sentence for sentence in limits(found)) == 1


def test_numbers_in_words():
    assert [ACCURACY.with_sign(x) for x in (0.0123, -0.0123, -0.0001, 0.0)] == [
        "+1.2",
        "−1.2",
        "0.0",
        "0.0",
    ]
    assert [p_value(p) for p in (None, 0.0004, 0.0123, 0.321)] == [
        "no p",
        "p < 0.001",
        "p = 0.012",
        "p = 0.32",
    ]


def test_uneven_labels_are_compared_by_balanced_accuracy():
    """Compare a subject that wins by accuracy and loses by balanced accuracy; a constant one beats nothing."""
    subject, baseline = row("Multi", "subject", HIGH), row("SVC", "baseline", LOW)
    subject, baseline = replace(subject, balanced=LOW), replace(baseline, balanced=HIGH)
    assert verdict(record(subject, baseline)).startswith(
        "Multi loses to SVC by 5.9 points of balanced accuracy [5.6"
    )
    constant = replace(subject, balanced=(0.5,) * 5, constant=True)
    assert (
        verdict(record(constant, baseline))
        == "Multi gives the same answer to every test text, so it beats nothing."
    )
    assert format_test_score(subject, ACCURACY) == "76.32 ± 0.56 (balanced 70.46 ± 0.71)"


def test_equal_within_the_margin_and_open_are_told_apart():
    near = tuple(a + d for a, d in zip(LOW, (0.001, -0.001, 0.0005, -0.0015, 0.001), strict=True))
    rows = row("Q", "subject", near), row("SVC", "baseline", LOW)
    assert outcomes(record(*rows)) == ["equal"]
    assert verdict(record(*rows)).startswith(
        "Q and SVC are equal within 0.5 points: the difference is 0.0 points ["
    )
    assert "two one-sided t-tests, p < 0.001" in verdict(record(*rows))
    assert outcomes(record(*rows, margin=0.05)) == ["open"], (
        "a margin that the scatter does not allow"
    )
    assert outcomes(record(row("Q", "subject", ODD), rows[1])) == ["open"]


def test_a_difference_that_is_found_counts_also_within_the_margin():
    near = tuple(a + d for a, d in zip(LOW, (0.002, 0.0021, 0.0019, 0.002, 0.0021), strict=True))
    (found,) = compare(record(row("Q", "subject", near), row("SVC", "baseline", LOW)))
    assert found.outcome == "better"
    assert found.p_equal < 0.001


def test_contrasts_are_the_only_comparisons_and_the_sentence_counts_them():
    rows = (
        row("A", "subject", (0.80, 0.82, 0.84)),
        row("B", "subject", (0.70, 0.71, 0.75)),
        row("C", "baseline", (0.60, 0.61, 0.62)),
    )
    plain = record(*rows)
    named = replace(plain, contrasts=(("B", "C"), ("A", "B")))
    pairs = [(c.subject, c.baseline) for c in compare(named)]
    assert pairs == [("B", "C"), ("A", "B")]
    assert [c.p_holm for c in compare(named)] == holm([c.difference.p for c in compare(named)])
    assert [c.outcome for c in compare(named)] == ["better", "better"]
    assert verdict(named).startswith(
        "Of the 2 comparisons that the study names, 2 find a higher test score, 0 a lower one, 0 equal ones within "
        "0.5 points, and 0 are open (3 seeds, paired t-tests after Holm's correction). The largest difference is that "
        "of B and C: +11.0 points ["
    )
    turned = replace(plain, contrasts=(("C", "A"),))
    assert "0 find a higher test score, 1 a lower one" in verdict(turned)
    alike = replace(rows[0], label="D", test=(0.82, 0.80, 0.83))
    undecided = replace(plain, rows=(*rows, alike), contrasts=(("A", "D"),))
    assert verdict(undecided).endswith(
        "and 1 are open (3 seeds, paired t-tests after Holm's correction)."
    )
    assert [(c.subject, c.baseline) for c in compare(plain)] == [("A", "C")]
