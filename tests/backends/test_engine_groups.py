"""Gates that the engine does in one pass: chains, rows and bridges, against Statevector and the shift rule."""

from functools import cache

import numpy as np
import pytest
from reference_circuits import (
    expectations_by_statevector,
    jacobian_by_shifts,
    masks_of_every_weight,
    reuploading,
    walks,
    z_string,
)

from qllmft_backends.adjoint import AdjointEngine, lower
from qllmft_backends.adjoint.program.schedule import Shape, make_schedule

PRECISIONS = [("float32", 1e-5), ("float64", 1e-10)]
BATCH_SIZES = (1, 2, 3, 5)


@cache
def case(n_qubits: int):
    """Circuit, values (B, P), cotangent (B, T), expectation values (B, T) and gradient (B, P) of five samples."""
    rng = np.random.default_rng(n_qubits)
    circuit = walks(n_qubits)
    values = rng.uniform(-np.pi, np.pi, (5, circuit.num_parameters))
    operators = [z_string(mask, n_qubits) for mask in masks_of_every_weight(n_qubits)]
    cotangent = rng.normal(size=(5, len(operators)))
    cotangent /= np.abs(cotangent).sum(axis=1, keepdims=True)
    expected = expectations_by_statevector(circuit, values, operators)
    return circuit, values, cotangent, expected, np.einsum(
        "bo,bop->bp", cotangent, jacobian_by_shifts(circuit, values, operators)
    )  # fmt: skip


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("n_qubits", [4, 6, 8])
def test_walks_have_the_values_and_the_gradients_of_the_statevector(n_qubits, dtype, tolerance):
    circuit, values, cotangent, expected, gradient = case(n_qubits)
    engine = AdjointEngine(lower(circuit), masks_of_every_weight(n_qubits), dtype)
    for samples in BATCH_SIZES:
        answer, tape = engine.forward(engine.program.angles(values[:samples]))
        by_parameter = engine.vjp(tape, cotangent[:samples])[0] @ engine.program.angle_matrix
        np.testing.assert_allclose(answer, expected[:samples], rtol=0, atol=tolerance, err_msg=f"B = {samples}")
        np.testing.assert_allclose(by_parameter, gradient[:samples], rtol=0, atol=tolerance, err_msg=f"B = {samples}")


TRIPLES = {Shape.CHAIN_3, Shape.ROTATIONS_3, Shape.HALF_CHAIN_3, Shape.HALF_ROTATIONS_3}


@pytest.mark.parametrize(("backward", "missing"), [(False, set()), (True, TRIPLES)])
def test_those_walks_reach_every_shape_for_every_length_of_a_chunk(backward, missing):
    program = lower(walks(8))
    for itemsize, width, batch in ((4, 16, 1), (4, 16, 2), (4, 16, 4), (4, 16, 8), (8, 8, 1), (8, 8, 4)):
        schedule = make_schedule(program, batch, width, itemsize, backward=backward)
        assert set(schedule.steps[:, 0].tolist()) == set(Shape) - missing, f"L = {batch}, {itemsize} bytes"


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
def test_an_encoding_and_its_rings_at_ten_qubits(dtype, tolerance):
    """More than one block of registers is measured even where a chunk holds one sample."""
    circuit = reuploading(10, uploads=1)
    values = np.random.default_rng(10).uniform(-np.pi, np.pi, (1, circuit.num_parameters))
    masks = masks_of_every_weight(10)
    operators = [z_string(mask, 10) for mask in masks]
    engine = AdjointEngine(lower(circuit), masks, dtype)
    answer, tape = engine.forward(engine.program.angles(values))
    np.testing.assert_allclose(answer, expectations_by_statevector(circuit, values, operators), rtol=0, atol=tolerance)
    cotangent = np.full((1, masks.size), 1 / masks.size)
    by_parameter = engine.vjp(tape, cotangent)[0] @ engine.program.angle_matrix
    expected = jacobian_by_shifts(circuit, values, operators).mean(axis=1)
    np.testing.assert_allclose(by_parameter, expected, rtol=0, atol=tolerance)
