"""What the engine refuses of noise: options, choices that nothing reads, and passes that it does not have."""

import numpy as np
import pytest
from noisy_circuits import STRONG, circuit_noise, noisy_pass, random_angles, random_gates

from qllmft_backends import BackendError, UnknownBackendError, create
from qllmft_backends.noise import GateNoise
from qllmft_circuits import head_circuit, readout_observables

RATES = {"noise": "explicit", "one_qubit_rate": 0.03, "two_qubit_rate": 0.08}
MULTINOMIAL = {"shots": 50, "shot_model": "multinomial"}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"noise": "explicit"}, BackendError, r"got the rates \(None, None\). It needs both"),
        ({"noise": "explicit", "two_qubit_rate": 0.1}, BackendError, "It needs both"),
        ({"two_qubit_rate": 0.1}, BackendError, "would not be used with noise='none'. Choose 'explicit'"),
        (RATES | {"one_qubit_rate": 1.4}, BackendError, "one_qubit_rate is 1.4"),
        ({"readout_error": 0.6}, UnknownBackendError, "option readout_error = 0.6"),
        ({"shots": 100, "shot_model": "exact"}, BackendError, "shot_model is 'exact' with shots=100. Give both"),
        ({"shot_model": "gaussian"}, BackendError, "shot_model is 'gaussian' with shots=None"),
        ({"noise": "aria"}, UnknownBackendError, r"option noise = 'aria': Input should be .*'forte1'.*\.$"),
        ({"shots": 0}, UnknownBackendError, "option shots = 0"),
        ({"trajectories": 0}, UnknownBackendError, "option trajectories = 0"),
        (
            {"dtype": "float16", "no_such": 5},
            UnknownBackendError,
            r"option dtype = 'float16': .*'float32' or 'float64'\. Also option no_such = 5: .*\. "
            "Its options are: noise, one_qubit_rate, ",
        ),
        ({"renormalize": True}, BackendError, "renormalize would not be used: .*Add it, or leave them out"),
        (MULTINOMIAL | {"shot_test": "multinomial"}, BackendError, "shot_test would not be used"),
        (MULTINOMIAL | {"gradient": "reparametrised"}, BackendError, "gradient would not be used"),
        ({"noise": "forte1", "shot_test": "per_shot"}, BackendError, "shot_test would not be used"),
        ({"shots": 50, "draw": "batch", "uploads": False}, BackendError, "draw and uploads would not be used"),
        ({"rate": "nonidentity"}, BackendError, "rate='nonidentity' would not be used with noise='none'"),
        ({"noise": "forte1", "rate": "nonidentity"}, BackendError, "would not be used with noise='forte1'"),
        (
            {**GateNoise(0.1, 1.05).options, "rate": "nonidentity"},
            BackendError,
            "on 2 qubits is 1.05, expected a probability",
        ),
    ],
)  # fmt: skip
def test_wrong_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        create("adjoint", options)


@pytest.mark.parametrize("name", ["aer_forte", "ionq_simulator"])
def test_choices_of_training_are_no_options_of_other_backends(name):
    with pytest.raises(BackendError, match=r"option draw = 'batch': .* Its options are"):
        create(name, {"noise": "forte1", "draw": "batch"})


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"draw": "batch"}, "draw='batch' is about the passes of a training"),
        ({"uploads": False}, r"reads the parameter vector 'x', got \['t'\]. Name the vector"),
    ],
)
def test_what_cannot_run_with_a_choice_says_so(choice, message):
    circuit = random_gates(3, 20, 0)
    backend = create("adjoint", {"noise": "forte1", **choice})
    with pytest.raises(BackendError, match=message):
        backend.expectations(circuit, np.zeros((1, circuit.num_parameters)), readout_observables(3))


CIRCUIT = head_circuit(3)
ANGLES = random_angles(CIRCUIT, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda draw: draw.forward(ANGLES, np.ones((2, 1))), "begins in .*to an encoder, whose only noise is that"),
        (lambda draw: draw.values(ANGLES[0]), "takes angles"),
        (
            lambda draw: draw.vjp(draw.forward(ANGLES)[1], np.ones((2, 3)), amplitudes=True),
            "no amplitudes to differentiate by",
        ),
        (
            lambda draw: noisy_pass(CIRCUIT, circuit_noise(GateNoise(0, 0, 0.1), 50, "gaussian"), 0, masks=[1, 3]),
            r"observables on qubits of their own, got strings that share some: \['0b1'",
        ),
    ],
)  # fmt: skip
def test_what_a_pass_refuses(call, message):
    with pytest.raises(BackendError, match=message):
        call(noisy_pass(CIRCUIT, circuit_noise(STRONG), 0))
