"""Claims of a run: when its head "beats" its baselines, in which measure, with which p, and which model it advises."""

from dataclasses import replace

import numpy as np
import pytest

from qllmft.baselines import BASELINES
from qllmft.run import ModelResult
from qllmft.run.comparison import FAMILIES, compare_baselines, comparison_rows, find_unbeaten
from qllmft.run.predictions import Predictions
from qllmft.run.record import BodyRecord, DataRecord, RunRecord, WithoutCircuit
from qllmft.run.verdict import WITHOUT_CIRCUIT, advice, verdict
from qllmft.tasks import CLASSIFICATION, REGRESSION
from qllmft.tasks.accuracy import Accuracy, ClassScores, majority_share
from qllmft.tasks.comparison import SMALLEST_BOOTSTRAP_P, PairedDifference, bootstrap_difference
from qllmft.tasks.regression import TargetScores
from qllmft.tasks.statistics import p_value
from qllmft_base.errors import UserError

TOTAL = 10_000
HEAD = 6_440  # right answers


def model(name, right, parameters, *, p=None, half_width=0.01, validation=6_000, **options):
    """Return the head (without p), or a baseline whose difference to it has a p."""
    accuracy = Accuracy(right, TOTAL)
    against = None
    if p is not None:
        value = (HEAD - right) / TOTAL
        against = PairedDifference(value, (value - half_width, value + half_width), p)
    return ModelResult(
        name,
        Accuracy(validation, TOTAL),
        parameters,
        test=accuracy,
        against_head=against,
        **options,
    )


def control(gain):
    score = Accuracy(HEAD, TOTAL)
    return WithoutCircuit(900, score, score, {}, gain, (gain - 0.005, gain + 0.005))


HEAD_ROW = model("quantum head", HEAD, 1_000)
SEARCHED = model("logistic regression", 6_220, 800, p=2e-5, validation=6_100)
PLAIN = model("logistic regression (C = 1)", 6_400, 800, p=0.4)
SVC = model("SVC", 6_100, 5_000, p=1e-9)
GOOD_SVC = model("SVC", 6_430, 5_000, p=0.8)
BETTER_SVC = model("SVC", 6_900, 5_000, p=1e-6)
BELOW = model("logistic regression (C = 1)", 6_200, 800, p=1e-4)


@pytest.mark.public_report(
    case="false_win",
    source="own audit",
    seen="the quantum head beats a logistic regression that was searched in another measure",
    outcome="it beats its baselines only if it is above every one of its size, the best one and its own control",
)
@pytest.mark.parametrize(
    ("baselines", "gain", "missing"),
    [
        ([SEARCHED, PLAIN, SVC], None, ["logistic regression (C = 1)"]),
        ([SEARCHED, BELOW, GOOD_SVC], None, ["SVC"]),
        ([SEARCHED, BELOW, SVC], 0.0, [WITHOUT_CIRCUIT]),
        ([PLAIN], None, ["logistic regression (C = 1)"]),
        ([SEARCHED, BELOW, BETTER_SVC], None, ["SVC"]),
        ([SEARCHED, BELOW, SVC], 0.02, []),
        ([SEARCHED, BELOW, SVC], None, []),
        # larger than the head, and not the best
        (
            [SEARCHED, BELOW, replace(SVC, against_head=PairedDifference(0.034, (-0.1, 0.2), 0.4))],
            None,
            [],
        ),
    ],
    ids=["family", "best", "control", "open", "worse", "a win", "no control", "larger and open"],
)
def test_a_win_needs_every_baseline_of_its_size_and_the_best_one(baselines, gain, missing):
    head = HEAD_ROW if gain is None else replace(HEAD_ROW, without_circuit=control(gain))
    models = [head, *baselines]
    assert find_unbeaten(models) == missing
    lines = verdict(models)
    assert lines.headline.startswith("Quantum head is better than ") == (not missing)
    if baselines[0] is SEARCHED and missing and BETTER_SVC not in baselines:
        name = missing[0] if gain is None else f"the {missing[0]}"
        assert f"It is not significantly better than {name}." in lines.sentences["result"]


