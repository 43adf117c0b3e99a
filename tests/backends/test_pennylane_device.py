"""The device for PennyLane against `default.qubit`: values, states, gradients of batches, shots, and refusals."""

import importlib
import tomllib
from pathlib import Path

import numpy as np
import pytest

qml = pytest.importorskip(
    "pennylane", reason="PennyLane is not installed: pip install '.[pennylane]'"
)
torch = pytest.importorskip("torch")

from pennylane.exceptions import DeviceError  # noqa: E402

from qllmft_backends.pennylane_device import AdjointDevice, tapes  # noqa: E402

X, W = np.array([0.1, 0.5, 2.0, -0.4]), np.array([0.3, -0.4, 1.0, 0.7])
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def every_gate(x, w):
    """Gates with and without angles, some that PennyLane decomposes, and a matrix."""
    qml.RX(x, 0)
    qml.Rot(w[0], w[1], w[2], 1)
    qml.CNOT([0, 1])
    qml.IsingXX(w[3], [1, 2])
    qml.U3(w[0], x, w[1], 2)
    qml.SX(0)
    qml.Toffoli([0, 1, 2])
    qml.Y(1)
    qml.adjoint(qml.S)(2)
    qml.MultiRZ(w[2], [0, 1, 2])
    qml.CRX(x, [2, 0])
    qml.QubitUnitary(np.array([[0, 1], [1j, 0]]), 2)
    qml.GlobalPhase(w[1])


def values(x, w):
    every_gate(x, w)
    return qml.expval(qml.Z(0) @ qml.Y(2) + 0.5 * qml.X(1)), qml.expval(qml.Z(1))


def rows(function, x):
    """The same of one sample after the other, by PennyLane's own simulator."""
    node = qml.QNode(function, qml.device("default.qubit", wires=3))
    return [node(value, W) for value in x]


def test_the_entry_point_is_the_device():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    points = tomllib.loads(text)["project"]["entry-points"]["pennylane.plugins"]
    module, name = points["qllmft.adjoint"].split(":")
    assert getattr(importlib.import_module(module), name) is AdjointDevice
    assert AdjointDevice(wires=2).name == "qllmft.adjoint"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_values_and_states_of_a_batch_are_those_of_default_qubit(dtype):
    device, tolerance = AdjointDevice(wires=3, dtype=dtype), 1e-10 if dtype == "float64" else 1e-5

    def states(x, w):
        every_gate(x, w)
        return qml.state()

    def others(x, w):
        every_gate(x, w)
        return qml.probs([2, 0]), qml.var(qml.X(1)), qml.expval(qml.Projector([1, 0], [0, 2]))

    found = np.transpose(qml.QNode(values, device)(X, W))
    np.testing.assert_allclose(found, rows(values, X), atol=tolerance)
    node, expected = qml.QNode(states, device), rows(states, X)
    np.testing.assert_allclose(node(X, W), expected, atol=tolerance)
    np.testing.assert_allclose(node(X[0], W), expected[0], atol=tolerance)
    for i, found in enumerate(qml.QNode(others, device)(X, W)):
        np.testing.assert_allclose(found, [row[i] for row in rows(others, X)], atol=tolerance)


def test_gradients_of_a_batch_take_one_execution():
    gradients = []
    device = AdjointDevice(wires=3)
    for node in (
        qml.QNode(values, device, interface="torch"),
        qml.QNode(values, qml.device("default.qubit", wires=3)),
    ):
        x, w = (torch.tensor(array, requires_grad=True) for array in (X, W))
        batch = [node(x, w)] if node.device is device else [node(value, w) for value in x]
        loss = sum(torch.stack(row).square().sum() for row in batch)
        with qml.Tracker(device) as tracker:
            gradients.append(torch.autograd.grad(loss, [x, w]))
        if node.device is device:
            assert tracker.totals["vjps"] == 1
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)


