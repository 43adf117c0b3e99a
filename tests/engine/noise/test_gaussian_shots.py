"""Eq. 2 in the engine against the multinomial: mean, whole covariance, rectification, standard errors, gradient."""

import numpy as np
import pytest
from noisy_circuits import (
    all_strings,
    circuit_noise,
    epsilons,
    equation_2,
    noisy_pass,
    random_angles,
    signs,
)
from scipy.stats import chi2

from qllmft_backends.noise import GateNoise
from qllmft_circuits import head_circuit
from qllmft_engine import AdjointEngine, lower
from qllmft_engine.compiled.frames import find_outcomes
from qllmft_engine.engine import GaussianShots, Tape
from qllmft_engine.outcomes import draw_outcomes, flip_bits

REPEATS = 20_000
MANY = 10**9  # shots: no outcome of these states is then rectified
LEVEL = 1e-5


def make_engine(n_qubits: int, dtype: str = "float64") -> AdjointEngine:
    return AdjointEngine(lower(head_circuit(n_qubits, 2)), all_strings(n_qubits), dtype)


def marks(engine: AdjointEngine, tape: Tape) -> np.ndarray:
    """(chunks, 2^Q · L) which outcomes were not rectified."""
    return tape.costate_factors[:, : tape.product.shape[1] << engine.program.n_qubits]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n_qubits", [3, 4, 6])
@pytest.mark.parametrize("batch", [1, 3, 11])
def test_the_engine_computes_equation_2(n_qubits, batch, dtype):
    engine = make_engine(n_qubits, dtype)
    angles = random_angles(head_circuit(n_qubits, 2), batch)
    shots = GaussianShots(8, seed=3)
    got, tape = engine.forward(angles, shots=shots)
    frequencies = equation_2(engine.states(angles), epsilons(shots, engine, batch), 8)
    assert 0.1 < (frequencies < 0).mean() < 0.6
    expected = np.maximum(frequencies, 0) @ signs(n_qubits).T
    np.testing.assert_allclose(got, expected, atol=1e-12 if dtype == "float64" else 1e-6)
    np.testing.assert_allclose(got[:, 0], np.maximum(frequencies, 0).sum(axis=1), atol=1e-6)
    assert (got[:, 0] > 1 - 1e-6).all()  # rectified frequencies add up to more than one
    assert set(np.unique(marks(engine, tape))) <= {0.0, 1.0}


def statistics(deviations: np.ndarray, p: np.ndarray) -> tuple[float, float]:
    """Tail probabilities of mean and covariance of R deviations √n (f - p) under N(0, diag p - p pᵀ).

    Whitened to d = 2^Q - 1 independent directions. Mean: R |w̄|² is chi-squared with d degrees of freedom. Covariance:
    Nagao's R/2 ‖S - 1‖² with d (d + 1)/2. Power: where the covariance is wrong by a factor 1 + δ the latter has the
    noncentrality R d δ²/2: at R = 20,000 and LEVEL, δ = 4 % is found with 96 % at n = 3 (d = 7, noncentrality 112) and
    above 99.9 % at n = 6 (1008). A wrong correlation of ρ between two directions has R ρ²: 0.1 gives 200.
    """
    values, vectors = np.linalg.eigh(np.diag(p) - np.outer(p, p))
    white = deviations @ vectors[:, 1:] / np.sqrt(values[1:])
    repeats, d = white.shape
    mean = repeats * (white.mean(axis=0) ** 2).sum()
    covariance = repeats / 2 * ((np.cov(white.T) - np.eye(d)) ** 2).sum()
    return float(chi2.sf(mean, d)), float(chi2.sf(covariance, d * (d + 1) / 2))


def draw_deviations(n_qubits: int) -> tuple[np.ndarray, np.ndarray]:
    engine = make_engine(n_qubits)
    angles = np.repeat(random_angles(head_circuit(n_qubits, 2), 1, seed=n_qubits), REPEATS, axis=0)
    p = engine.probabilities(angles[:1])[0]
    frequencies = (
        engine.values(angles, shots=GaussianShots(MANY, seed=n_qubits))
        @ signs(n_qubits)
        / 2**n_qubits
    )
    return np.sqrt(MANY) * (frequencies - p), p


@pytest.mark.parametrize("n_qubits", [3, 4, 5, 6])
def test_mean_and_covariance_are_those_of_the_multinomial(n_qubits):
    deviations, p = draw_deviations(n_qubits)
    # the direction that whitening leaves out
    np.testing.assert_allclose(deviations.sum(axis=1), 0, atol=1e-6)
    assert min(statistics(deviations, p)) > LEVEL


def test_the_test_accepts_the_multinomial_and_finds_wrong_samplers():
    n_qubits = 3
    n = 10**6
    deviations, p = draw_deviations(n_qubits)
    rng = np.random.default_rng(0)
    true = rng.multinomial(n, p, REPEATS) / n
    assert min(statistics(np.sqrt(n) * (true - p), p)) > LEVEL
    eps = rng.standard_normal((REPEATS, 2**n_qubits))
    independent = np.sqrt(p) * eps  # no correlation between outcomes
    # this is eq. 2 itself
    assert statistics(independent - p * independent.sum(axis=1, keepdims=True), p)[1] > LEVEL
    # without its second term the counts would not add up to n
    assert np.abs(independent.sum(axis=1)).max() > 0.1
    assert statistics(deviations * np.sqrt(1.04), p)[1] < LEVEL
    assert statistics(deviations + 0.1 * np.sqrt(p) * np.sign(np.arange(8) - 3.5), p)[0] < LEVEL
    swapped = np.sqrt(p[::-1]) * eps
    assert statistics(swapped - p * swapped.sum(axis=1, keepdims=True), p)[1] < LEVEL


