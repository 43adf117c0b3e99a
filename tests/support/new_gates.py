"""Gates that Qiskit does not have, their rows of the engine's table, and derivatives of circuits of them by shifts."""

from collections.abc import Sequence
from dataclasses import replace
from math import pi, sqrt

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, ParameterVector
from qiskit.circuit.library import CRYGate
from qiskit.quantum_info import Operator, SparsePauliOp
from reference_circuits import expectations_by_statevector

from qllmft_engine.program.gates import GATES, FactorKind, GatePart, StandardGate

PAIRS = ((0, 2), (2, 1), (1, 0), (2, 0))
# (factor, shift) of the differences of two values that add up to a derivative
TWO_TERMS = [(0.5, pi / 2)]
FOUR_TERMS = [
    ((sqrt(2) + 1) / (4 * sqrt(2)), pi / 2),
    (-(sqrt(2) - 1) / (4 * sqrt(2)), 3 * pi / 2),
]


class Hopping(Gate):
    """Real gate: controlled R_Y(0.7), R_Y(-θ) on the second qubit, CNOT back, and an exchange of both."""

    def __init__(self, theta, label=None):
        super().__init__("hopping", 2, [theta], label)

    def _define(self):
        self.definition = QuantumCircuit(2)
        self.definition.cry(0.7, 0, 1)
        self.definition.ry(-self.params[0], 1)
        self.definition.cx(1, 0)
        self.definition.swap(0, 1)


class Twist(Gate):
    """Complex gate that has no definition, but a matrix: R_X(θ), phases of both and one qubit, controlled R_X(0.4)."""

    def __init__(self, theta, label=None):
        super().__init__("twist", 2, [theta], label)

    def __array__(self, dtype=None, copy=None):
        circuit = QuantumCircuit(2)
        circuit.rx(float(self.params[0]), 0)
        circuit.cp(0.9, 0, 1)
        circuit.p(0.3, 1)
        circuit.crx(0.4, 0, 1)
        return Operator(circuit).data


ROWS = {
    "hopping": StandardGate(
        Hopping,
        (
            GatePart("controlled", (0, 1), FactorKind.Y, None, 0.7),
            GatePart("turn", (1,), FactorKind.Y, 0, -1.0),
            GatePart("flip", (1, 0)),
            GatePart("exchange", (0, 1)),
        ),
        is_real=True,
    ),
    "twist": StandardGate(
        Twist,
        (
            GatePart("turn", (0,), FactorKind.X, 0),
            GatePart("phase", (0, 1), scale=0.9),
            GatePart("turn", (1,), FactorKind.Z, scale=0.3),
            GatePart("controlled", (0, 1), FactorKind.X, None, 0.4),
        ),
    ),
    "cry": replace(GATES["cry"], is_real=True),
}
CLASSES = {"hopping": Hopping, "twist": Twist, "cry": CRYGate}
RULES = {"hopping": TWO_TERMS, "twist": TWO_TERMS, "cry": FOUR_TERMS}


def add_row(monkeypatch, name: str) -> None:
    """Add a gate to the table, for one test."""
    monkeypatch.setitem(GATES, name, ROWS[name])


def make_circuit(name: str) -> QuantumCircuit:
    """Three qubits with data ``x``, one new gate on each of several pairs by ``theta``, and CNOTs with R_Y between."""
    x = ParameterVector("x", 3)
    theta = ParameterVector("theta", len(PAIRS))
    circuit = QuantumCircuit(3)
    for qubit in range(3):
        circuit.ry(x[qubit], qubit)
    for angle, (first, second) in zip(theta, PAIRS, strict=True):
        circuit.append(CLASSES[name](angle), [first, second])
        circuit.cx(second, first)
        circuit.ry(0.3, first)
    return circuit


def jacobian_by_rule(
    name: str, circuit: QuantumCircuit, values: np.ndarray, operators: Sequence[SparsePauliOp]
) -> np.ndarray:
    """(B, O, P) derivatives of values by Qiskit, each parameter in one gate: R_Y, or the new one."""
    jacobian = np.zeros((len(values), len(operators), circuit.num_parameters))
    for column, parameter in enumerate(circuit.parameters):
        rule = RULES[name] if parameter.name.startswith("theta") else TWO_TERMS
        for factor, shift in rule:
            for sign in (1, -1):
                shifted = values.copy()
                shifted[:, column] += sign * shift
                answers = expectations_by_statevector(circuit, shifted, operators)
                jacobian[:, :, column] += sign * factor * answers
    return jacobian


def assert_gate(engine, name: str, circuit: QuantumCircuit, operators, coefficients=None) -> None:
    """Compare an engine's values and gradients with Qiskit's states and the rule of shifts.

    Args:
        engine: of the circuit.
        name: of the new gate.
        circuit: of `make_circuit`.
        operators: whose values are compared.
        coefficients: (O, T) of the engine's strings in them; None: each is a string.
    """
    values = np.random.default_rng(2).uniform(-3, 3, (4, circuit.num_parameters))
    answers, tape = engine.forward(engine.program.angles(values))
    expected = expectations_by_statevector(circuit, values, operators)
    by_string = np.eye(len(operators)) if coefficients is None else coefficients
    np.testing.assert_allclose(answers @ by_string.T, expected, atol=1e-12)
    weights = np.random.default_rng(3).normal(size=expected.shape)
    gradient = engine.program.by_parameter(engine.vjp(tape, weights @ by_string)[0], values)
    jacobian = jacobian_by_rule(name, circuit, values, operators)
    np.testing.assert_allclose(gradient, np.einsum("bo,bop->bp", weights, jacobian), atol=1e-12)
