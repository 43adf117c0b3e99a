"""Accuracy and its interval, against Wilson's formula written out."""

from statistics import NormalDist

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from qllmft.tasks.accuracy import (
    Accuracy,
    ClassScores,
    DiscordantTexts,
    average_differences,
    balanced_difference,
)
from qllmft.tasks.comparison import bootstrap_difference


def wilson(right: int, total: int) -> tuple[float, float]:
    """E. B. Wilson 1927: the p with |p̂ - p| = z·sqrt(p(1 - p)/n)."""
    z = NormalDist().inv_cdf(0.975)
    p = right / total
    n = total
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
        ValueError, match=f"{right} right of {total}, expected 0 ≤ right ≤ total, total at least 1"
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
    y_true = np.repeat(true, repeats)
    y_pred = np.repeat(predicted, repeats)
    scores = ClassScores.from_confusion(counts)
    assert scores.balanced == pytest.approx(balanced_accuracy_score(y_true, y_pred))
    assert scores.macro_f1 == pytest.approx(f1_score(y_true, y_pred, average="macro"))
    assert scores.majority == np.bincount(y_true).max() / len(y_true)
    assert scores.is_constant == (len(set(y_pred)) == 1)
    assert scores.uneven == (scores.majority > 0.6)


def test_the_interval_of_balanced_accuracy_covers_it():
    """Of 400 test sets of 300 and 20 texts, 95 % have an interval that holds the true mean of 0.9 and 0.6."""
    random = np.random.default_rng(0)
    right = np.stack([random.binomial(300, 0.9, 400), random.binomial(20, 0.6, 400)], axis=1)
    n_covered = 0
    for a, b in right:
        low, high = ClassScores((300, 20), (a + 20 - b, 300 - a + b), (a, b)).interval
        n_covered += low <= 0.75 <= high
    assert 0.92 <= n_covered / len(right) <= 0.98


def drawn_parts(random, texts, only_first, only_second):
    """Return the difference of two heads on new texts (by label) of given shares that only one got right."""
    counts = (
        random.multinomial(n, [a, b, 1 - a - b])
        for n, a, b in zip(texts, only_first, only_second, strict=True)
    )
    return average_differences(
        [DiscordantTexts(*map(int, c[:2]), n) for c, n in zip(counts, texts, strict=True)]
    )


def test_the_balanced_difference_is_that_of_scikit_learns_scores():
    labels, first, second = np.random.default_rng(3).integers(3, size=(3, 90))
    expected = balanced_accuracy_score(labels, first) - balanced_accuracy_score(labels, second)
    assert balanced_difference(labels, first, second).value == pytest.approx(expected)


@pytest.mark.parametrize("texts", [(8, 2), (100, 20), (300, 60, 20)])
def test_the_balanced_difference_is_covered_and_equal_heads_are_rarely_told_apart(texts):
    """Of 2,000 test sets: at most 5 % (and 1.5 % of chance) miss the true difference, or find one that is none."""
    random = np.random.default_rng(1)
    few = [0.3] + [0.02] * (len(texts) - 1)
    differences = [drawn_parts(random, texts, few, [0.1] * len(texts)) for _ in range(2_000)]
    true = np.mean(few) - 0.1
    missed = [
        not difference.interval[0] <= true <= difference.interval[1] for difference in differences
    ]
    is_significant = [drawn_parts(random, texts, few, few).p < 0.05 for _ in range(2_000)]
    assert np.mean(missed) <= 0.065
    assert np.mean(is_significant) <= 0.065


@pytest.mark.parametrize("differ", [0, 1, 9])
def test_a_bootstrap_with_few_other_answers_is_no_narrower_than_that_of_accuracies(differ):
    labels = np.zeros((50, 2), dtype=np.int64)
    answers = labels.copy()
    answers[:differ, 0] = 1
    low, high = bootstrap_difference(
        lambda true, predicted: float((true == predicted).all(axis=1).mean()),
        labels,
        labels,
        answers,
    ).interval
    least = DiscordantTexts(differ - differ // 2, differ // 2, 50).interval
    assert high - low >= 0.99 * (least[1] - least[0])
    assert low <= differ / 50 <= high
