"""The convention of the noise rates, checked against the channel itself."""

from itertools import product

import numpy as np
import pytest
from qiskit.quantum_info import Kraus, Operator, Pauli, average_gate_fidelity, process_fidelity

from qllmft_backends import BackendError, GateNoise
from qllmft_backends.noise import PRESETS, pauli_error_probability


def mixing(rate: float, n_qubits: int) -> Kraus:
    """(1 - r) ρ + r I/d by definition: keep the state, or replace it by a basis state drawn at random."""
    d = 2**n_qubits
    unit = np.eye(d)
    replaced = [
        np.sqrt(rate / d) * np.outer(unit[i], unit[j]) for i, j in product(range(d), repeat=2)
    ]
    return Kraus([np.sqrt(1 - rate) * unit, *replaced])


@pytest.mark.parametrize("n_qubits", [1, 2])
@pytest.mark.parametrize("rate", [2.667e-4, 0.02, 0.5, 1.0])
def test_conversions_are_those_of_the_channel(rate, n_qubits):
    channel = mixing(rate, n_qubits)
    identity = Operator(np.eye(2**n_qubits))
    assert pauli_error_probability(rate, n_qubits) == pytest.approx(
        1 - process_fidelity(channel, identity)
    )
    infidelity = 1 - average_gate_fidelity(channel)
    assert infidelity == pytest.approx(rate * (1 - 0.5**n_qubits)), "as the module's table has it"


@pytest.mark.parametrize("n_qubits", [1, 2])
def test_the_pauli_form_of_the_docstring_is_the_mixing_form(n_qubits):
    rate = 0.1
    terms = 4**n_qubits
    labels = ["".join(p) for p in product("IXYZ", repeat=n_qubits)]
    weights = [1 - rate * (terms - 1) / terms] + [rate / terms] * (terms - 1)
    paulis = Kraus(
        [np.sqrt(w) * Pauli(p).to_matrix() for w, p in zip(weights, labels, strict=True)]
    )
    np.testing.assert_allclose(choi(paulis), choi(mixing(rate, n_qubits)), atol=1e-12)


def choi(channel: Kraus) -> np.ndarray:
    return sum(np.outer(k.ravel(), k.ravel().conj()) for k in channel.data)


def test_presets():
    assert PRESETS["paper_low"] == GateNoise(1e-4, 1e-3)
    assert PRESETS["paper_high"] == GateNoise(2e-4, 2e-3)
    forte = PRESETS["forte1"]
    # as docs.ionq.com prints them: 0.0002666666666666667 and 0.004949333333333333
    assert (forte.one_qubit_rate, forte.two_qubit_rate) == pytest.approx(
        (0.0002666666666666667, 0.004949333333333333)
    )
    assert all(noise.readout_error == 0 for noise in PRESETS.values())


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (
            (-0.1, 0.0),
            r"one_qubit_rate is -0.1, expected a number from 0 to 1.333: the r of depolarizing_error\(r, 1\)",
        ),
        ((0.1, 1.2), "two_qubit_rate is 1.2, expected a number from 0 to 1.067"),
        ((float("nan"), 0.0), "one_qubit_rate is nan"),
        ((0.1, 0.1, 0.51), "readout_error is 0.51, expected the probability of a flip"),
    ],
)
def test_numbers_that_are_no_noise_are_refused(numbers, message):
    with pytest.raises(BackendError, match=message):
        GateNoise(*numbers)


def test_a_rate_is_defined_for_one_and_two_qubits():
    noise = GateNoise(0.1, 0.2, 0.05)
    assert (noise.rate(1), noise.rate(2)) == (0.1, 0.2)
    assert noise.readout_factor(3) == pytest.approx(0.9**3)
    with pytest.raises(BackendError, match="a gate acts on 3 qubits"):
        noise.rate(3)
