"""What is measured on a head: Z of every qubit, of the first alone, or all words of Z up to a weight."""

from itertools import product

import numpy as np
import pytest

from qllmft_circuits import readout_observables


def signs(qubit: int, n_qubits: int) -> np.ndarray:
    """+1 where bit ``qubit`` of the index is 0, else -1: the diagonal of Z on that qubit."""
    return np.array([1 - 2 * (index >> qubit & 1) for index in range(2**n_qubits)])


@pytest.mark.parametrize(("readout", "measured"), [([], 4), (["all"], 4), (["first"], 1)])
def test_operator_q_is_z_on_qubit_q_and_every_qubit_is_measured_unless_told_otherwise(
    readout, measured
):
    observables = readout_observables(4, *readout)
    assert len(observables) == measured
    for qubit, observable in enumerate(observables):
        np.testing.assert_array_equal(observable.to_matrix(), np.diag(signs(qubit, 4)))


@pytest.mark.parametrize(("weight", "count"), [(1, 4), (2, 10), (3, 14), (4, 15)])
def test_words_are_all_products_of_signs_up_to_a_weight(weight, count):
    """Each is diagonal with the product of its qubits' signs; by enumerating subsets, single qubits come first."""
    diagonals = [np.diag(word.to_matrix()).real for word in readout_observables(4, "words", weight)]
    subsets = [subset for subset in product((0, 1), repeat=4) if 1 <= sum(subset) <= weight]
    expected = {
        tuple(np.prod([signs(q, 4) for q in range(4) if subset[q]], axis=0)) for subset in subsets
    }
    assert {tuple(word) for word in diagonals} == expected
    assert len(diagonals) == count
    for qubit in range(4):
        np.testing.assert_array_equal(diagonals[qubit], signs(qubit, 4))
