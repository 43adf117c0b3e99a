"""Training on Aer by SPSA: its mean is the gradient that the parameter-shift rule gives."""

import numpy as np
import pytest

from qllmft_backends import UnknownBackendError, create
from qllmft_backends.spsa import SpsaGradient
from qllmft_circuits import head_circuit, readout_observables


def gradients(options, repeats):
    """(repeats, P) gradients of Z on qubit 1 at one point of a head on three qubits."""
    circuit = head_circuit(3, reuploads=1, main_layers=1)
    values = np.linspace(-1.0, 1.5, circuit.num_parameters)
    gradient = create("aer_statevector", options).gradient()
    asked = ([circuit] * repeats, [readout_observables(3)[1]] * repeats, [values] * repeats)
    return np.array(gradient.run(*asked).result().gradients)


def test_the_mean_of_spsa_is_the_parameter_shift_gradient():
    exact = gradients({}, 1)[0]
    backend = create("aer_statevector", {"gradient_method": "spsa"})
    assert isinstance(backend.gradient(), SpsaGradient)
    drawn = gradients({"gradient_method": "spsa", "spsa_step_rad": 0.01, "spsa_batch": 4000, "seed": 3}, 1)[0]
    one = gradients({"gradient_method": "spsa", "spsa_step_rad": 0.01, "seed": 3}, 1)[0]
    spread = np.linalg.norm(exact) / np.sqrt(4000)  # a draw's deviation is at most |gradient| in each entry
    np.testing.assert_allclose(drawn, exact, rtol=0, atol=4 * spread + 1e-4)
    assert np.abs(exact).max() > 0.1, "there is a gradient to find"
    assert np.allclose(np.abs(one), np.abs(one[0])), "one perturbation moves all angles alike"


def test_an_unknown_method_is_refused():
    with pytest.raises(UnknownBackendError, match=r"gradient_method = 'adam'.*'parameter_shift' or 'spsa'"):
        create("aer_statevector", {"gradient_method": "adam"})
