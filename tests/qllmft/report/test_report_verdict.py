"""Verdicts on one run: each states what paired tests imply, whatever the outcome."""

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

from qllmft.report import verdict
from qllmft.run import ModelResult
from qllmft.run.record import AgainstHead, BodyRecord, DataRecord, Predictions, RunRecord
from qllmft.run.verdict import advice, compare, headline
from qllmft.tasks import CLASSIFICATION
from qllmft.tasks.accuracy import Accuracy, ClassScores, TextDifference


def against(only_head, only_other, total):
    found = TextDifference(only_head, only_other, total)
    return AgainstHead(found.value, found.interval, found.p)


def row(name, right, total=200, both_wrong=None):
    """Return the head with 150 right answers, or a model that shares as many of its answers as possible."""
    accuracy = Accuracy(right, total)
    if name.startswith(("quantum", "classical")):
        return ModelResult(name, accuracy, 1, test=accuracy)
    shared = min(150, right) - (both_wrong or 0)
    return ModelResult(
        name, accuracy, 1, test=accuracy, against_head=against(150 - shared, right - shared, total)
    )


@pytest.mark.parametrize("other", range(100, 201, 5))
def test_the_word_follows_from_mcnemars_test_of_the_same_texts(other):
    sentence = verdict([row("quantum head", 150), row("SVC", other)])
    p = stats.binomtest(max(0, 150 - other), abs(150 - other) or 1).pvalue if other != 150 else 1
    expected = "open" if p >= 0.05 else "loses to the SVC" if other > 150 else "beats the SVC"
    assert expected in sentence
    assert ("In this one run" in sentence) != ("Nothing can be concluded" in sentence)


def test_a_difference_that_unpaired_intervals_hide_is_found():
    """80.7 against 84.7 % of 1,132 texts: the intervals of the accuracies overlap, and few answers differ."""
    head, svc = Accuracy(914, 1132), Accuracy(959, 1132)
    assert head.interval[1] > svc.interval[0]
    models = [
        ModelResult("quantum head", head, 1, test=head),
        ModelResult("SVC", svc, 1, test=svc, against_head=against(35, 80, 1132)),
    ]
    assert "loses to the SVC (84.7 %) by 4.0 points [2.1, 5.8], p < 0.001" in verdict(models)
    assert headline(models) == "The quantum head loses to the SVC"


def test_p_is_corrected_over_the_baselines_and_the_least_difference_too():
    models = [row("quantum head", 150), *(row(f"B{i}", 150 + 2 * i) for i in range(1, 5))]
    found = compare(models)
    raw = [model.against_head.p for model in models[1:]]
    ordered = np.argsort(raw)  # Holm's by hand: the i-th smallest times what is left of the four
    holm = np.maximum.accumulate(np.sort(raw) * np.arange(4, 0, -1))
    assert [found[i].p for i in ordered] == pytest.approx(list(np.minimum(holm, 1)))
    assert raw[2] < 0.05 < found[2].p
    low, high = models[1].against_head.interval
    deviation = (high - low) / (2 * 1.959964)
    normal = NormalDist()
    power = normal.cdf(found[0].least / deviation - normal.inv_cdf(1 - 0.05 / 4 / 2))
    assert power == pytest.approx(0.8, abs=1e-6)


def test_equal_within_the_margin():
    """On 100,000 texts, 40 of which only one of both got right."""
    right = Accuracy(75_000, 100_000)
    found = against(20, 20, 100_000)
    models = [
        ModelResult("quantum head", right, 1, test=right),
        ModelResult("SVC", right, 1, test=right, against_head=found),
    ]
    z = (0.005 - abs(found.value)) / found.deviation
    assert found.equivalence_p(0.005) == pytest.approx(NormalDist().cdf(-z))
    assert "the quantum head is equal to the SVC within 0.5 points: it got" in verdict(models)
    assert headline(models) == "Equal within 0.5 points"


