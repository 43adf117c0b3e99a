"""SPSA: its mean is the gradient, and its signs follow from the request."""

import numpy as np

from qllmft_backends import create
from qllmft_backends.gradients import SpsaGradient
from qllmft_circuits import head_circuit, readout_observables


def test_the_mean_of_spsa_is_the_gradient():
    """Against the adjoint gradient; a deterministic backend, so that only the signs are random."""
    circuit = head_circuit(3, reuploads=2, main_layers=1)
    values = np.random.default_rng(0).uniform(-2, 2, circuit.num_parameters)
    request = [circuit] * 3, readout_observables(3), [values] * 3, [circuit.parameters[2:8]] * 3
    backend = create("adjoint", {"dtype": "float64"})
    expected = np.array(backend.gradient().run(*request).result().gradients)
    mean = np.array(
        SpsaGradient(backend, step_rad=1e-3, batch=3000, seed=0).run(*request).result().gradients
    )
    # One draw is g_i + s_i Σ_{j≠i} s_j g_j with independent signs s.
    error = np.sqrt(((expected**2).sum(axis=1, keepdims=True) - expected**2) / 3000)
    assert np.abs((mean - expected) / error).max() < 4
    assert error.max() < 0.03


class _Recorder:
    """A backend that keeps the values of its circuits."""

    def __init__(self):
        self.backend = create("adjoint", {"dtype": "float64"})
        self.capabilities = self.backend.capabilities
        self.values = []

    def __getattr__(self, name):
        return getattr(self.backend, name)

    def expectations(self, circuit, values, observables):
        self.values.append(values)
        return self.backend.expectations(circuit, values, observables)


def test_a_training_that_is_resumed_asks_for_the_same_circuits():
    circuit = head_circuit(3, reuploads=2, main_layers=1)
    random = np.random.default_rng(0)
    steps = random.uniform(-2, 2, (3, 4, circuit.num_parameters))
    parameters = [list(circuit.parameters)] * 4

    def run_steps(points_by_step, seed=0):
        recorder = _Recorder()
        gradient = SpsaGradient(recorder, step_rad=0.1, batch=2, seed=seed)
        for points in points_by_step:
            observables = [readout_observables(3)[0]] * 4
            gradient.run([circuit] * 4, observables, list(points), parameters).result()
        return recorder.values

    uninterrupted = run_steps(steps)
    for step, continued in zip(uninterrupted[1:], run_steps(steps[1:]), strict=True):
        np.testing.assert_array_equal(continued, step)
    assert len(np.unique(uninterrupted[0], axis=0)) == 16
    assert not np.array_equal(run_steps(steps, seed=1)[0], uninterrupted[0])
    signs = [
        np.sign(values[::2] - np.repeat(points, 2, axis=0))
        for values, points in zip(uninterrupted, steps, strict=True)
    ]
    assert not np.array_equal(signs[0], signs[1])
