"""Requests that the engine refuses, each with what it got and what it expected."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from reference_circuits import every_gate

from qllmft_backends import BackendError
from qllmft_engine import AdjointEngine, chunks, lower

CIRCUIT = every_gate(3)
G = sum(CIRCUIT.count_ops()[name] for name in ("ry", "h"))  # the angle of an H is a rotation too


@pytest.mark.parametrize(
    ("angles", "amplitudes", "message"),
    [
        ((4, G + 1), None, rf"angles are \(4, {G + 1}\), expected \({G},\) or \(B, {G}\): one a rotation"),
        ((), (4, 8), rf"angles are \(\), expected \({G},\)"),
        ((2, 4, G), None, rf"angles are \(2, 4, {G}\), expected"),
        ((G,), None, r"angles are shared and there are no amplitudes: the batch size is unknown"),
        ((G,), (4, 9), r"amplitudes are \(4, 9\), expected \(B, D\) with D at most 2\^3: .*more qubits"),
        ((G,), (8,), r"amplitudes are \(8,\), expected \(B, D\)"),
        ((4, G), (5, 8), r"4 samples of angles, but 5 of amplitudes"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["forward", "values"])
def test_shapes_that_do_not_fit_are_refused(method, angles, amplitudes, message):
    engine = AdjointEngine(lower(CIRCUIT), np.array([1]))
    with pytest.raises(BackendError, match=message):
        getattr(engine, method)(
            np.zeros(angles), None if amplitudes is None else np.zeros(amplitudes)
        )


@pytest.mark.parametrize("shape", [(4,), (4, 1), (3, 2), (2, 4)])
def test_a_cotangent_of_another_shape_is_refused_and_the_tape_stays_good(shape):
    engine = AdjointEngine(lower(CIRCUIT), np.array([1, 2]))
    _, tape = engine.forward(np.ones((4, G)))
    with pytest.raises(
        BackendError,
        match=rf"the cotangent is \({', '.join(map(str, shape))},?\), expected \(4, 2\): \(B, T\)",
    ):
        engine.vjp(tape, np.ones(shape))
    assert engine.vjp(tape, np.ones((4, 2)))[0].shape == (4, G)


@pytest.mark.parametrize(
    ("n_qubits", "masks", "message"),
    [
        (3, [1, 8], r"masks \[1, 8\] reach past the circuit's 3 qubits"),
        (3, [-1, 2], r"masks \[-1, 2\] reach past the circuit's 3 qubits"),
        (0, [0], "the circuit has 0 qubits. The adjoint engine runs 1 to 30"),
        (31, [0], "the circuit has 31 qubits. The adjoint engine runs 1 to 30"),
    ],
)
def test_masks_and_widths_are_refused_before_any_memory_is_taken(n_qubits, masks, message):
    with pytest.raises(BackendError, match=message):
        AdjointEngine(replace(lower(CIRCUIT), n_qubits=n_qubits), np.array(masks))


@pytest.mark.parametrize(
    ("samples", "method", "message"),
    [
        (385, "values", "states of 392 samples on 3 qubits need .* GiB, .* GiB are free: 384 samples fit"),
        (193, "forward", "state and co-state of 200 samples on 3 qubits need .*: 192 samples fit"),
    ],
)  # fmt: skip
def test_states_that_do_not_fit_into_memory_are_refused_with_the_batch_that_would(
    samples, method, message, monkeypatch
):
    # states of 384 samples on 3 qubits, 4 bytes a number; half as many with the co-states
    free = 384 * 2**3 * 4
    monkeypatch.setattr(chunks.psutil, "virtual_memory", lambda: SimpleNamespace(available=free))
    engine = AdjointEngine(lower(CIRCUIT), np.array([1]))
    getattr(engine, method)(np.zeros((samples - 1, G)))
    with pytest.raises(BackendError, match=f"{message}. Take a smaller batch, or fewer qubits"):
        getattr(AdjointEngine(lower(CIRCUIT), np.array([1])), method)(np.zeros((samples, G)))