def layers(x, w):
    """Gates alone, on labels in another order than the device's, with a wire that is only measured."""
    for label in ("c", "a"):
        qml.RY(x, label)
        qml.Rot(*w[:3], label)
    qml.adjoint(qml.S("a"))
    qml.CRX(w[3], ["c", "a"])
    qml.IsingXX(0.3, ["a", "c"])
    return qml.expval(qml.Z("a") @ qml.Y("c")), qml.expval(qml.X("b") + 0.5 * qml.Z("c"))


def test_gates_of_a_circuit_are_gathered_and_lowered_once(monkeypatch):
    lowered = []
    original = tapes.BuiltTape.from_structure
    monkeypatch.setattr(
        tapes.BuiltTape, "from_structure", lambda *given: lowered.append(given) or original(*given)
    )
    device = AdjointDevice(wires=["a", "b", "c"])
    node = qml.QNode(layers, device, interface="torch")
    exact = qml.QNode(layers, qml.device("default.qubit", wires=["a", "b", "c"]))
    for x in (X, X + 1, X[:1], X[::-1] * 2):
        found, expected = (
            [torch.tensor(array.copy(), requires_grad=True) for array in (x, W)] for _ in range(2)
        )
        with qml.Tracker(device) as tracker:
            values = torch.stack(list(node(*found)))
            values.square().sum().backward()
        each = torch.stack([torch.stack(exact(value, expected[1])) for value in expected[0]])
        each.square().sum().backward()
        torch.testing.assert_close(values.T, each, atol=1e-10, rtol=0)
        for own, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(own.grad, theirs.grad, atol=1e-10, rtol=0)
        assert tracker.history["resources"][0].gate_types["Rot"] == 2
        assert tracker.totals["vjps"] == 1
    assert len(lowered) == 1
    tape = qml.workflow.construct_tape(node)(torch.tensor(X), torch.tensor(W, requires_grad=True))
    best = qml.devices.ExecutionConfig(gradient_method="best")
    config = device.setup_execution_config(best, tape)
    (stacked,), _ = device.preprocess_transforms(config)((tape,))
    # the angles are two stacks, those of all samples and those of each
    assert [tuple(stack.shape) for stack in stacked.operations[0].data] == [(2, 4), (8,)]
    assert (stacked.batch_size, stacked.trainable_params) == (4, [1])
    angles = [angle for op in stacked.operations[0].decomposition() for angle in op.data]
    for found, expected in zip(angles, tape.get_parameters(trainable_only=False)[:10], strict=True):
        np.testing.assert_array_equal(found.detach(), qml.math.unwrap([expected])[0])
    node(X, W)[0]
    shape = device.preprocess_transforms()((qml.workflow.construct_tape(node)(X, W),))[0][0]
    assert len(shape.operations) == 1


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("samples", [X, X[:1], X[0]])
def test_gradients_of_weights_of_another_precision_or_of_one_sample_are_those_of_default_qubit(
    samples, kind
):
    gradients = []
    for device in (AdjointDevice(wires=["a", "b", "c"]), qml.device("default.qubit")):
        x = torch.tensor(samples, requires_grad=True)
        w = torch.tensor(W, requires_grad=True, dtype=kind)
        torch.stack(list(qml.QNode(layers, device)(x, w))).square().sum().backward()
        gradients += [(x.grad, w.grad)]
    for own, theirs in zip(*gradients, strict=True):
        assert own.dtype == theirs.dtype
        torch.testing.assert_close(own, theirs, atol=1e-6, rtol=0)


def test_a_backward_pass_after_another_forward_pass_has_its_own_states():
    node = qml.QNode(layers, AdjointDevice(wires=["a", "b", "c"]), interface="torch")
    grads = []
    for between in (False, True):
        x = torch.tensor(X, requires_grad=True)
        loss = torch.stack(list(node(x, torch.tensor(W)))).square().sum()
        if between:
            node(torch.tensor(X + 1, requires_grad=True), torch.tensor(W))
        grads.append([torch.autograd.grad(loss, x, retain_graph=True)[0] for _ in range(2)])
    for found in (*grads[1], grads[0][1]):
        torch.testing.assert_close(found, grads[0][0], atol=1e-12, rtol=0)


