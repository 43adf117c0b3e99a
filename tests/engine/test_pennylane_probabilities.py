"""Gradients of probabilities on PennyLane's device, one sample and batches, against backpropagation."""

import numpy as np
import pytest
import torch

qp = pytest.importorskip("pennylane", reason="pip install '.[pennylane]'")

X = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 3)))
W = torch.from_numpy(np.random.default_rng(1).normal(size=3))


def node(name, measure, wires=3, **settings):
    @qp.qnode(qp.device(name, wires=wires), **settings)
    def function(x, w):
        for wire in range(3):
            qp.RX(x[..., wire], wire)
            qp.RY(w[wire], wire)
        qp.CNOT([0, 1])
        qp.CNOT([1, 2])
        qp.RY(w[0], 2)
        return measure()

    return function


MEASUREMENTS = {
    "some wires": lambda: qp.probs(wires=[0, 2]),
    "other order": lambda: qp.probs(wires=[2, 0, 1]),
    "one wire": lambda: qp.probs(wires=1),
    "all wires": qp.probs,
    "with values": lambda: (
        qp.expval(qp.X(0) @ qp.Z(2)),
        qp.probs(wires=[1, 2]),
        qp.probs(wires=0),
    ),
}


def gradients(function, x):
    """Results and gradients of a weighted sum of logarithms, which a probability below zero would turn into NaN."""
    leaves = x.clone().requires_grad_(), W.clone().requires_grad_()
    results = function(*leaves)
    results = results if isinstance(results, tuple) else (results,)
    total = sum(
        (torch.log(result + (2 if number or len(results) < 2 else 3)) * (number + 1)).pow(2).sum()
        for number, result in enumerate(results)
    )
    total.backward()
    return [result.detach() for result in results], [leaf.grad for leaf in leaves]


@pytest.mark.public_report(
    case="gradient_of_batched_probs",
    source="PennyLaneAI/pennylane#4462",
    seen="on the device, the gradient of qp.probs of a batch ended with PennyLane's NotImplementedError",
    outcome="one reverse sweep for the whole batch, equal to backpropagation on default.qubit",
)
@pytest.mark.parametrize("x", [X, X[0]], ids=["batch", "sample"])
@pytest.mark.parametrize("name", MEASUREMENTS)
@pytest.mark.parametrize("method", ["best", "adjoint"])
def test_gradients_of_probabilities_are_those_of_backpropagation(method, name, x):
    measure = MEASUREMENTS[name]
    results, slopes = gradients(node("qllmft.adjoint", measure, diff_method=method), x)
    expected, expected_slopes = gradients(node("default.qubit", measure), x)
    for answer, reference in zip([*results, *slopes], [*expected, *expected_slopes], strict=True):
        torch.testing.assert_close(answer, reference, atol=1e-12, rtol=0)


def test_gradients_of_a_sample_are_those_of_the_parameter_shift_rule():
    measure = MEASUREMENTS["some wires"]
    _, sweep = gradients(node("qllmft.adjoint", measure), X[0])
    _, shift = gradients(node("qllmft.adjoint", measure, diff_method="parameter-shift"), X[0])
    torch.testing.assert_close(sweep, shift, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", MEASUREMENTS)
@pytest.mark.parametrize("device_vjp", [True, False])
def test_a_whole_jacobian_is_that_of_backpropagation(device_vjp, name):
    measure = MEASUREMENTS[name]
    swept = node("qllmft.adjoint", measure, diff_method="adjoint", device_vjp=device_vjp)
    exact = node("default.qubit", measure, diff_method="backprop")
    x = qp.numpy.array(X[0].numpy(), requires_grad=False)
    w = qp.numpy.array(W.numpy(), requires_grad=True)

    def flat(function):
        def values(weights):
            results = function(x, weights)
            results = results if isinstance(results, (tuple, list)) else [results]
            return qp.math.concatenate([qp.math.reshape(result, (-1,)) for result in results])

        return values

    np.testing.assert_allclose(qp.jacobian(flat(swept))(w), qp.jacobian(flat(exact))(w), atol=1e-12)


def test_probabilities_are_never_below_zero():
    w = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    probabilities = node("qllmft.adjoint", qp.probs)(torch.zeros(3, dtype=torch.float64), w)
    assert (probabilities >= 0).all()
    assert probabilities[0] == 1


def test_probabilities_of_more_wires_have_the_parameter_shift_rule():
    measure = lambda: qp.probs(wires=range(11))  # noqa: E731
    with pytest.raises(Exception, match="does not support adjoint with requested circuit"):
        node("qllmft.adjoint", measure, wires=11, diff_method="adjoint")(X[0], W)
    leaf = W.clone().requires_grad_()
    node("qllmft.adjoint", measure, wires=11)(X[0], leaf)[3].backward()
    shifted_gradient = leaf.grad.clone()
    leaf.grad = None
    node("default.qubit", measure, wires=11)(X[0], leaf)[3].backward()
    torch.testing.assert_close(shifted_gradient, leaf.grad, atol=1e-12, rtol=0)
