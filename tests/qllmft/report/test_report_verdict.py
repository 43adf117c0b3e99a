"""Verdicts on one run: each states what paired tests imply, whatever the outcome."""

import json
import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

from qllmft.config import RunConfig
from qllmft.report import verdict
from qllmft.run import ModelResult
from qllmft.run.comparison import compare_baselines, comparison_rows
from qllmft.run.predictions import Predictions
from qllmft.run.record import BodyRecord, DataRecord, RunRecord
from qllmft.run.table import family_sentences
from qllmft.run.verdict import advice, next_step, verdict_as_dict
from qllmft.tasks import CLASSIFICATION
from qllmft.tasks.accuracy import Accuracy, ClassScores, DiscordantTexts
from qllmft.tasks.comparison import PairedDifference
from qllmft.tasks.statistics import interval_deviation


def against(only_head, only_other, total):
    return DiscordantTexts(only_head, only_other, total).difference


def row(name, right, total=200, both_wrong=None):
    """Return the head with 150 right answers, or a model that shares as many of its answers as possible."""
    accuracy = Accuracy(right, total)
    if name.startswith(("quantum", "classical")):
        return ModelResult(name, accuracy, 1, test=accuracy)
    shared = min(150, right) - (both_wrong or 0)
    return ModelResult(
        name, accuracy, 1, test=accuracy, against_head=against(150 - shared, right - shared, total)
    )


@pytest.mark.parametrize("svc_right", range(100, 201, 5))
def test_the_word_follows_from_mcnemars_test_of_the_same_texts(svc_right):
    models = [row("quantum head", 150), row("SVC", svc_right)]
    p = (
        stats.binomtest(max(0, 150 - svc_right), abs(150 - svc_right) or 1).pvalue
        if svc_right != 150
        else 1
    )
    titles = {
        "inconclusive": "No clear winner on 200 test texts",
        "worse": "SVC is better than the quantum head",
        "better": "Quantum head is better than SVC",
    }
    expected = "inconclusive" if p >= 0.05 else "worse" if svc_right > 150 else "better"
    assert verdict(models).headline == titles[expected]
    assert next(comparison_rows(models))[-1] == expected


def test_a_difference_that_unpaired_intervals_hide_is_found():
    """80.7 against 84.7 % of 1,132 texts: the intervals of the accuracies overlap, and few answers differ."""
    head = Accuracy(914, 1132)
    svc = Accuracy(959, 1132)
    assert head.interval[1] > svc.interval[0]
    models = [
        ModelResult("quantum head", head, 1, test=head),
        ModelResult("SVC", svc, 1, test=svc, against_head=against(35, 80, 1132)),
    ]
    assert list(comparison_rows(models)) == [
        ("SVC", "−4.0 [−5.8, −2.1]", "< 0.001", "2.7", "worse")
    ]
    assert verdict(models).headline == "SVC is better than the quantum head"


BELOW = (-0.05, -0.01)
AROUND = (-0.03, 0.03)
ABOVE = (0.01, 0.05)


@pytest.mark.parametrize(
    ("intervals", "headline", "sentence"),
    [
        (
            (BELOW, BELOW, BELOW),
            "Quantum head is below all 3 baselines, but not significantly",
            "The 95 % CIs of B0, B1 and B2 exclude 0, but no p is below 5 %.",
        ),
        (
            (AROUND, ABOVE, AROUND),
            "Quantum head is above 1 of 3 baselines, but not significantly",
            "The 95 % CI of B1 excludes 0, but p is not below 5 %.",
        ),
        (
            (BELOW, ABOVE),
            "No clear winner on 200 test texts",
            "The 95 % CIs of B0 and B1 exclude 0, but no p is below 5 %.",
        ),
        ((AROUND, AROUND), "No clear winner on 200 test texts", "in accuracy."),
    ],
)
def test_an_interval_that_excludes_0_is_no_equality(intervals, headline, sentence):
    """The correction takes the result back, and the headline still has its side."""
    models = [row("quantum head", 150)]
    for i, interval in enumerate(intervals):
        difference = PairedDifference(
            sum(interval) / 2, interval, 1.0 if interval == AROUND else 0.04
        )
        models.append(replace(row(f"B{i}", 150), against_head=difference))
    judged = verdict(models)
    assert judged.headline == headline
    assert len(headline.split()) <= 12
    assert judged.sentences["result"].startswith(
        "No baseline differs significantly from the quantum head"
    )
    assert judged.sentences["result"].endswith(sentence)


