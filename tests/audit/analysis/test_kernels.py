import numpy as np
import pytest
import torch

from qllmft.config import ModelConfig
from qllmft.training import Examples
from qllmft_audit.gradients import GradientVariance, decay_per_qubit, gradient_variances
from qllmft_audit.kernels import (
    C_GRID,
    GeometricDifference,
    classical_kernels,
    fidelities,
    kernel_svm,
)


def kernel(seed, n=12):
    rows = np.random.default_rng(seed).normal(size=(n, 20))
    return rows @ rows.T


def test_the_difference_is_that_of_the_definition():
    quantum = kernel(0)
    classical = kernel(1)
    difference = GeometricDifference.compute(quantum, classical, [1e-12, 0.1])
    quantum, classical = (k * 12 / np.trace(k) for k in (quantum, classical))
    expected = np.abs(np.linalg.eigvals(np.linalg.inv(classical) @ quantum)).max() ** 0.5
    assert difference.general[0] == pytest.approx(expected, rel=1e-6)
    inverse = np.linalg.inv(classical + 0.1 * np.eye(12))
    for value, middle in (
        (difference.general[1], classical),
        (difference.training[1], 0.01 * np.eye(12)),
    ):
        expected = np.abs(np.linalg.eigvals(inverse @ middle @ inverse @ quantum)).max() ** 0.5
        assert value == pytest.approx(expected, rel=1e-6)


def test_a_kernel_does_not_differ_from_itself():
    assert GeometricDifference.compute(kernel(2), 7 * kernel(2), [1e-12]).general == pytest.approx(
        (1.0,), rel=1e-6
    )


def test_fidelities_and_classical_kernels():
    states = np.array([[1.0, 0.0], [np.sqrt(0.5), 1j * np.sqrt(0.5)]])
    np.testing.assert_allclose(fidelities(states, states), [[1.0, 0.5], [0.5, 1.0]], atol=1e-12)
    unit = np.random.default_rng(0).normal(size=(4, 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    kernels = classical_kernels(unit)
    np.testing.assert_allclose(kernels["quadratic"], kernels["linear"] ** 2)
    assert np.diag(kernels["RBF"]) == pytest.approx(1.0)


def test_the_machine_learns_states_that_differ():
    def examples(n, seed):
        angles = np.random.default_rng(seed).uniform(0, 1, n)
        labels = (angles > 0.5).astype(np.int64)
        return Examples(torch.from_numpy(angles[:, None]), torch.from_numpy(labels))

    def states(x):
        return np.concatenate([np.cos(2 * x), np.sin(2 * x)], axis=1)

    parts = [examples(n, seed) for seed, n in enumerate((60, 30, 1100))]  # the last in blocks
    machine, kernels = kernel_svm(*parts, states)
    assert kernels.shape == (60, 2)
    assert machine.c in C_GRID
    assert machine.test.total == 1100
    assert machine.test.value > 0.95


def test_the_variance_of_independent_qubits_is_known():
    # <Z_0> = cos(R x + sum of its L angles): a derivative by one of them has the variance 1/2, by
    # others it is 0
    model = ModelConfig(ansatz="separable")
    (variance,) = gradient_variances(model, [3], samples=4000)
    assert variance.variance == pytest.approx(1 / 6, rel=0.03)


def test_the_variance_of_an_encoder():
    variances = gradient_variances(
        ModelConfig(head="none", encoder_qubits=4, encoder_layers=8), [3, 5], samples=100
    )
    assert variances[1].variance < variances[0].variance
    assert decay_per_qubit([GradientVariance(q, 0.5**q) for q in (4, 6, 8)]) == pytest.approx(-1.0)
