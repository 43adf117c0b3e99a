"""The engine's gradient of the angles against the parameter-shift rule on Statevector and against differences."""

from functools import cache

import numpy as np
import pytest
from engine_cases import PRECISIONS, Case, unit_rows
from reference_circuits import every_gate, masks_of_every_weight

from qllmft_engine import AdjointEngine, lower

# three qubits live inside a register for small batches, and outside for large ones; six have some
# on either side
BATCH_SIZES = {3: (1, 2, 3, 5, 8, 9, 16, 17), 5: (1, 2, 3), 6: (1, 2, 3)}


@cache
def case(n_qubits: int, loaded: bool, shared: bool) -> Case:
    rng = np.random.default_rng([n_qubits, loaded, shared])
    samples = 5 if n_qubits == 3 else 2
    circuit = every_gate(n_qubits, seed=2 * loaded + shared)
    values = rng.uniform(-np.pi, np.pi, (samples, circuit.num_parameters))
    if shared:
        values[:] = values[0]
    return Case(
        circuit,
        values,
        unit_rows(rng, samples, 2**n_qubits - 2 * shared) if loaded else None,
        shared=shared,
    )


@PRECISIONS
@pytest.mark.parametrize(("loaded", "shared"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("n_qubits", [3, 5, 6])
def test_the_gradient_is_the_parameter_shift_rules_for_every_batch_size(
    n_qubits, loaded, shared, dtype, tolerance
):
    case(n_qubits, loaded, shared).check(dtype, tolerance, BATCH_SIZES[n_qubits])


@pytest.mark.parametrize("n_qubits", [3, 5])
@pytest.mark.parametrize("shared", [False, True])
def test_the_gradient_of_every_angle_is_its_central_difference(n_qubits, shared):
    """Also of the angles that belong to no parameter, such as that of an H."""
    engine = AdjointEngine(
        lower(every_gate(n_qubits, seed=7)), masks_of_every_weight(n_qubits), "float64"
    )
    rng = np.random.default_rng(n_qubits)
    n_angles = engine.program.n_angles
    angles = rng.uniform(-np.pi, np.pi, n_angles if shared else (3, n_angles))
    amplitudes = rng.normal(size=(3, 7))
    cotangent = rng.normal(size=(3, engine.masks.size))
    _, tape = engine.forward(angles, amplitudes)
    gradient, _ = engine.vjp(tape, cotangent)
    step = 1e-5
    for g in range(n_angles):
        shift = step * np.eye(n_angles)[g]
        change = engine.values(angles + shift, amplitudes) - engine.values(
            angles - shift, amplitudes
        )
        by_sample = (cotangent * change).sum(axis=1) / (2 * step)
        expected = by_sample.sum() if shared else by_sample
        np.testing.assert_allclose(
            gradient[..., g], expected, rtol=0, atol=1e-7, err_msg=f"angle {g}"
        )
