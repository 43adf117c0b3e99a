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


def repeated_rotations(inputs, weights):
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
    (repeated_rotations, [np.random.default_rng(3).normal(size=(2, Q))]),
    (templates, [np.random.default_rng(2).normal(size=(2, Q, 3)), np.array([0.4, -1.1])]),
]


@pytest.mark.parametrize(
    ("dtype", "errors", "gradient_errors"),
    [
        (torch.float32, {"rtol": 1e-5, "atol": 1e-6}, {"rtol": 1e-5, "atol": 5e-6}),
        (torch.float64, {"rtol": 0, "atol": 1e-13}, {"rtol": 0, "atol": 1e-12}),
    ],
    ids=str,
)
@pytest.mark.parametrize(("function", "weights"), CASES, ids=["rings", "repeated", "templates"])
def test_values_and_gradients_are_those_of_default_qubit(
    function, weights, dtype, errors, gradient_errors
):
    qnode = node(function)
    head = QuantumHead.from_qnode(qnode, np.zeros(Q), *weights, dtype=dtype)
    qnode_weights = [torch.tensor(w, requires_grad=True) for w in weights]
    x = X.clone().requires_grad_()
    expected = torch.stack(list(qnode(x, *qnode_weights)), dim=1)
    scale = torch.linspace(-1, 1, expected.numel(), dtype=torch.float64).reshape(expected.shape)
    (scale * expected).sum().backward()
    inputs = X.clone().to(dtype).requires_grad_()
    values = head(inputs)
    (scale.to(dtype) * values).sum().backward()
    assert torch.allclose(values.double(), expected, **errors)
    assert torch.allclose(inputs.grad.double(), x.grad, **gradient_errors)
    flat = torch.cat([weight_tensor.grad.ravel() for weight_tensor in qnode_weights])
    (weight,) = head.parameters()
    assert weight.dtype == dtype
    assert torch.allclose(weight.grad.double(), flat, **gradient_errors)


def test_rotations_about_one_axis_that_follow_each_other_become_one():
    head = QuantumHead.from_qnode(node(repeated_rotations), np.zeros(Q), np.zeros((2, Q)))
    # a layer has 27 gates, of which 10 follow a rotation of their wire about the same axis
    assert len(head.circuit.data) == 2 * (27 - 10)


def test_wires_have_the_order_of_the_device():
    def function(inputs):
        qp.RX(inputs[0], wires="b")
        qp.RX(inputs[1], wires="a")
        return qp.expval(qp.PauliZ("a")), qp.expval(qp.PauliZ("b"))

    head = QuantumHead.from_qnode(node(function, ["a", "b"]), np.zeros(2))
    values = head(torch.tensor([[0.3, 1.2]]))
    assert torch.allclose(values, torch.cos(torch.tensor([[1.2, 0.3]])), atol=1e-6)
    assert [gate.qubits[0]._index for gate in head.circuit.data] == [1, 0]


def by_value(inputs):
    (qp.RX if inputs[0] > 0 else qp.RY)(inputs[0], wires=0)
    return qp.expval(qp.PauliZ(0))


def torch_function(inputs):
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
    qnode_weights = torch.tensor(weights, requires_grad=True)
    answers = []
    for call, weight in (
        (head, head.connector.weight),
        (
            lambda x: torch.stack(
                [torch.stack(node(products, 3)(row, qnode_weights)) for row in x]
            ),
            qnode_weights,
        ),
    ):
        x = X[:, :3].clone().requires_grad_()
        values = call(x)
        values.square().sum().backward()
        answers.append((values.detach(), x.grad, weight.grad))
    for ours, theirs in zip(*answers, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


def by_cosine(inputs):
    qp.RX(inputs[0], wires=0)
    return qp.expval(qp.PauliZ(0))


ZERO = np.zeros(1)
REFUSALS = [
    (node(by_value), [ZERO], "cannot be captured: TypeError: a symbol has no value to compare"),
    (node(torch_function), [ZERO], "functions of torch, belong in front of the layer"),
    (node(probabilities), [ZERO], "returns ProbabilityMP, expected expectation values"),
    (node(unread), [ZERO], r"does not read inputs\[0\]"),
    (by_value, [ZERO], "expected a QNode of PennyLane"),
    (node(unread), [], "expected a QNode of PennyLane"),
    (qp.set_shots(node(by_cosine), 100), [ZERO], "has 100 shots"),
    (qp.transforms.cancel_inverses(node(by_cosine)), [ZERO], "has transforms"),
]


@pytest.mark.parametrize(("circuit", "arguments", "message"), REFUSALS)
def test_what_cannot_be_captured_is_refused(circuit, arguments, message):
    with pytest.raises(BackendError, match=message):
        QuantumHead.from_qnode(circuit, *arguments)


@pytest.mark.parametrize("dtype", ["float64", torch.float16, torch.int64, np.float64])
def test_a_dtype_that_no_circuit_has_is_refused(dtype):
    with pytest.raises(UserError, match=r"dtype is .*, expected torch.float32 or torch.float64"):
        QuantumHead.from_qnode(node(rings), X[0], np.zeros((1, Q)), dtype=dtype)
