"""Gradient of eq. 2 through the standard deviation of its noise, by finite differences of the formula with ε fixed."""

import numpy as np
import pytest
from noisy_circuits import (
    STRONG,
    circuit_noise,
    epsilons,
    equation_2,
    noisy_pass,
    random_angles,
    signs,
)

from qllmft_backends.noise import GateNoise
from qllmft_circuits import head_circuit
from qllmft_engine.engine import GaussianShots

QUIET = GateNoise(0, 0)


@pytest.mark.parametrize("renormalize", [False, True], ids=["as printed", "normalised"])
@pytest.mark.parametrize(("n_qubits", "batch"), [(3, 1), (4, 5), (5, 11)])
def test_it_is_the_slope_of_the_formula(n_qubits, batch, renormalize):
    circuit = head_circuit(n_qubits, 2)
    shots = 20
    angles = random_angles(circuit, batch)
    rng = np.random.default_rng(2)
    noise = circuit_noise(
        QUIET, shots, "gaussian", renormalize=renormalize, gradient="reparametrised"
    )
    draw = noisy_pass(circuit, noise, 4)
    normal_numbers = epsilons(GaussianShots(shots, seed=4), draw.engine, batch)
    normal_numbers = normal_numbers * np.sign(
        draw.engine.states(angles)
    )  # of |ψ|, as the formula takes it
    weights = rng.normal(size=(batch, n_qubits))

    def loss(at: np.ndarray) -> np.ndarray:
        p = draw.engine.states(at) ** 2
        counts = np.maximum(equation_2(np.sqrt(p), normal_numbers, shots), 0)
        counts = counts / counts.sum(axis=1, keepdims=True) if renormalize else counts
        return (weights * (counts @ signs_of_qubits(n_qubits).T)).sum(axis=1)

    values, tape = draw.forward(angles)
    np.testing.assert_allclose((weights * values).sum(axis=1), loss(angles), atol=1e-12)
    got, _ = draw.vjp(tape, weights)
    step = 1e-7
    for g in range(0, angles.shape[1], 5):
        moved = np.zeros_like(angles)
        moved[:, g] = step
        slope = (loss(angles + moved) - loss(angles - moved)) / (2 * step)
        np.testing.assert_allclose(got[:, g], slope, rtol=1e-5, atol=1e-5)


def test_float32_and_gate_noise_agree_with_float64():
    circuit = head_circuit(4, 2)
    angles = random_angles(circuit, 7)
    weights = np.random.default_rng(0).normal(size=(7, 4))
    noise = circuit_noise(STRONG, 64, "gaussian", 2, gradient="reparametrised")
    gradients = []
    for dtype in ("float32", "float64"):
        draw = noisy_pass(circuit, noise, 6, dtype=dtype)
        gradients.append(draw.vjp(draw.forward(angles.astype(dtype))[1], weights.astype(dtype))[0])
    np.testing.assert_allclose(*gradients, atol=2e-5)


def test_the_scatter_of_a_gradient_at_10_qubits():
    """Of ⟨Z⟩ of one qubit by an angle, over draws of 8192 shots: 2.3 times as large."""
    circuit = head_circuit(10)
    shots = 8192
    draws = 200
    angles = np.repeat(random_angles(circuit, 1), draws, axis=0)
    weights = np.zeros((draws, 10))
    weights[:, 0] = 1
    scatter = {}
    for gradient in ("value", "reparametrised"):
        draw = noisy_pass(circuit, circuit_noise(QUIET, shots, "gaussian", gradient=gradient), 1)
        by_angle, _ = draw.vjp(draw.forward(angles)[1], weights)
        scatter[gradient] = float(np.sqrt(by_angle.var(axis=0).mean()))
    assert scatter["value"] == pytest.approx(0.00237, rel=0.05)
    assert scatter["reparametrised"] == pytest.approx(0.00551, rel=0.05)


def signs_of_qubits(n_qubits: int) -> np.ndarray:
    """(qubits, outcomes)."""
    return signs(n_qubits)[1 << np.arange(n_qubits)]
