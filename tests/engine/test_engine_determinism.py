"""The same bits on one thread or several, and again when repeated."""

import numpy as np
import pytest
from reference_circuits import every_gate, masks_of_every_weight

from qllmft_engine import AdjointEngine, lower

SAMPLES = 67  # nine chunks, the last one padded


def answers(shared: bool) -> list[bytes]:
    """Values, gradient of the angles and gradient of the amplitudes of a fresh engine, as bytes."""
    engine = AdjointEngine(lower(every_gate(6)), masks_of_every_weight(6))
    rng = np.random.default_rng(11)
    angles = rng.normal(size=(SAMPLES, engine.program.n_angles))
    amplitudes = rng.normal(size=(SAMPLES, 50))
    cotangent = rng.normal(size=(SAMPLES, engine.masks.size))
    values, tape = engine.forward(angles[0] if shared else angles, amplitudes)
    gradients = engine.vjp(tape, cotangent, amplitudes=True)
    return [array.tobytes() for array in (values, *gradients)]


@pytest.mark.parametrize("shared", [False, True])
def test_the_number_of_threads_leaves_no_trace(shared, monkeypatch):
    answers_by_threads = []
    for threads in ("1", "2", "2", "3", "1"):
        monkeypatch.setenv("QLLMFT_THREADS", threads)
        answers_by_threads.append(answers(shared))
    assert answers_by_threads.count(answers_by_threads[0]) == len(answers_by_threads)
