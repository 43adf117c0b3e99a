"""Data of figures 6 and 7: both samplers draw alike, and only one of them passes the gradient."""

import numpy as np
import pytest
from scipy.stats import kstest

from lab.paper.samplers import draw_sampler, sampler_figure


@pytest.fixture(scope="module")
def figures():
    return {name: sampler_figure(name, n_qubits=4, draws=2000) for name in ("6", "7")}


@pytest.mark.parametrize("name", ["6", "7"])
def test_draws_have_the_mean_and_the_scatter_of_shots(figures, name):
    data = figures[name]
    assert data.shots == 8192
    assert (
        abs(data.draws.mean() - data.exact) < 5 * data.standard_deviation / len(data.draws) ** 0.5
    )
    assert data.draws.std() == pytest.approx(data.standard_deviation, rel=0.1)
    assert kstest((data.draws - data.exact) / data.standard_deviation, "norm").pvalue > 1e-4


def test_true_shots_are_whole_numbers_of_8192(figures):
    counts = (1 - figures["6"].draws) / 2 * 8192
    np.testing.assert_allclose(counts, counts.round(), atol=1e-8)


def test_the_straightforward_sampler_blocks_the_gradient(figures):
    assert not figures["6"].gradient.any()
    assert np.abs(figures["6"].exact_gradient).max() > 0.05


def test_the_differentiable_sampler_lets_it_through(figures):
    data = figures["7"]
    np.testing.assert_allclose(data.gradient, data.exact_gradient, atol=0.01)
    np.testing.assert_array_equal(data.exact_gradient, figures["6"].exact_gradient)


def test_the_drawing_says_whether_the_gradient_is_blocked(figures):
    titles = {name: draw_sampler(data).axes[1].get_title() for name, data in figures.items()}
    assert titles == {"6": "gradient at the weights: blocked", "7": "gradient at the weights"}
