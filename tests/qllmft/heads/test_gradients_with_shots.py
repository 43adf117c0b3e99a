"""Gradients with shots and noise, of every backend at every door, against those of exact values."""

from functools import cache

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.primitives import StatevectorEstimator, StatevectorSampler
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.neural_networks import EstimatorQNN
from sklearn.datasets import make_moons

from qllmft import QuantumHead
from qllmft.heads import QuantumEncoder
from qllmft_backends import BackendError, create
from qllmft_base.errors import UserError
from qllmft_doors.sklearn import QuantumHeadClassifier

SEEDS = 3
X = np.array([0.7, -0.4, 1.1])
WEIGHTS = np.array([0.3, -0.8, 0.5, 1.2, -0.6, 0.9])
COTANGENT = np.array([1.0, -0.7, 0.5])
RATES = {"one_qubit_rate": 0.01, "two_qubit_rate": 0.04, "readout_error": 0.03}
NOISE = {"noise": "explicit", **RATES}
READOUT_ERROR = {"noise": "none", "readout_error": 0.05}
OBSERVABLES = [SparsePauliOp(label) for label in ("IIZ", "IZI", "ZII")]


def two_layers():
    """Circuit of data and weights, in which each data value has two gates."""
    data = ParameterVector("x", 3)
    weights = ParameterVector("w", 6)
    circuit = QuantumCircuit(3)
    for row in (weights[:3], weights[3:]):
        for qubit in range(3):
            circuit.ry(data[qubit], qubit)
            circuit.ry(row[qubit], qubit)
        for qubit in range(3):
            circuit.cx(qubit, (qubit + 1) % 3)
    return circuit, list(data), list(weights)


def gradient(head):
    """Gradient of the cotangent's product with the values, by the data and by the weights."""
    x = torch.tensor(X[None], dtype=torch.float32, requires_grad=True)
    (head(x) @ torch.tensor(COTANGENT, dtype=torch.float32)).sum().backward()
    (weight,) = head.parameters()
    return np.concatenate([x.grad[0].numpy(), weight.grad.numpy()])


def layer(backend):
    generator = torch.Generator().manual_seed(1)
    head = QuantumHead(3, reuploads=2, main_layers=1, backend=backend, generator=generator)
    return gradient(head)


def layer_in_evaluation(backend):
    generator = torch.Generator().manual_seed(1)
    return gradient(QuantumHead(3, reuploads=2, backend=backend, generator=generator).eval())


def from_circuit(backend):
    circuit, data, weights = two_layers()
    head = QuantumHead.from_circuit(
        circuit, OBSERVABLES, data=data, weights=weights, backend=backend
    )
    head.connector.weight.data = torch.tensor(WEIGHTS, dtype=torch.float32)
    return gradient(head)


def from_qnode(backend):
    qp = pytest.importorskip("pennylane", reason="pip install '.[pennylane]'")

    @qp.qnode(qp.device("default.qubit", wires=3))
    def node(x, weights):
        for row in weights.reshape(2, 3):
            for wire in range(3):
                qp.RY(x[..., wire], wires=wire)
                qp.RY(row[wire], wires=wire)
            for wire in range(3):
                qp.CNOT(wires=[wire, (wire + 1) % 3])
        return [qp.expval(qp.PauliZ(wire)) for wire in range(3)]

    return gradient(QuantumHead.from_qnode(node, X, WEIGHTS, backend=backend))


def estimator_qnn(backend):
    circuit, data, weights = two_layers()
    network = EstimatorQNN(
        circuit=circuit,
        observables=OBSERVABLES,
        input_params=data,
        weight_params=weights,
        estimator=backend.estimator(),
        gradient=backend.gradient(),
        input_gradients=True,
        default_precision=None,
    )
    by_data, by_weight = network.backward(X, WEIGHTS)
    return COTANGENT @ np.concatenate([by_data[0], by_weight[0]], axis=1)


