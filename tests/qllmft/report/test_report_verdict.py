"""Verdicts on one run: each states what its intervals imply, whatever the outcome."""

import re

import pytest

from qllmft.report import verdict
from qllmft.run import ModelResult
from qllmft.run.verdict import headline
from qllmft.tasks.accuracy import Accuracy, ClassScores


def row(name, right, total=200):
    accuracy = Accuracy(right, total)
    return ModelResult(name, accuracy, 1, test=accuracy)


@pytest.mark.parametrize("other", range(100, 201, 5))
def test_the_word_follows_from_the_intervals(other):
    (low, high), (other_low, other_high) = (
        Accuracy(150, 200).interval,
        Accuracy(other, 200).interval,
    )
    sentence = verdict([row("quantum head", 150), row("SVC", other)])
    expected = (
        "loses to the SVC"
        if other_low > high
        else "beats the SVC"
        if other_high < low
        else "Nothing can be"
    )
    assert expected in sentence
    assert ("In this one run" in sentence) != ("Nothing can be concluded" in sentence)


@pytest.mark.parametrize(
    ("models", "sentence"),
    [
        (
            [row("quantum head", 165), row("SVC", 170), row("MLP", 168)],
            "Nothing can be concluded from this one run about which head is better: the quantum head got 82.5 % "
            "[76.6, 87.1] of 200 test texts right, and its interval overlaps those of the SVC (85.0 %) and MLP "
            "(84.0 %).",
        ),
        (
            [row("quantum head", 120), row("SVC", 180)],
            "In this one run the quantum head loses to the SVC (90.0 % [85.1, 93.4]): "
            "it got 60.0 % [53.1, 66.5] of 200 test texts right.",
        ),
        (
            [row("classical head", 150)],
            "The classical head got 75.0 % [68.6, 80.5] of 200 test texts right; no baseline was trained, so there is "
            "nothing to compare it with.",
        ),
    ],
    ids=["overlap", "a loss", "no baselines"],
)
def test_the_whole_sentence(models, sentence):
    assert verdict(models) == sentence


def test_all_three_at_once():
    sentence = verdict(
        [
            row("quantum head", 150),
            row("SVC", 190),
            row("MLP", 100),
            row("logistic regression", 152),
        ]
    )
    assert re.search(r"loses to the SVC \(.*\) and beats the MLP \(.*\): it got 75\.0 %", sentence)
    assert sentence.endswith(
        "nothing can be concluded about the logistic regression (76.0 %), as their intervals overlap."
    )


def test_intervals_that_touch_overlap():
    a, b = row("quantum head", 100), row("SVC", 100)
    assert a.tested.interval[1] >= b.tested.interval[0]
    assert verdict([a, b]).startswith("Nothing can be concluded")


def uneven(name, right_of_few, right_of_many, few=40, many=960):
    """Return a model on test texts of which 96 % have one label."""
    answers = (right_of_few + many - right_of_many, few - right_of_few + right_of_many)
    scores = ClassScores((few, many), answers, (right_of_few, right_of_many))
    accuracy = Accuracy(right_of_few + right_of_many, few + many)
    return ModelResult(name, accuracy, 1, test=accuracy, test_classes=scores)


def test_uneven_labels_are_compared_by_balanced_accuracy():
    """Compare an SVC of higher accuracy, 97.0 against 90.6 %, and lower balanced accuracy."""
    head, svc = uneven("quantum head", 36, 870), uneven("SVC", 12, 958)
    assert svc.tested.interval[0] > head.tested.interval[1]
    sentence = verdict([head, svc])
    assert "the quantum head beats the SVC (64.9 %" in sentence
    assert "a balanced accuracy of 90.3 % [" in sentence
    assert "(90.6 % of 1,000 test texts right, where one label has 96.0 %)" in sentence
    assert "loses to the quantum head" in verdict([svc, head])


def test_a_constant_answer_wins_nothing():
    constant, poor = uneven("quantum head", 0, 960), uneven("SVC", 0, 700)
    assert verdict([constant, poor]) == (
        "The quantum head gives the same answer to every text, so it beats nothing: it got 96.0 % of 1,000 test texts "
        "right, the share of that label."
    )
    assert "the same answer to every text" in verdict([uneven("quantum head", 36, 870), constant])


@pytest.mark.parametrize(
    ("others", "title"),
    [
        ([152], "No clear winner"),
        ([190], "The quantum head loses to the B0"),
        ([100, 152], "The quantum head beats the B0"),
        ([100, 90, 152], "The quantum head beats 2 of 3 baselines"),
        ([190, 100], "Better than some baselines, worse than others"),
        ([], "No baseline to compare with"),
    ],
)
def test_the_title_fits_two_lines_of_a_phone_and_the_sentence_is_below(others, title):
    models = [row("quantum head", 150), *(row(f"B{i}", right) for i, right in enumerate(others))]
    assert headline(models) == title
    assert len(title) <= 2 * 30


def test_a_constant_head_has_no_better_title():
    assert (
        headline([uneven("quantum head", 0, 960), row("SVC", 10)])
        == "The same answer to every text"
    )


def test_a_name_with_a_comma_is_an_apposition():
    head, other = row("quantum head, odd", 120), row("SVC", 180)
    assert headline([head, other]) == "The quantum head, odd, loses to the SVC"
    assert "In this one run the quantum head, odd, loses to the SVC" in verdict([head, other])
    assert "the quantum head, odd, got 60.0 %" in verdict([head, row("SVC", 121)])