def test_the_jacobian_of_one_sample_is_that_of_parameter_shift():
    device, w = AdjointDevice(wires=3), qml.numpy.array(W, requires_grad=True)

    def function(w):
        qml.StatePrep(np.array([0.6, 0, 0, 0.8j]), [0, 1])
        qml.RY(w[0] * w[1], 0)
        qml.Rot(*w[1:], 2)
        qml.CNOT([0, 2])
        hermitian = qml.Hermitian(np.array([[1, 2j], [-2j, 0.5]]), 1)
        return qml.expval(qml.Z(2)), qml.expval(hermitian @ qml.X(0))

    found, expected = (
        qml.jacobian(lambda w, node=node: qml.numpy.stack(node(w)))(w)
        for node in (
            qml.QNode(function, device),
            qml.QNode(function, qml.device("default.qubit"), diff_method="parameter-shift"),
        )
    )
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_shots_and_measurements_in_the_middle():
    device = AdjointDevice(wires=4, seed=3)

    @qml.qnode(device, shots=4000)
    def function():
        qml.RY(0.8, 0)
        measured = qml.measure(0)
        qml.cond(measured, qml.RX)(2.0, 1)
        return qml.counts(wires=[0, 1]), qml.expval(qml.Z(1))

    counts, value = function()
    one = np.sin(0.4) ** 2
    assert counts["00"] / 4000 == pytest.approx(1 - one, abs=0.04)
    assert counts["11"] / 4000 == pytest.approx(one * np.sin(1.0) ** 2, abs=0.04)
    assert value == pytest.approx(1 - 2 * one * np.sin(1.0) ** 2, abs=0.08)


def test_what_the_sweep_cannot_differentiate_is_refused():
    device = AdjointDevice(wires=1)

    @qml.qnode(device, diff_method="adjoint")
    def function(x):
        qml.RX(x, 0)
        return qml.var(qml.Z(0))

    with pytest.raises(Exception, match=r"adjoint|does not support"):
        qml.jacobian(function)(qml.numpy.array(0.3, requires_grad=True))
    with pytest.raises(DeviceError, match="dtype is 'half', expected 'float32' or 'float64'"):
        AdjointDevice(wires=1, dtype="half")


@pytest.mark.parametrize(
    "prepare",
    [
        lambda: qml.BasisState(np.array([1, 0, 1]), [0, 1, 2]),
        lambda: qml.BasisEmbedding(5, [0, 1, 2]),
        lambda: qml.AmplitudeEmbedding(
            np.arange(1.0, 8.0), [0, 1, 2], pad_with=0.5, normalize=True
        ),
        lambda: qml.CosineWindow([0, 2]),
    ],
    ids=["BasisState", "BasisEmbedding", "AmplitudeEmbedding", "CosineWindow"],
)
def test_preparations_at_the_beginning_are_decomposed(prepare):
    def values(x):
        prepare()
        qml.RY(x, 1)
        qml.CNOT([1, 2])
        return qml.expval(qml.Z(0)), qml.expval(qml.Z(2) @ qml.X(1))

    found, expected = (
        qml.QNode(values, d)(0.7)
        for d in (AdjointDevice(wires=3), qml.device("default.qubit", wires=3))
    )
    np.testing.assert_allclose(found, expected, atol=1e-10)


def embedded(kind):
    def function(x, w):
        kind(x)
        qml.RY(w[0], 1)
        qml.CNOT([0, 1])
        qml.CRX(w[1], [1, 2])
        return qml.expval(qml.Z(2)), qml.expval(qml.X(0) @ qml.Z(1))

    return function


