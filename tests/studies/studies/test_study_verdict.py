"""The verdict on made-up tables of every outcome."""

from dataclasses import replace

import pytest
from tiny_studies import record, row

from qllmft.tasks.measure import ACCURACY
from qllmft.tasks.statistics import holm, p_value
from qllmft_studies.comparison import compare, find_leaders
from qllmft_studies.report.table import format_test_score
from qllmft_studies.verdict import MAX_TITLE_WORDS, limits, verdict

LOW = (0.700, 0.712, 0.705, 0.708, 0.698)
HIGH = (0.760, 0.768, 0.766, 0.765, 0.757)
BEST = (0.860, 0.869, 0.861, 0.867, 0.859)
ODD = (0.790, 0.700, 0.760, 0.720, 0.780)
NEAR = (0.765, 0.759, 0.772, 0.752, 0.766)  # of HIGH: too far to be equivalent


def outcomes(study):
    return [comparison.outcome for comparison in compare(study)]


@pytest.mark.parametrize(
    ("subject", "baseline", "title"),
    [
        (HIGH, LOW, "Multi is 5.9 points better than SVC"),
        (LOW, HIGH, "Multi is 5.9 points worse than SVC"),
        (HIGH, tuple(x + d for x, d in zip(HIGH, (1e-4, -1e-4, 0, 0, 1e-4), strict=True)),
         "Equivalent within 0.5 points: Multi, SVC"),
        (NEAR, HIGH, "Inconclusive, no difference established: Multi, SVC"),
        ((0.9,), (0.5,), "No conclusion from one seed: Multi, SVC"),
        ((0.9, 0.8), (0.8, 0.7), "No test is possible: Multi, SVC"),
    ],
)  # fmt: skip
def test_the_title_is_the_result_of_the_pair(subject, baseline, title):
    further_rows = [
        row(f"NN {i}", "baseline", baseline, validation=(0.1,) * len(baseline)) for i in "ab"
    ]
    pair = row("Multi", "subject", subject), row("SVC", "baseline", baseline)
    for study in (record(*pair), record(*pair, *further_rows)):
        assert verdict(study).headline == title


LONG_LABEL = "No re-uploading head, the paper's two encoders"
LONGER_LABEL = "Logistic regression of the paper's grid with all columns"
SIDES = {"subject": "quantum head", "baseline": "classical head"}
LONG_SIDES = {
    "subject": "model with two encoders of ten qubits",
    "baseline": "model with one encoder",
}


@pytest.mark.parametrize(
    ("labels", "sides", "better", "open_title"),
    [
        (
            ("Q, odd", "SVC"),
            SIDES,
            "Q, odd is 5.9 points better than SVC",
            "Inconclusive, no difference established: Q, odd and SVC",
        ),
        (
            (LONG_LABEL, "SVC"),
            SIDES,
            f"{LONG_LABEL}: 5.9 points better than SVC",
            "Inconclusive, no difference established: Quantum head, classical head",
        ),
        (
            (LONG_LABEL, LONGER_LABEL),
            SIDES,
            "Quantum head is 5.9 points better than classical head",
            "Inconclusive, no difference established: Quantum head, classical head",
        ),
        (
            (LONG_LABEL, LONGER_LABEL),
            LONG_SIDES,
            "Selected model is 5.9 points better than the baseline",
            "Inconclusive, no difference established",
        ),
        (
            ("Q" * 80, "S" * 80),
            SIDES,
            "Quantum head is 5.9 points better than classical head",
            "Inconclusive, no difference established: Quantum head, classical head",
        ),
    ],
    ids=["comma", "colon", "sides", "no names", "long words"],
)
def test_a_title_has_at_most_12_words(labels, sides, better, open_title):
    for subject, baseline, title in ((HIGH, LOW, better), (NEAR, HIGH, open_title)):
        rows = row(labels[0], "subject", subject), row(labels[1], "baseline", baseline)
        headline = verdict(replace(record(*rows), **sides)).headline
        assert headline == title
        assert len(headline.split()) <= MAX_TITLE_WORDS == 12


