"""The device for PennyLane against `default.qubit`: values, states, gradients of batches, shots, and refusals."""

import importlib
import tomllib
from pathlib import Path

import numpy as np
import pytest

qp = pytest.importorskip(
    "pennylane", reason="PennyLane is not installed: pip install '.[pennylane]'"
)
torch = pytest.importorskip("torch")

from pennylane.exceptions import DeviceError  # noqa: E402

from qllmft_engine.pennylane_device import AdjointDevice, built_tape  # noqa: E402

X, W = np.array([0.1, 0.5, 2.0, -0.4]), np.array([0.3, -0.4, 1.0, 0.7])
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def every_gate(x, w):
    """Gates with and without angles, some that PennyLane decomposes, and a matrix."""
    qp.RX(x, 0)
    qp.Rot(w[0], w[1], w[2], 1)
    qp.CNOT([0, 1])
    qp.IsingXX(w[3], [1, 2])
    qp.U3(w[0], x, w[1], 2)
    qp.SX(0)
    qp.Toffoli([0, 1, 2])
    qp.Y(1)
    qp.adjoint(qp.S)(2)
    qp.MultiRZ(w[2], [0, 1, 2])
    qp.CRX(x, [2, 0])
    qp.QubitUnitary(np.array([[0, 1], [1j, 0]]), 2)
    qp.GlobalPhase(w[1])


def values(x, w):
    every_gate(x, w)
    return qp.expval(qp.Z(0) @ qp.Y(2) + 0.5 * qp.X(1)), qp.expval(qp.Z(1))


def rows(function, x):
    """The same of one sample after the other, by PennyLane's own simulator."""
    node = qp.QNode(function, qp.device("default.qubit", wires=3))
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
        return qp.state()

    def others(x, w):
        every_gate(x, w)
        return qp.probs([2, 0]), qp.var(qp.X(1)), qp.expval(qp.Projector([1, 0], [0, 2]))

    found = np.transpose(qp.QNode(values, device)(X, W))
    np.testing.assert_allclose(found, rows(values, X), atol=tolerance)
    node, expected = qp.QNode(states, device), rows(states, X)
    np.testing.assert_allclose(node(X, W), expected, atol=tolerance)
    np.testing.assert_allclose(node(X[0], W), expected[0], atol=tolerance)
    for i, found in enumerate(qp.QNode(others, device)(X, W)):
        np.testing.assert_allclose(found, [row[i] for row in rows(others, X)], atol=tolerance)


def test_gradients_of_a_batch_take_one_execution():
    gradients = []
    device = AdjointDevice(wires=3)
    for node in (
        qp.QNode(values, device, interface="torch"),
        qp.QNode(values, qp.device("default.qubit", wires=3)),
    ):
        x, w = (torch.tensor(array, requires_grad=True) for array in (X, W))
        batch = [node(x, w)] if node.device is device else [node(value, w) for value in x]
        loss = sum(torch.stack(row).square().sum() for row in batch)
        with qp.Tracker(device) as tracker:
            gradients.append(torch.autograd.grad(loss, [x, w]))
        if node.device is device:
            assert tracker.totals["vjps"] == 1
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)


def layers(x, w):
    """Gates alone, on labels in another order than the device's, with a wire that is only measured."""
    for label in ("c", "a"):
        qp.RY(x, label)
        qp.Rot(*w[:3], label)
    qp.adjoint(qp.S("a"))
    qp.CRX(w[3], ["c", "a"])
    qp.IsingXX(0.3, ["a", "c"])
    return qp.expval(qp.Z("a") @ qp.Y("c")), qp.expval(qp.X("b") + 0.5 * qp.Z("c"))


