"""Passes of training: trajectories against the density matrix, their gradients, seeds and threads."""

from dataclasses import replace

import numpy as np
import pytest
from noisy_circuits import (
    STRONG,
    circuit_noise,
    density_matrix,
    noisy_pass,
    random_angles,
    random_gates,
)
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.noise import PRESETS, CircuitNoise, GateNoise
from qllmft_circuits import head_circuit, readout_observables, weight_parameters
from qllmft_engine import chunks as chunks_module
from qllmft_engine import lower
from qllmft_engine import noisy as noisy_module

RUNS = 1000
NOISES = {**PRESETS, "strong": STRONG}
SIZES = [4, 6, pytest.param(8, marks=pytest.mark.slow)]


def random_values(circuit, batch: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-np.pi, np.pi, (batch, circuit.num_parameters))


def mean_and_error(runs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Over axis 1 of (B, RUNS, ...)."""
    return runs.mean(axis=1), runs.std(axis=1, ddof=1) / np.sqrt(runs.shape[1])


@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize("n_qubits", SIZES)
def test_a_thousand_trajectories_are_within_four_standard_errors_of_the_density_matrix(
    n_qubits, name
):
    circuit = head_circuit(n_qubits)
    batch = 3
    values = random_values(circuit, batch)
    expected = density_matrix(circuit, values, readout_observables(n_qubits), NOISES[name])
    angles = lower(circuit).angles(values)
    draw = noisy_pass(circuit, circuit_noise(NOISES[name]), seed=8)
    runs = draw.values(angles.repeat(RUNS, axis=0)).reshape(batch, RUNS, -1)
    means, errors = mean_and_error(runs)
    assert (np.abs(means - expected) < 4 * errors).all()
    if name in ("forte1", "strong"):  # power: the noiseless values are found out
        ideal = draw.engine.values(angles)
        assert (np.abs(ideal - expected) / errors).max() > (4.5 if name == "forte1" else 10)
    averaged = noisy_pass(circuit, circuit_noise(NOISES[name], trajectories=RUNS), seed=8).values(
        angles
    )
    np.testing.assert_allclose(averaged, means, atol=1e-12)  # the same draws


@pytest.mark.parametrize("name", ["forte1", "strong"])
@pytest.mark.parametrize("n_qubits", SIZES)
def test_the_mean_gradient_is_that_of_the_density_matrix(n_qubits, name):
    """Parameter shift is exact for any Pauli noise; every weight is the angle of one gate."""
    circuit = head_circuit(n_qubits, reuploads=2)
    noise = NOISES[name]
    values = random_values(circuit, 1)
    observable = [
        SparsePauliOp.sum([(-1) ** q * o for q, o in enumerate(readout_observables(n_qubits))])
    ]
    columns = [list(circuit.parameters).index(p) for p in weight_parameters(circuit)]
    shifts = np.pi / 2 * np.eye(circuit.num_parameters)[columns]
    shifted_values = density_matrix(
        circuit, np.concatenate([values + shifts, values - shifts]), observable, noise
    )[:, 0]
    expected = (shifted_values[: len(columns)] - shifted_values[len(columns) :]) / 2
    draw = noisy_pass(circuit, circuit_noise(noise), seed=2)
    angles = draw.engine.program.angles(values.repeat(RUNS, axis=0))
    _, tape = draw.forward(angles)
    by_angle, _ = draw.vjp(tape, np.tile((-1.0) ** np.arange(n_qubits), (RUNS, 1)))
    by_weight = (by_angle @ draw.engine.program.angle_matrix)[:, columns]
    means, errors = mean_and_error(by_weight[None])
    assert (np.abs(means[0] - expected) < 4 * errors[0]).all()
    if name == "strong":
        _, tape = draw.engine.forward(angles[:1])
        ideal = (
            draw.engine.vjp(tape, (-1.0) ** np.arange(n_qubits)[None])[0]
            @ draw.engine.program.angle_matrix
        )
        assert (np.abs(ideal[0, columns] - expected) / errors[0]).max() > 8


@pytest.mark.parametrize(
    "noise",
    [
        circuit_noise(STRONG),
        circuit_noise(STRONG, trajectories=3),
        circuit_noise(GateNoise(0.02, 0.2, 0.07), trajectories=2),
        circuit_noise(GateNoise(0, 0, 0.1)),
        circuit_noise(STRONG, trajectories=2, draw="batch"),
    ],
    ids=["one", "three", "readout", "readout alone", "batch"],
)
@pytest.mark.parametrize("circuit", [head_circuit(3), random_gates(4, 40, 1)], ids=lambda c: c.name)
def test_the_gradient_is_the_derivative_along_the_trajectory(circuit, noise):
    """The draws do not depend on the angles, so a seed's values are a function of them: by exact shifts of π/2."""
    angles = random_angles(circuit, 4)
    batch = 4
    masks = np.array([1, 2, 4, 7, 5])
    draw = noisy_pass(circuit, noise, seed=6, masks=masks)
    weights = np.random.default_rng(1).normal(size=(batch, masks.size))
    values, tape = draw.forward(angles)
    np.testing.assert_array_equal(values, draw.values(angles))
    got, none = draw.vjp(tape, weights)
    assert none is None
    for g in range(angles.shape[1]):
        shift = np.pi / 2 * np.eye(angles.shape[1])[g]
        expected = (weights * (draw.values(angles + shift) - draw.values(angles - shift))).sum(
            axis=1
        ) / 2
        np.testing.assert_allclose(got[:, g], expected, atol=1e-12)
    _, plain_tape = draw.engine.forward(angles)
    assert not np.allclose(draw.engine.vjp(plain_tape, weights)[0], got, atol=1e-3)


SHOTS = [None, "gaussian", "multinomial"]


def shots_by(model: str | None, gates=STRONG) -> CircuitNoise:
    return circuit_noise(gates, 100 if model else None, model)


@pytest.mark.parametrize("model", SHOTS)
def test_bits_follow_the_seed_and_not_the_threads_or_the_memory(model, monkeypatch):
    circuit = head_circuit(5)
    angles = random_angles(circuit, 45)
    weights = np.random.default_rng(0).normal(size=(45, 5))

    def bits(threads: str, seed: int = 4) -> list[np.ndarray]:
        monkeypatch.setenv("QLLMFT_THREADS", threads)
        draw = noisy_pass(circuit, shots_by(model), seed, dtype="float32")
        values, tape = draw.forward(angles)
        return [values, draw.vjp(tape, weights)[0]]

    once = bits("1")
    for threads in ("2", "5"):
        for a, b in zip(once, bits(threads), strict=True):
            np.testing.assert_array_equal(a, b)
    assert not np.array_equal(once[0], bits("1", seed=5)[0])
    small = 4 * 2**5 * 8 * 2  # two chunks at once
    monkeypatch.setattr(chunks_module, "EVALUATION_BYTES", small)
    monkeypatch.setattr(noisy_module, "EVALUATION_BYTES", small)
    np.testing.assert_array_equal(
        noisy_pass(circuit, shots_by(model), 4, dtype="float32").values(angles), once[0]
    )


def test_shots_of_a_trajectory_are_right_in_the_mean():
    """With flips: 4 standard errors over 1500 runs from the density matrix. Small angles have means far from 0."""
    circuit = head_circuit(3)
    values = 0.2 * random_values(circuit, 1)
    noise = GateNoise(0.03, 0.08, 0.2)
    expected = density_matrix(circuit, values, readout_observables(3), noise)
    for model in ("multinomial", "gaussian"):
        draw = noisy_pass(circuit, circuit_noise(noise, 1_000, model), 1)
        runs = draw.values(lower(circuit).angles(values).repeat(1500, axis=0))
        means, errors = mean_and_error(runs[None])
        assert (np.abs(means - expected) < 4 * errors).all()


@pytest.mark.parametrize(
    "choices", [{}, {"draw": "batch"}, {"trajectories": 3}, {"shot_test": "per_shot"}], ids=str
)
def test_the_mean_gradient_of_true_shots_is_that_of_the_density_matrix(choices):
    circuit = random_gates(3, 32, 1)  # each parameter is the angle of one gate
    values = random_values(circuit, 1)
    noise = GateNoise(0.02, 0.04, 0.05)
    observable = [SparsePauliOp(["IIZ", "IZI", "ZII"], [1.0, -1.0, 1.0])]
    shifts = np.pi / 2 * np.eye(circuit.num_parameters)
    plus, minus = (
        density_matrix(circuit, values + sign * shifts, observable, noise)[:, 0] for sign in (1, -1)
    )
    shot_noise = circuit_noise(noise, 500, "multinomial", **choices)
    angles = lower(circuit).angles(values)
    first = noisy_pass(circuit, shot_noise, 0)
    first = first.in_evaluation if "shot_test" in choices else first
    gradients = []
    for seed in range(100):
        draw = replace(first, seed=seed)
        _, tape = draw.forward(angles)
        gradients.append(draw.vjp(tape, np.array([[1.0, -1.0, 1.0]]))[0])
    gradient = np.concatenate(gradients) @ draw.engine.program.angle_matrix
    means, errors = mean_and_error(gradient[None])
    expected = (plus - minus) / 2
    assert (np.abs(means[0] - expected) < 4.5 * errors[0] + 1e-12).all()
    assert (np.abs(expected) > 4.5 * errors[0] + 1e-12).any()  # zero would be wrong