@pytest.mark.parametrize(
    ("models", "sentence"),
    [
        (
            [row("quantum head", 150), row("SVC", 155)],
            "Nothing can be concluded from this one run about which head is better: the quantum head got 75.0 % "
            "[68.6, 80.5] of 200 test texts right, and paired by text its difference, points, is open: −2.5 "
            "[−5.0, +0.1] to the SVC (77.5 %), where a true one of 3.6 would have been found in four of five cases.",
        ),
        (
            [row("quantum head", 150), row("SVC", 190)],
            "In this one run, paired by text, the quantum head loses to the SVC (95.0 %) by 20.0 points [14.1, 25.5], "
            "p < 0.001: it got 75.0 % [68.6, 80.5] of 200 test texts right.",
        ),
        (
            [row("classical head", 150)],
            "The classical head got 75.0 % [68.6, 80.5] of 200 test texts right; no baseline was trained, so there is "
            "nothing to compare it with.",
        ),
    ],
    ids=["open", "a loss", "no baselines"],
)
def test_the_whole_sentence(models, sentence):
    assert verdict(models) == sentence


@pytest.mark.parametrize(
    ("other", "start"),
    [
        (155, "Nothing can be concluded from these 5 folds about which head is better: "),
        (190, "Over 5 folds, paired by text, the quantum head loses to the SVC"),
    ],
)
def test_a_pooled_sentence_is_about_the_folds(other, start):
    assert verdict([row("quantum head", 150), row("SVC", other)], 5).startswith(start)


def test_all_three_at_once():
    sentence = verdict(
        [row("quantum head", 150), row("SVC", 190), row("MLP", 100), row("ridge", 152)]
    )
    assert "the quantum head loses to the SVC (95.0 %) by 20.0 points" in sentence
    assert (
        "would have been found in four of five cases. It is above the MLP (50.0 %) by 25.0 points"
        in sentence
    )
    assert "beats" not in sentence
    assert "; its difference, points, is open: −1.0 [−2.9, +0.9] to the ridge (76.0 %)" in sentence


def test_answers_that_were_not_kept_are_not_compared():
    accuracy = Accuracy(10, 20)
    models = [row("quantum head", 150), ModelResult("SVC", accuracy, 1, test=accuracy)]
    assert "the answers of the models were not kept, so they are not compared." in verdict(models)
    assert headline(models) == "No baseline to compare with"


def uneven(right_of_few, right_of_many, few=40, many=960):
    """Return true labels and answers of a model on test texts of which 96 % have one label."""
    labels = np.repeat([1, 0], [few, many])
    answers = labels.copy()
    answers[right_of_few:few] = 0
    answers[few + right_of_many :] = 1
    return labels, answers


def recorded(**answers):
    """Return a record with the differences of kept answers."""
    labels = next(iter(answers.values()))[0]
    kept = {name: given for name, (_, given) in answers.items()}
    models = []
    for name, given in kept.items():
        accuracy = Accuracy.of(labels, given)
        classes = CLASSIFICATION.by_class(labels, given, 2)
        models.append(ModelResult(name, accuracy, 1, test=accuracy, test_classes=classes))
    data = DataRecord("a", "b", ("no", "yes"), {"test": len(labels)})
    record = RunRecord("i", 0, data, BodyRecord("m", "i", 3), 1, tuple(models))
    return record.compared(Predictions(CLASSIFICATION, labels, kept, ("no", "yes")))


