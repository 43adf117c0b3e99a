"""Accuracy and its interval, against Wilson's formula written out."""

from statistics import NormalDist

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from qllmft.tasks.accuracy import Accuracy, ClassScores


def wilson(right: int, total: int) -> tuple[float, float]:
    """E. B. Wilson 1927: the p with |p̂ - p| = z·sqrt(p(1 - p)/n)."""
    z = NormalDist().inv_cdf(0.975)
    p, n = right / total, total
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    return middle - half, middle + half


CASES = [(0, 1), (1, 1), (0, 20), (20, 20), (3, 7), (50, 100), (90, 100), (6961, 9101)]
CASES.append((8520, 9101))


@pytest.mark.parametrize(("right", "total"), CASES)
def test_the_interval_is_wilsons(right, total):
    accuracy = Accuracy(right, total)
    low, high = accuracy.interval
    assert (low, high) == pytest.approx(wilson(right, total), abs=1e-9)
    assert accuracy.value == right / total
    assert low <= accuracy.value <= high


def test_for_json():
    assert Accuracy(3, 4).as_dict() == {
        "right": 3, "total": 4, "value": 0.75, "interval95": pytest.approx(list(wilson(3, 4))),
    }  # fmt: skip
    assert isinstance(Accuracy(3, 4).as_dict()["interval95"], list)


@pytest.mark.parametrize(("right", "total"), [(-1, 3), (4, 3), (0, 0), (1, 0)])
def test_impossible_counts_are_refused(right, total):
    with pytest.raises(
        ValueError, match=f"{right} right of {total}; expected 0 ≤ right ≤ total, total at least 1"
    ):
        Accuracy(right, total)


CONFUSIONS = [
    [[0, 10], [0, 476]],
    [[5, 5], [40, 436]],
    [[3, 1, 0], [2, 9, 4], [0, 0, 0]],
    [[50, 7, 3, 0]] * 4,
]


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.parametrize("confusion", CONFUSIONS)
def test_scores_class_by_class_are_scikit_learns(confusion):
    counts = np.array(confusion)
    true, predicted = np.nonzero(counts)
    repeats = counts[true, predicted]
    y_true, y_pred = np.repeat(true, repeats), np.repeat(predicted, repeats)
    scores = ClassScores.of(counts)
    assert scores.balanced == pytest.approx(balanced_accuracy_score(y_true, y_pred))
    assert scores.macro_f1 == pytest.approx(f1_score(y_true, y_pred, average="macro"))
    assert scores.majority == np.bincount(y_true).max() / len(y_true)
    assert scores.constant == (len(set(y_pred)) == 1)
    assert scores.uneven == (scores.majority > 0.6)


def test_the_interval_of_balanced_accuracy_covers_it():
    """Of 400 test sets of 300 and 20 texts, 95 % have an interval that holds the true mean of 0.9 and 0.6."""
    random = np.random.default_rng(0)
    right = np.stack([random.binomial(300, 0.9, 400), random.binomial(20, 0.6, 400)], axis=1)
    held = 0
    for a, b in right:
        low, high = ClassScores((300, 20), (a + 20 - b, 300 - a + b), (a, b)).interval
        held += low <= 0.75 <= high
    assert 0.92 <= held / len(right) <= 0.98
