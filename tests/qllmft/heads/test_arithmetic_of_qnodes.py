"""Angles of a QNode in every form of arithmetic: each is PennyLane's own value, or refused in a sentence."""

import math
from fractions import Fraction

import numpy as np
import pennylane as qp
import pytest
import torch
from pennylane import numpy as pnp

from qllmft import QuantumHead
from qllmft_backends import BackendError

DEVICE = qp.device("default.qubit", wires=2)
RIGHT = {
    "2/x + x": lambda x, w: 2 / x + x,
    "x + 2/x": lambda x, w: x + 2 / x,
    "2/x - w": lambda x, w: 2 / x - w,
    "(2/x) * w": lambda x, w: (2 / x) * w,
    "(2/x) / (3/w)": lambda x, w: (2 / x) / (3 / w),
    "(2/x)**2": lambda x, w: (2 / x) ** 2,
    "x**2 - w**2": lambda x, w: x**2 - w**2,
    "x**w": lambda x, w: x**w,
    "2**x": lambda x, w: 2**x,
    "-x, +x, abs": lambda x, w: -x + abs(+w),
    "2 - x": lambda x, w: 2 - x,
    "sum of several": lambda x, w: sum([2 / x, x, w]),
    "float32 on either side": lambda x, w: np.float32(2) / x + x * np.float32(0.5),
    "int64 on either side": lambda x, w: np.int64(2) / x + x / np.int64(4),
    "array without axes": lambda x, w: np.array(2.0) * x + x - np.array(1),
    "pennylane's numbers": lambda x, w: pnp.tensor(2.0) * x + w * pnp.tensor(0.5),
    "fractions": lambda x, w: Fraction(1, 2) / x + x * Fraction(1, 3),
    "truth values": lambda x, w: True * x + w,
    "numpy's functions": lambda x, w: np.sin(x) + np.exp(2 / x) - np.log(x) * np.arctan(w),
    "roots": lambda x, w: np.sqrt(x) + np.square(w) + np.reciprocal(x),
    "hyperbolic": lambda x, w: np.tanh(x) + np.cosh(w) - np.sinh(x),
    "logarithms": lambda x, w: np.log2(x) + np.log10(w) + np.log1p(x) + np.expm1(w) + np.exp2(x),
    "degrees": lambda x, w: np.deg2rad(x) + np.rad2deg(w) / 100,
    "lengths": lambda x, w: np.hypot(x, w),
    "operators": lambda x, w: np.add(x, 2 / w) + np.divide(2, x) + np.power(x, 2) - np.negative(w),
    "of arrays": lambda x, w: np.sum(np.array([2 / x, w])) + np.mean(np.array([x, w])),
    "dot": lambda x, w: np.dot(np.array([x, w]), np.array([1.0, 2.0])),
    "pennylane's functions": lambda x, w: qp.math.sin(x) + qp.math.sqrt(w) + pnp.cos(x),
}
REFUSED = {
    "remainder": lambda x, w: x % 2,
    "whole part": lambda x, w: x // 2,
    "number": lambda x, w: float(x),
    "math": lambda x, w: math.sin(x),
    "comparison": lambda x, w: x if x > 0 else w,
    "equality": lambda x, w: x if x == 0 else w,
    "truth": lambda x, w: x if x else w,
    "where": lambda x, w: qp.math.where(x > 0, x, w),
    "arctan2": lambda x, w: np.arctan2(x, w),
    "gradient of torch": lambda x, w: x * torch.tensor(2.0, requires_grad=True),
    "cosine that Qiskit loses": lambda x, w: np.cos(x) + np.cos(-x),
    "exponential that Qiskit loses": lambda x, w: np.exp(x - w) + np.exp(w - x),
}


def qnode(function, *, has_axes):
    @qp.qnode(DEVICE)
    def circuit(x, w):
        x, w = (x[0], w[0]) if has_axes else (x, w)
        qp.RY(function(x, w), wires=0)
        qp.RX(w, wires=1)
        qp.RY(x, wires=1)
        qp.CNOT([0, 1])
        return qp.expval(qp.Z(0)), qp.expval(qp.Z(1))

    return circuit


def arguments(*, has_axes):
    shape = (1,) if has_axes else ()
    return np.full(shape, 0.7), np.full(shape, 1.3)


@pytest.mark.public_report(
    case="arithmetic_of_qnodes",
    source="own audit",
    seen="an angle 2/x + x of a QNode ended in 'Unsupported data type for __add__'",
    outcome="arithmetic of captured symbols is PennyLane's in every order, or refused in a sentence",
)
@pytest.mark.parametrize(
    ("function", "has_axes"),
    [
        *(pytest.param(function, False, id=name) for name, function in RIGHT.items()),
        *(pytest.param(RIGHT[name], True, id=f"{name} of arrays") for name in list(RIGHT)[::4]),
    ],
)
def test_an_angle_has_pennylanes_value_and_gradient(function, has_axes):
    sample, weights = arguments(has_axes=has_axes)
    circuit = qnode(function, has_axes=has_axes)
    head = QuantumHead.from_qnode(circuit, sample, weights, dtype=torch.float64)
    values = head(torch.from_numpy(np.atleast_1d(sample)))
    np.testing.assert_allclose(values.detach().ravel(), circuit(sample, weights), atol=1e-9)
    values.sum().backward()
    step = 1e-5
    higher, lower = (np.sum(circuit(sample, weights + change)) for change in (step, -step))
    slope = head.connector.weight.grad.item()
    np.testing.assert_allclose(slope, (higher - lower) / (2 * step), atol=1e-6)


@pytest.mark.parametrize("has_axes", [True, False], ids=["of an array", "without axes"])
@pytest.mark.parametrize("function", REFUSED.values(), ids=REFUSED)
def test_what_is_no_arithmetic_is_refused_in_a_sentence(function, has_axes):
    match = r"cannot be captured: .* in front of the layer|wrongly. Write it in another form"
    with pytest.raises(BackendError, match=match):
        QuantumHead.from_qnode(qnode(function, has_axes=has_axes), *arguments(has_axes=has_axes))


def test_a_qnode_with_other_operations_for_numbers_is_refused():
    def circuit(x, w):
        qp.RY(x[0], wires=0)
        for _ in range(int(x.dtype == object)):
            qp.RX(w[0], wires=0)
        return qp.expval(qp.Z(0))

    with pytest.raises(BackendError, match="applies other operations to numbers than to symbols"):
        QuantumHead.from_qnode(qp.QNode(circuit, DEVICE), np.array([0.7]), np.array([1.3]))