@pytest.mark.parametrize("shots", [20, 200])
def test_the_gradient_is_that_of_the_outcomes_that_count(shots):
    """Finite differences of Σ w Z(x) p(x) over the outcomes that the fixed ε leaves positive."""
    n_qubits = 4
    batch = 5
    engine = make_engine(n_qubits)
    angles = random_angles(head_circuit(n_qubits, 2), batch)
    draw = GaussianShots(shots, seed=5)
    frequencies = equation_2(engine.states(angles), epsilons(draw, engine, batch), shots)
    is_positive = frequencies > 0
    assert 0.3 < is_positive.mean() < 0.95
    weights = np.random.default_rng(2).normal(size=(batch, 2**n_qubits))
    worth = is_positive * (weights @ signs(n_qubits))
    expected = np.empty_like(angles)
    for g in range(angles.shape[1]):
        shift = np.zeros(angles.shape[1])
        # exact: each p(x) is a trigonometric polynomial of degree one in every angle
        shift[g] = np.pi / 2
        plus = engine.probabilities(angles + shift)
        minus = engine.probabilities(angles - shift)
        expected[:, g] = (worth * (plus - minus)).sum(axis=1) / 2
    _, tape = engine.forward(angles, shots=draw)
    got, _ = engine.vjp(tape, weights)
    np.testing.assert_allclose(got, expected, atol=1e-12)
    by_second_sweep, _ = engine.vjp(
        tape, weights
    )  # a second sweep repeats the pass, with the same ε
    np.testing.assert_array_equal(by_second_sweep, got)
    plain, _ = engine.vjp(engine.forward(angles)[1], weights)
    assert np.abs(plain - got).max() > 0.01


def test_amplitudes_have_the_masked_gradient_too():
    circuit = head_circuit(3, 2)
    engine = make_engine(3)
    rng = np.random.default_rng(4)
    loaded = rng.normal(size=(2, 6))
    loaded /= np.linalg.norm(loaded, axis=1, keepdims=True)
    angles = random_angles(circuit, 2)
    draw = GaussianShots(30, seed=2)
    weights = rng.normal(size=(2, 8))
    _, tape = engine.forward(angles, loaded, shots=draw)
    is_positive = (
        marks(engine, tape)
        .reshape(len(tape.costate_factors), 8, -1)
        .transpose(0, 2, 1)
        .reshape(-1, 8)[:2]
    )
    _, got = engine.vjp(tape, weights, amplitudes=True)
    worth = is_positive * (weights @ signs(3))
    step = 1e-6
    for i in range(6):
        shift = step * np.eye(6)[i]
        plus, minus = (engine.probabilities(angles, loaded + s) for s in (shift, -shift))
        np.testing.assert_allclose(
            got[:, i], (worth * (plus - minus)).sum(axis=1) / (2 * step), atol=1e-7
        )


def test_readout_error_widens_the_scatter_as_flips_do():
    """The moments of flipped shots: means within 4.5 standard errors; variances from 20,000 have 1 %, 4.5 of it."""
    circuit = head_circuit(3, 2)
    e = 0.1
    shots = 10**6
    angles = np.repeat(random_angles(circuit, 1), REPEATS, axis=0)
    noise = circuit_noise(GateNoise(0, 0, e), shots, "gaussian")
    draw = noisy_pass(circuit, noise, seed=1)
    got = draw.values(angles)
    exact = draw.engine.values(angles[:1])[0]
    expected = (1 - (1 - 2 * e) ** 2 * exact**2) / shots
    assert (
        np.abs(got.mean(axis=0) - (1 - 2 * e) * exact) < 4.5 * np.sqrt(expected / REPEATS)
    ).all()
    np.testing.assert_allclose(got.var(axis=0) / expected, 1, atol=0.045)


def test_drawn_outcomes_follow_their_probabilities_and_flips_theirs():
    rng = np.random.default_rng(0)
    p = np.array([[0.5, 0.0, 0.3, 0.2], [0.0, 1.0, 0.0, 0.0]])
    outcomes = draw_outcomes(p, np.array([100_000, 10]), rng)
    assert (outcomes[100_000:] == 1).all()
    seen = np.bincount(outcomes[:100_000], minlength=4) / 100_000
    assert (np.abs(seen - p[0]) <= 4.5 * np.sqrt(p[0] * (1 - p[0]) / 100_000)).all()
    zeros = np.zeros(100_000, np.int64)
    np.testing.assert_array_equal(flip_bits(zeros, 3, 0.0, rng), zeros)
    flipped = flip_bits(zeros, 3, 0.1, rng)
    for qubit in range(3):
        assert abs((flipped >> qubit & 1).mean() - 0.1) < 4.5 * np.sqrt(0.09 / 100_000)
    # bits flip on their own
    assert abs((flipped == 7).mean() - 0.001) < 4.5 * np.sqrt(0.001 / 100_000)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_outcomes_are_numpys_places_among_the_cumulated_probabilities(dtype):
    random = np.random.default_rng(4)
    p = random.uniform(size=(5, 8)).astype(dtype)  # sums are not 1
    shots = np.array([3, 0, 1, 200, 2])
    places = np.random.default_rng(9).random(shots.sum())
    places[0] = 0.0
    steps = np.cumsum(p, axis=1, dtype=np.float64)
    rows = np.repeat(np.arange(5), shots)
    expected = [
        np.searchsorted(steps[row], place * steps[row, -1], side="right")
        for row, place in zip(rows, places, strict=True)
    ]
    np.testing.assert_array_equal(find_outcomes(p, shots, places), expected)
    assert (
        find_outcomes(p, shots, np.ones_like(places)) == 7
    ).all()  # rounding above the last step