def test_uneven_labels_are_compared_by_balanced_accuracy():
    """An SVC of higher accuracy, 97.0 against 90.6 %, and lower balanced accuracy."""
    head, svc = uneven(36, 870), uneven(12, 958)
    models = recorded(quantum=head, SVC=svc).models
    found = models[1].against_head
    of_head = ClassScores((960, 40), (874, 126), (870, 36)).balanced
    assert found.value == pytest.approx(of_head - (12 / 40 + 958 / 960) / 2)
    # of shares of 40 and of 960 texts, paired: the deviation of a mean of two differences
    spread = [(24 - 24**2 / 40) / 40**2, (88 - 88**2 / 960) / 960**2]
    assert found.deviation == pytest.approx(math.sqrt(sum(spread)) / 2, rel=0.1)
    sentence = verdict(models)
    assert "the quantum beats the SVC (64.9 %) by " in sentence
    assert "a balanced accuracy of 90.3 % [" in sentence
    assert "(90.6 % of 1,000 test texts right, where one label has 96.0 %)" in sentence
    assert "loses to the quantum" in verdict(recorded(SVC=svc, quantum=head).models)


@pytest.mark.parametrize(("few", "many"), [(2, 6), (4, 16), (100, 300)])
def test_equal_answers_to_few_texts_are_no_equality(few, many):
    """The rates of a difference that two heads without one may have: up to 3/n by the rule of three."""
    alike = uneven(few - 1, many, few, many)
    models = recorded(quantum=alike, SVC=alike).models
    found = compare(models)[0]
    assert found.outcome == "open"
    assert found.least > 1.5 / few / 2  # the rarer label has half of the weight
    assert "Nothing can be concluded" in verdict(models)
    assert headline(models) == "No clear winner"


def test_equal_answers_of_many_texts_are_equal():
    alike = uneven(1500, 4200, 1600, 4800)
    assert headline(recorded(quantum=alike, SVC=alike).models) == "Equal within 0.5 points"


def test_kept_differences_without_width_are_open():
    none = AgainstHead(0.0, (0.0, 0.0), 1.0)  # of equal answers, in records of earlier versions
    models = [row("quantum head", 150), replace(row("SVC", 150), against_head=none)]
    assert verdict(models).endswith(
        "paired by text its difference, points, is open: 0.0 [0.0, 0.0] to the SVC (75.0 %)."
    )


def test_a_constant_model_is_not_recommended():
    constant, poor = uneven(0, 960), uneven(20, 940)
    models = recorded(quantum=constant, constant=constant, SVC=poor).models
    assert advice(models, ["SVC", "constant"])[1] == "SVC"
    assert advice(models, ["constant"]) == ("", "")


def test_a_constant_answer_wins_nothing():
    constant, poor = uneven(0, 960), uneven(0, 700)
    assert verdict(recorded(quantum=constant, SVC=poor).models) == (
        "The quantum gives the same answer to every text, so it beats nothing: it got 96.0 % of 1,000 test texts "
        "right, the share of that label."
    )
    found = verdict(recorded(quantum=uneven(36, 870), SVC=constant).models)
    assert "the same answer to every text" in found
    assert headline(recorded(q=constant, SVC=poor).models) == "The same answer to every text"


@pytest.mark.parametrize(
    ("others", "title"),
    [
        ([152], "No clear winner"),
        ([190], "The quantum head loses to the B0"),
        ([100], "The quantum head beats the B0"),
        ([100, 90, 110], "The quantum head beats 3 of 3 baselines"),
        ([100, 152], "No clear winner"),
        ([190, 100], "The quantum head loses to the B0"),
        ([190, 180, 100], "The quantum head loses to 2 of 3 baselines"),
        ([], "No baseline to compare with"),
    ],
)
def test_the_title_fits_two_lines_of_a_phone_and_the_sentence_is_below(others, title):
    models = [row("quantum head", 150), *(row(f"B{i}", right) for i, right in enumerate(others))]
    assert headline(models) == title
    assert len(title) <= 2 * 30


def test_a_name_with_a_comma_is_an_apposition():
    head, other = row("quantum head, odd", 150), row("SVC", 180)
    assert headline([head, other]) == "The quantum head, odd, loses to the SVC"
    assert "In this one run, paired by text, the quantum head, odd, loses to the SVC" in verdict(
        [head, other]
    )
    assert "the quantum head, odd, got 75.0 %" in verdict([head, row("SVC", 151)])
