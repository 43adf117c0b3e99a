"""Rotations whose cosine vanishes or whose product does: the engine works with tangents, and must not lose digits."""

from itertools import product

import numpy as np
import pytest
from engine_cases import PRECISIONS, Case
from reference_circuits import every_gate, walks

from qllmft_engine import AdjointEngine, lower

MASKS = np.array([0b0001, 0b0100, 0b1010, 0b1111])
HALF_TURNS = np.pi * np.array([0, 1, -1, 2, 3, -4, 5])


def beside_half_turns(circuit, aside: float) -> Case:
    """Seven of ten angles are ``aside`` of half turns."""
    rng = np.random.default_rng(2)
    values = rng.choice(HALF_TURNS, (1, circuit.num_parameters)) + aside
    is_random = rng.random(values.shape) < 0.3
    values[is_random] = rng.uniform(-np.pi, np.pi, is_random.sum())
    return Case(circuit, values, masks=MASKS)


def nearly_turned_over(angle: float) -> Case:
    """Four walks, all of whose angles are one and the same."""
    circuit = walks(4)
    for _ in range(3):
        circuit = circuit.compose(
            walks(4).assign_parameters(np.full(walks(4).num_parameters, angle))
        )
    return Case(circuit, np.full((1, circuit.num_parameters), angle), masks=MASKS)


def one_at_a_half_turn() -> Case:
    values = np.random.default_rng(3).uniform(-1, 1, (3, walks(4).num_parameters))
    values[1] = np.pi
    return Case(walks(4), values, masks=MASKS)


# 4.9e-4 off a half turn the engine changes from tangents to cosines and sines: both sides of it
ASIDE = list(product([every_gate(4), walks(4)], [0.0, 1e-8, 1e-4, 4e-4, 1e-3, -1e-2]))


@PRECISIONS
@pytest.mark.parametrize(
    "case", [beside_half_turns(*arguments) for arguments in ASIDE], ids=[f"{x}" for _, x in ASIDE]
)
def test_angles_at_and_beside_half_turns(case, dtype, tolerance):
    case.check(dtype, tolerance, (1, 2))


@PRECISIONS
@pytest.mark.parametrize(
    "case", [nearly_turned_over(a) for a in (2.5, -3.13)], ids=["2.5", "-3.13"]
)
def test_many_rotations_that_each_nearly_turn_over_neither_overflow_nor_vanish(
    case, dtype, tolerance
):
    case.check(dtype, tolerance)


@PRECISIONS
@pytest.mark.parametrize("case", [one_at_a_half_turn()], ids=["walks"])
def test_one_sample_at_a_half_turn_leaves_its_neighbours_in_the_chunk_theirs(
    case, dtype, tolerance
):
    case.check(dtype, tolerance, (8,))


@pytest.mark.parametrize("turns", [1, -3, 1000])
def test_whole_turns_change_nothing(turns):
    engine = AdjointEngine(lower(walks(4)), MASKS, "float64")
    angles = np.random.default_rng(4).uniform(-np.pi, np.pi, (3, engine.program.n_angles))
    answers = []
    for turned_angles in (angles, angles + 2 * np.pi * turns):
        values, tape = engine.forward(turned_angles)
        answers.append((values, engine.vjp(tape, np.ones((3, len(MASKS))))[0]))
    for plain, turned in zip(*answers, strict=True):
        np.testing.assert_allclose(turned, plain, rtol=0, atol=1e-10)
