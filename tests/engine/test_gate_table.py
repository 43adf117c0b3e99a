"""The table of gates: each row is Qiskit's gate, and a gate of one new row runs on every path."""

from dataclasses import replace

import numpy as np
import pytest
from new_gates import ROWS, add_row, assert_gate, make_circuit
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.quantum_info import Operator, SparsePauliOp, Statevector
from reference_circuits import masks_of_every_weight, z_string

from qllmft_backends import UnsupportedGateError, create
from qllmft_engine import AdjointEngine, ComplexEngine, lower
from qllmft_engine.program import lower_complex
from qllmft_engine.program.gates import FACTORS, GATES, FactorKind

ANGLES = np.array([0.7, -1.1, 2.3])
SWAP = np.eye(4)[[0, 2, 1, 3]]


def factor_matrix(kind, angle):
    constant, by_cos, by_sin, share, _ = FACTORS[kind]
    return constant + by_cos * np.cos(share * angle) + by_sin * np.sin(share * angle)


def controlled(matrix):
    """Qubit 0 controls, qubit 1 is the target; qubit 0 is the low bit of an index."""
    projectors = np.diag([1, 0]), np.diag([0, 1])
    return np.kron(np.eye(2), projectors[0]) + np.kron(matrix, projectors[1])


def part_matrix(part, width, angles):
    angle = part.angle(angles)
    if part.name == "turn":
        matrix = factor_matrix(part.kind, angle)
        if width == 1:
            return matrix
        return np.kron(np.eye(2), matrix) if part.qubits == (0,) else np.kron(matrix, np.eye(2))
    matrix = {
        "exchange": SWAP,
        "flip": controlled(factor_matrix(FactorKind.FLIP, 0.0)),
        "phase": controlled(factor_matrix(FactorKind.Z, angle)),
        "controlled": controlled(factor_matrix(part.kind, angle)),
    }[part.name]
    return matrix if part.qubits == (0, 1) else SWAP @ matrix @ SWAP


@pytest.mark.parametrize("name", GATES)
def test_the_parts_and_the_phase_of_a_row_are_qiskits_matrix(name):
    row = GATES[name]
    n_angles = len(get_standard_gate_name_mapping()[name].params)
    gate = row.gate_class(*ANGLES[:n_angles])
    matrix = np.eye(2**gate.num_qubits)
    for part in row.parts:
        matrix = part_matrix(part, gate.num_qubits, ANGLES) @ matrix
    phase = row.phase + row.phase_slope * ANGLES[0]
    np.testing.assert_allclose(np.exp(1j * phase) * matrix, gate.to_matrix(), atol=1e-14)


@pytest.mark.parametrize("kind", [FactorKind.X, FactorKind.Y, FactorKind.Z])
def test_a_generator_times_the_matrix_is_its_derivative(kind):
    step = 1e-6
    difference = factor_matrix(kind, 0.7 + step) - factor_matrix(kind, 0.7 - step)
    derivative = FACTORS[kind].generator @ factor_matrix(kind, 0.7)
    np.testing.assert_allclose(difference / (2 * step), derivative, atol=1e-9)


def test_only_gates_of_real_matrices_are_marked_as_real():
    for name, row in GATES.items():
        if row.is_real:
            n_angles = len(get_standard_gate_name_mapping()[name].params)
            assert np.isrealobj(np.real_if_close(row.gate_class(*ANGLES[:n_angles]).to_matrix()))


@pytest.mark.parametrize("name", ["hopping", "cry"])
def test_a_new_real_gate_runs_on_the_real_kernels(name, monkeypatch):
    circuit = make_circuit(name)
    with pytest.raises(UnsupportedGateError, match=f"is '{name}' on qubits"):
        lower(circuit)
    add_row(monkeypatch, name)
    masks = masks_of_every_weight(3)
    operators = [z_string(mask, 3) for mask in masks]
    engine, sums = create("adjoint", {"dtype": "float64"}).compile(circuit, operators)
    assert isinstance(engine, AdjointEngine)
    assert_gate(engine, name, circuit, operators, sums.coefficients)


@pytest.mark.parametrize("name", ["twist", "hopping"])
def test_a_new_gate_runs_on_complex_states(name, monkeypatch):
    circuit = make_circuit(name)
    circuit.rx(0.2, 1)
    if name == "twist":  # the other one has a definition
        with pytest.raises(UnsupportedGateError, match=f"is '{name}' on qubits"):
            lower_complex(circuit)
    add_row(monkeypatch, name)
    operators = [SparsePauliOp(letters) for letters in ("IIX", "ZYI", "XXZ", "YIY", "IZZ")]
    values = np.random.default_rng(2).uniform(-3, 3, (5, circuit.num_parameters))
    engine, sums = create("adjoint", {"dtype": "float64"}).compile(circuit, operators)
    assert isinstance(engine, ComplexEngine)
    assert_gate(engine, name, circuit, operators, sums.coefficients)
    states = engine.amplitudes(engine.program.angles(values))
    for row, state in zip(values, states, strict=True):
        assert abs(
            np.vdot(Statevector(circuit.assign_parameters(row)).data, state)
        ) == pytest.approx(1)


def test_a_row_of_complex_parts_that_is_marked_as_real_is_an_error(monkeypatch):
    monkeypatch.setitem(GATES, "twist", replace(ROWS["twist"], is_real=True))
    with pytest.raises(ValueError, match="has complex entries, and its gate is marked as real"):
        lower(make_circuit("twist"))


def test_a_gate_with_the_name_of_a_row_and_another_class_is_not_that_row(monkeypatch):
    monkeypatch.setitem(GATES, "hopping", ROWS["twist"])
    circuit = make_circuit("hopping")
    values = np.random.default_rng(4).uniform(-3, 3, circuit.num_parameters)
    program = lower_complex(circuit)
    engine = create("adjoint", {"dtype": "float64"}).compile(circuit, [SparsePauliOp("IIX")])[0]
    state = engine.amplitudes(program.angles(values[None]))[0]
    expected = Operator(circuit.assign_parameters(values)).data[:, 0]
    assert abs(np.vdot(expected, state)) == pytest.approx(1)
