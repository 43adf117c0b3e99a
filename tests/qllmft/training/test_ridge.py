"""Adam's ridge against simulated circuits, finite differences and L-BFGS."""

import numpy as np
import pytest
import torch

from qllmft.config import ModelConfig, TrainConfig
from qllmft.heads import build_classifier
from qllmft.tasks import CLASSIFICATION
from qllmft.training import Examples, choose_strategy, fit
from qllmft.training.full_batch import LinearObjective
from qllmft.training.ridge import RidgeLoss
from qllmft_backends import create

D = 6
K = 3
N = 40
C = 0.5
R = 2
ODD = {"n_encoders": 2, "encoder_qubits": 3, "encoder_layers": 2, "pad": "bias", "odd": True}
HEAD = {"n_qubits": 4, "reuploads": R}
STRUCTURES = {
    "linear layer": {"head": "none"},
    "head": HEAD,
    "head and skip": {**HEAD, "readout": "latent"},
    "five axes": {"head": "none", "components": 5},
}


def model(k: int = K, *, exact: bool = True, **structure):
    config = ModelConfig(**ODD, **structure)
    if not exact:
        return build_classifier(config, D, k, seed=1)
    backend = create("adjoint", {"dtype": "float64"})
    return build_classifier(config, D, k, seed=1, backend=backend).double()


def examples(k: int = K, n: int = N, seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, D)).astype(np.float32) + 0.5
    return Examples.from_arrays(x, (x[:, :k] + rng.normal(size=(n, k))).argmax(axis=1))


def measured_map(net) -> torch.Tensor:
    """B (Q, m), one loaded basis vector after the other through the encoders' circuits."""
    width = net.encoder.encoders[0].dimension
    unit = torch.eye(width, dtype=torch.float64)
    return torch.cat([encoder(unit) for encoder in net.encoder.encoders], dim=1).T


def penalty(net, k: int) -> torch.Tensor:
    rows = measured_map(net)
    weight = net.final.weight
    r = {2: 2 / C, 3: 1 / C}[k] / (2 * N)
    if net.head is None:
        return r * ((weight @ rows) ** 2).sum()
    if not net.skip:
        return r * R**2 * (weight**2).sum() * (rows**2).sum()
    latent = weight[:, :4]
    of_head = weight[:, 4:]
    return r * (R**2 * (of_head**2).sum() * (rows**2).sum() + ((latent @ rows) ** 2).sum())


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)
def test_loss_and_gradients_are_those_of_simulated_texts_and_a_measured_map(structure, k):
    net = model(k, **structure)
    data = examples(k)
    if net.data_map is not None:
        net.data_map.fit(data.x)
    x = data.x.double().requires_grad_()
    parameters = [x, *net.parameters()]
    loss = RidgeLoss(net, CLASSIFICATION, C, N)(x, data.y)
    plain = CLASSIFICATION.loss(net(x), data.y)
    expected = plain + penalty(net, k)
    assert (expected - plain).item() > 1e-3
    assert loss.item() == pytest.approx(expected.item(), abs=1e-12)
    for gradient, expected_gradient in zip(
        torch.autograd.grad(loss, parameters),
        torch.autograd.grad(expected, parameters),
        strict=True,
    ):
        torch.testing.assert_close(gradient, expected_gradient, rtol=0, atol=1e-10)


def test_weights_of_texts_are_those_of_the_loss_alone():
    net = model(head="none")
    data = examples()
    weight = torch.linspace(0.5, 1.5, N, dtype=torch.float64)
    loss = RidgeLoss(net, CLASSIFICATION, C, N)(data.x.double(), data.y, weight)
    plain = CLASSIFICATION.loss(net(data.x.double()), data.y, weight)
    expected = plain + penalty(net, K)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-12)


def test_adam_on_all_texts_ends_near_the_minimum_of_l_bfgs():
    data = examples()
    starts = {}
    ends = {}
    settings = {"ridge_c": C, "select": "last"}
    ways = {
        "lbfgs": TrainConfig(optimizer="lbfgs", epochs=200, **settings),
        "adam": TrainConfig(
            ridge=True, epochs=120, batch_size=N, lr=0.1, lr_decay="cosine", **settings
        ),
        "none": TrainConfig(epochs=60, batch_size=N, lr=0.1, lr_decay="cosine", select="last"),
    }
    for name, config in ways.items():
        net = model(exact=False, head="none")
        objective = LinearObjective(net, data, C)
        starts[name] = objective(objective.parameters())[0]
        fit(net, data, examples(seed=1), config, 0)
        ends[name] = objective(objective.parameters())[0]
    assert len(set(starts.values())) == 1
    assert ends["adam"] == pytest.approx(ends["lbfgs"], abs=0.003)
    assert ends["none"] > ends["lbfgs"] + 0.1


def test_a_model_without_odd_encoders_has_no_ridge():
    perceptron = build_classifier(ModelConfig(encoder="none", head="mlp"), D, K)
    config = TrainConfig(ridge=True)
    assert choose_strategy(perceptron, config).ridge(CLASSIFICATION, N) is None
    assert choose_strategy(model(head="none"), TrainConfig()).ridge(CLASSIFICATION, N) is None
    assert choose_strategy(model(head="none"), config).ridge(CLASSIFICATION, N) is not None
