"""AdjointGradient in Qiskit's interfaces, against the parameter-shift rule on Qiskit's own StatevectorEstimator."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.gradients import ParamShiftEstimatorGradient
from reference_circuits import network, reuploading, z_string

from qllmft_backends import create
from qllmft_circuits import readout_observables

SUM = SparsePauliOp(["ZZI", "IIZ", "IZZ"], [0.5, -2.0, 1.25])


@pytest.fixture
def adjoint():
    return create("adjoint", {"dtype": "float64"}).gradient()


@pytest.fixture
def shifts() -> ParamShiftEstimatorGradient:
    return ParamShiftEstimatorGradient(StatevectorEstimator())


def affine(n_qubits: int = 3) -> QuantumCircuit:
    """Angles that mix parameters with slopes and offsets, in an order that is not Qiskit's."""
    a = ParameterVector("a", 3)
    b = ParameterVector("b", 2)
    circuit = QuantumCircuit(n_qubits)
    for q, angle in enumerate([b[1] - 0.3, 2 * a[2] + 0.1, a[0] - b[0] / 2]):
        circuit.ry(angle, q)
    for q, angle in enumerate([a[2] + a[1] * 3, -b[1], a[0] + 0.7]):
        circuit.cx(q, (q + 1) % 3)
        circuit.h(q)
        circuit.ry(angle, q)
    return circuit


@pytest.mark.parametrize("input_gradients", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
def test_a_network_agrees_with_qiskit_forward_and_backward(
    dtype, tolerance, input_gradients, shifts
):
    backend = create("adjoint", {"dtype": dtype})
    rng = np.random.default_rng(8)
    x = rng.normal(size=(2, 3))
    theta = rng.normal(size=6)
    ours, qiskits = (
        network(
            reuploading(3),
            readout_observables(3),
            estimator,
            gradient,
            input_gradients=input_gradients,
        )
        for estimator, gradient in (
            (backend.estimator(), backend.gradient()),
            (StatevectorEstimator(), shifts),
        )
    )
    np.testing.assert_allclose(
        ours.forward(x, theta), qiskits.forward(x, theta), rtol=0, atol=tolerance
    )
    for gradient, expected in zip(ours.backward(x, theta), qiskits.backward(x, theta), strict=True):
        assert (gradient is None) == (expected is None)
        if expected is not None:
            assert gradient.shape == expected.shape
            np.testing.assert_allclose(gradient, expected, rtol=0, atol=tolerance)


def test_the_gradient_of_chosen_parameters_comes_in_their_order(adjoint, shifts):
    circuit = affine()
    a0, a1, a2, b0, b1 = circuit.parameters
    requested = [[b1, a0], None, [a2], [a1, b0, a2, b1]]
    values = np.random.default_rng(11).normal(size=(4, 5))
    runs = [g.run([circuit] * 4, [SUM] * 4, values, requested).result() for g in (adjoint, shifts)]
    assert [len(gradient) for gradient in runs[0].gradients] == [2, 5, 1, 4]
    for i, (gradient, expected) in enumerate(zip(*(run.gradients for run in runs), strict=True)):
        np.testing.assert_allclose(gradient, expected, atol=1e-10, err_msg=f"request {i}")
    assert [m["parameters"] for m in runs[0].metadata] == [
        list(c or circuit.parameters) for c in requested
    ]


def test_mixed_circuits_and_observables_come_back_in_their_order(adjoint, shifts):
    first = affine()
    second = reuploading(3)
    circuits = [first, second, first, second, first]
    z = z_string(0b101, 3)
    observables = [SUM, z, z, SUM, SUM]
    values = [
        np.random.default_rng(i).normal(size=c.num_parameters) for i, c in enumerate(circuits)
    ]
    runs = [g.run(circuits, observables, values).result().gradients for g in (adjoint, shifts)]
    for i, (gradient, expected) in enumerate(zip(*runs, strict=True)):
        np.testing.assert_allclose(gradient, expected, atol=1e-10, err_msg=f"request {i}")