def test_gates_of_a_circuit_are_gathered_and_lowered_once(monkeypatch):
    lowered = []
    original = built_tape.BuiltTape.from_structure
    monkeypatch.setattr(
        built_tape.BuiltTape,
        "from_structure",
        lambda *given: lowered.append(given) or original(*given),
    )
    device = AdjointDevice(wires=["a", "b", "c"])
    node = qp.QNode(layers, device, interface="torch")
    exact = qp.QNode(layers, qp.device("default.qubit", wires=["a", "b", "c"]))
    for x in (X, X + 1, X[:1], X[::-1] * 2):
        found, expected = (
            [torch.tensor(array.copy(), requires_grad=True) for array in (x, W)] for _ in range(2)
        )
        with qp.Tracker(device) as tracker:
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
    tape = qp.workflow.construct_tape(node)(torch.tensor(X), torch.tensor(W, requires_grad=True))
    best = qp.devices.ExecutionConfig(gradient_method="best")
    config = device.setup_execution_config(best, tape)
    (stacked,), _ = device.preprocess_transforms(config)((tape,))
    # the angles are two stacks, those of all samples and those of each
    assert [tuple(stack.shape) for stack in stacked.operations[0].data] == [(2, 4), (8,)]
    assert (stacked.batch_size, stacked.trainable_params) == (4, [1])
    angles = [angle for op in stacked.operations[0].decomposition() for angle in op.data]
    for found, expected in zip(angles, tape.get_parameters(trainable_only=False)[:10], strict=True):
        np.testing.assert_array_equal(found.detach(), qp.math.unwrap([expected])[0])
    node(X, W)[0]
    shape = device.preprocess_transforms()((qp.workflow.construct_tape(node)(X, W),))[0][0]
    assert len(shape.operations) == 1


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("samples", [X, X[:1], X[0]])
def test_gradients_of_weights_of_another_precision_or_of_one_sample_are_those_of_default_qubit(
    samples, kind
):
    gradients = []
    for device in (AdjointDevice(wires=["a", "b", "c"]), qp.device("default.qubit")):
        x = torch.tensor(samples, requires_grad=True)
        w = torch.tensor(W, requires_grad=True, dtype=kind)
        torch.stack(list(qp.QNode(layers, device)(x, w))).square().sum().backward()
        gradients += [(x.grad, w.grad)]
    for own, theirs in zip(*gradients, strict=True):
        assert own.dtype == theirs.dtype
        torch.testing.assert_close(own, theirs, atol=1e-6, rtol=0)


def test_a_backward_pass_after_another_forward_pass_has_its_own_states():
    node = qp.QNode(layers, AdjointDevice(wires=["a", "b", "c"]), interface="torch")
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
    device, w = AdjointDevice(wires=3), qp.numpy.array(W, requires_grad=True)

    def function(w):
        qp.StatePrep(np.array([0.6, 0, 0, 0.8j]), [0, 1])
        qp.RY(w[0] * w[1], 0)
        qp.Rot(*w[1:], 2)
        qp.CNOT([0, 2])
        hermitian = qp.Hermitian(np.array([[1, 2j], [-2j, 0.5]]), 1)
        return qp.expval(qp.Z(2)), qp.expval(hermitian @ qp.X(0))

    found, expected = (
        qp.jacobian(lambda w, node=node: qp.numpy.stack(node(w)))(w)
        for node in (
            qp.QNode(function, device),
            qp.QNode(function, qp.device("default.qubit"), diff_method="parameter-shift"),
        )
    )
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_shots_and_measurements_in_the_middle():
    device = AdjointDevice(wires=4, seed=3)

    @qp.qnode(device, shots=4000)
    def function():
        qp.RY(0.8, 0)
        measured = qp.measure(0)
        qp.cond(measured, qp.RX)(2.0, 1)
        return qp.counts(wires=[0, 1]), qp.expval(qp.Z(1))

    counts, value = function()
    one = np.sin(0.4) ** 2
    assert counts["00"] / 4000 == pytest.approx(1 - one, abs=0.04)
    assert counts["11"] / 4000 == pytest.approx(one * np.sin(1.0) ** 2, abs=0.04)
    assert value == pytest.approx(1 - 2 * one * np.sin(1.0) ** 2, abs=0.08)


def test_what_the_sweep_cannot_differentiate_is_refused():
    device = AdjointDevice(wires=1)

    @qp.qnode(device, diff_method="adjoint")
    def function(x):
        qp.RX(x, 0)
        return qp.var(qp.Z(0))

    with pytest.raises(Exception, match=r"adjoint|does not support"):
        qp.jacobian(function)(qp.numpy.array(0.3, requires_grad=True))
    with pytest.raises(DeviceError, match="dtype is 'half', expected 'float32' or 'float64'"):
        AdjointDevice(wires=1, dtype="half")


@pytest.mark.parametrize(
    "prepare",
    [
        lambda: qp.BasisState(np.array([1, 0, 1]), [0, 1, 2]),
        lambda: qp.BasisEmbedding(5, [0, 1, 2]),
        lambda: qp.AmplitudeEmbedding(np.arange(1.0, 8.0), [0, 1, 2], pad_with=0.5, normalize=True),
        lambda: qp.CosineWindow([0, 2]),
    ],
    ids=["BasisState", "BasisEmbedding", "AmplitudeEmbedding", "CosineWindow"],
)
def test_preparations_at_the_beginning_are_decomposed(prepare):
    def values(x):
        prepare()
        qp.RY(x, 1)
        qp.CNOT([1, 2])
        return qp.expval(qp.Z(0)), qp.expval(qp.Z(2) @ qp.X(1))

    found, expected = (
        qp.QNode(values, d)(0.7)
        for d in (AdjointDevice(wires=3), qp.device("default.qubit", wires=3))
    )
    np.testing.assert_allclose(found, expected, atol=1e-10)


