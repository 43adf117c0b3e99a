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
    fitted_trend = trend([row(q, y[:, i].tolist()) for i, q in reversed(list(enumerate(places)))])
    slopes = [stats.linregress(places, values).slope for values in y]
    half = stats.t.ppf(0.975, seeds - 1) * np.std(slopes, ddof=1) / np.sqrt(seeds)
    assert fitted_trend.slope == pytest.approx(np.mean(slopes), abs=1e-12)
    assert fitted_trend.interval == pytest.approx(
        (fitted_trend.slope - half, fitted_trend.slope + half), abs=1e-12
    )
    assert (fitted_trend.qubits, fitted_trend.seeds) == (places, seeds)
    blocks = np.repeat(np.eye(seeds), len(places), axis=0)  # a level for each seed, one slope
    design = np.column_stack([np.tile(places, seeds), blocks]).astype(float)
    common = np.linalg.lstsq(design, y.ravel(), rcond=None)[0][0]
    assert fitted_trend.slope == pytest.approx(common, abs=1e-12)


def test_seeds_of_different_level_do_not_widen_the_interval_and_those_of_different_slope_do():
    places = np.array([10, 12, 14])
    tilt = np.array([0.01, 0.012, 0.014])
    bends = np.array([[0.0, 0.002, 0.0], [0.0, 0.0, 0.002], [0.002, 0.0, 0.0]])

    def width(level, slopes):
        y = level[:, None] + slopes[:, None] * (places - 12) + bends
        low, high = trend([row(q, y[:, i].tolist()) for i, q in enumerate(places)]).interval
        return high - low

    equal_slopes = width(np.zeros(3), np.full(3, 0.01))
    assert width(np.array([0.1, 0.5, 0.9]), np.full(3, 0.01)) == pytest.approx(equal_slopes)
    assert width(np.zeros(3), tilt) > 2 * equal_slopes


def test_two_rows_of_one_seed_have_a_slope_and_no_interval():
    fitted_trend = trend([row(10, [0.5]), row(14, [0.6])])
    assert (fitted_trend.slope, fitted_trend.interval) == (pytest.approx(0.025), None)
