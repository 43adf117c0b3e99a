"""Evaluation in which each shot has an error trajectory of its own, by two ways: passes, and Kraus operators."""

import numpy as np
import pytest
from kraus_evolution import noisy_expectations
from noisy_circuits import STRONG, circuit_noise, noisy_pass

from qllmft_backends import create
from qllmft_backends.noise import GateNoise
from qllmft_circuits import head_circuit, readout_observables

SHOTS = 60
REPEATS = 1500


def repeat_evaluation(n_qubits: int, gates: GateNoise, shot_test: str, **more):
    """(REPEATS, qubits) answers for one text in one evaluation pass, and the exact mean of each."""
    circuit = head_circuit(n_qubits, 2)
    values = np.random.default_rng(1).uniform(-1, 1, (1, circuit.num_parameters))
    draw = noisy_pass(
        circuit, circuit_noise(gates, SHOTS, "gaussian", shot_test=shot_test, **more), 3
    ).in_evaluation
    rates = gates.one_qubit_rate, gates.two_qubit_rate
    exact = noisy_expectations(
        circuit, values, readout_observables(n_qubits), rates, gates.readout_error
    )
    return draw.values(draw.engine.program.angles(values.repeat(REPEATS, axis=0))), exact[0]


@pytest.mark.parametrize(
    "gates", [GateNoise(0, 0), STRONG, GateNoise(0.02, 0.05, 0.07)], ids=["none", "strong", "flips"]
)
@pytest.mark.parametrize("n_qubits", [3, 4])
def test_means_and_scatter_are_those_of_independent_shots_on_the_noisy_state(n_qubits, gates):
    answers, exact = repeat_evaluation(
        n_qubits, gates, "per_shot", draw="batch" if gates.one_qubit_rate else "sample"
    )
    variance = (1 - exact**2) / SHOTS
    assert (np.abs(answers.mean(axis=0) - exact) < 4.5 * np.sqrt(variance / REPEATS)).all()
    np.testing.assert_allclose(answers.var(axis=0), variance, rtol=0.2)
    np.testing.assert_allclose(
        (answers + 1) * SHOTS / 2, np.rint((answers + 1) * SHOTS / 2), atol=1e-9
    )


def test_one_trajectory_for_all_shots_has_the_same_mean_and_scatters_more():
    answers, exact = repeat_evaluation(3, STRONG, "multinomial")
    assert (
        np.abs(answers.mean(axis=0) - exact) < 4.5 * answers.std(axis=0) / np.sqrt(REPEATS)
    ).all()
    assert (answers.var(axis=0) > 3 * (1 - exact**2) / SHOTS).all()


def test_training_passes_and_answers_to_expectations_stay_as_they_were():
    circuit = head_circuit(3)
    draw, as_in_training = (
        noisy_pass(circuit, circuit_noise(STRONG, SHOTS, "gaussian", shot_test=t), 5)
        for t in ("per_shot", "same")
    )
    angles = np.random.default_rng(0).uniform(-1, 1, (7, len(circuit.data)))[
        :, : draw.frames.n_angles
    ]
    np.testing.assert_array_equal(draw.values(angles), as_in_training.values(angles))
    request = circuit, np.ones((2, circuit.num_parameters)), readout_observables(3)
    options = {"noise": "forte1", "shots": SHOTS, "shot_model": "gaussian", "shot_test": "per_shot"}
    by_test_choices, by_defaults = (
        create("adjoint", run_options).expectations(*request)
        for run_options in (options | {"draw": "batch"}, {"noise": "forte1", "shots": SHOTS})
    )
    np.testing.assert_array_equal(by_test_choices.values, by_defaults.values)
    np.testing.assert_array_equal(by_test_choices.standard_errors, by_defaults.standard_errors)