DOORS = (layer, layer_in_evaluation, from_circuit, from_qnode, estimator_qnn)
SHOTS = {"shots": 1800}
EQUATION_2 = SHOTS | {"shot_model": "gaussian"}
RUNS = {"trajectories": 340}
ONE_THREAD = {
    "max_parallel_threads": 1
}  # threads of Aer wait for each other on circuits as small as these
BACKENDS = {  # name, options, and noise of the gates or of the readout
    "adjoint, true shots": ("adjoint", SHOTS, None),
    "adjoint, eq. 2": ("adjoint", EQUATION_2, None),
    "adjoint, reparametrised eq. 2": ("adjoint", EQUATION_2 | {"gradient": "reparametrised"}, None),
    "adjoint, true shots and readout error": ("adjoint", SHOTS, READOUT_ERROR),
    "adjoint, true shots and noise": ("adjoint", SHOTS | RUNS, NOISE),
    "adjoint, eq. 2 and noise": ("adjoint", EQUATION_2 | RUNS, NOISE),
    "adjoint, a trajectory per shot": ("adjoint", SHOTS | RUNS | {"shot_test": "per_shot"}, NOISE),
    "adjoint, noise": ("adjoint", RUNS, NOISE),
    "aer_statevector": ("aer_statevector", SHOTS | ONE_THREAD, None),
    "aer_forte, density matrix": (
        "aer_forte",
        SHOTS | ONE_THREAD | {"method": "density_matrix"},
        NOISE,
    ),
    "aer_forte, trajectories": (
        "aer_forte",
        ONE_THREAD | {"shots": 50, "method": "trajectories"},
        NOISE,
    ),
    "aer_forte, means of trajectories": (
        "aer_forte",
        ONE_THREAD | {"shots": None, "method": "trajectories", "trajectories": 25},
        NOISE,
    ),
    "pennylane, qllmft.adjoint": ("pennylane", SHOTS, None),
    "pennylane, default.qubit": ("pennylane", SHOTS | {"device": "default.qubit"}, None),
    "pennylane, lightning.qubit": ("pennylane", SHOTS | {"device": "lightning.qubit"}, None),
    "qiskit, sampler": ("qiskit", SHOTS, None),
    "qiskit, estimator": ("qiskit", SHOTS, None),
}
PACKAGES = {"aer": "qiskit_aer", "pennylane, l": "pennylane_lightning", "pennylane": "pennylane"}
PRIMITIVES = {"qiskit, sampler": StatevectorSampler, "qiskit, estimator": StatevectorEstimator}
# rectified frequencies shift the mean of eq. 2 (docs/decisions/0005-noise-by-signs.md)
RECTIFICATION = 0.03


def make(name, seed):
    for start, package in PACKAGES.items():
        if name.startswith(start):
            pytest.importorskip(package)
    backend, options, noise = BACKENDS[name]
    primitive = {"backend": PRIMITIVES[name](seed=seed)} if name in PRIMITIVES else {}
    return create(backend, {**options, **(noise or {}), "seed": seed}, **primitive)


@cache
def exact_gradient(door, noise):
    """Gradient without shots: by a reverse sweep, or by parameter shift of the density matrix.

    Args:
        door: to the circuit.
        noise: items of the noise's options, none without noise.
    """
    if not noise:
        return door(create("adjoint", {"dtype": "float64"}))
    pytest.importorskip("qiskit_aer")
    rates = {"one_qubit_rate": 0.0, "two_qubit_rate": 0.0} | dict(noise) | {"noise": "explicit"}
    exact = {"shots": None, "method": "density_matrix"}
    return door(create("aer_forte", rates | exact | ONE_THREAD))


def assert_agreement(gradients, expected, bias=0.0):
    """Within 5 standard errors, which show that zero would be wrong."""
    errors = gradients.std(axis=0, ddof=1) / np.sqrt(len(gradients))
    # a standard error of few draws is itself uncertain
    tolerance = 5 * np.maximum(errors, np.sqrt((errors**2).mean())) + bias + 1e-5
    np.testing.assert_array_less(np.abs(gradients.mean(axis=0) - expected), tolerance)
    assert (np.abs(expected) / tolerance).max() > 1


@pytest.mark.public_report(
    case="shots_zero_gradient",
    source="own audit",
    seen="with shots, the gradients of a circuit and of all layers before it were exactly 0",
    outcome="gradients with shots agree with those of exact values, on each backend and at each door",
)
@pytest.mark.parametrize(
    ("name", "door"),
    [
        pytest.param(name, door, id=f"{name}: {door.__name__}")
        for name in BACKENDS
        for door in DOORS
        if door is not layer_in_evaluation
        or name.startswith("adjoint")  # others have no other pass
    ],
)
def test_the_gradient_agrees_with_that_of_exact_values(name, door):
    gradients = np.array([door(make(name, seed)) for seed in range(SEEDS)])
    bias = RECTIFICATION if "eq. 2" in name else 0.0
    noise = BACKENDS[name][2] or {}
    assert_agreement(gradients, exact_gradient(door, frozenset(noise.items())), bias)


