"""QNodes of PennyLane as heads: values and gradients of default.qubit, and QNodes that cannot be captured."""

import numpy as np
import pytest
import torch

from qllmft import QuantumHead, UserError
from qllmft_backends.errors import BackendError

qp = pytest.importorskip("pennylane", reason="pip install '.[pennylane]'")

Q = 4
X = torch.from_numpy(np.random.default_rng(0).normal(size=(5, Q)))


def node(function, wires=Q):
    return qp.QNode(function, qp.device("default.qubit", wires=wires))


def rings(inputs, weights):
    for layer in weights:
        for wire in range(Q):
            qp.RY(np.pi * inputs[..., wire] + layer[wire], wires=wire)
        for wire in range(Q):
            qp.CNOT(wires=[wire, (wire + 1) % Q])
    return [qp.expval(qp.PauliZ(wire)) for wire in range(Q)]


def templates(inputs, weights, last):
    qp.AngleEmbedding(inputs, wires=range(Q), rotation="X")
    qp.StronglyEntanglingLayers(weights, wires=range(Q))
    qp.CRot(last[0], last[1], last[0], wires=[0, 2])
    return (
        qp.expval(qp.PauliX(0) @ qp.PauliZ(2)),
        qp.expval(0.5 * qp.PauliY(1) - qp.PauliZ(3)),
    )


def repeated(inputs, weights):
    for layer in weights:
        for wire, axis in enumerate((qp.RX, qp.RY, qp.RZ, qp.PhaseShift)):
            qp.Hadamard(wires=wire)
            axis(inputs[..., wire], wires=wire)
            axis(layer[wire], wires=wire)
            axis(0.3, wires=wire)
            qp.RX(layer[wire], wires=wire)
        qp.IsingXX(layer[0], wires=[0, 1])
        qp.IsingXX(layer[1], wires=[0, 1])
        qp.CNOT(wires=[1, 2])
        qp.RY(layer[3], wires=1)
        qp.RY(layer[3], wires=1)
        qp.CRY(layer[2], wires=[2, 3])
        qp.RY(layer[3], wires=3)
    return [qp.expval(qp.PauliX(wire) @ qp.PauliZ((wire + 1) % Q)) for wire in range(Q)]


CASES = [
    (rings, [np.random.default_rng(1).normal(size=(3, Q))]),
    (repeated, [np.random.default_rng(3).normal(size=(2, Q))]),
    (templates, [np.random.default_rng(2).normal(size=(2, Q, 3)), np.array([0.4, -1.1])]),
]


@pytest.mark.parametrize(("function", "weights"), CASES, ids=["rings", "repeated", "templates"])
def test_values_and_gradients_are_those_of_default_qubit(function, weights):
    qnode = node(function)
    head = QuantumHead.from_qnode(qnode, np.zeros(Q), *weights)
    own, x = [torch.tensor(w, requires_grad=True) for w in weights], X.clone().requires_grad_()
    wanted = torch.stack(list(qnode(x, *own)), dim=1)
    scale = torch.linspace(-1, 1, wanted.numel(), dtype=torch.float64).reshape(wanted.shape)
    (scale * wanted).sum().backward()
    given = X.float().requires_grad_()
    found = head(given)
    (scale.float() * found).sum().backward()
    assert torch.allclose(found.double(), wanted, atol=1e-6)
    assert torch.allclose(given.grad.double(), x.grad, atol=5e-6)
    flat = torch.cat([each.grad.ravel() for each in own])
    (weight,) = head.parameters()
    assert torch.allclose(weight.grad.double(), flat, atol=5e-6)


def test_rotations_about_one_axis_that_follow_each_other_become_one():
    head = QuantumHead.from_qnode(node(repeated), np.zeros(Q), np.zeros((2, Q)))
    # a layer has 27 gates, of which 10 follow a rotation of their wire about the same axis
    assert len(head.circuit.data) == 2 * (27 - 10)


@pytest.mark.parametrize(("function", "weights"), CASES, ids=["rings", "repeated", "templates"])
def test_a_layer_of_double_precision_has_the_gradients_of_default_qubit(function, weights):
    qnode = node(function)
    head = QuantumHead.from_qnode(qnode, np.zeros(Q), *weights, dtype=torch.float64)
    own, x = [torch.tensor(w, requires_grad=True) for w in weights], X.clone().requires_grad_()
    wanted, given = torch.stack(list(qnode(x, *own)), dim=1), X.clone().requires_grad_()
    found = head(given)
    scale = torch.linspace(-1, 1, wanted.numel(), dtype=torch.float64).reshape(wanted.shape)
    (scale * wanted).sum().backward()
    (scale * found).sum().backward()
    assert torch.allclose(found, wanted, rtol=0, atol=1e-13)
    assert torch.allclose(given.grad, x.grad, rtol=0, atol=1e-12)
    (weight,) = head.parameters()
    flat = torch.cat([each.grad.ravel() for each in own])
    assert torch.allclose(weight.grad, flat, rtol=0, atol=1e-12)


