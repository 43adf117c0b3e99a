"""Gradients of the loaded amplitudes (E = xᵀ Uᵀ Z U x is a quadratic form), and of final ones by the angles."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import Operator
from reference_circuits import every_gate, masks_of_every_weight, z_string

from qllmft_backends import BackendError
from qllmft_engine import AdjointEngine, lower


def problem(n_qubits: int, samples: int, dimension: int, shared: bool):
    """Circuit, parameter values, amplitudes (B, D) of lengths around one, cotangent (B, T)."""
    rng = np.random.default_rng([n_qubits, samples, dimension])
    circuit = every_gate(n_qubits, seed=3)
    values = rng.uniform(-np.pi, np.pi, (samples, circuit.num_parameters))
    if shared:
        values[:] = values[0]
    amplitudes = rng.normal(size=(samples, dimension)) / np.sqrt(dimension)
    cotangent = rng.normal(size=(samples, n_qubits * 2))
    return circuit, values, amplitudes, cotangent / np.abs(cotangent).sum(axis=1, keepdims=True)


def compute_gradient(
    engine: AdjointEngine, values, amplitudes, cotangent, shared: bool
) -> np.ndarray:
    angles = engine.program.angles(values)
    _, tape = engine.forward(angles[0] if shared else angles, amplitudes)
    return engine.vjp(tape, cotangent, amplitudes=True)[1]


CASES = [
    (3, 1, 8, False),
    (3, 3, 8, True),
    (3, 9, 5, False),
    (4, 2, 16, False),
    (6, 1, 40, True),
    (6, 9, 64, True),
]


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
@pytest.mark.parametrize(("n_qubits", "samples", "dimension", "shared"), CASES)
def test_the_gradient_is_twice_the_forms_matrix_times_the_amplitudes(
    n_qubits, samples, dimension, shared, dtype, tolerance
):
    circuit, values, amplitudes, cotangent = problem(n_qubits, samples, dimension, shared)
    masks = masks_of_every_weight(n_qubits)
    engine = AdjointEngine(lower(circuit), masks, dtype)
    gradient = compute_gradient(engine, values, amplitudes, cotangent, shared)
    assert gradient.shape == (samples, dimension)
    assert gradient.dtype == np.dtype(dtype)
    diagonals = np.array([np.diag(z_string(mask, n_qubits).to_matrix()).real for mask in masks])
    for sample in range(samples):
        unitary = Operator(circuit.assign_parameters(values[sample])).data.real[:, :dimension]
        form = unitary.T @ np.diag(cotangent[sample] @ diagonals) @ unitary
        np.testing.assert_allclose(
            gradient[sample], 2 * form @ amplitudes[sample], rtol=0, atol=tolerance
        )


@pytest.mark.parametrize("samples", [1, 2, 9])
def test_a_gradient_belongs_to_its_caller_and_outlives_the_next_pass(samples):
    circuit, values, amplitudes, cotangent = problem(5, samples, 32, shared=False)
    engine = AdjointEngine(lower(circuit), masks_of_every_weight(5))
    gradient = compute_gradient(engine, values, amplitudes, cotangent, shared=False)
    first_gradient = gradient.copy()
    compute_gradient(engine, values + 1.0, 2 * amplitudes, cotangent, shared=False)
    np.testing.assert_array_equal(gradient, first_gradient)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
@pytest.mark.parametrize(("n_qubits", "samples", "dimension", "shared"), CASES)
def test_final_amplitudes_and_their_gradient_are_those_of_the_circuits_matrix(
    n_qubits, samples, dimension, shared, dtype, tolerance
):
    """By the rule of shifts of an amplitude: its derivative by the angle of an R_Y is half its value at angle + π."""
    circuit, values, loaded, _ = problem(n_qubits, samples, dimension, shared)
    engine = AdjointEngine(lower(circuit), np.zeros(0, np.int64), dtype)

    def final(at: np.ndarray) -> np.ndarray:
        angles = engine.program.angles(at)
        return engine.amplitudes(angles[0] if shared else angles, loaded)[0]

    columns = [Operator(circuit.assign_parameters(row)).data.real[:, :dimension] for row in values]
    expected = np.stack([column @ x for column, x in zip(columns, loaded, strict=True)])
    np.testing.assert_allclose(final(values), expected, rtol=0, atol=tolerance)
    cotangent = np.random.default_rng(samples).normal(size=expected.shape) / 2**n_qubits
    angles = engine.program.angles(values)
    _, tape = engine.amplitudes(angles[0] if shared else angles, loaded)
    gradient = engine.amplitudes_vjp(tape, cotangent) @ engine.program.angle_matrix
    for parameter in (0, circuit.num_parameters // 2, circuit.num_parameters - 1):
        moved = values.copy()
        moved[:, parameter] += np.pi
        slope = (cotangent * final(moved)).sum(axis=1) / 2
        derivative = gradient[parameter] if shared else gradient[:, parameter]
        np.testing.assert_allclose(
            derivative, slope.sum() if shared else slope, rtol=0, atol=tolerance
        )


def test_amplitudes_of_zero_have_gradients():
    """At angle 0 the state is |0⟩, and the derivative by the angle of R_Y is half of |1⟩."""
    circuit = QuantumCircuit(3)
    for qubit, angle in enumerate(ParameterVector("t", 3)):
        circuit.ry(angle, qubit)
    engine = AdjointEngine(lower(circuit), np.zeros(0, np.int64))
    values, tape = engine.amplitudes(np.zeros((1, 3)))
    np.testing.assert_array_equal(values, np.eye(1, 8))
    cotangent = np.arange(8.0)[None]
    np.testing.assert_allclose(engine.amplitudes_vjp(tape, cotangent), [[0.5, 1.0, 2.0]], rtol=1e-6)
    np.testing.assert_allclose(engine.amplitudes_vjp(tape, cotangent), [[0.5, 1.0, 2.0]], rtol=1e-6)
    with pytest.raises(BackendError, match=r"the cotangent is \(1, 3\), expected \(1, 8\)"):
        engine.amplitudes_vjp(tape, cotangent[:, :3])
