"""Heads that start at sines: values beside Qiskit, slopes beside autograd, training beside logistic regression."""

import math

import numpy as np
import pytest
import torch
from qiskit.quantum_info import SparsePauliOp, Statevector
from sklearn.linear_model import LogisticRegression

from qllmft.config import ModelConfig, TrainConfig
from qllmft.heads import QuantumHead, build_classifier
from qllmft.heads.sines import slope_bound, value_slope_bounds
from qllmft.tasks import CLASSIFICATION
from qllmft.training import Examples, fit
from qllmft.training.linear_start import start_at_linear
from qllmft.training.ridge import penalty
from qllmft_backends import create
from qllmft_circuits import data_parameters, weight_parameters

D = 6
SINES = {
    "n_encoders": 4,
    "n_qubits": 4,
    "encoder_qubits": 3,
    "encoder_layers": 4,
    "pad": "bias",
    "odd": True,
    "reuploads": 1,
    "main_layers": 1,
    "start": "sines",
}


def sine_head(n_qubits: int) -> QuantumHead:
    backend = create("adjoint", {"dtype": "float64"})
    return QuantumHead(n_qubits, 1, 1, 1, start="sines", backend=backend).double()


def by_qiskit(head: QuantumHead, x: np.ndarray, theta: np.ndarray) -> np.ndarray:
    values = dict(zip(data_parameters(head.circuit), x, strict=True))
    values |= dict(zip(weight_parameters(head.circuit), theta, strict=True))
    state = Statevector(head.circuit.assign_parameters(values))
    n = len(x)
    z = [SparsePauliOp.from_sparse_list([("Z", [q], 1.0)], num_qubits=n) for q in range(n)]
    return np.array([state.expectation_value(operator).real for operator in z])


@pytest.mark.parametrize("n_qubits", [3, 4, 6])
def test_the_values_at_the_start_are_sines_of_one_latent_value_each(n_qubits):
    x = np.random.default_rng(n_qubits).uniform(-2, 2, n_qubits)
    expected = np.sin(x)
    expected[0] *= np.sin(x[1])
    head = sine_head(n_qubits)
    assert by_qiskit(head, x, np.full(n_qubits, -math.pi / 2)) == pytest.approx(expected, abs=1e-12)
    initial_weights = head.connector.weight.detach().numpy()
    assert 0 < np.abs(initial_weights + math.pi / 2).max() <= 0.05


@pytest.mark.parametrize("n_qubits", [3, 5])
def test_the_values_are_those_of_the_formula_at_any_weights(n_qubits):
    random = np.random.default_rng(n_qubits)
    x, theta = random.uniform(-3, 3, (2, n_qubits))
    value = np.cos(x[0])
    expected = []
    for qubit in range(1, n_qubits):
        angle = theta[qubit - 1]
        value = -np.sin(angle) * np.sin(x[qubit]) + np.cos(angle) * np.cos(x[qubit]) * value
        expected.append(value)
    values = by_qiskit(sine_head(n_qubits), x, theta)
    assert values[1:] == pytest.approx(expected, abs=1e-12)


