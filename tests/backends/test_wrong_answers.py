"""Answers of a user's backend that have another shape, or are no numbers."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

from qllmft_backends import Backend, BackendError, Capabilities
from qllmft_backends.protocol import Expectations

ANGLES = np.linspace(-1, 1, 6).reshape(2, 3)


class OddBackend(Backend):
    """It gives values and standard errors of its own, whatever it is asked."""

    name = "odd"
    capabilities = Capabilities(paulis=True)

    def __init__(self, values, errors):
        self.answer = Expectations(np.array(values, float), np.array(errors, float))

    def expectations(self, circuit, values, observables):
        return self.answer


@pytest.mark.parametrize(
    ("values", "errors", "message"),
    [
        ([[0.1, 0.2]], [[0.0, 0.0]], r"answered values of shape \(1, 2\), expected \(2, 1\)"),
        ([[0.1], [np.nan]], [[0.0], [0.0]], "'odd' answered .* no finite numbers"),
    ],
)
def test_a_wrong_answer_names_the_backend(values, errors, message):
    angles = ParameterVector("x", 3)
    circuit = QuantumCircuit(3)
    for qubit in range(3):
        circuit.ry(angles[qubit], qubit)
    pub = (circuit, "ZZZ", ANGLES)
    with pytest.raises(BackendError, match=message):
        OddBackend(values, errors).estimator().run([pub]).result()


@pytest.mark.parametrize("error", [0.5, np.inf], ids=["shots", "one shot"])
def test_a_right_answer_is_given_as_it_is(error):
    circuit = QuantumCircuit(3)
    data = OddBackend([[0.25]], [[error]]).estimator().run([(circuit, "ZZZ")]).result()[0].data
    assert (data.evs, data.stds) == (0.25, error)
