"""Accuracy and its interval, against Wilson's formula written out."""

from statistics import NormalDist

import pytest

from qllmft.statistics import Accuracy


def wilson(right: int, total: int) -> tuple[float, float]:
    """E. B. Wilson 1927: the p with |p̂ - p| = z·sqrt(p(1 - p)/n)."""
    z = NormalDist().inv_cdf(0.975)
    p, n = right / total, total
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    return middle - half, middle + half


CASES = [(0, 1), (1, 1), (0, 20), (20, 20), (3, 7), (50, 100), (90, 100), (6961, 9101), (8520, 9101)]


@pytest.mark.parametrize(("right", "total"), CASES)
def test_the_interval_is_wilsons(right, total):
    accuracy = Accuracy(right, total)
    low, high = accuracy.interval
    assert (low, high) == pytest.approx(wilson(right, total), abs=1e-9)
    assert accuracy.value == right / total
    assert low <= accuracy.value <= high
    # both ends solve the equation that defines them
    z = NormalDist().inv_cdf(0.975)
    for p in (low, high):
        assert abs(accuracy.value - p) == pytest.approx(z * max(p * (1 - p) / total, 0) ** 0.5, abs=1e-8)


def test_for_json():
    assert Accuracy(3, 4).as_dict() == {
        "right": 3, "total": 4, "value": 0.75, "interval95": pytest.approx(list(wilson(3, 4))),
    }  # fmt: skip
    assert isinstance(Accuracy(3, 4).as_dict()["interval95"], list)


@pytest.mark.parametrize(("right", "total"), [(-1, 3), (4, 3), (0, 0), (1, 0)])
def test_impossible_counts_are_refused(right, total):
    with pytest.raises(ValueError, match=f"{right} right of {total}; expected 0 ≤ right ≤ total, total at least 1"):
        Accuracy(right, total)
