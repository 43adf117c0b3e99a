"""Products with sparse matrices, compared with dense ones."""

import numpy as np
import pytest

from qllmft_engine.program.sparse import SparseMatrix


@pytest.mark.parametrize("density", [0, 0.05, 0.3, 1])
def test_a_product_is_the_one_of_numpy(density):
    draw = np.random.default_rng(3)
    matrix = draw.normal(size=(23, 17)) * (draw.random((23, 17)) < density)
    values = draw.normal(size=(5, 17))
    np.testing.assert_allclose(
        SparseMatrix(matrix).times(values), values @ matrix.T, rtol=0, atol=1e-13
    )


def test_values_may_be_in_single_precision_and_in_any_order_of_memory():
    draw = np.random.default_rng(4)
    matrix = np.diag(draw.normal(size=6))
    values = np.asfortranarray(draw.normal(size=(4, 6)).astype(np.float32))
    products = SparseMatrix(matrix).times(values)
    assert products.dtype == np.float64
    assert np.array_equal(products, values.astype(np.float64) * np.diag(matrix))


def test_a_matrix_without_rows_has_no_products():
    assert SparseMatrix(np.zeros((0, 3))).times(np.ones((2, 3))).shape == (2, 0)
    assert SparseMatrix(np.zeros((3, 0))).times(np.ones((2, 0))).tolist() == [[0.0] * 3] * 2
