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

    def __init__(self, values, errors, outcomes=0):
        self.answer = Expectations(np.array(values), np.array(errors))
        self.given = np.array(outcomes)

    def expectations(self, circuit, values, observables):
        return self.answer

    def outcomes(self, circuit, values, shots, rng):
        return self.given


@pytest.mark.parametrize(
    ("values", "errors", "message"),
    [
        ([[0.1, 0.2]], [[0.0, 0.0]], r"answered values of shape \(1, 2\), expected \(2, 1\)"),
        ([[0.1], [np.nan]], [[0.0], [0.0]], "'odd' answered .* no finite numbers"),
        ([[0.1], [0.2]], [[0.1], [np.nan]], "'odd' answered standard errors that are negative or"),
        ([[0.1], [0.2]], [[0.1], [-0.1]], "'odd' answered standard errors that are negative or"),
        ([[0.1], [0.2j]], [[0.1], [0.1]], "'odd' answered numbers of the type complex128"),
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


def test_an_answer_is_an_object_of_expectations():
    backend = OddBackend([[0.0]], [[0.0]])
    backend.answer = (np.zeros((1, 1)), np.zeros((1, 1)))
    with pytest.raises(BackendError, match="'odd' answered a tuple, expected Expectations"):
        backend.estimator().run([(QuantumCircuit(1), "Z")]).result()


def test_a_remote_backend_has_the_methods_of_one():
    backend = OddBackend([[0.0]], [[0.0]])
    backend.capabilities = Capabilities(remote=True, paulis=True)
    with pytest.raises(BackendError, match=r"'odd' states Capabilities\(remote=True\) and has no"):
        backend.estimator().run([(QuantumCircuit(1), "Z")]).result()


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [
        ([[0]], r"outcomes of shape \(1, 1\), expected \(1, 4\)"),
        ([[0, 1, 2, 4]], "outcomes from 0 to 4, expected 0 to 3, as 2 qubits have"),
        ([[0, -1, 2, 3]], "outcomes from -1 to 3"),
        ([[0.0, 1.0, 2.0, 3.0]], "outcomes of the type float64, expected integers"),
    ],
)
def test_wrong_outcomes_name_the_backend(outcomes, message):
    measured = QuantumCircuit(2)
    measured.measure_all()
    with pytest.raises(BackendError, match=message):
        OddBackend([[0.0]], [[0.0]], outcomes).sampler().run([measured], shots=4).result()
    right = OddBackend([[0.0]], [[0.0]], [[0, 1, 2, 3]]).sampler().run([measured], shots=4)
    assert right.result()[0].data.meas.get_int_counts() == {0: 1, 1: 1, 2: 1, 3: 1}
