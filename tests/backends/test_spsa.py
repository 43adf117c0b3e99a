"""SPSA: its mean is the gradient; and Aer's way to it."""

import numpy as np
import pytest

from qllmft_backends import UnknownBackendError, create
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


def test_aer_takes_it_by_an_option():
    circuit = head_circuit(3, reuploads=1, main_layers=1)
    gradient = create(
        "aer_statevector", {"gradient_method": "spsa", "spsa_step_rad": 0.01, "seed": 3}
    ).gradient()
    assert isinstance(gradient, SpsaGradient)
    (one,) = (
        gradient.run([circuit], [readout_observables(3)[1]], [np.linspace(-1, 1.5, 6)])
        .result()
        .gradients
    )
    assert np.allclose(np.abs(one), np.abs(one[0])), "one perturbation moves all angles alike"
    with pytest.raises(
        UnknownBackendError, match=r"gradient_method = 'adam'.*'parameter_shift' or 'spsa'"
    ):
        create("aer_statevector", {"gradient_method": "adam"})
