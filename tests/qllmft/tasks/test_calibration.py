"""Calibration: the error against a sum by hand and a simulation, and the temperature of a run."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from qllmft.answers.decision import Decision
from qllmft.tasks.calibration import Calibration, best_temperature


def draw_logits(n=400, k=3, scale=2.0, seed=0):
    random = np.random.default_rng(seed)
    logits = scale * random.normal(size=(n, k))
    labels = np.array([random.choice(k, p=softmax(row)) for row in logits])
    return logits, labels


def test_the_error_is_that_of_a_sum_over_the_texts():
    logits, labels = draw_logits()
    probabilities = softmax(1.7 * logits, axis=1)
    top = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.digitize(top, np.linspace(0, 1, 11)[1:-1])
    expected = sum(
        (bins == b).mean() * abs(top[bins == b].mean() - right[bins == b].mean())
        for b in np.unique(bins)
    )
    assert Calibration.from_probabilities(probabilities, labels).error == pytest.approx(
        expected, abs=1e-12
    )


def test_by_chance_is_the_mean_error_of_calibrated_probabilities():
    logits, _ = draw_logits(300)
    probabilities = softmax(logits, axis=1)
    random = np.random.default_rng(1)
    labels = [np.array([random.choice(3, p=p) for p in probabilities]) for _ in range(150)]
    errors = [Calibration.from_probabilities(probabilities, label).error for label in labels]
    assert Calibration.from_probabilities(probabilities, labels[0]).by_chance == pytest.approx(
        np.mean(errors), rel=0.1
    )


def test_few_texts_have_no_error_by_chance():
    sure = np.tile([0.992, 0.008], (10, 1))
    few = Calibration.from_probabilities(sure[:9], np.zeros(9, np.int64))
    assert str(few) == "0.8 points"
    calibration = Calibration.from_probabilities(sure, np.zeros(10, np.int64))
    assert str(calibration).startswith("0.8 points. Perfect calibration would give about ")


def test_the_temperature_is_that_of_another_optimiser_and_recovers_the_factor():
    logits, labels = draw_logits(4000)
    temperature = best_temperature(3.0 * logits, labels)
    assert temperature == pytest.approx(3.0, rel=0.1)

    def loss(t):
        return -log_softmax(3.0 * logits / t[0], axis=1)[np.arange(4000), labels].mean()

    assert temperature == pytest.approx(minimize(loss, [1.0], method="Nelder-Mead").x[0], rel=1e-3)


@pytest.mark.parametrize(("n", "k"), [(15, 3), (60, 2), (5, 4)])
def test_right_labels_alone_have_no_probability_of_one(n, k):
    labels = np.arange(n) % k
    equal_leads = 2.0 * np.eye(k)[labels]
    probabilities = softmax(equal_leads / best_temperature(equal_leads, labels), axis=1)
    # with equal leads the best probability is that of the rule of succession
    assert probabilities[np.arange(n), labels] == pytest.approx((n + 1) / (n + k), rel=1e-4)


def test_threshold_and_margin_by_hand():
    p = np.array([[0.9, 0.1], [0.55, 0.45], [0.35, 0.65], [0.1, 0.9]])
    assert Decision(threshold=0.4).labels(p).tolist() == [0, 1, 1, 1]
    assert Decision(margin=0.3).unsure(p).tolist() == [False, True, False, False]
    assert Decision(threshold=0.4, margin=0.1).unsure(p).tolist() == [False, True, False, False]
    three = np.array([[0.5, 0.3, 0.2], [0.8, 0.1, 0.1]])
    assert Decision(margin=0.25).unsure(three).tolist() == [True, False]