def test_a_detectable_effect_above_every_difference_names_the_remedy():
    study = record(row("Multi", "subject", (0.9, 0.6)), row("SVC", "baseline", (0.6, 0.7)))
    (comparison,) = compare(study)
    assert comparison.detectable > 1
    effect = "> 100.0 points, and two scores cannot differ more. Give more --seeds"
    assert verdict(study).facts["MDE"] == effect
    assert ACCURACY.effect(comparison.detectable) == "> 100.0"
    assert ACCURACY.largest_difference == 1


@pytest.mark.parametrize(
    ("subject", "baseline", "facts"),
    [
        (
            HIGH,
            LOW,
            {
                "difference": "+5.9 points, 95 % CI [+5.6, +6.1]",
                "test": "paired t-test, 5 seeds, p < 0.001",
            },
        ),
        (
            LOW,
            HIGH,
            {
                "difference": "−5.9 points, 95 % CI [−6.1, −5.6]",
                "test": "paired t-test, 5 seeds, p < 0.001",
            },
        ),
        (
            ODD,
            HIGH,
            {
                "difference": "−1.3 points, 95 % CI [−6.6, +4.0]",
                "test": "paired t-test, 5 seeds, p = 0.53",
                "MDE": "7.2 points",
            },
        ),
        (
            (0.9,),
            (0.5,),
            {"difference": "+40.0 points", "test": "none with one seed"},
        ),
        (
            (0.9, 0.8, 0.85),
            (0.8, 0.7, 0.75),
            {
                "difference": "+10.0 points",
                "test": "not defined, as 3 seeds have the same difference",
            },
        ),
    ],
    ids=["better", "worse", "inconclusive", "one seed", "no variability"],
)
def test_the_facts_of_a_pair(subject, baseline, facts):
    study = record(row("Multi", "subject", subject), row("SVC", "baseline", baseline))
    assert verdict(study).facts == {"compared": "Multi minus SVC", **facts}
    assert limits(study)[0].startswith("One seed") == (len(subject) == 1)


def test_the_lead_states_the_selection_and_what_intervals_cover():
    pair = row("Multi", "subject", HIGH), row("SVC", "baseline", LOW)
    second_subject = row("Single", "subject", LOW, validation=(0.1,) * 5)
    second_baseline = row("NN", "baseline", LOW, validation=(0.1,) * 5)
    intervals = "Intervals cover training samples and initial weights, not new texts."
    assert verdict(record(*pair)).sentences["lead"] == intervals
    one_choice = verdict(record(*pair, second_baseline)).sentences["lead"]
    assert one_choice == f"Validation selected SVC. {intervals}"
    study = record(*pair, second_baseline, second_subject)
    assert (
        verdict(study).sentences["lead"] == f"Both models were selected on validation. {intervals}"
    )
    assert len(verdict(study).sentences["lead"].split()) <= 30
    same_texts = replace(study, protocol="given", redrawn=False)
    assert (
        verdict(same_texts)
        .sentences["lead"]
        .endswith("Intervals cover initial weights, not new texts.")
    )
    alone = record(row("Multi", "subject", (0.9,)), row("SVC", "baseline", (0.5,)))
    assert verdict(alone).sentences["lead"] == "One seed cannot show variability."


def test_validation_chooses_the_pair_and_the_test_set_does_not():
    lucky = row("Lucky", "subject", HIGH, validation=(0.5,) * 5)
    best_validated = row("Chosen", "subject", LOW, validation=(0.9,) * 5)
    baseline = row("SVC", "baseline", HIGH, validation=(0.8,) * 5)
    weak = row("NN", "baseline", LOW, validation=(0.7,) * 5)
    study = record(lucky, best_validated, baseline, weak)
    assert [r.label for r in find_leaders(study)] == ["Chosen", "SVC"]
    assert verdict(study).headline == "Chosen is 5.9 points worse than SVC"
    assert verdict(study).facts["compared"] == "Chosen minus SVC"


def test_of_equal_validation_the_smaller_one_is_taken():
    validation = (0.8,) * 5
    large = row("Large", "subject", LOW, validation=validation, parameters=900)
    small = row("Small", "subject", LOW, validation=validation, parameters=300)
    assert find_leaders(record(large, small, row("SVC", "baseline", HIGH)))[0].label == "Small"


