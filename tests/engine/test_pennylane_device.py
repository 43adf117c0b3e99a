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

X = np.array([0.1, 0.5, 2.0, -0.4])
W = np.array([0.3, -0.4, 1.0, 0.7])
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


def differentiate(node, *arrays):
    """Return a node's results, and the gradients of the sum of their squares by the arrays."""
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    results = torch.stack(list(node(*tensors)))
    results.square().sum().backward()
    return results.detach(), [tensor.grad for tensor in tensors]


def test_the_entry_point_is_the_device():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    points = tomllib.loads(text)["project"]["entry-points"]["pennylane.plugins"]
    module, name = points["qllmft.adjoint"].split(":")
    assert getattr(importlib.import_module(module), name) is AdjointDevice
    assert AdjointDevice(wires=2).name == "qllmft.adjoint"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_values_and_states_of_a_batch_are_those_of_default_qubit(dtype):
    device = AdjointDevice(wires=3, dtype=dtype)
    tolerance = 1e-10 if dtype == "float64" else 1e-5

    def states(x, w):
        every_gate(x, w)
        return qp.state()

    def others(x, w):
        every_gate(x, w)
        return qp.probs([2, 0]), qp.var(qp.X(1)), qp.expval(qp.Projector([1, 0], [0, 2]))

    batch_values = np.transpose(qp.QNode(values, device)(X, W))
    np.testing.assert_allclose(batch_values, rows(values, X), atol=tolerance)
    node = qp.QNode(states, device)
    expected = rows(states, X)
    np.testing.assert_allclose(node(X, W), expected, atol=tolerance)
    np.testing.assert_allclose(node(X[0], W), expected[0], atol=tolerance)
    for i, measurement in enumerate(qp.QNode(others, device)(X, W)):
        np.testing.assert_allclose(measurement, [row[i] for row in rows(others, X)], atol=tolerance)


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
    for gradient, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(gradient, expected, atol=1e-10, rtol=0)


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
        leaves, exact_leaves = (
            [torch.tensor(array.copy(), requires_grad=True) for array in (x, W)] for _ in range(2)
        )
        with qp.Tracker(device) as tracker:
            values = torch.stack(list(node(*leaves)))
            values.square().sum().backward()
        exact_values = torch.stack(
            [torch.stack(exact(value, exact_leaves[1])) for value in exact_leaves[0]]
        )
        exact_values.square().sum().backward()
        torch.testing.assert_close(values.T, exact_values, atol=1e-10, rtol=0)
        for leaf, exact_leaf in zip(leaves, exact_leaves, strict=True):
            torch.testing.assert_close(leaf.grad, exact_leaf.grad, atol=1e-10, rtol=0)
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
    for angle, expected in zip(angles, tape.get_parameters(trainable_only=False)[:10], strict=True):
        np.testing.assert_array_equal(angle.detach(), qp.math.unwrap([expected])[0])
    node(X, W)[0]
    shape = device.preprocess_transforms()((qp.workflow.construct_tape(node)(X, W),))[0][0]
    assert len(shape.operations) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("samples", [X, X[:1], X[0]])
def test_gradients_of_weights_of_another_precision_or_of_one_sample_are_those_of_default_qubit(
    samples, dtype
):
    (_, gradients), (_, exact_gradients) = (
        differentiate(qp.QNode(layers, device), samples, W.astype(dtype))
        for device in (AdjointDevice(wires=["a", "b", "c"]), qp.device("default.qubit"))
    )
    for gradient, exact_gradient in zip(gradients, exact_gradients, strict=True):
        assert gradient.dtype == exact_gradient.dtype
        torch.testing.assert_close(gradient, exact_gradient, atol=1e-6, rtol=0)