def test_p_is_corrected_over_the_baselines_and_the_least_difference_too():
    models = [row("quantum head", 150), *(row(f"B{i}", 150 + 2 * i) for i in range(1, 5))]
    comparisons = compare_baselines(models)
    raw = [model.against_head.p for model in models[1:]]
    ordered = np.argsort(raw)  # Holm's by hand: the i-th smallest times what is left of the four
    holm = np.maximum.accumulate(np.sort(raw) * np.arange(4, 0, -1))
    assert [comparisons[i].p_holm for i in ordered] == pytest.approx(list(np.minimum(holm, 1)))
    assert raw[2] < 0.05 < comparisons[2].p_holm
    low, high = models[1].against_head.interval
    deviation = (high - low) / (2 * 1.959964)
    normal = NormalDist()
    power = normal.cdf(comparisons[0].detectable / deviation - normal.inv_cdf(1 - 0.05 / 4 / 2))
    assert power == pytest.approx(0.8, abs=1e-6)


def test_equal_within_the_margin():
    """On 100,000 texts, 40 of which only one of both got right."""
    right = Accuracy(75_000, 100_000)
    difference = against(20, 20, 100_000)
    models = [
        ModelResult("quantum head", right, 1, test=right),
        ModelResult("SVC", right, 1, test=right, against_head=difference),
    ]
    z = (0.005 - abs(difference.value)) / interval_deviation(difference.interval)
    assert difference.equivalence_p(0.005) == pytest.approx(NormalDist().cdf(-z))
    assert verdict(models).headline == "Equivalent within 0.5 points on 100,000 test texts"
    assert (
        verdict(models).sentences["result"]
        == "Quantum head and 1 baseline differ by less than that."
    )
    assert next(comparison_rows(models))[-1] == "equivalent"


ONE_RUN = "One split, one seed: other splits and seeds give other numbers."


@pytest.mark.parametrize(
    ("models", "lines"),
    [
        (
            [row("quantum head", 150), row("SVC", 155)],
            [
                "No clear winner on 200 test texts",
                "No baseline differs significantly from the quantum head in accuracy.",
            ],
        ),
        (
            [row("quantum head", 150), row("SVC", 190), row("ridge", 152), row("B", 151)],
            [
                "SVC is better than the quantum head",
                "SVC is significantly more accurate. The other 2 comparisons are inconclusive.",
            ],
        ),
        (
            [row("quantum head", 150), row("SVC", 190), row("MLP", 180)],
            [
                "SVC is better than the quantum head",
                "SVC and the MLP are significantly more accurate.",
            ],
        ),
        (
            [row("quantum head", 150), row("SVC", 190), row("MLP", 180), row("ridge", 100)],
            [
                "SVC is better than the quantum head",
                "SVC and the MLP are significantly more accurate. "
                "The quantum head is significantly more accurate than ridge.",
            ],
        ),
        (
            [row("quantum head", 150), row("SVC", 100), row("MLP", 110)],
            [
                "Quantum head is better than all 2 baselines",
                "It is significantly more accurate than SVC and the MLP.",
            ],
        ),
        (
            [row("quantum head", 150), row("SVC", 100), row("ridge", 152)],
            [
                "No clear winner on 200 test texts",
                "It is significantly more accurate than SVC. It is not significantly better than ridge. "
                "1 comparison is inconclusive.",
            ],
        ),
        (
            [row("classical head", 150)],
            [
                "No baseline to compare with",
                "None was trained, so the classical head's accuracy of 75.0 % on 200 test texts stands alone.",
            ],
        ),
    ],
    ids=["open", "a loss", "losses", "losses and a win", "wins", "one win", "no baselines"],
)
def test_the_lines(models, lines):
    """The title fits two lines of a phone, and sentences are short."""
    assert verdict(models).lines == [*lines, ONE_RUN]
    assert len(lines[0]) <= 2 * 30
    assert all(len(sentence.split()) <= 25 for sentence in lines[1].split(". "))


def test_a_pooled_verdict_is_about_the_folds():
    limits = verdict([row("quantum head", 150), row("SVC", 155)], 5).sentences["limits"]
    assert limits == "One seed over 5 folds: other seeds give other numbers."


