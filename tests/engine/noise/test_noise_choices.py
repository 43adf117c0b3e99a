"""Choices that the paper leaves open, by NumPy: normalised frequencies, rates, uploads, one trajectory a batch."""

from dataclasses import replace

import numpy as np
import pytest
from kraus_evolution import noisy_expectations
from noisy_circuits import (
    STRONG,
    circuit_noise,
    epsilons,
    equation_2,
    noisy_pass,
    random_angles,
)

from qllmft_backends import create
from qllmft_backends.noise import GateNoise
from qllmft_circuits import head_circuit, readout_observables
from qllmft_engine import lower
from qllmft_engine.engine import GaussianShots
from qllmft_engine.frames import FrameProgram

RUNS = 4000


def z_signs(n_qubits: int) -> np.ndarray:
    """(qubits, outcomes)."""
    return 1.0 - 2.0 * (np.arange(2**n_qubits) >> np.arange(n_qubits)[:, None] & 1)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("n_qubits", "batch"), [(3, 1), (4, 3), (6, 11)])
def test_rectified_frequencies_are_divided_by_their_sum(n_qubits, batch, dtype):
    circuit = head_circuit(n_qubits, 2)
    shots = 8
    angles = random_angles(circuit, batch)
    noise = circuit_noise(GateNoise(0, 0), shots, "gaussian", renormalize=True)
    draw = noisy_pass(circuit, noise, 3, dtype=dtype)
    draws = epsilons(GaussianShots(shots, seed=3), draw.engine, batch)
    counts = np.maximum(equation_2(draw.engine.states(angles), draws, shots), 0)
    assert (counts.sum(axis=1) > 1.01).any()
    expected = counts / counts.sum(axis=1, keepdims=True) @ z_signs(n_qubits).T
    for got in (draw.values(angles), draw.forward(angles)[0]):
        np.testing.assert_allclose(got, expected, atol=1e-12 if dtype == "float64" else 1e-6)
    total = noisy_pass(circuit, noise, 3, masks=[0], dtype=dtype).values(angles)
    np.testing.assert_allclose(total, 1, atol=1e-12 if dtype == "float64" else 1e-6)


def test_normalised_frequencies_are_too_flat_where_shots_are_few():
    """Slopes of mean ⟨Z⟩ against exact ⟨Z⟩, by the engine and by the formula with NumPy's ε: 1.35, normalised 0.64."""
    # 2^Q/n is that of 18 qubits and 8192 shots
    n_qubits = 12
    shots = 128
    circuit = head_circuit(12)
    draws = 30
    values = np.random.default_rng(0).uniform(-1.5, 1.5, (16, circuit.num_parameters))
    angles = lower(circuit).angles(values)
    rng = np.random.default_rng(1)
    for renormalize in (False, True):
        noise = circuit_noise(GateNoise(0, 0), shots, "gaussian", draws, renormalize=renormalize)
        draw = noisy_pass(circuit, noise, 1)
        exact = draw.engine.values(angles)
        p = draw.engine.probabilities(angles)
        by_formula = np.zeros_like(exact)
        for _ in range(draws):
            counts = np.maximum(equation_2(np.sqrt(p), rng.standard_normal(p.shape), shots), 0)
            sums = counts.sum(axis=1, keepdims=True) if renormalize else 1
            by_formula += counts / sums @ z_signs(n_qubits).T / draws
        slopes = [
            np.vdot(exact, z) / np.vdot(exact, exact) for z in (draw.values(angles), by_formula)
        ]
        assert abs(slopes[0] - slopes[1]) < 0.02
        assert slopes[0] < 0.8 if renormalize else slopes[0] > 1.15


