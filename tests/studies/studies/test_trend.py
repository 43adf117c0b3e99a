"""Points per qubit: a line through each seed, and least squares with a column for every seed beside it."""

from dataclasses import replace

import numpy as np
import pytest
import tiny_studies
from scipy import stats

from qllmft_studies.comparison import trend


def row(qubits, test):
    return replace(tiny_studies.row("a", "subject", test), series="line", qubits=qubits)


@pytest.mark.parametrize(
    ("places", "seeds"), [((10, 12, 14, 16, 18), 5), ((10, 12, 18), 3), ((3, 4, 9), 2)]
)
def test_the_slope_and_its_interval_are_those_of_a_line_through_each_seed(places, seeds):
    rng = np.random.default_rng(len(places) * seeds)
    y = (
        0.7
        + 0.05 * rng.normal(size=seeds)[:, None]
        + 0.004 * np.array(places)
        + 0.01 * rng.normal(size=(seeds, len(places)))
    )
    found = trend([row(q, y[:, i].tolist()) for i, q in reversed(list(enumerate(places)))])
    slopes = [stats.linregress(places, each).slope for each in y]
    half = stats.t.ppf(0.975, seeds - 1) * np.std(slopes, ddof=1) / np.sqrt(seeds)
    assert found.slope == pytest.approx(np.mean(slopes), abs=1e-12)
    assert found.interval == pytest.approx((found.slope - half, found.slope + half), abs=1e-12)
    assert (found.qubits, found.seeds) == (places, seeds)
    blocks = np.repeat(np.eye(seeds), len(places), axis=0)  # a level for each seed, one slope
    design = np.column_stack([np.tile(places, seeds), blocks]).astype(float)
    common = np.linalg.lstsq(design, y.ravel(), rcond=None)[0][0]
    assert found.slope == pytest.approx(common, abs=1e-12)


def test_seeds_of_different_level_do_not_widen_the_interval_and_those_of_different_slope_do():
    places, tilt = np.array([10, 12, 14]), np.array([0.01, 0.012, 0.014])
    bends = np.array([[0.0, 0.002, 0.0], [0.0, 0.0, 0.002], [0.002, 0.0, 0.0]])

    def width(level, slopes):
        y = level[:, None] + slopes[:, None] * (places - 12) + bends
        low, high = trend([row(q, y[:, i].tolist()) for i, q in enumerate(places)]).interval
        return high - low

    same = width(np.zeros(3), np.full(3, 0.01))
    assert width(np.array([0.1, 0.5, 0.9]), np.full(3, 0.01)) == pytest.approx(same)
    assert width(np.zeros(3), tilt) > 2 * same


def test_two_rows_of_one_seed_have_a_slope_and_no_interval():
    found = trend([row(10, [0.5]), row(14, [0.6])])
    assert (found.slope, found.interval) == (pytest.approx(0.025), None)