def test_all_three_at_once():
    models = [row("quantum head", 150), row("SVC", 190), row("MLP", 100), row("ridge", 152)]
    assert verdict(models).sentences["result"] == (
        "SVC is significantly more accurate. The quantum head is significantly more accurate than the MLP. "
        "The other comparison is inconclusive."
    )
    assert [cells[1:] for cells in comparison_rows(models)] == [
        ("−20.0 [−25.5, −14.1]", "< 0.001", "9.4", "worse"),
        ("+25.0 [+18.6, +30.9]", "< 0.001", "10.1", "better"),
        ("−1.0 [−2.9, +0.9]", "0.50", "3.2", "inconclusive"),
    ]


def test_answers_that_were_not_kept_are_not_compared():
    accuracy = Accuracy(10, 20)
    models = [row("quantum head", 150), ModelResult("SVC", accuracy, 1, test=accuracy)]
    assert verdict(models).headline == "No baseline to compare with"
    assert (
        verdict(models).sentences["result"].startswith("The baselines' answers were not kept, so ")
    )


def uneven(right_of_few, right_of_many, few=40, many=960):
    """Return true labels and answers of a model on test texts of which 96 % have one label."""
    labels = np.repeat([1, 0], [few, many])
    answers = labels.copy()
    answers[right_of_few:few] = 0
    answers[few + right_of_many :] = 1
    return labels, answers


def make_record(**answers):
    """Return a record with the differences of kept answers."""
    labels = next(iter(answers.values()))[0]
    label_answers = {name: predicted for name, (_, predicted) in answers.items()}
    models = []
    for name, predicted in label_answers.items():
        accuracy = Accuracy.from_answers(labels, predicted)
        classes = CLASSIFICATION.by_class(labels, predicted, 2)
        models.append(ModelResult(name, accuracy, 1, test=accuracy, test_classes=classes))
    data = DataRecord("a", "b", ("no", "yes"), {"test": len(labels)})
    record = RunRecord("i", 0, data, BodyRecord("m", "i", 3), 1, tuple(models))
    return record.with_differences(
        Predictions(CLASSIFICATION, labels, label_answers, ("no", "yes"))
    )


def test_heads_on_uneven_labels_are_compared_by_balanced_accuracy():
    """An SVC of higher accuracy, 97.0 against 90.6 %, and lower balanced accuracy."""
    head = uneven(36, 870)
    svc = uneven(12, 958)
    models = make_record(quantum=head, SVC=svc).models
    difference = models[1].against_head
    of_head = ClassScores((960, 40), (874, 126), (870, 36)).balanced
    assert difference.value == pytest.approx(of_head - (12 / 40 + 958 / 960) / 2)
    # of shares of 40 and of 960 texts, paired: the deviation of a mean of two differences
    spread = [(24 - 24**2 / 40) / 40**2, (88 - 88**2 / 960) / 960**2]
    assert interval_deviation(difference.interval) == pytest.approx(
        math.sqrt(sum(spread)) / 2, rel=0.1
    )
    assert verdict(models).headline == "Quantum is better than SVC"
    assert (
        verdict(models).sentences["result"]
        == "It has significantly higher balanced accuracy than SVC."
    )
    assert (
        verdict(make_record(SVC=svc, quantum=head).models).headline == "SVC is worse than quantum"
    )


@pytest.mark.parametrize(("few", "many"), [(2, 6), (4, 16), (100, 300)])
def test_equal_answers_to_few_texts_are_no_equality(few, many):
    """The rates of a difference that two heads without one may have: up to 3/n by the rule of three."""
    alike = uneven(few - 1, many, few, many)
    models = make_record(quantum=alike, SVC=alike).models
    comparison = compare_baselines(models)[0]
    assert comparison.outcome == "open"
    assert comparison.detectable > 1.5 / few / 2  # the rarer label has half of the weight
    assert verdict(models).headline.startswith("No clear winner on ")


def test_equal_answers_of_many_texts_are_equal():
    alike = uneven(1500, 4200, 1600, 4800)
    models = make_record(quantum=alike, SVC=alike).models
    assert verdict(models).headline == "Equivalent within 0.5 points on 6,400 test texts"


def test_kept_differences_without_width_are_open():
    none = PairedDifference(0.0, (0.0, 0.0), 1.0)
    models = [row("quantum head", 150), replace(row("SVC", 150), against_head=none)]
    rows = list(comparison_rows(models))
    assert rows == [("SVC", "0.0 [0.0, 0.0]", "1.00", "", "inconclusive")]