def test_a_family_is_one_rival_by_its_validation_in_the_judged_measure():
    assert set(FAMILIES) | set(FAMILIES.values()) <= {
        baseline.label for baseline in BASELINES.values()
    }
    searched_first = compare_baselines([HEAD_ROW, SEARCHED, SVC])
    comparisons = compare_baselines([HEAD_ROW, PLAIN, SEARCHED, SVC])
    names = [comparison.baseline for comparison in comparisons]
    assert names == ["logistic regression", "SVC"]
    assert searched_first[0].p_holm == comparisons[0].p_holm
    as_code = [replace(model_row, name=f"`{model_row.name}`") for model_row in (PLAIN, SEARCHED)]
    comparisons = compare_baselines([HEAD_ROW, *as_code])
    assert [comparison.baseline for comparison in comparisons] == ["`logistic regression`"]
    balanced = replace(PLAIN, validation_balanced=0.7), replace(SEARCHED, validation_balanced=0.6)
    comparisons = compare_baselines([HEAD_ROW, *balanced, SVC])
    names = [comparison.baseline for comparison in comparisons]
    assert names == ["logistic regression (C = 1)", "SVC"]


def simulate_models(random, n_texts, skills):
    """Return a run whose models answer with given skills, correlated over the texts; the head is the first."""
    hard = random.normal(size=n_texts)
    right = [hard + 0.7 * random.normal(size=n_texts) < skill for skill in skills]
    labels = np.zeros(n_texts, np.int64)
    answers = {f"M{i}": np.where(is_right, 0, 1) for i, is_right in enumerate(right)}
    rows = tuple(
        ModelResult(name, accuracy, 1, test=accuracy)
        for name, accuracy in ((n, Accuracy.from_answers(labels, a)) for n, a in answers.items())
    )
    data = DataRecord("a", "b", ("no", "yes"), {"test": n_texts})
    record = RunRecord("i", 0, data, BodyRecord("m", "i", 3), 1, rows)
    return record.with_differences(
        Predictions(CLASSIFICATION, labels, answers, ("no", "yes"))
    ).models


@pytest.mark.parametrize(
    "skills", [(0.8, 0.8, 0.8, 0.8), (0.8, 0.8, 0.2), (0.5, 0.5)], ids=["all", "best", "one"]
)
def test_a_head_that_is_no_better_than_the_best_baseline_seldom_beats(skills):
    """At most one run in twenty, of 300: with all baselines equal to it, or with one equal and others far below."""
    random = np.random.default_rng(5)
    wins = [
        "is better" in verdict(simulate_models(random, 150, skills)).headline for _ in range(300)
    ]
    assert np.mean(wins) <= 0.05


def test_a_better_head_is_found():
    random = np.random.default_rng(6)
    wins = [
        "is better" in verdict(simulate_models(random, 400, (1.6, 0.8, 0.7))).headline
        for _ in range(20)
    ]
    assert np.mean(wins) >= 0.9


@pytest.mark.public_report(
    case="p_zero",
    source="own audit",
    seen="p = 0, and p = 7e-14 of 1,000 resamples",
    outcome="p < 0.001 in words; a resampled p is at least 1/1001",
)
def test_a_small_p_is_below_a_thousandth_and_a_resampled_one_has_a_floor():
    labels = np.linspace(0, 1, 80)[:, None]
    shuffled = np.random.default_rng(0).normal(size=labels.shape)
    difference = bootstrap_difference(REGRESSION.value, labels, labels, shuffled)
    assert difference.p == SMALLEST_BOOTSTRAP_P == 1 / 1001
    words = [p_value(p) for p in (0.0, 7e-14, SMALLEST_BOOTSTRAP_P, 0.0012, 0.0498, 0.05, 0.0502)]
    small = ["p < 0.001"] * 3
    assert words == [*small, "p = 0.001", "p = 0.0498", "p = 0.050", "p = 0.050"]
    scores = TargetScores.from_answers(labels, labels), TargetScores.from_answers(labels, shuffled)
    models = [
        ModelResult("quantum head", scores[0], 1, test=scores[0]),
        ModelResult(
            "ridge regression",
            scores[1],
            1,
            test=scores[1],
            against_head=difference,
        ),
    ]
    assert (
        verdict(models).sentences["result"]
        == "It has significantly higher R² than ridge regression."
    )
    assert next(comparison_rows(models))[2] == "< 0.001"


