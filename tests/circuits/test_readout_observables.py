"""What is measured on a head: Z of every qubit, or of the first alone."""

import numpy as np
import pytest

from qllmft_circuits import readout_observables


def signs(qubit: int, n_qubits: int) -> np.ndarray:
    """+1 where bit ``qubit`` of the index is 0, else -1: the diagonal of Z on that qubit."""
    return np.array([1 - 2 * (index >> qubit & 1) for index in range(2**n_qubits)])


@pytest.mark.parametrize(("readout", "measured"), [("all", 4), ("first", 1)])
def test_operator_q_is_z_on_qubit_q(readout, measured):
    observables = readout_observables(4, readout)
    assert len(observables) == measured
    for qubit, observable in enumerate(observables):
        np.testing.assert_array_equal(observable.to_matrix(), np.diag(signs(qubit, 4)))


def test_every_qubit_is_measured_unless_told_otherwise():
    # Qiskit writes qubit 0 on the right
    assert [o.paulis.to_labels() for o in readout_observables(3)] == [["IIZ"], ["IZI"], ["ZII"]]


def test_an_unknown_readout_is_refused():
    with pytest.raises(ValueError, match="readout is 'last', expected 'all' or 'first'"):
        readout_observables(4, "last")
