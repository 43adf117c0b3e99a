"""Two-level designs: orthogonal, all runs different; their effects against least squares."""

import numpy as np
import pytest

from qllmft.campaign.grid import Parameter
from qllmft.campaign.screening import main_effects, screening_points, screening_signs
from qllmft.errors import UserError

RUNS = {2: 4, 3: 8, 4: 8, 6: 8, 7: 12, 8: 12, 10: 12, 11: 16, 14: 16, 15: 32, 30: 32}


@pytest.mark.parametrize(("factors", "runs"), RUNS.items())
def test_designs_are_balanced_orthogonal_and_repeat_no_run(factors, runs):
    signs = screening_signs(factors)
    assert signs.shape == (runs, factors)
    assert set(np.unique(signs)) == {-1, 1}
    assert not signs.sum(axis=0).any()
    np.testing.assert_array_equal(signs.T @ signs, runs * np.eye(factors, dtype=int))
    assert len({tuple(row) for row in signs.tolist()}) == runs


@pytest.mark.parametrize("factors", [3, 4, 8 + 3, 15])
def test_effects_are_clear_of_two_factor_interactions_where_there_are_runs_enough(factors):
    signs = screening_signs(factors)
    if factors > len(signs) // 2:
        factors = len(signs) // 2
        signs = signs[:, :factors]
    for i in range(factors):
        for j in range(i):
            assert not (signs[:, i] * signs[:, j] @ signs).any()


@pytest.mark.parametrize("factors", [1, 31])
def test_other_numbers_of_factors_are_refused(factors):
    with pytest.raises(UserError, match=f"takes 2 to 30 parameters, and this search has {factors}"):
        screening_signs(factors)


def test_points_take_the_first_and_the_last_level():
    a = Parameter(name="a", settings=("x.a",), values=((1,), (2,), (3,)))
    b = Parameter(name="b", settings=("x.b", "x.c"), values=((0, 0), (1, 48)))
    points = screening_points([a, b])
    assert sorted((p["a"], p["b"]) for p in points) == [
        (1, "0/0"),
        (1, "1/48"),
        (3, "0/0"),
        (3, "1/48"),
    ]


def least_squares(signs, y):
    """Effects (twice the coefficients) and their standard errors, by ordinary least squares."""
    design = np.column_stack([np.ones(len(signs)), signs])
    coefficients, *_ = np.linalg.lstsq(design, y, rcond=None)
    residuals = y - design @ coefficients
    variance = residuals @ residuals / (len(y) - design.shape[1])
    return 2 * coefficients[1:], 2 * np.sqrt(np.diag(variance * np.linalg.inv(design.T @ design)))[
        1:
    ]


@pytest.mark.parametrize("factors", [2, 5, 8])
def test_effects_of_one_seed_are_those_of_least_squares(factors):
    signs = screening_signs(factors)
    y = np.random.default_rng(factors).normal(0.7, 0.1, len(signs))
    names = [f"factor {i}" for i in range(factors)]
    found = main_effects(names, [(0, 1)] * factors, signs, y[:, None])
    effects, errors = least_squares(signs, y)
    assert found.degrees_of_freedom == len(signs) - 1 - factors
    by_name = {effect.name: effect for effect in found.effects}
    for name, effect, error in zip(names, effects, errors, strict=True):
        assert by_name[name].effect == pytest.approx(effect)
        assert by_name[name].standard_error == pytest.approx(error)
    sizes = [abs(effect.effect) for effect in found.effects]
    assert sizes == sorted(sizes, reverse=True)


def test_what_a_seed_does_to_all_runs_is_no_error_of_the_effects():
    """Three seeds that differ by a shift only: the effects are exact, though accuracies scatter."""
    signs = screening_signs(3)
    y = 0.7 + signs @ [0.05, 0.0, -0.02]
    found = main_effects(
        ["a", "b", "c"], [(0, 1)] * 3, signs, y[:, None] + np.array([0.0, 0.1, -0.2])
    )
    assert [effect.name for effect in found.effects] == ["a", "c", "b"]
    assert [effect.effect for effect in found.effects] == pytest.approx([0.1, -0.04, 0.0])
    assert all(effect.standard_error < 1e-12 for effect in found.effects)


def test_the_error_over_seeds_is_the_true_scatter():
    """A thousand designs with known noise: the mean squared standard error is the variance of the effects."""
    rng = np.random.default_rng(0)
    signs = screening_signs(4)
    found = [
        main_effects("abcd", [(0, 1)] * 4, signs, rng.normal(0.7, 0.1, (8, 3))) for _ in range(1000)
    ]
    effects = np.array([[e.effect for e in sorted(f.effects, key=lambda e: e.name)] for f in found])
    expected = 4 * 0.1**2 / (8 * 3)
    assert effects.var() == pytest.approx(expected, rel=0.1)
    assert np.mean([f.effects[0].standard_error ** 2 for f in found]) == pytest.approx(
        expected, rel=0.05
    )
    assert found[0].degrees_of_freedom == 8
    p = np.array([e.p_value for f in found for e in f.effects])
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.015)
