"""Lowering of gates: fusions, refusals, and a program's unitary against its circuit's."""

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.quantum_info import Operator
from reference_circuits import every_gate

from qllmft_backends import BackendError, UnsupportedGateError
from qllmft_engine import SUPPORTED_GATES, Program, lower
from qllmft_engine.program import Op


def rebuild_circuit(program: Program, angles: np.ndarray) -> QuantumCircuit:
    """A circuit again, read from the program's documented operations."""
    circuit = QuantumCircuit(program.n_qubits)
    for op, control, target, slot in program.ops.tolist():
        assert (control == -1) == (op in (Op.ROT, Op.X, Op.Z))
        assert (slot == -1) == (op not in (Op.ROT, Op.CX_ROT))
        if op in (Op.CX, Op.CX_ROT):
            circuit.cx(control, target)
        if op in (Op.ROT, Op.CX_ROT):
            circuit.ry(angles[slot], target)
        if op == Op.CZ:
            circuit.cz(control, target)
        if op in (Op.X, Op.Z):
            getattr(circuit, Op(op).name.lower())(target)
    return circuit


def names(circuit: QuantumCircuit) -> list[str]:
    return [Op(op).name for op in lower(circuit).ops[:, 0]]


def assert_same_unitary(circuit: QuantumCircuit, values: np.ndarray) -> None:
    program = lower(circuit)
    rebuilt = rebuild_circuit(program, program.angles(values[np.newaxis])[0])
    expected = Operator(circuit.assign_parameters(values)).data
    np.testing.assert_allclose(Operator(rebuilt).data, expected, atol=1e-12)


@pytest.mark.parametrize(("control", "target"), [(0, 1), (1, 0), (0, 2), (2, 1)])
def test_a_cnot_and_the_rotation_of_its_target_become_one_operation(control, target):
    circuit = QuantumCircuit(3)
    circuit.cx(control, target)
    circuit.ry(0.7, target)
    assert lower(circuit).ops.tolist() == [[Op.CX_ROT, control, target, 0]]


@pytest.mark.parametrize(
    ("gates", "expected"),
    [
        ([("cx", 0, 1), ("ry", 0)], ["CX", "ROT"]),
        ([("cx", 0, 1), ("ry", 2)], ["CX", "ROT"]),
        ([("ry", 1), ("cx", 0, 1)], ["ROT", "CX"]),
        ([("cx", 0, 1), ("x", 1), ("ry", 1)], ["CX", "X", "ROT"]),
        ([("cx", 0, 1), ("z", 2), ("ry", 1)], ["CX", "Z", "ROT"]),
        ([("cx", 0, 1), ("cx", 1, 2), ("ry", 1)], ["CX", "CX", "ROT"]),
        ([("cx", 0, 1), ("ry", 1), ("ry", 1)], ["CX_ROT", "ROT"]),
        ([("cx", 0, 1), ("cx", 0, 1), ("ry", 1)], ["CX", "CX_ROT"]),
        ([("cz", 0, 1), ("ry", 1)], ["CZ", "ROT"]),
        ([("cx", 0, 1), ("id", 1), ("ry", 1)], ["CX_ROT"]),
        ([("cx", 0, 1), ("barrier", 0, 1, 2), ("ry", 1)], ["CX_ROT"]),
    ],
)
def test_only_a_cnot_that_ends_on_the_rotated_qubit_fuses(gates, expected):
    circuit = QuantumCircuit(3)
    for name, *qubits in gates:
        getattr(circuit, name)(*([0.3] if name == "ry" else []), *qubits)
    assert names(circuit) == expected
    assert_same_unitary(circuit, np.empty(0))


def test_identities_and_barriers_leave_no_operation():
    circuit = QuantumCircuit(3)
    circuit.id(0)
    circuit.barrier()
    program = lower(circuit)
    assert program.ops.shape == (0, 4)
    assert program.n_angles == 0
    assert program.angles(np.empty((5, 0))).shape == (5, 0)


@pytest.mark.parametrize("n_qubits", [3, 4, 5])
def test_the_program_of_a_circuit_of_every_gate_has_the_circuits_unitary(n_qubits):
    circuit = every_gate(n_qubits)
    assert {i.operation.name for i in circuit.data} == set(SUPPORTED_GATES)
    assert_same_unitary(circuit, np.linspace(-3, 3, circuit.num_parameters))


def test_qubits_are_numbered_across_registers():
    first_register = QuantumRegister(2, "left")
    second_register = QuantumRegister(2, "right")
    circuit = QuantumCircuit(first_register, second_register)
    circuit.cx(second_register[1], first_register[1])
    circuit.x(second_register[0])
    assert lower(circuit).ops.tolist() == [[Op.CX, 3, 1, -1], [Op.X, -1, 2, -1]]


def conditional(circuit: QuantumCircuit) -> None:
    circuit.add_register(ClassicalRegister(1))
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(0)


@pytest.mark.parametrize(
    ("append", "gate", "qubits"),
    [
        (lambda c: c.rx(0.1, 2), "gate 1 of circuit 'mine' is 'rx'", [2]),
        (lambda c: c.u(0.1, 0.2, 0.3, 1), "gate 1 of circuit 'mine' is 'u'", [1]),
        (lambda c: c.ccx(2, 0, 1), "gate 1 of circuit 'mine' is 'ccx'", [2, 0, 1]),
        (lambda c: c.cx(0, 1, ctrl_state=0), "gate 1 of circuit 'mine' is 'cx_o0'", [0, 1]),
        (lambda c: c.cry(0.2, 0, 1), "gate 1 of circuit 'mine' is 'cry'", [0, 1]),
        (lambda c: c.measure_all(), "of circuit 'mine' is 'measure'", [0]),
        (conditional, "gate 1 of circuit 'mine' is 'if_else'", [0]),
    ],
    ids=["rx", "u", "ccx", "open control", "cry", "measure", "if"],
)
def test_an_unsupported_gate_is_named_with_its_qubits_and_what_can_run_it(append, gate, qubits):
    circuit = QuantumCircuit(3, name="mine")
    circuit.ry(0.4, 0)
    append(circuit)
    with pytest.raises(UnsupportedGateError) as caught:
        lower(circuit)
    message = str(caught.value)
    assert f"{gate} on qubits {qubits}" in message
    assert "The adjoint engine runs ry, cx, x, z, h, cz, swap" in message
    assert "aer_statevector" in message
    assert isinstance(caught.value, BackendError)
