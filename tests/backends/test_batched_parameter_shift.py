"""The batched rule against finite differences, against Qiskit's own, and in the number of questions that it asks."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.gradients import ParamShiftEstimatorGradient
from reference_circuits import StatevectorBackend

from qllmft_backends import BackendError, create
from qllmft_backends.gradients import BatchedParameterShift


def shared_parameters() -> QuantumCircuit:
    """Parameters in several gates, alone and in sums, beside gates without any, on 3 qubits."""
    p = ParameterVector("p", 11)  # p[10] sorts as text before p[2]
    circuit = QuantumCircuit(3)
    for i in range(11):
        circuit.ry(p[i], i % 3)
        circuit.cx(i % 3, (i + 1) % 3)
    circuit.swap(0, 2)
    circuit.h(1)
    circuit.ry(2 * p[0] - 0.5 * p[10] + 0.3, 1)
    circuit.ry(p[3], 2)
    circuit.cz(1, 2)
    return circuit


OBSERVABLES = [SparsePauliOp("IIZ"), SparsePauliOp(["ZZI", "ZII"], [1.0, -0.5])]


def test_it_is_what_qiskit_computes():
    circuit = shared_parameters()
    backend = StatevectorBackend()
    rows = np.random.default_rng(0).normal(size=(3, 11))
    circuits = [circuit] * 6
    observables = [o for o in OBSERVABLES for _ in rows]
    points = [row for _ in OBSERVABLES for row in rows]
    request = circuits, observables, points
    got = np.array(backend.gradient().run(*request).result().gradients)
    assert len(backend.calls) == 1
    theirs = ParamShiftEstimatorGradient(StatevectorEstimator()).run(*request).result()
    np.testing.assert_allclose(got, theirs.gradients, atol=1e-12)


def test_every_shift_is_asked_once_for_all_observables():
    circuit = shared_parameters()
    backend = StatevectorBackend()
    rows = np.random.default_rng(1).normal(size=(4, 11))
    gradient = backend.gradient()
    assert isinstance(gradient, BatchedParameterShift)
    gradient.run([circuit] * 8, [o for o in OBSERVABLES for _ in rows], [*rows, *rows]).result()
    [(sent_circuit, values, observables)] = backend.calls
    assert len(values) == 4 * 2 * 13  # plus and minus of the 13 angles that hold parameters
    assert len(observables) == 2
    # nothing is rewritten: other gates would carry other noise
    assert sent_circuit.count_ops() == circuit.count_ops()


def test_some_parameters_of_several_circuits():
    circuit = shared_parameters()
    backend = StatevectorBackend()
    second_circuit = QuantumCircuit(3)
    q = ParameterVector("q", 2)
    second_circuit.ry(q[1], 0)
    second_circuit.ry(q[0], 1)
    p = circuit.parameters
    parameters = [[p[10], p[0]], [q[1]], list(p[2:4])]
    rows = [np.linspace(0, 1, 11), np.array([0.4, 0.9]), np.linspace(0, 1, 11)]
    arguments = [circuit, second_circuit, circuit], [OBSERVABLES[0]] * 3, rows, parameters
    got = BatchedParameterShift(backend).run(*arguments).result().gradients
    theirs = ParamShiftEstimatorGradient(StatevectorEstimator())
    expected = theirs.run(*arguments).result().gradients
    assert [len(g) for g in got] == [2, 1, 2]
    assert got[1] == pytest.approx([-np.sin(0.9)])
    for mine, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-12)
    assert len(backend.calls) == 2


def test_a_gate_without_a_rule_is_refused_where_there_is_noise():
    circuit = QuantumCircuit(3)
    angle = ParameterVector("p", 1)[0]
    circuit.x(0)
    circuit.cry(angle, 0, 1)
    arguments = [circuit], [SparsePauliOp("IZI")], [np.array([0.3])]
    [derivatives] = create("aer_statevector").gradient().run(*arguments).result().gradients
    assert derivatives == pytest.approx(-np.sin(0.3))
    with pytest.raises(
        BackendError, match=r"gate 'cry' of circuit .* has a parameter and no parameter-shift rule"
    ):
        create("aer_forte").gradient().run(*arguments).result()


def test_the_gradient_of_a_noisy_backend_is_the_slope_of_its_values():
    circuit = shared_parameters()
    options = {"noise": "explicit", "one_qubit_rate": 0.03, "two_qubit_rate": 0.08, "shots": None}
    backend = create("aer_forte", options | {"method": "density_matrix"})
    row = np.random.default_rng(2).normal(size=11)
    got = backend.gradient().run([circuit], [OBSERVABLES[1]], [row]).result().gradients[0]
    step = 1e-4
    ends = np.concatenate([row + step * np.eye(11), row - step * np.eye(11)])
    values = backend.expectations(circuit, ends, [OBSERVABLES[1]]).values[:, 0]
    np.testing.assert_allclose(got, (values[:11] - values[11:]) / (2 * step), atol=1e-6)


@pytest.mark.parametrize("name", ["adjoint", "pennylane"])
def test_equal_samples_have_shots_of_their_own_and_each_run_draws_anew(name):
    angle = ParameterVector("a", 2)
    circuit = QuantumCircuit(2)
    circuit.ry(angle[0], 0)
    circuit.cx(0, 1)
    circuit.ry(angle[1], 1)
    observables = [SparsePauliOp("IZ"), SparsePauliOp("ZZ")]
    requests = [circuit] * 8, observables * 4, [[0.4, 0.9]] * 8

    def run(gradient):
        return np.array(gradient.run(*requests).result().gradients).reshape(4, 2, 2)

    gradient = create(name, {"shots": 200, "seed": 3}).gradient()
    first = run(gradient)
    second = run(gradient)
    for sampled_gradients in (*first, *second):
        assert (
            sum((sampled_gradients == other_gradient).all() for other_gradient in (*first, *second))
            == 1
        )
    np.testing.assert_array_equal(run(create(name, {"shots": 200, "seed": 3}).gradient()), first)
    exact = np.array(create("adjoint").gradient().run(*requests).result().gradients)
    sampled_gradients = np.concatenate([first, second])
    assert (
        np.abs(sampled_gradients.mean(axis=0) - exact.reshape(4, 2, 2)[0])
        < 5 / np.sqrt(2 * 8 * 200)
    ).all()