def test_the_count_is_over_all_comparisons():
    tests = {"SVC": ODD, "NN": LOW, "LR": HIGH, "Best": BEST}
    baselines = [row(label, "baseline", test) for label, test in tests.items()]
    study = record(row("A", "subject", HIGH), row("B", "subject", LOW), *baselines)
    # B is not what validation prefers
    assert {comparison.subject for comparison in compare(study)} == {"A"}
    # A and LR are equal: the test is not defined
    assert outcomes(study) == ["open", "better", "open", "worse"]
    facts = verdict(study).facts
    assert facts["all comparisons"] == "1 better, 1 worse, 0 equivalent, 2 inconclusive"
    assert facts["equivalence margin"] == "0.5 points"
    assert facts["test"].endswith(" (Holm, 4 comparisons)")


LOST = tuple(x - d for x, d in zip(HIGH, (0.062, 0.110, 0.083), strict=False))  # by 8.5 points


@pytest.mark.parametrize(
    ("label", "title"),
    [
        ("Q", "Q is 8.5 points below SVC, but not significantly"),
        (LONG_LABEL, "Quantum head is 8.5 points below classical head, but not significantly"),
    ],
)
def test_an_interval_below_zero_is_no_equality(label, title):
    """The correction over five comparisons takes the result back, and the title still has the loss."""
    further_rows = [row(f"NN {i}", "baseline", ODD[:3], validation=(0.1,) * 3) for i in range(4)]
    pair = row(label, "subject", LOST), row("SVC", "baseline", HIGH[:3])
    study = replace(record(*pair, *further_rows), **SIDES)
    (comparison, *_) = compare(study)
    assert comparison.difference.interval[1] < 0
    assert comparison.p_holm > 0.05
    assert verdict(study).headline == title
    reversed_study = record(
        row(label, "subject", HIGH[:3]), row("SVC", "baseline", LOST), *further_rows
    )
    assert verdict(replace(reversed_study, **SIDES)).headline == title.replace("below", "above")
    assert len(title.split()) <= MAX_TITLE_WORDS
    no_names = {"subject": "Q" * 80, "baseline": "S" * 80}
    headline = "Inconclusive: 8.5 points below the baseline, but not significantly"
    long_pair = row(LONG_LABEL, "subject", LOST), row(LONGER_LABEL, "baseline", HIGH[:3])
    assert verdict(replace(record(*long_pair, *further_rows), **no_names)).headline == headline


def test_a_title_says_that_a_large_difference_could_stay_unseen():
    few = record(row("Multi", "subject", ODD), row("SVC", "baseline", HIGH))
    (comparison,) = compare(few)
    low, high = comparison.difference.interval
    assert low < 0 < high
    effect = 100 * comparison.detectable
    assert effect > 5
    assert verdict(few).headline == f"Inconclusive (MDE {effect:.1f} points): Multi, SVC"
    wide = replace(few, margin=effect / 10 + 0.01)
    assert verdict(wide).headline == "Inconclusive, no difference established: Multi, SVC"
    scores = replace(few, score="R²", margin=0.005)
    assert verdict(scores).headline == f"Inconclusive (MDE {effect / 100:.3f} R²): Multi, SVC"


def test_the_correction_can_take_a_win_back():
    """Compare one pair with p = 0.02, a win, and then with more comparisons, no win."""
    near = tuple(a + d for a, d in zip(LOW, (0.004, 0.011, 0.016, 0.003, 0.012), strict=True))
    alone = record(row("Q", "subject", near), row("SVC", "baseline", LOW))
    assert 0.01 < compare(alone)[0].p_holm < 0.05
    assert "better than SVC" in verdict(alone).headline
    further_rows = [row(f"NN {i}", "baseline", ODD, validation=(0.1,) * 5) for i in range(4)]
    crowd = record(row("Q", "subject", near), row("SVC", "baseline", LOW), *further_rows)
    assert verdict(crowd).headline == "Q is 0.9 points above SVC, but not significantly"
    low, _ = compare(crowd)[0].difference.interval
    assert low > 0  # its own interval excludes 0 all the same, as a sentence states
    assert any(
        "CI that excludes 0 can still be inconclusive" in sentence for sentence in limits(crowd)
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
    lines = verdict(record(*rows))
    assert "12Q baseline" not in str(lines)
    assert lines.facts["all comparisons"] == "2 better, 0 worse, 0 equivalent, 0 inconclusive"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "share nearly all test texts"),
        ({"protocol": "given"}, "The test texts are the same"),
        ({"protocol": "given", "test_shared": 1.0}, "The test texts are the same"),
        ({"test_shared": 0.181}, "Two seeds have 18 % of their test texts in common"),
        ({"protocol": "split", "test_shared": 0.2}, "Two seeds have 20 % of their test texts"),
        ({"protocol": "given", "redrawn": False}, "cover initial weights alone"),
    ],
)
def test_the_limits_state_what_differs_between_seeds(changes, words):
    study = record(row("A", "subject", HIGH), row("B", "baseline", LOW), **changes)
    assert sum(words in sentence for sentence in limits(study)) == 1


