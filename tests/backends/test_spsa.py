"""SPSA: its mean is the gradient."""

import numpy as np

from qllmft_backends import create
from qllmft_backends.gradients import SpsaGradient
from qllmft_circuits import head_circuit, readout_observables


def test_the_mean_of_spsa_is_the_gradient():
    """Against the adjoint gradient; a deterministic backend, so that only the signs are random."""
    circuit = head_circuit(3, reuploads=2, main_layers=1)
    values = np.random.default_rng(0).uniform(-2, 2, circuit.num_parameters)
    asked = [circuit] * 3, readout_observables(3), [values] * 3, [circuit.parameters[2:8]] * 3
    backend = create("adjoint", {"dtype": "float64"})
    expected = np.array(backend.gradient().run(*asked).result().gradients)
    mean = np.array(
        SpsaGradient(backend, step_rad=1e-3, batch=3000, seed=0).run(*asked).result().gradients
    )
    # One draw is g_i + s_i Σ_{j≠i} s_j g_j with independent signs s.
    error = np.sqrt(((expected**2).sum(axis=1, keepdims=True) - expected**2) / 3000)
    assert np.abs((mean - expected) / error).max() < 4
    assert error.max() < 0.03
