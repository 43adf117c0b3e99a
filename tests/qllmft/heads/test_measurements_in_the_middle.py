"""Heads of circuits with measurements, resets and conditions in the middle, against their branches one by one."""

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import IGate, XGate
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit_machine_learning.circuit.library import raw_feature_vector
from qiskit_machine_learning.neural_networks import EstimatorQNN

from qllmft import QuantumHead, UserError
from qllmft_backends import BackendError, UnsupportedGateError, create

DATA = ParameterVector("x", 3)
WEIGHTS = ParameterVector("w", 3)
PAULIS = [
    SparsePauliOp.from_sparse_list([("Z", [0], 1)], 3),
    SparsePauliOp.from_sparse_list([("X", [0], 1)], 3),
    SparsePauliOp.from_sparse_list([("Y", [1], 1), ("Z", [2], 0.4)], 3),
    SparsePauliOp.from_sparse_list([("ZX", [0, 2], 1)], 3),
    SparsePauliOp.from_sparse_list([("XYZ", [0, 1, 2], 1)], 3),
]


def measured_circuit():
    circuit = QuantumCircuit(3, 2)
    for qubit in range(3):
        circuit.ry(DATA[qubit], qubit)
        circuit.rx(WEIGHTS[qubit], qubit)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    circuit.measure(0, 0)
    circuit.ry(WEIGHTS[0] * DATA[1], 0)
    circuit.reset(1)
    circuit.rx(DATA[1], 1)
    circuit.cx(1, 2)
    with circuit.if_test((0, 1)):
        circuit.ry(WEIGHTS[1], 2)
    circuit.measure(2, 1)
    circuit.rz(0.4, 2)
    return circuit


def branches(circuit):
    """Yield the unnormalised states of all outcomes of a bound circuit."""
    todo = [(Statevector.from_int(0, 2**circuit.num_qubits), (0, 0), 0)]
    while todo:
        state, bits, position = todo.pop()
        if position == len(circuit.data):
            yield state
            continue
        instruction = circuit.data[position]
        operation = instruction.operation
        qubits = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        if operation.name in ("measure", "reset"):
            for outcome in (0, 1):
                projector = np.diag([1 - outcome, outcome]).astype(complex)
                flip = XGate() if outcome and operation.name == "reset" else IGate()
                projected = Statevector(_apply(state, projector, qubits[0])).evolve(flip, qubits)
                new_bits = list(bits)
                if operation.name == "measure":
                    new_bits[circuit.find_bit(instruction.clbits[0]).index] = outcome
                todo.append((projected, tuple(new_bits), position + 1))
        elif operation.name == "if_else":
            clbit, value = operation.condition
            if bits[circuit.find_bit(clbit).index] == value:
                for inner in operation.blocks[0].data:
                    places = [operation.blocks[0].find_bit(q).index for q in inner.qubits]
                    state = state.evolve(inner.operation, [qubits[place] for place in places])
            todo.append((state, bits, position + 1))
        else:
            todo.append((state.evolve(operation, qubits), bits, position + 1))


def _apply(state, matrix, qubit):
    """Numbers of a state after a matrix on one qubit."""
    tensor = state.data.reshape([2] * state.num_qubits)
    axis = state.num_qubits - 1 - qubit
    return np.moveaxis(np.tensordot(matrix, tensor, (1, axis)), 0, axis).reshape(-1)


def values_of_branches(x, w):
    """Expectation values (B, O) as sums over outcomes."""
    answer = []
    for row in x:
        numbers = dict(zip([*DATA, *WEIGHTS], [*row, *w], strict=True))
        states = list(branches(measured_circuit().assign_parameters(numbers)))
        answer.append(
            [sum(state.expectation_value(pauli).real for state in states) for pauli in PAULIS]
        )
    return np.array(answer)


