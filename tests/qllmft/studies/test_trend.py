"""Points per qubit: the closed form, and least squares with a column for every seed beside it."""

import numpy as np
import pytest
from scipy import stats

from qllmft.campaign.record import RowResult
from qllmft.campaign.trend import trend


def row(qubits: int, test: list[float]) -> RowResult:
    nothing = {
        "model": "quantum head",
        "published": None,
        "runs": (),
        "parameters": (1,),
        "validation": (),
    }
    return RowResult(
        "a", "subject", "", "single-10q", test=tuple(test), series="line", qubits=qubits, **nothing
    )


@pytest.mark.parametrize(
    ("places", "seeds"), [((10, 12, 14, 16, 18), 5), ((10, 12, 18), 3), ((3, 4, 9), 2)]
)
def test_the_slope_and_its_interval_are_those_of_a_regression_with_blocks(places, seeds):
    rng = np.random.default_rng(len(places) * seeds)
    y = (
        0.7
        + 0.05 * rng.normal(size=seeds)[:, None]
        + 0.004 * np.array(places)
        + 0.01 * rng.normal(size=(seeds, len(places)))
    )
    found = trend([row(q, y[:, i].tolist()) for i, q in reversed(list(enumerate(places)))])
    blocks = np.repeat(np.eye(seeds), len(places), axis=0)
    design = np.column_stack([np.tile(places, seeds), blocks]).astype(float)
    (slope, *_), squares, *_ = np.linalg.lstsq(design, y.ravel(), rcond=None)
    freedom = y.size - seeds - 1
    error = np.sqrt(squares[0] / freedom * np.linalg.inv(design.T @ design)[0, 0])
    half = stats.t.ppf(0.975, freedom) * error
    assert found.slope == pytest.approx(slope, abs=1e-12)
    assert found.interval == pytest.approx((slope - half, slope + half), abs=1e-12)
    assert (found.qubits, found.seeds) == (places, seeds)


def test_seeds_of_different_level_do_not_widen_the_interval():
    level, line = np.array([0.1, 0.5, 0.9]), np.array([0.0, 0.02, 0.03])
    found = trend(
        [row(q, (level + rise).tolist()) for q, rise in zip((10, 12, 14), line, strict=True)]
    )
    alone = trend(
        [row(q, (0 * level + rise).tolist()) for q, rise in zip((10, 12, 14), line, strict=True)]
    )
    assert found.interval == pytest.approx(alone.interval)


def test_two_rows_of_one_seed_have_a_slope_and_no_interval():
    found = trend([row(10, [0.5]), row(14, [0.6])])
    assert (found.slope, found.interval) == (pytest.approx(0.025), None)
