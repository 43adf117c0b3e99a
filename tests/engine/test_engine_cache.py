"""Engines that are kept run the circuits that they were made of, and no similar ones."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter
from qiskit.circuit.library import RXGate, zz_feature_map
from qiskit.quantum_info import SparsePauliOp, Statevector

from qllmft_backends import create

STRINGS = [SparsePauliOp("ZXY"), SparsePauliOp("IZZ")]


class MatrixGate(Gate):
    """A gate of one qubit that shows its matrix alone."""

    def __init__(self, angle):
        super().__init__("mine", 1, [])
        self.angle = angle

    def __array__(self, dtype=None, copy=None):
        return RXGate(self.angle).to_matrix().astype(dtype)


class DefinedGate(Gate):
    """A gate of one qubit whose angle is no parameter."""

    def __init__(self, angle):
        super().__init__("mine", 1, [])
        self.angle = angle

    def _define(self):
        self.definition = QuantumCircuit(1)
        self.definition.append(MatrixGate(self.angle), [0])
        self.definition.rz(self.angle, 0)


def unitary(angle):
    circuit = QuantumCircuit(1, name="mine")
    circuit.unitary(RXGate(angle).to_matrix(), [0])
    return circuit.to_gate()


def rotation(angle):
    circuit = QuantumCircuit(1, name="mine")
    circuit.rx(angle, 0)
    return circuit.to_gate()


KINDS = (RXGate, MatrixGate, DefinedGate, unitary, rotation)


def surround_gate(gate):
    circuit = QuantumCircuit(3)
    circuit.h([0, 1, 2])
    circuit.cp(0.7, 0, 1)
    circuit.append(gate, [1])
    circuit.cp(0.4, 1, 2)
    return circuit


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", [1e-12, 1e-7, 0.4])
def test_a_slightly_other_angle_is_another_circuit(kind, step):
    backend = create("adjoint", {"dtype": "float64"})
    angles = 0.3, 0.3 + step
    circuits = [surround_gate(kind(angle)) for angle in angles]
    shared_values = [backend.expectations(c, np.zeros((1, 0)), STRINGS).values[0] for c in circuits]
    separate_values = [
        create("adjoint", {"dtype": "float64"})
        .expectations(circuit, np.zeros((1, 0)), STRINGS)
        .values[0]
        for circuit in circuits
    ]
    np.testing.assert_array_equal(shared_values, separate_values)
    exact = [
        Statevector(surround_gate(RXGate(angle))).expectation_value(STRINGS[1]).real
        for angle in angles
    ]
    if kind is not DefinedGate:
        np.testing.assert_allclose([value[1] for value in shared_values], exact, atol=1e-14)


@pytest.mark.parametrize("kind", [RXGate, unitary, rotation])
def test_a_circuit_that_comes_again_has_its_engine(kind):
    backend = create("adjoint")
    engines = [backend.compile(surround_gate(kind(0.3)), STRINGS)[0] for _ in range(2)]
    assert engines[0] is engines[1]


def test_networks_compile_their_circuit_once():
    backend = create("adjoint")
    circuit = zz_feature_map(3)
    circuit.rx(Parameter("t"), 0)
    assert backend.compile(circuit, STRINGS)[0] is backend.compile(circuit.copy(), STRINGS)[0]