def embedded(kind):
    def function(x, w):
        kind(x)
        qp.RY(w[0], 1)
        qp.CNOT([0, 1])
        qp.CRX(w[1], [1, 2])
        return qp.expval(qp.Z(2)), qp.expval(qp.X(0) @ qp.Z(1))

    return function


def padded(number):
    more = {"wires": range(3), "pad_with": number, "normalize": True}
    return embedded(lambda x: qp.AmplitudeEmbedding(x, **more))


PADDED, NEARLY = padded(0.0), padded(1e-6)
PREPARED = embedded(lambda x: qp.StatePrep(x, wires=range(3), normalize=True))


@pytest.mark.parametrize(
    ("function", "exact", "size"),
    [(NEARLY, PADDED, 5), (PREPARED, PREPARED, 8)],
    ids=["nearly padded", "StatePrep"],
)
def test_gradients_by_amplitudes_are_those_of_default_qubit(function, exact, size):
    numbers = np.random.default_rng(1).normal(size=size)
    found = []
    for node in (
        qp.QNode(function, AdjointDevice(wires=3)),
        qp.QNode(exact, qp.device("default.qubit", wires=3), diff_method="backprop"),
    ):
        x, w = (torch.tensor(each, requires_grad=True) for each in (numbers, W))
        torch.stack(node(x, w)).square().sum().backward()
        found.append((x.grad, w.grad))
    for own, theirs in zip(*found, strict=True):
        assert theirs.abs().max() > 0.01
        torch.testing.assert_close(own, theirs, atol=1e-4, rtol=0)


def test_padding_with_zeros_is_refused_if_the_input_is_differentiated():
    node, numbers = qp.QNode(PADDED, AdjointDevice(wires=3)), np.array([*X, 0.2])
    with pytest.raises(DeviceError, match=r"3 amplitudes of zero.*pad_with=1e-6"):
        node(torch.tensor(numbers, requires_grad=True), torch.tensor(W))
    with pytest.raises(DeviceError, match="3 amplitudes of zero"):
        qp.grad(lambda x: node(x, W)[0])(qp.numpy.array(numbers, requires_grad=True))
    found, gradients = [], []
    for each in (node, qp.QNode(PADDED, qp.device("default.qubit", wires=3))):
        w = torch.tensor(W, requires_grad=True)
        values = torch.stack(each(torch.tensor(numbers), w))
        values.sum().backward()
        found.append(values.detach())
        gradients.append(w.grad)
    torch.testing.assert_close(*found, atol=1e-10, rtol=0)
    torch.testing.assert_close(*gradients, atol=1e-10, rtol=0)


def chain(w):
    for wire in range(3):
        qp.RY(w[wire], wire)
    qp.CNOT([0, 1])
    qp.CNOT([1, 2])
    return qp.expval(qp.Z(2))


def test_an_error_inside_of_a_gradient_spoils_no_later_one():
    """Autograd counts the functions that it differentiates, and after an error one too many."""

    def fails(w):
        raise ArithmeticError

    node = qp.QNode(chain, AdjointDevice(wires=3))
    w = qp.numpy.array(W[:3], requires_grad=True)
    gradient = qp.grad(node)(w)
    with pytest.raises(ArithmeticError):
        qp.grad(fails)(w)
    np.testing.assert_array_equal(qp.grad(node)(w), gradient)
    with pytest.raises(DeviceError, match="second derivatives"):
        qp.jacobian(qp.grad(node))(w)


def test_second_derivatives_are_refused_and_their_remedy_is_right():
    def by_torch(node):
        return torch.autograd.functional.hessian(node, torch.tensor(W[:3]))

    def by_autograd(node):
        return qp.jacobian(qp.grad(node))(qp.numpy.array(W[:3], requires_grad=True))

    device = AdjointDevice(wires=3)
    exact = qp.QNode(chain, qp.device("default.qubit", wires=3), diff_method="backprop")
    shifted = qp.QNode(chain, device, diff_method="parameter-shift", max_diff=2)
    for hessian in (by_torch, by_autograd):
        with pytest.raises(DeviceError, match="parameter-shift' with max_diff=2"):
            hessian(qp.QNode(chain, device))
        np.testing.assert_allclose(hessian(shifted), hessian(exact), atol=1e-8)


def test_gradients_by_coefficients_are_refused():
    def function(c):
        for wire in range(3):
            qp.RY(W[wire], wire)
        return qp.expval(qp.Hamiltonian(c, [qp.Z(2), qp.X(1) @ qp.Z(0)]))

    node = qp.QNode(function, AdjointDevice(wires=3))
    with pytest.raises(DeviceError, match=r"coefficients of an observable.*Measure each"):
        node(torch.tensor([0.3, 0.4], requires_grad=True))
    exact = qp.QNode(function, qp.device("default.qubit", wires=3))
    assert float(node(np.array([0.3, 0.4]))) == pytest.approx(float(exact([0.3, 0.4])))