@pytest.mark.parametrize(
    "gates", [GateNoise(0, 0), STRONG, GateNoise(0.02, 0.2, 0.07)], ids=["shots", "both", "flips"]
)
@pytest.mark.parametrize(("n_qubits", "trajectories"), [(3, 1), (4, 2)])
def test_the_gradient_goes_through_the_sum(n_qubits, trajectories, gates):
    """Finite differences of Σ± (p + c)/Σ (p + c) over the outcomes that count; c is what the fixed ε added to p."""
    circuit = head_circuit(n_qubits, 2)
    shots = 20
    batch = 5
    angles = random_angles(circuit, batch)
    noise = circuit_noise(gates, shots, "gaussian", trajectories, renormalize=True)
    draw = noisy_pass(circuit, noise, 5)
    engine = draw.engine
    runs = draw.frames.draw(gates, batch * trajectories, 5)
    signs = np.ones((runs.count, angles.shape[1]))
    flips = np.zeros(runs.count, np.int64)
    signs[runs.rows] = runs.signs
    flips[runs.rows] = runs.flips
    assert (runs.rows.size > 0) == (gates.one_qubit_rate > 0)
    seen = (1 - 2 * gates.readout_error) * (1 - 2 * (flips[:, None] >> np.arange(n_qubits) & 1))

    def probabilities(at: np.ndarray) -> np.ndarray:
        return engine.probabilities(np.repeat(at, trajectories, axis=0) * signs)

    def values(at: np.ndarray) -> np.ndarray:
        counts = is_positive * (probabilities(at) + fluctuations)
        z = counts @ z_signs(n_qubits).T / counts.sum(axis=1, keepdims=True)
        return (seen * z).reshape(batch, trajectories, -1).mean(axis=1)

    psi = engine.states(np.repeat(angles, trajectories, axis=0) * signs)
    frequencies = equation_2(psi, epsilons(GaussianShots(shots, seed=5), engine, len(psi)), shots)
    is_positive = frequencies > 0
    fluctuations = frequencies - psi**2
    weights = np.random.default_rng(2).normal(size=(batch, n_qubits))
    got_values, tape = draw.forward(angles)
    if not gates.readout_error:  # flips of shots scatter besides
        np.testing.assert_allclose(got_values, values(angles), atol=1e-12)
    got, _ = draw.vjp(tape, weights)
    for g in range(angles.shape[1]):
        step = 1e-5 * np.eye(angles.shape[1])[g]
        expected = (weights * (values(angles + step) - values(angles - step))).sum(axis=1) / 2e-5
        np.testing.assert_allclose(got[:, g], expected, atol=1e-8)
    as_printed = noisy_pass(circuit, circuit_noise(gates, shots, "gaussian", trajectories), 5)
    assert np.abs(as_printed.vjp(as_printed.forward(angles)[1], weights)[0] - got).max() > 0.01


@pytest.mark.parametrize("uploads", [True, False])
@pytest.mark.parametrize("rate", ["aer", "nonidentity"])
@pytest.mark.parametrize("n_qubits", [3, 4])
def test_rates_and_noiseless_uploads_against_kraus_operators(n_qubits, rate, uploads):
    circuit = head_circuit(n_qubits)
    observables = readout_observables(n_qubits)
    stated_rates = (0.03, 0.1)
    values = np.random.default_rng(n_qubits).uniform(-np.pi, np.pi, (1, circuit.num_parameters))
    rates = stated_rates if rate == "aer" else (stated_rates[0] * 4 / 3, stated_rates[1] * 16 / 15)
    options = dict(
        zip(("one_qubit_rate", "two_qubit_rate"), stated_rates, strict=True),
        noise="explicit",
        trajectories=RUNS,
    )
    backend = create("adjoint", {**options, "rate": rate, "uploads": uploads})
    answer = backend.expectations(circuit, values, observables)
    expected = noisy_expectations(circuit, values, observables, rates, uploads=uploads)
    assert (np.abs(answer.values - expected) < 4.5 * answer.standard_errors).all()