def test_a_backward_pass_after_another_forward_pass_has_its_own_states():
    node = qp.QNode(layers, AdjointDevice(wires=["a", "b", "c"]), interface="torch")
    grads = []
    for between in (False, True):
        x = torch.tensor(X, requires_grad=True)
        loss = torch.stack(list(node(x, torch.tensor(W)))).square().sum()
        if between:
            node(torch.tensor(X + 1, requires_grad=True), torch.tensor(W))
        grads.append([torch.autograd.grad(loss, x, retain_graph=True)[0] for _ in range(2)])
    for repeated_gradient in (*grads[1], grads[0][1]):
        torch.testing.assert_close(repeated_gradient, grads[0][0], atol=1e-12, rtol=0)


def test_the_jacobian_of_one_sample_is_that_of_parameter_shift():
    device = AdjointDevice(wires=3)
    w = qp.numpy.array(W, requires_grad=True)

    def function(w):
        qp.StatePrep(np.array([0.6, 0, 0, 0.8j]), [0, 1])
        qp.RY(w[0] * w[1], 0)
        qp.Rot(*w[1:], 2)
        qp.CNOT([0, 2])
        hermitian = qp.Hermitian(np.array([[1, 2j], [-2j, 0.5]]), 1)
        return qp.expval(qp.Z(2)), qp.expval(hermitian @ qp.X(0))

    jacobian, expected = (
        qp.jacobian(lambda w, node=node: qp.numpy.stack(node(w)))(w)
        for node in (
            qp.QNode(function, device),
            qp.QNode(function, qp.device("default.qubit"), diff_method="parameter-shift"),
        )
    )
    np.testing.assert_allclose(jacobian, expected, atol=1e-10)


def test_shots_and_measurements_in_the_middle():
    device = AdjointDevice(wires=4, seed=3)

    @qp.qnode(device, shots=4000)
    def function():
        qp.RY(0.8, 0)
        measured = qp.measure(0)
        qp.cond(measured, qp.RX)(2.0, 1)
        return qp.counts(wires=[0, 1]), qp.expval(qp.Z(1))

    counts, value = function()
    excited = np.sin(0.4) ** 2
    assert counts["00"] / 4000 == pytest.approx(1 - excited, abs=0.04)
    assert counts["11"] / 4000 == pytest.approx(excited * np.sin(1.0) ** 2, abs=0.04)
    assert value == pytest.approx(1 - 2 * excited * np.sin(1.0) ** 2, abs=0.08)


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

    answer, expected = (
        qp.QNode(values, d)(0.7)
        for d in (AdjointDevice(wires=3), qp.device("default.qubit", wires=3))
    )
    np.testing.assert_allclose(answer, expected, atol=1e-10)


def embed_first(kind):
    def function(x, w):
        kind(x)
        qp.RY(w[0], 1)
        qp.CNOT([0, 1])
        qp.CRX(w[1], [1, 2])
        return qp.expval(qp.Z(2)), qp.expval(qp.X(0) @ qp.Z(1))

    return function


def pad_amplitudes(number):
    options = {"wires": range(3), "pad_with": number, "normalize": True}
    return embed_first(lambda x: qp.AmplitudeEmbedding(x, **options))


PADDED = pad_amplitudes(0.0)
NEARLY = pad_amplitudes(1e-6)
PREPARED = embed_first(lambda x: qp.StatePrep(x, wires=range(3), normalize=True))


@pytest.mark.parametrize(
    ("function", "exact", "size"),
    [(NEARLY, PADDED, 5), (PREPARED, PREPARED, 8)],
    ids=["nearly padded", "StatePrep"],
)
def test_gradients_by_amplitudes_are_those_of_default_qubit(function, exact, size):
    numbers = np.random.default_rng(1).normal(size=size)
    exact_device = qp.device("default.qubit", wires=3)
    _, gradients = differentiate(qp.QNode(function, AdjointDevice(wires=3)), numbers, W)
    _, exact_gradients = differentiate(
        qp.QNode(exact, exact_device, diff_method="backprop"), numbers, W
    )
    assert min(gradient.abs().max() for gradient in exact_gradients) > 0.01
    torch.testing.assert_close(gradients, exact_gradients, atol=1e-4, rtol=0)