def padded(number):
    more = {"wires": range(3), "pad_with": number, "normalize": True}
    return embedded(lambda x: qml.AmplitudeEmbedding(x, **more))


PADDED, NEARLY = padded(0.0), padded(1e-6)
PREPARED = embedded(lambda x: qml.StatePrep(x, wires=range(3), normalize=True))


@pytest.mark.parametrize(
    ("function", "exact", "size"),
    [(NEARLY, PADDED, 5), (PREPARED, PREPARED, 8)],
    ids=["nearly padded", "StatePrep"],
)
def test_gradients_by_amplitudes_are_those_of_default_qubit(function, exact, size):
    numbers = np.random.default_rng(1).normal(size=size)
    found = []
    for node in (
        qml.QNode(function, AdjointDevice(wires=3)),
        qml.QNode(exact, qml.device("default.qubit", wires=3), diff_method="backprop"),
    ):
        x, w = (torch.tensor(each, requires_grad=True) for each in (numbers, W))
        torch.stack(node(x, w)).square().sum().backward()
        found.append((x.grad, w.grad))
    for own, theirs in zip(*found, strict=True):
        assert theirs.abs().max() > 0.01
        torch.testing.assert_close(own, theirs, atol=1e-4, rtol=0)


def test_padding_with_zeros_is_refused_if_the_input_is_differentiated():
    node, numbers = qml.QNode(PADDED, AdjointDevice(wires=3)), np.array([*X, 0.2])
    with pytest.raises(DeviceError, match=r"3 amplitudes of zero.*pad_with=1e-6"):
        node(torch.tensor(numbers, requires_grad=True), torch.tensor(W))
    with pytest.raises(DeviceError, match="3 amplitudes of zero"):
        qml.grad(lambda x: node(x, W)[0])(qml.numpy.array(numbers, requires_grad=True))
    found, gradients = [], []
    for each in (node, qml.QNode(PADDED, qml.device("default.qubit", wires=3))):
        w = torch.tensor(W, requires_grad=True)
        values = torch.stack(each(torch.tensor(numbers), w))
        values.sum().backward()
        found.append(values.detach())
        gradients.append(w.grad)
    torch.testing.assert_close(*found, atol=1e-10, rtol=0)
    torch.testing.assert_close(*gradients, atol=1e-10, rtol=0)


def test_second_derivatives_are_refused_and_their_remedy_is_right():
    def function(w):
        for wire in range(3):
            qml.RY(w[wire], wire)
        qml.CNOT([0, 1])
        qml.CNOT([1, 2])
        return qml.expval(qml.Z(2))

    def by_torch(node):
        return torch.autograd.functional.hessian(node, torch.tensor(W[:3]))

    def by_autograd(node):
        return qml.jacobian(qml.grad(node))(qml.numpy.array(W[:3], requires_grad=True))

    device = AdjointDevice(wires=3)
    exact = qml.QNode(function, qml.device("default.qubit", wires=3), diff_method="backprop")
    shifted = qml.QNode(function, device, diff_method="parameter-shift", max_diff=2)
    for hessian in (by_torch, by_autograd):
        with pytest.raises(DeviceError, match="parameter-shift' with max_diff=2"):
            hessian(qml.QNode(function, device))
        np.testing.assert_allclose(hessian(shifted), hessian(exact), atol=1e-8)


def test_gradients_by_coefficients_are_refused():
    def function(c):
        for wire in range(3):
            qml.RY(W[wire], wire)
        return qml.expval(qml.Hamiltonian(c, [qml.Z(2), qml.X(1) @ qml.Z(0)]))

    node = qml.QNode(function, AdjointDevice(wires=3))
    with pytest.raises(DeviceError, match=r"coefficients of an observable.*Measure each"):
        node(torch.tensor([0.3, 0.4], requires_grad=True))
    exact = qml.QNode(function, qml.device("default.qubit", wires=3))
    assert float(node(np.array([0.3, 0.4]))) == pytest.approx(float(exact([0.3, 0.4])))