@pytest.mark.parametrize("n_qubits", [3, 5])
def test_a_rate_is_the_share_of_gates_with_an_error_and_uploads_have_none(n_qubits):
    circuit = head_circuit(n_qubits)
    runs = 3000
    noise = create("adjoint", {"noise": "paper_high", "rate": "nonidentity"}).gate_noise
    for uploads in (True, False):
        _, places, _ = FrameProgram.from_circuit(circuit, uploads=uploads).draw_errors(
            noise, runs, seed=1
        )
        hits = np.bincount(places, minlength=len(circuit.data)) / runs
        is_data = np.array(["x[" in str(gate.operation.params) for gate in circuit.data])
        on_two = np.array([len(gate.qubits) == 2 for gate in circuit.data])
        assert is_data.sum() == 4 * n_qubits
        for gates, p in ((on_two, 2e-3), (~on_two & ~is_data, 2e-4)):
            assert abs(hits[gates].mean() - p) < 4.5 * np.sqrt(p / (runs * gates.sum()))
        assert uploads or not hits[is_data].any()


@pytest.mark.parametrize("trajectories", [1, 3])
def test_a_batch_shares_its_trajectories_and_not_its_shots(trajectories):
    """Each sample as if its batch were it alone; over passes the mean is Kraus operators' within 4.5 errors."""
    circuit = head_circuit(3, 2)
    angles = random_angles(circuit, 7)
    noise = circuit_noise(STRONG, trajectories=trajectories, draw="batch")
    together = noisy_pass(circuit, noise, 4).values(angles)
    alone = [noisy_pass(circuit, noise, 4).values(row[None])[0] for row in angles]
    np.testing.assert_allclose(together, alone, atol=1e-12)
    exact = noisy_pass(circuit, circuit_noise(GateNoise(0, 0)), 4).values(angles)
    assert np.abs(together - exact).max() > 0.1
    shots = circuit_noise(STRONG, 50, "gaussian", trajectories, draw="batch")
    repeated_answers = noisy_pass(circuit, shots, 4).values(angles[:1].repeat(7, axis=0))
    assert len(np.unique(repeated_answers, axis=0)) == 7
    values = np.random.default_rng(0).uniform(-np.pi, np.pi, (2, circuit.num_parameters))
    shared_draw = noisy_pass(circuit, noise, 0)
    at = shared_draw.engine.program.angles(values)
    passes = [replace(shared_draw, seed=seed).values(at) for seed in range(RUNS // 2)]
    expected = noisy_expectations(circuit, values, readout_observables(3), (0.03, 0.08))
    errors = np.std(passes, axis=0, ddof=1) / np.sqrt(len(passes))
    assert (np.abs(np.mean(passes, axis=0) - expected) < 4.5 * errors).all()


def test_true_shots_in_evaluation():
    """The bits of the multinomial from the same seed: means of S signs, where eq. 2's are no such multiples of 2/S."""
    circuit = head_circuit(3)
    shots = 50
    angles = random_angles(circuit, 6)
    choices = {"shot_test": "multinomial", "renormalize": True}
    draw = noisy_pass(circuit, circuit_noise(STRONG, shots, "gaussian", **choices), 2)
    got = draw.in_evaluation.values(angles)
    np.testing.assert_array_equal(
        got, noisy_pass(circuit, circuit_noise(STRONG, shots, "multinomial"), 2).values(angles)
    )
    np.testing.assert_allclose((got + 1) * shots / 2, np.rint((got + 1) * shots / 2), atol=1e-9)
    assert np.abs(got - draw.values(angles)).max() > 0.01
    values = np.ones((1, circuit.num_parameters))
    observables = readout_observables(3)
    sampled_values = []
    for shot_options in (
        {"shot_model": "gaussian", "shot_test": "multinomial"},
        {"shot_model": "multinomial"},
    ):
        backend = create("adjoint", {"noise": "forte1", "shots": shots, **shot_options})
        sampled_values.append(backend.expectations(circuit, values, observables).values)
    np.testing.assert_array_equal(*sampled_values)