@pytest.mark.public_report(
    case="head_of_measured_circuit",
    source="own audit",
    seen="from_circuit refused measurements, resets and conditions that the estimator of the same engine runs",
    outcome="deferred in the layer too; values are the sums over all outcomes, and gradients pass gradcheck",
)
def test_a_head_has_the_means_over_all_outcomes_and_their_gradients():
    head = QuantumHead.from_circuit(measured_circuit(), PAULIS, data=DATA, weights=WEIGHTS)
    head = head.double()
    x = torch.rand(4, 3, dtype=torch.float64, requires_grad=True)
    expected = values_of_branches(x.detach().numpy(), head.connector.weight.detach().numpy())
    np.testing.assert_allclose(head(x).detach().numpy(), expected, atol=1e-7)
    assert torch.autograd.gradcheck(head, x)
    step = torch.tensor([0.0, 1e-6, 0.0], dtype=torch.float64)
    head(x).sum().backward()
    slope = head.connector.weight.grad[1].item()
    with torch.no_grad():
        head.connector.weight += step
        above = head(x).sum()
        head.connector.weight -= 2 * step
        below = head(x).sum()
    assert slope == pytest.approx((above - below).item() / 2e-6, abs=1e-6)


def test_z_of_every_qubit_and_outcomes_are_those_of_the_circuits_qubits():
    x = torch.rand(2, 3)
    z = QuantumHead.from_circuit(measured_circuit(), data=DATA, weights=WEIGHTS)
    assert z(x).shape == (2, 3)
    outcomes = QuantumHead.from_circuit(
        measured_circuit(), data=DATA, weights=WEIGHTS, interpret="outcomes"
    )
    with torch.no_grad():
        outcomes.connector.weight.copy_(z.connector.weight)
        probabilities = outcomes(x).numpy()
    assert probabilities.shape == (2, 8)
    signs = np.array([[1 - 2 * (outcome >> q & 1) for outcome in range(8)] for q in range(3)])
    np.testing.assert_allclose(probabilities @ signs.T, z(x).detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_a_noisy_backend_adds_no_gates_for_a_head():
    backend = create("adjoint", {"noise": "forte1"})
    with pytest.raises(BackendError, match="would add gates for them, and each gate has noise"):
        QuantumHead.from_circuit(
            measured_circuit(), PAULIS, data=DATA, weights=WEIGHTS, backend=backend
        )


def test_a_measurement_beside_amplitudes_that_are_numbers_is_deferred_sample_by_sample():
    amplitudes = raw_feature_vector(8)
    circuit = QuantumCircuit(3, 1)
    circuit.compose(amplitudes, inplace=True)
    circuit.measure(0, 0)
    circuit.rx(WEIGHTS[0], 0)
    x = torch.rand(2, 8, dtype=torch.float64)
    head = QuantumHead.from_circuit(
        circuit, data=list(amplitudes.parameters), weights=WEIGHTS[:1]
    ).double()
    unit = (x / x.norm(dim=1, keepdim=True)).numpy()
    signs = 1 - 2 * (np.arange(8) & 1)
    expected = unit**2 @ signs * np.cos(head.connector.weight.item())
    np.testing.assert_allclose(head(x).detach().numpy()[:, 0], expected, atol=1e-6)


@pytest.mark.parametrize("name", ["adjoint", "aer_statevector"])
def test_the_gradient_of_qiskits_network_is_that_of_its_values(name):
    if name == "aer_statevector":
        pytest.importorskip("qiskit_aer", reason="pip install '.[aer]'")
    backend = create(name)
    network = EstimatorQNN(
        circuit=measured_circuit(),
        observables=PAULIS,
        input_params=DATA,
        weight_params=WEIGHTS,
        estimator=backend.estimator(),
        gradient=backend.gradient(),
        input_gradients=True,
        default_precision=None,
    )
    x = np.random.default_rng(0).uniform(-1, 1, (2, 3))
    w = np.array([0.3, -0.8, 1.1])
    by_input, by_weight = network.backward(x, w)
    steps = 1e-5 * np.eye(3)
    for i, step in enumerate(steps):
        slopes = (values_of_branches(x, w + step) - values_of_branches(x, w - step)) / 2e-5
        np.testing.assert_allclose(by_weight[:, :, i], slopes, atol=1e-8)
        slopes = (values_of_branches(x + step, w) - values_of_branches(x - step, w)) / 2e-5
        np.testing.assert_allclose(by_input[:, :, i], slopes, atol=1e-8)


def qnode(function, **settings):
    qp = pytest.importorskip("pennylane", reason="pip install '.[pennylane]'")
    return qp.QNode(function, qp.device("default.qubit", wires=4), **settings)


@pytest.mark.public_report(
    case="qnode_measured_in_the_middle",
    source="own audit",
    seen="from_qnode refused qp.measure and qp.cond, which the device of the same engine runs",
    outcome="deferred in the layer too; values are those of default.qubit, which traverses the tree of outcomes",
)
def test_a_qnode_with_measurements_has_the_values_of_its_tree_of_outcomes():
    qp = pytest.importorskip("pennylane", reason="pip install '.[pennylane]'")

    def function(x, w):
        for wire in range(3):
            qp.RY(x[wire], wire)
            qp.RX(w[wire], wire)
        qp.CNOT([0, 1])
        first = qp.measure(0, reset=True)
        second = qp.measure(1)
        qp.cond(first & second, qp.RY)(w[1], wires=2)
        qp.cond(first, qp.RX)(x[1] * w[2], wires=1)
        qp.RX(x[0], 0)
        paulis = [qp.Z(0), qp.Y(2) @ qp.Z(1), qp.X(0) @ qp.Z(2)]
        outcomes = [first, second, 2 * first * second - second]
        return [*map(qp.expval, paulis), *map(qp.expval, outcomes)]

    weights = np.array([0.3, 0.4, 0.5])
    head = QuantumHead.from_qnode(qnode(function), np.zeros(3), weights, dtype=torch.float64)
    x = torch.rand(3, 3, dtype=torch.float64, requires_grad=True)
    tree = qnode(function, mcm_method="tree-traversal")
    expected = np.array([tree(row, weights) for row in x.detach().numpy()])
    np.testing.assert_allclose(head(x).detach().numpy(), expected, atol=1e-10)
    assert torch.autograd.gradcheck(head, x)


@pytest.mark.public_report(
    case="qnode_on_the_last_wires",
    source="own audit",
    seen="from_qnode of a QNode that uses only wires 2 and 3 of its device: 'Index 2 out of range for size 2'",
    outcome="wire i of the device is qubit i, whether or not a wire before it is used",
)
def test_a_qnode_on_the_last_wires_of_its_device_has_its_values():
    qp = pytest.importorskip("pennylane", reason="pip install '.[pennylane]'")

    def function(x, w):
        qp.RY(x[0], 2)
        qp.RX(w[0], 3)
        qp.CNOT([2, 3])
        return [qp.expval(qp.Z(2)), qp.expval(qp.X(3)), qp.expval(qp.Z(2) @ qp.Z(3))]

    node = qnode(function)
    head = QuantumHead.from_qnode(node, np.zeros(1), np.array([0.3]), dtype=torch.float64)
    x = torch.rand(3, 1, dtype=torch.float64)
    expected = np.array([node(row, np.array([0.3])) for row in x.numpy()])
    np.testing.assert_allclose(head(x).detach().numpy(), expected, atol=1e-12)


def test_a_postselection_is_refused_by_name():
    qp = pytest.importorskip("pennylane", reason="pip install '.[pennylane]'")

    def postselection(x):
        qp.RY(x[0], 0)
        qp.measure(0, postselect=1)
        return qp.expval(qp.Z(0))

    with pytest.raises(BackendError, match=r"postselects an outcome.*Leave postselect out"):
        QuantumHead.from_qnode(qnode(postselection), np.zeros(1))


def test_loops_are_refused_by_name():
    circuit = QuantumCircuit(3, 1)
    circuit.ry(DATA[0], 0)
    circuit.measure(0, 0)
    with circuit.while_loop((circuit.clbits[0], 1)):
        circuit.ry(WEIGHTS[0], 0)
        circuit.measure(0, 0)
    with pytest.raises(UnsupportedGateError, match="cannot be deferred"):
        QuantumHead.from_circuit(circuit, data=DATA[:1], weights=WEIGHTS[:1])
    with pytest.raises(UserError, match="expected each of the circuit's once"):
        QuantumHead.from_circuit(measured_circuit(), data=DATA, weights=WEIGHTS[:1])


def test_a_parameter_under_a_condition_that_is_never_true_is_refused_by_name():
    circuit = QuantumCircuit(3, 1)
    circuit.ry(DATA[0], 0)
    with circuit.if_test((0, 1)):
        circuit.ry(WEIGHTS[0], 1)
    circuit.measure(0, 0)
    message = (
        r"has w\[0\] only under a condition that is never true.*Measure them, or remove the gate"
    )
    with pytest.raises(UnsupportedGateError, match=message):
        QuantumHead.from_circuit(circuit, data=DATA[:1], weights=WEIGHTS[:1])
    with pytest.raises(UnsupportedGateError, match=message):
        create("adjoint").estimator().run([(circuit, PAULIS[0], [0.1, 0.2])]).result()