def test_the_gradient_of_ionqs_simulator_agrees_too(tmp_path, monkeypatch):
    """By simultaneous perturbation, whose scatter is that of the signs."""
    sandbox = pytest.importorskip("qllmft_machines.sandbox", reason="pip install '.[ionq]'")
    monkeypatch.setenv("QISKIT_IONQ_API_TOKEN", "key-of-the-test")
    with sandbox.MockServer(token="key-of-the-test", store=sandbox.Store()) as box:
        options = {
            "url": box.url,
            "poll_interval_s": 0.02,
            "ledger": str(tmp_path / "ledger"),
            "shots": 1000,
            "spsa_batch": 40,
        }
        gradients = np.array(
            [
                from_circuit(create("ionq_simulator", options | {"seed": seed}))
                for seed in range(SEEDS)
            ]
        )
    assert_agreement(gradients, exact_gradient(from_circuit, frozenset()), bias=0.03)


@pytest.mark.parametrize("shots", [1000, None])
@pytest.mark.parametrize("method", ["best", "parameter-shift"])
def test_the_gradient_of_pennylanes_device_agrees_too(method, shots):
    qp = pytest.importorskip("pennylane", reason="pip install '.[pennylane]'")

    def gradient(seed, shots):
        @qp.set_shots(shots)
        @qp.qnode(qp.device("qllmft.adjoint", wires=3, seed=seed), diff_method=method)
        def node(weights):
            for wire in range(3):
                qp.RY(weights[wire], wires=wire)
                qp.RX(weights[3 + wire], wires=wire)
            qp.CNOT(wires=[0, 1])
            qp.CNOT(wires=[1, 2])
            return qp.expval(qp.PauliZ(2))

        return qp.grad(node)(qp.numpy.array(WEIGHTS, requires_grad=True))

    gradients = np.array([gradient(seed, shots) for seed in range(SEEDS)])
    assert_agreement(gradients, gradient(0, None))


ESTIMATORS = {
    "true shots": {"noise.shots": 100, "noise.shot_model": "multinomial"},
    "eq. 2": {"noise.shots": 100},
    "true shots and noise": {
        "noise.shots": 100,
        "noise.shot_model": "multinomial",
        "noise.gates": "paper_high",
        "noise.readout_error": 0.02,
    },
    "aer_statevector": {
        "backend.name": "aer_statevector",
        "backend.options": {"shots": 100} | ONE_THREAD,
    },
    "aer_forte": {"backend.name": "aer_forte", "backend.options": {"shots": 100} | ONE_THREAD},
    "pennylane": {"backend.name": "pennylane", "backend.options": {"shots": 100}},
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_estimator_of_scikit_learn_learns(name):
    """Labels that need the layers before the circuit; without their gradient the score is 0.2."""
    for start, package in PACKAGES.items():
        if name.startswith(start):
            pytest.importorskip(package)
    x, y = make_moons(120, noise=0.1, random_state=0)
    size = {"model.n_qubits": 2, "model.encoder_qubits": 2}
    speed = {"train.lr": 0.1, "train.batch_size": 20, "train.epochs": 3}
    estimator = QuantumHeadClassifier(settings=size | speed | ESTIMATORS[name], random_state=0)
    assert estimator.fit(x[:40], y[:40]).score(x[40:], y[40:]) > 0.7


def test_what_has_no_gradient_with_shots_is_refused_with_the_remedy():
    encoder = QuantumEncoder(4, 2, 1, 1, backend=create("adjoint", SHOTS), noisy=True)
    with pytest.raises(BackendError, match="only noise is that of shot_model='gaussian'"):
        encoder(torch.rand(2, 4))
    with pytest.raises(
        UserError, match="Leave noise, backend and device out, or choose the optimizer adam"
    ):
        QuantumHeadClassifier(preset="odd", settings=ESTIMATORS["true shots"]).fit(
            X[:2, None], [0, 1]
        )