def evolve_by_numbers(x, w):
    """Evolutions of a sum whose words do not commute: PennyLane has a matrix for them, and no decomposition."""
    energy = qp.sum(qp.X(0) @ qp.X(1), 0.7 * qp.Z(1) @ qp.Z(2), 0.3 * qp.Y(0))
    qp.RY(x, 0)
    qp.RX(w[0], 2)
    qp.exp(energy, -0.4j)
    qp.ctrl(qp.evolve(qp.sum(qp.X(0) @ qp.Y(1), qp.Z(0)), 0.3), control=2)
    qp.adjoint(qp.exp(energy, -0.2j))
    qp.RX(w[1], 1)


def test_evolutions_by_numbers_are_those_of_default_qubit():
    def energies(x, w):
        evolve_by_numbers(x, w)
        return qp.expval(qp.Z(0) @ qp.X(2)), qp.expval(qp.Z(1))

    def state(x, w):
        evolve_by_numbers(x, w)
        return qp.state()

    for function in (energies, state):
        node = qp.QNode(function, qp.device("qllmft.adjoint", wires=3))
        for value, expected in zip(X, rows(function, X), strict=True):
            np.testing.assert_allclose(node(value, W), expected, atol=1e-12)

    angles = [torch.tensor(W, requires_grad=True) for _ in range(2)]
    for name, w in zip(("qllmft.adjoint", "default.qubit"), angles, strict=True):
        node = qp.QNode(energies, qp.device(name, wires=3), interface="torch")
        torch.stack(node(0.3, w)).sum().backward()
    np.testing.assert_allclose(angles[0].grad, angles[1].grad, atol=1e-10)
    assert np.abs(angles[0].grad.numpy()[:2]).min() > 1e-3


def test_the_gradient_of_an_evolution_without_decomposition_is_refused():
    @qp.qnode(qp.device("qllmft.adjoint", wires=2), interface="torch")
    def circuit(time):
        qp.exp(qp.sum(qp.X(0) @ qp.X(1), qp.Z(0)), -1j * time)
        return qp.expval(qp.Z(0))

    with pytest.raises(DeviceError, match="does not provide a decomposition"):
        circuit(torch.tensor(0.3, requires_grad=True))


@pytest.mark.parametrize("gate", ["RX", "RY", "RZ", "PhaseShift"])
def test_a_batch_in_a_gate_with_several_controls_has_gradients(gate):
    def outputs(device):
        @qp.qnode(device, interface="torch")
        def node(x, w):
            for wire in (0, 1, 3):
                qp.Hadamard(wire)
            qp.ctrl(getattr(qp, gate)(x, 3), control=[0, 1])
            qp.RY(w, 2)
            qp.CNOT([3, 2])
            return qp.expval(qp.PauliX(3)), qp.expval(qp.PauliZ(2) @ qp.PauliY(3))

        x = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64, requires_grad=True)
        w = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
        values = torch.stack(node(x, w))
        (values * torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 2.0]])).sum().backward()
        return torch.cat([values.detach().ravel(), x.grad, w.grad[None]])

    expected = outputs(qp.device("default.qubit", wires=4))
    torch.testing.assert_close(outputs(AdjointDevice(wires=4)), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("batch", [False, True])
def test_evolution_by_a_pauli_word_has_times_of_torch(batch):
    """PennyLane decomposes it for other interfaces only; its own simulator takes the matrix."""
    angles = np.random.default_rng(4).normal(size=(3, 3) if batch else 3)

    def measure(device, diff_method):
        @qp.qnode(device, interface="torch", diff_method=diff_method)
        def node(x, w):
            qp.AngleEmbedding(x, wires=range(3))
            qp.exp(qp.X(2) @ qp.Z(0), 1j * w[0])
            qp.evolve(0.5 * qp.Y(1) @ qp.X(0), w[1])
            qp.exp(qp.prod(qp.Z(0), qp.Y(1), qp.X(2)), -0.7j * w[0] * w[1])
            return qp.expval(qp.Z(0)), qp.expval(qp.Y(1) @ qp.Z(2))

        x = torch.tensor(angles, requires_grad=True)
        w = torch.tensor([0.3, -0.8], dtype=torch.float64, requires_grad=True)
        values = torch.stack(node(x, w))
        (values**2).sum().backward()
        return [part.detach().numpy() for part in (values, x.grad, w.grad)]

    ours = measure(qp.device("qllmft.adjoint", wires=3), "best")
    theirs = measure(qp.device("default.qubit", wires=3), "backprop")
    for our_part, their_part in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(our_part, their_part, atol=1e-12)