def test_padding_with_zeros_is_refused_if_the_input_is_differentiated():
    node = qp.QNode(PADDED, AdjointDevice(wires=3))
    numbers = np.array([*X, 0.2])
    with pytest.raises(DeviceError, match=r"3 amplitudes of zero.*pad_with=1e-6"):
        node(torch.tensor(numbers, requires_grad=True), torch.tensor(W))
    with pytest.raises(DeviceError, match="3 amplitudes of zero"):
        qp.grad(lambda x: node(x, W)[0])(qp.numpy.array(numbers, requires_grad=True))
    ours, exact = (
        differentiate(lambda w, node=node: node(torch.tensor(numbers), w), W)
        for node in (node, qp.QNode(PADDED, qp.device("default.qubit", wires=3)))
    )
    torch.testing.assert_close(ours, exact, atol=1e-10, rtol=0)


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

    nodes = [
        qp.QNode(energies, qp.device(name, wires=3)) for name in ("qllmft.adjoint", "default.qubit")
    ]
    ours, exact = (differentiate(lambda w, node=node: node(0.3, w), W) for node in nodes)
    torch.testing.assert_close(ours, exact, atol=1e-10, rtol=0)
    assert np.abs(exact[1][0].numpy()[:2]).min() > 1e-3


def test_the_gradient_of_an_evolution_without_decomposition_is_refused():
    @qp.qnode(qp.device("qllmft.adjoint", wires=2), interface="torch")
    def circuit(time):
        qp.exp(qp.sum(qp.X(0) @ qp.X(1), qp.Z(0)), -1j * time)
        return qp.expval(qp.Z(0))

    with pytest.raises(DeviceError, match="does not provide a decomposition"):
        circuit(torch.tensor(0.3, requires_grad=True))


@pytest.mark.parametrize("gate", ["RX", "RY", "RZ", "PhaseShift"])
def test_a_batch_in_a_gate_with_several_controls_has_gradients(gate):
    def function(x, w):
        for wire in (0, 1, 3):
            qp.Hadamard(wire)
        qp.ctrl(getattr(qp, gate)(x, 3), control=[0, 1])
        qp.RY(w, 2)
        qp.CNOT([3, 2])
        return qp.expval(qp.PauliX(3)), qp.expval(qp.PauliZ(2) @ qp.PauliY(3))

    ours, exact = (
        differentiate(qp.QNode(function, device), np.array([0.1, 0.2, 0.3]), np.array(0.4))
        for device in (AdjointDevice(wires=4), qp.device("default.qubit", wires=4))
    )
    torch.testing.assert_close(ours, exact, atol=1e-12, rtol=0)


@pytest.mark.parametrize("batch", [False, True])
def test_evolution_by_a_pauli_word_has_times_of_torch(batch):
    """PennyLane decomposes it for other interfaces only; its own simulator takes the matrix."""
    angles = np.random.default_rng(4).normal(size=(3, 3) if batch else 3)

    def function(x, w):
        qp.AngleEmbedding(x, wires=range(3))
        qp.exp(qp.X(2) @ qp.Z(0), 1j * w[0])
        qp.evolve(0.5 * qp.Y(1) @ qp.X(0), w[1])
        qp.exp(qp.prod(qp.Z(0), qp.Y(1), qp.X(2)), -0.7j * w[0] * w[1])
        return qp.expval(qp.Z(0)), qp.expval(qp.Y(1) @ qp.Z(2))

    ours, exact = (
        differentiate(
            qp.QNode(function, qp.device(name, wires=3), diff_method=method),
            angles,
            np.array([0.3, -0.8]),
        )
        for name, method in (("qllmft.adjoint", "best"), ("default.qubit", "backprop"))
    )
    torch.testing.assert_close(ours, exact, atol=1e-12, rtol=0)
