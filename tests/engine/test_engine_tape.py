"""A tape can be swept again, tapes do not disturb each other, and padding changes nothing."""

import numpy as np
import pytest
from reference_circuits import every_gate, masks_of_every_weight

from qllmft_engine import AdjointEngine, lower

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture
def engine(dtype) -> AdjointEngine:
    return AdjointEngine(lower(every_gate(5)), masks_of_every_weight(5), dtype)


def inputs(engine: AdjointEngine, samples: int, seed: int = 0):
    """Angles (B, G), amplitudes (B, D) and a cotangent (B, T)."""
    rng = np.random.default_rng(seed)
    shapes = [(samples, engine.program.n_angles), (samples, 27), (samples, engine.masks.size)]
    return [
        rng.normal(size=shape) / scale
        for shape, scale in zip(shapes, (1, 27**0.5, engine.masks.size), strict=True)
    ]


@DTYPES
@pytest.mark.parametrize("samples", [2, 9])
def test_a_second_sweep_of_one_tape_has_the_same_bits(engine, samples):
    angles, amplitudes, cotangent = inputs(engine, samples)
    _, tape = engine.forward(angles, amplitudes)
    first = engine.vjp(tape, cotangent, amplitudes=True)
    second = engine.vjp(tape, cotangent, amplitudes=True)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@DTYPES
def test_a_second_sweep_takes_its_own_cotangent(engine):
    angles, amplitudes, cotangent = inputs(engine, 3)
    _, tape = engine.forward(angles, amplitudes)
    first, _ = engine.vjp(tape, cotangent)
    doubled, _ = engine.vjp(tape, 2 * cotangent)
    np.testing.assert_array_equal(doubled, 2 * first)  # a power of two: no rounding


@DTYPES
def test_tapes_that_are_open_together_are_swept_as_if_each_were_alone(engine):
    problems = [inputs(engine, 9, seed) for seed in range(4)]
    alone = []
    for angles, amplitudes, cotangent in problems:
        _, tape = engine.forward(angles, amplitudes)
        alone.append(engine.vjp(tape, cotangent)[0])
    tapes = [engine.forward(angles, amplitudes)[1] for angles, amplitudes, _ in problems]
    engine.values(problems[0][0])  # an evaluation in between takes states of its own
    for i in (2, 0, 3, 1):
        np.testing.assert_array_equal(engine.vjp(tapes[i], problems[i][2])[0], alone[i])


@DTYPES
@pytest.mark.parametrize("samples", [3, 9])
def test_padded_samples_change_neither_values_nor_gradients(engine, samples, dtype):
    # the first of a larger batch in chunks of the same length, without padding and with
    full = 4 if samples == 3 else 16
    angles, amplitudes, cotangent = inputs(engine, full)
    answers = []
    for b in (full, samples):
        values, tape = engine.forward(angles[:b], amplitudes[:b])
        answers.append((values, *engine.vjp(tape, cotangent[:b], amplitudes=True)))
    for unpadded, padded in zip(*answers, strict=True):
        # not the same bits: where a chunk's samples take a full rotation depends on the largest
        # angle among them
        np.testing.assert_allclose(
            padded, unpadded[:samples], rtol=0, atol=1e-12 if dtype == "float64" else 2e-5
        )


@DTYPES
def test_a_sample_without_a_cotangent_has_no_gradient_and_leaves_the_others_theirs(engine):
    angles, amplitudes, cotangent = inputs(engine, 5)
    _, tape = engine.forward(angles, amplitudes)
    full, _ = engine.vjp(tape, cotangent)
    cotangent[2] = 0
    partial, _ = engine.vjp(tape, cotangent)
    assert not partial[2].any()
    other_samples = [0, 1, 3, 4]
    np.testing.assert_array_equal(partial[other_samples], full[other_samples])