def test_a_constant_model_is_not_recommended():
    constant = uneven(0, 960)
    models = make_record(quantum=constant, constant=constant, SVC=uneven(20, 940)).models
    assert advice(models, ["SVC", "constant"])[1] == "SVC"
    assert advice(models, ["constant"]) == ("", "")


def test_a_constant_answer_wins_nothing():
    constant = uneven(0, 960)
    lines = verdict(make_record(quantum=constant, SVC=uneven(0, 700)).models)
    assert lines.headline == "Quantum gives every text the same answer"
    assert (
        lines.sentences["result"]
        == "It got 96.0 % of 1,000 test texts right, the share of that label."
    )


def test_a_name_with_a_comma_is_an_apposition():
    head = row("quantum head, odd", 150)
    assert verdict([head, row("SVC", 100)]).headline == "Quantum head, odd, is better than SVC"


def make_run_record(*models, split="random 20 %", folds=None, sizes=(400, 80, 120)):
    by_split = dict(zip(("train", "validation", "test"), sizes, strict=True))
    data = DataRecord("a", "b", ("no", "yes"), by_split, split=split)
    return RunRecord("i", 0, replace(data, folds=folds), BodyRecord("m", "i", 3), 1, tuple(models))


STUDY = "Next: confirm it over several seeds with qllmft study."


@pytest.mark.parametrize(
    ("baselines", "config", "step"),
    [
        ([row("SVC", 148)], {}, "Next: test all 600 texts with --folds 5."),
        (
            [row("SVC", 152)],
            {},
            "Next: qllmft predict 'my run' --model SVC 'your text'\n"
            "SVC is best on validation: 76.0 % against 75.0 %.\n"
            "To compare the rows on all 600 texts, add --folds 5.",
        ),
        (
            [row("SVC", 148)],
            {
                "data": {"validation_folds": 3, "protocol": "split"},
                "train": {"select": "last"},
            },
            "Next: test all 520 texts with --folds 5.",
        ),
        ([row("SVC", 148)], {"data": {"folds": 5, "protocol": "split"}}, STUDY),
        ([row("SVC", 148)], {"data": {"protocol": "paper"}}, STUDY),
        ([row("SVC", 100)], {}, STUDY),
        ([], {}, "Next: train the baselines on the same texts, without --no-baselines."),
        (
            [row("a SVC", 190)],
            {},
            "Next: qllmft predict 'my run' --model 'a SVC' 'your text'\n"
            "a SVC is best on validation: 95.0 % against 75.0 %.",
        ),
    ],
    ids=[
        "open",
        "best on validation",
        "validation folds",
        "folds",
        "paper's protocol",
        "better",
        "no baselines",
        "worse",
    ],
)
def test_the_next_step_follows_from_the_result(baselines, config, step):
    config = RunConfig.model_validate({"data": {"protocol": "split"}} | config)
    record = make_run_record(row("quantum head", 150), *baselines)
    assert next_step(record, config, "my run", ["a SVC", "SVC"]) == step


def test_the_json_has_the_numbers_of_the_table():
    models = [row("quantum head", 150), row("SVC", 190), row("ridge", 152)]
    content = verdict_as_dict(models)
    assert content["measure"] == "accuracy"
    loss, tie = content["comparisons"]
    assert loss["head_minus"] == "SVC"
    assert loss["difference"] == pytest.approx(-0.2)
    assert loss["low"] == pytest.approx(-0.255, abs=5e-4)
    assert loss["high"] == pytest.approx(-0.141, abs=5e-4)
    assert loss["p_holm"] < 0.001
    assert loss["minimum_detectable_effect"] == pytest.approx(0.089, abs=5e-4)
    assert (loss["result"], tie["result"]) == ("worse", "inconclusive")
    assert loss["in_words"] == {
        "difference": "−20.0 [−25.5, −14.1]",
        "p_holm": "< 0.001",
        "mde": "8.9",
    }
    assert json.loads(json.dumps(content)) == content


def test_two_rows_of_one_kind_are_explained():
    fixed = row("logistic regression (C = 1)", 150)
    selected = replace(row("logistic regression", 152), settings={"C": 0.1, "max_iter": 1000})
    models = [row("quantum head", 150), fixed, row("SVC", 150)]
    assert list(family_sentences(models)) == []
    assert list(family_sentences([*models, selected])) == [
        "Logistic regression has the selected C = 0.1.",
        "Compared: logistic regression, the best of the 2 rows on validation.",
    ]