def test_the_limits_of_one_seed_are_not_about_several():
    study = record(row("A", "subject", HIGH[:1]), row("B", "baseline", LOW[:1]))
    study = replace(study, seeds=study.seeds[:1])
    assert limits(study) == [
        "One seed cannot show variability, so there are no intervals and no tests."
    ]


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
    subject = row("Multi", "subject", HIGH)
    baseline = row("SVC", "baseline", LOW)
    subject = replace(subject, balanced=LOW)
    baseline = replace(baseline, balanced=HIGH)
    balanced = verdict(record(subject, baseline))
    assert balanced.headline == "Multi is 5.9 balanced points worse than SVC"
    assert balanced.facts["difference"] == "−5.9 balanced points, 95 % CI [−6.1, −5.6]"
    constant = replace(subject, balanced=(0.5,) * 5, constant=True)
    lines = verdict(record(constant, baseline))
    assert lines.headline == "Multi gives every text the same answer"
    assert format_test_score(subject, ACCURACY) == "76.32 ± 0.56 (balanced 70.46 ± 0.71)"


def test_equal_within_the_margin_and_open_are_told_apart():
    near = tuple(a + d for a, d in zip(LOW, (0.001, -0.001, 0.0005, -0.0015, 0.001), strict=True))
    rows = row("Q", "subject", near), row("SVC", "baseline", LOW)
    assert outcomes(record(*rows)) == ["equal"]
    lines = verdict(record(*rows))
    assert lines.facts["difference"].startswith("0.0 points, 95 % CI [")
    expected = "two one-sided t-tests within 0.5 points, 5 seeds, p < 0.001"
    assert lines.facts["test"] == expected
    assert outcomes(record(*rows, margin=0.05)) == ["open"], (
        "a margin that the scatter does not allow"
    )
    assert outcomes(record(row("Q", "subject", ODD), rows[1])) == ["open"]


def test_a_difference_that_is_found_counts_also_within_the_margin():
    near = tuple(a + d for a, d in zip(LOW, (0.002, 0.0021, 0.0019, 0.002, 0.0021), strict=True))
    (comparison,) = compare(record(row("Q", "subject", near), row("SVC", "baseline", LOW)))
    assert comparison.outcome == "better"
    assert comparison.p_equal < 0.001


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
    lines = verdict(named)
    assert lines.headline == "2 comparisons: 2 better, 0 worse, 0 equivalent, 0 inconclusive"
    assert lines.sentences["lead"].startswith(
        "The study's plan names the comparisons. Intervals cover "
    )
    assert lines.facts["largest significant difference"] == "B minus C"
    assert lines.facts["difference"].startswith("+11.0 points, 95 % CI [")
    assert lines.facts["test"] == "paired t-tests, 3 seeds (Holm, 2 comparisons)"
    turned = replace(plain, contrasts=(("C", "A"),))
    assert verdict(turned).headline.startswith("1 comparison: 0 better, 1 worse, ")
    alike = replace(rows[0], label="D", test=(0.82, 0.80, 0.83))
    undecided = replace(plain, rows=(*rows, alike), contrasts=(("A", "D"),))
    assert verdict(undecided).headline.endswith(", 1 inconclusive")
    assert "difference" not in verdict(undecided).facts
    assert [(c.subject, c.baseline) for c in compare(plain)] == [("A", "C")]