def make_record(train_majority, few=40, many=60):
    """Return a record of a head and an SVC on test texts with ``many`` of one label."""
    labels = np.repeat([1, 0], [few, many])
    answers = {"quantum head": labels.copy(), "SVC": np.zeros_like(labels)}
    answers["quantum head"][few : few + 20] = 1
    data = DataRecord(
        "a",
        "b",
        ("no", "yes"),
        {"train": 1, "validation": 1, "test": few + many},
        majority=train_majority,
    )
    models = tuple(
        ModelResult(
            name,
            Accuracy.from_answers(labels, predicted),
            1,
            test=Accuracy.from_answers(labels, predicted),
            test_classes=CLASSIFICATION.by_class(labels, predicted, 2),
            balanced=data.balanced,
        )
        for name, predicted in answers.items()
    )
    record = RunRecord("i", 0, data, BodyRecord("m", "i", 3), 1, models)
    return record.with_differences(Predictions(CLASSIFICATION, labels, answers, ("no", "yes")))


@pytest.mark.public_report(
    case="measure_of_training_labels",
    source="own audit",
    seen="the test labels chose between accuracy and balanced accuracy",
    outcome="the training labels choose, and the record says so",
)
@pytest.mark.parametrize(
    ("train_majority", "many", "balanced"),
    [(0.7, 50, True), (0.6, 200, False), (None, 200, True), (None, 50, False)],
    ids=["uneven training", "uneven test", "earlier uneven", "earlier even"],
)
def test_the_training_labels_choose_the_measure(train_majority, many, balanced):
    record = make_record(train_majority, many=many)
    assert ("balanced accuracy" in verdict(record.models).sentences["result"]) == balanced
    recalls = 1.0 - 20 / many, 1.0
    expected = np.mean(recalls) - 0.5 if balanced else (40 - 20) / (40 + many)
    assert record.models[1].against_head.value == pytest.approx(expected)
    restored = RunRecord.from_json(record.to_json(), "result.json")
    assert restored.models[0].uneven == record.models[0].uneven
    assert majority_share(np.repeat([0, 1, 2], [5, 3, 2])) == 0.5


@pytest.mark.parametrize(("few", "words"), [(14, "14 texts"), (1, "1 text"), (15, "")])
def test_few_texts_of_a_label_make_an_interval_a_bound(few, words):
    scores = ClassScores((few, 100), (few, 100), (few, 100))
    expected = words and (
        f"The interval of the balanced accuracy is only a bound: a label has {words}, fewer than 15."
    )
    assert scores.bound == expected
    assert (
        verdict(make_record(0.7, few=few, many=100).models).sentences["limits"].endswith(expected)
    )
    even = verdict(make_record(0.6, few=few, many=100).models).sentences["limits"]
    assert expected not in even or not expected


@pytest.mark.public_report(
    case="advice_read_off_test",
    source="own audit",
    seen="the advice to use another model was read off the test texts and did not say so",
    outcome="validation alone chooses the model; what only the test texts prefer is said and not advised",
)
def test_validation_chooses_the_model_that_is_advised():
    head = replace(HEAD_ROW, validation=Accuracy(6_300, TOTAL))
    svc, plain = (
        replace(model_row, validation=Accuracy(right, TOTAL))
        for model_row, right in ((GOOD_SVC, 6_310), (PLAIN, 6_305))
    )
    stored_names = ["SVC", "logistic regression (C = 1)"]
    assert advice([head, plain, svc], stored_names) == (
        "SVC is best on validation: 63.1 % against 63.0 %.",
        "SVC",
    )
    # the test texts alone would advise the SVC
    better = replace(BETTER_SVC, validation=Accuracy(6_303, TOTAL))
    assert advice([head, plain, better], stored_names)[1] == "logistic regression (C = 1)"
    low = replace(better, validation=Accuracy(6_000, TOTAL))
    sentences, name = advice([head, low], stored_names)
    assert name == ""
    assert sentences.startswith("Only the test texts prefer SVC")
    assert advice([head, replace(plain, validation=Accuracy(6_000, TOTAL))], stored_names) == (
        "",
        "",
    )
    assert advice([head, SVC], stored_names) == ("", "")
    balanced = [
        replace(head, validation_balanced=0.5, balanced=True),
        replace(plain, validation_balanced=0.6, balanced=True),
    ]
    assert advice(balanced, stored_names)[0] == (
        "logistic regression (C = 1) is best on validation: balanced 60.0 % against balanced 50.0 %."
    )
    tied = replace(plain, validation=head.validation)
    assert advice([head, tied], stored_names) == ("", "")


def test_a_record_with_test_scores_of_some_models_is_refused():
    content = make_record(None).to_json()
    del content["models"][1]["test"]
    name = content["models"][1]["name"]
    with pytest.raises(UserError, match=f"without a test score of '{name}', and other models have"):
        RunRecord.from_json(content, "result.json")
