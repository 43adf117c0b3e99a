"""Rotations whose cosine vanishes or whose product does: the engine works with tangents, and must not lose digits."""

import numpy as np
import pytest
from reference_circuits import every_gate, expectations_by_statevector, jacobian_by_shifts, walks, z_string

from qllmft_backends.adjoint import AdjointEngine, lower

PRECISIONS = pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
MASKS = np.array([0b0001, 0b0100, 0b1010, 0b1111])
HALF_TURNS = np.pi * np.array([0, 1, -1, 2, 3, -4, 5])


def check(circuit, values, dtype, tolerance, samples) -> None:
    """Values and gradients of the first ``samples`` against Statevector and shifts."""
    operators = [z_string(mask, 4) for mask in MASKS]
    cotangent = np.random.default_rng(1).uniform(-0.25, 0.25, (len(values), len(MASKS)))
    engine = AdjointEngine(lower(circuit), MASKS, dtype)
    answer, tape = engine.forward(engine.program.angles(values))
    by_parameter = engine.vjp(tape, cotangent)[0] @ engine.program.angle_matrix
    few = values[:samples]
    jacobian = jacobian_by_shifts(circuit, few, operators)
    expected = np.einsum("bo,bop->bp", cotangent[:samples], jacobian)
    np.testing.assert_allclose(
        answer[:samples], expectations_by_statevector(circuit, few, operators), rtol=0, atol=tolerance
    )
    np.testing.assert_allclose(by_parameter[:samples], expected, rtol=0, atol=tolerance)


@PRECISIONS
@pytest.mark.parametrize("circuit", [every_gate(4), walks(4)], ids=["every gate", "walks"])
@pytest.mark.parametrize("aside", [0.0, 1e-8, 1e-4, 4e-4, 1e-3, -1e-2])
def test_angles_at_and_beside_half_turns(circuit, aside, dtype, tolerance):
    """4.9e-4 off a half turn the engine changes from tangents to cosines and sines: both sides of it."""
    rng = np.random.default_rng(2)
    values = rng.choice(HALF_TURNS, (3, circuit.num_parameters)) + aside
    kept = rng.random(values.shape) < 0.3
    values[kept] = rng.uniform(-np.pi, np.pi, kept.sum())
    check(circuit, values, dtype, tolerance, samples=2)


@PRECISIONS
@pytest.mark.parametrize("angle", [2.5, 3.0, -3.13])
def test_many_rotations_that_each_nearly_turn_over_neither_overflow_nor_vanish(angle, dtype, tolerance):
    circuit = walks(4)
    for _ in range(3):
        circuit = circuit.compose(walks(4).assign_parameters(np.full(walks(4).num_parameters, angle)))
    values = np.full((2, circuit.num_parameters), angle)
    values[1] += 0.01
    check(circuit, values, dtype, tolerance, samples=1)


@PRECISIONS
def test_one_sample_at_a_half_turn_leaves_its_neighbours_in_the_chunk_theirs(dtype, tolerance):
    circuit = walks(4)
    values = np.random.default_rng(3).uniform(-1, 1, (8, circuit.num_parameters))
    values[5] = np.pi
    check(circuit, values, dtype, tolerance, samples=3)


@pytest.mark.parametrize("turns", [1, -3, 1000])
def test_whole_turns_change_nothing(turns):
    engine = AdjointEngine(lower(walks(4)), MASKS, "float64")
    angles = np.random.default_rng(4).uniform(-np.pi, np.pi, (3, engine.program.n_angles))
    answers = []
    for given in (angles, angles + 2 * np.pi * turns):
        values, tape = engine.forward(given)
        answers.append((values, engine.vjp(tape, np.ones((3, len(MASKS))))[0]))
    for plain, turned in zip(*answers, strict=True):
        np.testing.assert_allclose(turned, plain, rtol=0, atol=1e-10)
