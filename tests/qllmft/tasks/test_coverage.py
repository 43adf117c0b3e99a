"""Sets of labels that contain the true one: by brute force, and on fresh rows as often as was asked."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from qllmft.answers.decision import Decision
from qllmft.tasks.calibration import (
    MAX_TRUE_PROBABILITIES,
    fewest_texts,
    least_probability,
    true_probabilities,
)
from qllmft_base.errors import UserError


@given(st.integers(1, 60), st.floats(0.05, 0.98), st.integers(0, 99))
def test_the_least_probability_is_the_quantile_of_the_scores(n, coverage, seed):
    scores = np.sort(np.random.default_rng(seed).random(n))
    least = least_probability(scores.tolist(), coverage)
    rank = int(np.ceil(round((n + 1) * coverage, 9)))
    expected = np.sort(1 - scores)[rank - 1] if rank <= n else 1.0
    assert 1 - least == pytest.approx(expected)
    assert (least > 0) == (n >= fewest_texts(coverage))


def clusters(n, k, seed):
    """Overlapping clusters of k labels in five dimensions."""
    random = np.random.default_rng(seed)
    y = random.integers(k, size=n)
    centres = np.random.default_rng(1).normal(size=(k, 5))
    return centres[y] + random.normal(size=(n, 5)), y


N_KEPT = 60


@cache
def draw_answers(k):
    """Return of each of 250 draws what is kept of 60 rows, and probabilities and labels of 200 fresh rows."""
    model = LogisticRegression().fit(*clusters(150, k, 0))
    draws = []
    for seed in range(1, 251):
        x, y = clusters(N_KEPT, k, seed)
        validation_scores = true_probabilities(model.predict_proba(x), y)
        fresh, labels = clusters(200, k, 10_000 + seed)
        draws.append((validation_scores, model.predict_proba(fresh), labels))
    return draws


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_sets_cover_fresh_rows_as_often_as_was_asked(k, coverage):
    shares = []
    sizes = []
    right = []
    rule = Decision(coverage=coverage)
    for validation_scores, probabilities, labels in draw_answers(k):
        sets = rule.sets(probabilities, validation_scores)
        shares.append(sets[np.arange(200), labels].mean())
        sizes.append(sets.sum(axis=1).mean())
        # the most probable label is in every set
        right.append((probabilities.argmax(axis=1) == labels).mean())
    error = 3 * np.std(shares) / np.sqrt(len(shares))
    most = max(coverage + 1 / (N_KEPT + 1), np.mean(right) + 0.02)
    assert coverage - error <= np.mean(shares) <= most + error
    assert 1 <= np.mean(sizes) < k, "sets are not all labels"


def test_of_many_texts_quantiles_are_kept():
    probabilities = np.random.default_rng(0).random((50_000, 1))
    probabilities = np.concatenate([probabilities, 1 - probabilities], axis=1)
    labels = np.zeros(50_000, np.int64)
    quantiles = true_probabilities(probabilities, labels)
    assert len(quantiles) == MAX_TRUE_PROBABILITIES
    exact = np.quantile(probabilities[:, 0], 0.1)
    assert least_probability(quantiles, 0.9) == pytest.approx(exact, abs=2e-3)


def test_the_most_probable_label_is_in_every_set():
    sets = Decision(coverage=0.5).sets(np.array([[0.4, 0.35, 0.25]]), [0.9] * 9)
    assert sets.tolist() == [[True, False, False]]


@pytest.mark.parametrize(
    ("validation_scores", "message"),
    [(None, "the model has none"), ([0.5] * 18, "19 validation texts.*has 18")],
)
def test_a_coverage_without_enough_validation_texts_is_an_error(validation_scores, message):
    with pytest.raises(UserError, match=message):
        Decision(coverage=0.95).sets(np.array([[0.5, 0.5]]), validation_scores)


@pytest.mark.parametrize("coverage", [0.0, 1.0, 2.0, float("nan")])
def test_a_coverage_is_a_probability(coverage):
    with pytest.raises(UserError, match="expected a probability above 0 and below 1"):
        Decision(coverage=coverage).check(["a", "b"])
