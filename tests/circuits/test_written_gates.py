"""Gates that OpenQASM cannot name with their parameters are written by their definitions."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import (
    DiagonalGate,
    HamiltonianGate,
    Isometry,
    LinearFunction,
    MCPhaseGate,
    PauliEvolutionGate,
    PauliGate,
    PermutationGate,
    RXGate,
    RZZGate,
    StatePreparation,
    UCGate,
    UCRZGate,
    UnitaryGate,
)
from qiskit.quantum_info import Operator, SparsePauliOp, random_unitary

from qllmft_circuits import from_qasm2, from_qasm3, to_qasm2, to_qasm3
from qllmft_circuits.written_gates import open_gates

# scipy's exponentials of sparse matrices, in Qiskit's matrices of evolutions
pytestmark = [
    pytest.mark.filterwarnings("ignore::scipy.sparse.SparseEfficiencyWarning"),
    pytest.mark.usefixtures("forked_reader"),
]

X = Parameter("x")
W = Parameter("w")
T = Parameter("t")
VALUES = {"x": 0.7, "w": 0.4}
XY = SparsePauliOp("XY")
MATRIX = random_unitary(2, seed=1).data


def own_gate(angle, name="mine"):
    circuit = QuantumCircuit(2, name=name)
    circuit.rx(T, 0)
    circuit.append(PauliEvolutionGate(XY, 3 * T), [0, 1])
    return circuit.to_gate({T: angle})


def surround_gate(gate):
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.ry(X, 1)
    circuit.append(gate, range(gate.num_qubits))
    circuit.cx(1, 2)
    return circuit


def matrix(circuit):
    return Operator(
        circuit.assign_parameters(
            {parameter: VALUES[parameter.name] for parameter in circuit.parameters}
        )
    )


@pytest.mark.parametrize(
    "gate",
    [
        *(PauliEvolutionGate(XY, time) for time in (X, 2 * X, X + 1, X * W, 0.3)),
        RXGate(2 * X).control(2, annotated=False),
        MCPhaseGate(2 * X, 2),
        RZZGate(2 * X),
        *(own_gate(angle) for angle in (X, 2 * W, X * W, 0.3)),
    ],
    ids=lambda gate: f"{gate.name}-{gate.params[0]}",
)
def test_angles_of_any_gate_have_their_factor_once(gate):
    circuit = surround_gate(gate)
    text, names = to_qasm3(circuit)
    assert matrix(from_qasm3(text, names)).equiv(matrix(circuit))
    bound = circuit.assign_parameters({p: VALUES[p.name] for p in circuit.parameters})
    assert Operator(from_qasm2(to_qasm2(bound))).equiv(Operator(bound))


@pytest.mark.parametrize(
    "gate",
    [
        UnitaryGate(MATRIX),
        UnitaryGate(MATRIX).control(annotated=False),
        HamiltonianGate(MATRIX + MATRIX.conj().T, 0.3),
        DiagonalGate([1, 1j, -1, 1]),
        PermutationGate([1, 2, 0]),
        Isometry(MATRIX, 0, 0),
        UCRZGate([0.1, 0.2]),
        UCGate([MATRIX, MATRIX.conj().T]),
        StatePreparation([0.6, 0.8j]),
        LinearFunction([[1, 1], [0, 1]]),
        PauliGate("XYZ"),
        own_gate(0.3, name="pi"),
    ],
    ids=lambda gate: gate.name,
)
def test_gates_of_matrices_and_complex_numbers_are_written(gate):
    circuit = surround_gate(gate).assign_parameters({X: 0.7})
    text, names = to_qasm3(circuit)
    assert not names
    for reread in (from_qasm3(text, names), from_qasm2(to_qasm2(circuit))):
        assert Operator(reread).equiv(Operator(circuit))


def test_gates_inside_of_conditions_are_written():
    circuit = QuantumCircuit(2, 1)
    circuit.h(0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.append(PauliEvolutionGate(XY, 2 * X), [0, 1])
    opened = open_gates(circuit)
    assert "PauliEvolution" not in opened.data[-1].operation.blocks[0].count_ops()
    text, names = to_qasm3(circuit)
    assert "PauliEvolution" not in text
    assert list(names) == ["x"]


def test_a_circuit_of_other_gates_is_taken_as_it_is():
    circuit = surround_gate(own_gate(0.3))
    circuit.append(own_gate(0.4), [1, 2])
    named = QuantumCircuit(2)
    named.append(UnitaryGate(np.eye(2)), [0])
    named.rzz(2 * X, 0, 1)
    for unchanged in (circuit, named):
        assert open_gates(unchanged) is unchanged


def test_a_prepared_state_is_written_with_its_reset():
    circuit = QuantumCircuit(1, 1)
    circuit.initialize([0.6, 0.8j], 0)
    text, names = to_qasm3(circuit)
    assert "reset" in text
    assert from_qasm3(text, names).count_ops()["reset"] == 1