def test_wires_have_the_order_of_the_device():
    def function(inputs):
        qp.RX(inputs[0], wires="b")
        qp.RX(inputs[1], wires="a")
        return qp.expval(qp.PauliZ("a")), qp.expval(qp.PauliZ("b"))

    head = QuantumHead.from_qnode(node(function, ["a", "b"]), np.zeros(2))
    found = head(torch.tensor([[0.3, 1.2]]))
    assert torch.allclose(found, torch.cos(torch.tensor([[1.2, 0.3]])), atol=1e-6)
    assert [gate.qubits[0]._index for gate in head.circuit.data] == [1, 0]


def by_value(inputs):
    (qp.RX if inputs[0] > 0 else qp.RY)(inputs[0], wires=0)
    return qp.expval(qp.PauliZ(0))


def of_torch(inputs):
    qp.RX(torch.sin(inputs[0]), wires=0)
    return qp.expval(qp.PauliZ(0))


def probabilities(inputs):
    qp.RX(inputs[0], wires=0)
    return qp.probs(wires=0)


def unread(inputs):
    qp.RX(0.1, wires=0)
    return qp.expval(qp.PauliZ(0))


def products(inputs, weights):
    for wire in range(3):
        qp.Hadamard(wires=wire)
        qp.RZ(2 * inputs[wire] * inputs[wire], wires=wire)
    qp.IsingZZ((np.pi - inputs[0]) * (np.pi - inputs[2]), wires=[0, 2])
    for wire in range(3):
        qp.RY(weights[wire] * inputs[wire], wires=wire)
    return qp.expval(qp.PauliZ(0)), qp.expval(qp.PauliX(1) @ qp.PauliZ(2))


def test_products_of_arguments_have_the_values_and_gradients_of_default_qubit():
    weights = np.array([0.4, -1.1, 0.7])
    head = QuantumHead.from_qnode(node(products, 3), np.zeros(3), weights).double()
    own = torch.tensor(weights, requires_grad=True)
    found = []
    for call, weight in (
        (head, head.connector.weight),
        (lambda x: torch.stack([torch.stack(node(products, 3)(row, own)) for row in x]), own),
    ):
        x = X[:, :3].clone().requires_grad_()
        values = call(x)
        values.square().sum().backward()
        found.append((values.detach(), x.grad, weight.grad))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (by_value, BackendError, "cannot be captured: TypeError: a symbol has no value to compare"),
        (of_torch, BackendError, "functions of torch, belong in front of the layer"),
        (probabilities, BackendError, "returns ProbabilityMP, expected expectation values"),
        (unread, BackendError, r"does not read inputs\[0\]"),
    ],
)
def test_what_cannot_be_captured_is_refused(function, error, message):
    with pytest.raises(error, match=message):
        QuantumHead.from_qnode(node(function), np.zeros(1))


def test_no_qnode_shots_and_transforms_are_refused():
    with pytest.raises(BackendError, match="expected a QNode of PennyLane"):
        QuantumHead.from_qnode(by_value, np.zeros(1))
    with pytest.raises(BackendError, match="expected a QNode of PennyLane"):
        QuantumHead.from_qnode(node(unread))
    with pytest.raises(BackendError, match="has 100 shots"):
        QuantumHead.from_qnode(qp.set_shots(node(by_cosine), 100), np.zeros(1))
    with pytest.raises(BackendError, match="has transforms"):
        QuantumHead.from_qnode(qp.transforms.cancel_inverses(node(by_cosine)), np.zeros(1))


def by_cosine(inputs):
    qp.RX(inputs[0], wires=0)
    return qp.expval(qp.PauliZ(0))


@pytest.mark.parametrize("dtype", ["float64", torch.float16, torch.int64, np.float64])
def test_a_dtype_that_no_circuit_has_is_refused(dtype):
    with pytest.raises(UserError, match=r"dtype is .*, expected torch.float32 or torch.float64"):
        QuantumHead.from_qnode(node(rings), X[0], np.zeros((1, Q)), dtype=dtype)