def test_no_slope_is_above_its_bound_and_the_start_attains_it():
    head = sine_head(4)
    random = torch.Generator().manual_seed(0)
    for _ in range(20):
        theta = (torch.rand(4, generator=random, dtype=torch.float64) - 0.5) * 6
        with torch.no_grad():
            head.connector.weight.copy_(theta)
        x = (torch.rand(4, generator=random, dtype=torch.float64) - 0.5) * 6
        slopes = torch.autograd.functional.jacobian(lambda v: head(v[None])[0], x).abs()
        assert (slopes <= value_slope_bounds(theta) + 1e-9).all()
    theta = torch.full((4,), -math.pi / 2, dtype=torch.float64)
    assert value_slope_bounds(theta)[1:].numpy() == pytest.approx(np.eye(4)[1:], abs=2e-4)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_no_output_is_steeper_than_the_ridge_says(k):
    net = build_classifier(ModelConfig(**SINES), D, k, seed=3).double()
    unit = torch.eye(D, dtype=torch.float64)
    rows = torch.cat([encoder(unit) for encoder in net.encoder.encoders], dim=1).T.detach()
    with torch.no_grad():
        net.head.connector.weight.add_(0.7)
        net.final.weight.normal_(generator=torch.Generator().manual_seed(k))
    bound = slope_bound(net.final.weight, net.head.connector.weight, rows)
    factor = (2.0 if k == 2 else 1.0) / (2 * D)
    assert penalty(net, CLASSIFICATION, rows, 1.0, D).item() == pytest.approx(
        factor * bound.sum().item()
    )
    for seed in range(5):
        x = torch.randn(D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        slopes = torch.autograd.functional.jacobian(
            lambda v: net.from_latent((v @ rows.T)[None])[0], x
        )
        assert ((slopes**2).sum(dim=1) <= bound).all()


def test_the_ridge_of_one_value_an_output_is_that_of_a_linear_classifier():
    rows = torch.randn(4, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weight = torch.tensor([[0, 2, 0, 0], [0, 0, -1, 0], [0, 0, 0, 3]], dtype=torch.float64)
    theta = torch.full((4,), -math.pi / 2, dtype=torch.float64)
    bounds = slope_bound(weight, theta, rows)
    assert bounds.tolist() == pytest.approx(((weight @ rows) ** 2).sum(dim=1).tolist(), rel=1e-2)


def planted_examples(k: int, n: int, seed: int) -> Examples:
    random = np.random.default_rng(seed)
    axes = np.random.default_rng(7).normal(size=(k, D))
    x = random.normal(size=(n, D)).astype(np.float32)
    noise = random.gumbel(size=(n, k))
    return Examples.from_arrays(x, (2 * x @ axes.T + noise).argmax(axis=1))


@pytest.mark.parametrize("k", [2, 3])
def test_the_circuit_carries_the_answers_of_a_linear_task(k):
    train = planted_examples(k, 300, 0)
    test = planted_examples(k, 1000, 1)
    net = build_classifier(ModelConfig(**SINES), D, k, seed=0)
    fit(net, train, test, TrainConfig(optimizer="lbfgs", epochs=60, select="last"), 0)
    latent = net.encoder(test.x)
    exact = net.from_latent(latent).argmax(dim=1)
    unit = [part.x / part.x.norm(dim=1, keepdim=True) for part in (train, test)]
    linear = LogisticRegression().fit(unit[0].numpy(), train.y.numpy())
    accuracy = (exact == test.y).double().mean().item()
    assert accuracy > linear.score(unit[1].numpy(), test.y.numpy()) - 0.03
    depolarised = net.apply_readout(latent, torch.zeros_like(latent)).argmax(dim=1)
    assert len(depolarised.unique()) == 1


@pytest.mark.parametrize(("k", "values"), [(2, 4), (3, 5), (5, 4)])
def test_training_starts_at_logistic_regression(k, values):
    config = ModelConfig(**SINES | {"n_encoders": values, "n_qubits": values, "encoder_layers": 8})
    data = planted_examples(k, 200, 0)
    net = build_classifier(config, D, k, seed=0)
    start_at_linear(net, data, TrainConfig(ridge=True, ridge_c=0.3))
    x = (data.x / data.x.norm(dim=1, keepdim=True)).double()
    with torch.no_grad():
        start = net.double().from_latent(net.encoder(x) / 100).numpy()
        start = 100 * (start - net.final.bias.numpy())  # where sines are angles
    x = x.numpy()
    linear = LogisticRegression(C=0.3, max_iter=1000).fit(x, data.y.numpy())
    left_vectors, sizes, right_vectors = np.linalg.svd(linear.coef_, full_matrices=False)
    sizes[values - 1 :] = 0  # of the directions that have no value of their own
    scores = x @ (left_vectors * sizes @ right_vectors).T
    if k == 2:  # the difference of both outputs
        start = start[:, 1:] - start[:, :1]
    difference = np.abs((start - start[0]) - (scores - scores[0])).max()
    assert difference < 0.1 * np.abs(scores - scores[0]).max()
