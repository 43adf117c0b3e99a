"""Layers under the transforms of `torch.func`, and the derivatives and traces that a circuit does not have."""

import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from torch import nn
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vjp, vmap
from zz_heads import zz_head

from qllmft import QuantumEncoder, QuantumHead, UserError, load_preset
from qllmft.heads import TorchEngine, build_classifier, without_noise
from qllmft_backends import create

N_SAMPLES = 4


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def default_classifier() -> nn.Module:
    """The default head on its odd encoders, whose latent values are otherwise a matrix product."""
    classifier = build_classifier(load_preset("sines").config({}).model, 3, 2)
    classifier.encoder.data_map.fit(torch.randn(20, 3, generator=generator(4)))
    return classifier


LAYERS = {
    "head": lambda: QuantumHead(3, 2, generator=generator()),
    "registers": lambda: nn.Sequential(
        nn.Linear(3, 6), QuantumHead(6, 1, 1, 1, registers=2, generator=generator())
    ),
    "complex": lambda: zz_head(1),
    "encoder": lambda: QuantumEncoder(3, 3, 2, 2, generator=generator()),
    "odd encoder": lambda: QuantumEncoder(3, 3, 2, 2, pad="bias", odd=True, generator=generator()),
    "classifier": default_classifier,
}


@pytest.fixture(params=LAYERS)
def layer(request):
    return LAYERS[request.param]().double()


@pytest.fixture
def x():
    return torch.randn(N_SAMPLES, 3, generator=generator(9), dtype=torch.float64)


def close(transformed, expected):
    torch.testing.assert_close(transformed, expected, rtol=0, atol=1e-10)


def test_vmap_of_a_layer_is_the_layer(layer, x):
    close(vmap(layer)(x), layer(x))
    close(vmap(vmap(layer))(x.reshape(2, 2, 3)), layer(x).reshape(2, 2, -1))
    close(vmap(layer, in_dims=1, out_dims=1)(x.T.contiguous()), layer(x).T)


def test_jacobians_of_transforms_are_those_of_autograd(layer, x):
    expected = torch.autograd.functional.jacobian(layer, x)
    close(jacrev(layer)(x), expected)
    by_sample = torch.stack([expected[i, :, i] for i in range(N_SAMPLES)])
    close(vmap(jacrev(layer))(x), by_sample)
    values, pull_back = vjp(layer, x)
    close(values, layer(x))
    cotangent = torch.randn(values.shape, generator=generator(2), dtype=torch.float64)
    close(pull_back(cotangent)[0], torch.einsum("bt,btcd->cd", cotangent, expected))


def test_gradients_per_sample_are_those_of_a_loop(layer, x):
    parameters = {name: value.detach() for name, value in layer.named_parameters()}

    def loss(parameters, row):
        return functional_call(layer, parameters, (row,)).square().sum()

    by_sample = vmap(grad(loss), in_dims=(None, 0))(parameters, x)
    for i, row in enumerate(x):
        layer.zero_grad()
        layer(row[None]).square().sum().backward()
        for name, parameter in layer.named_parameters():
            close(by_sample[name][i], parameter.grad)


def test_an_ensemble_of_weights_is_one_call(layer, x):
    members = {
        name: torch.stack([value.detach(), value.detach() + 0.1])
        for name, value in layer.named_parameters()
    }
    values = vmap(lambda weights: functional_call(layer, weights, (x,)))(members)
    for i in range(2):
        weights = {name: member[i] for name, member in members.items()}
        close(values[i], functional_call(layer, weights, (x,)))


@pytest.mark.parametrize("make", [LAYERS["head"], LAYERS["encoder"]])
def test_an_engine_of_torch_has_the_same_jacobians(make, x):
    layer = make().double()
    expected = vmap(jacrev(layer))(x)
    part = getattr(layer, "connector", layer)
    part.engine = TorchEngine(part.engine.program, part.engine.masks, "float64")
    close(vmap(jacrev(layer))(x), expected)


def test_training_reaches_a_layer_within_vmap(x):
    head = QuantumHead(3, generator=generator()).double()
    head(x).sum().backward()
    expected = head.connector.weight.grad.clone()
    head.zero_grad()
    vmap(head)(x).sum().backward()
    close(head.connector.weight.grad, expected)


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # torch's own
@pytest.mark.parametrize(
    "transform",
    [
        lambda layer, x: jvp(layer, (x,), (x,)),
        lambda layer, x: jacfwd(layer)(x),
        lambda layer, x: hessian(lambda rows: layer(rows).sum())(x),
    ],
    ids=["jvp", "jacfwd", "hessian"],
)
def test_forward_mode_is_refused(transform, layer, x):
    with pytest.raises(UserError, match=r"no derivative in forward mode.* Use torch.func.vjp"):
        transform(layer, x)


@pytest.mark.parametrize("make", [LAYERS["head"], LAYERS["encoder"]])
def test_second_derivatives_and_batches_of_gradients_are_refused(make, x):
    layer = make().double()
    with pytest.raises(UserError, match="cannot be differentiated again"):
        grad(lambda rows: grad(lambda r: layer(r).sum())(rows).sum())(x)
    for jacobian in (
        lambda: torch.autograd.functional.jacobian(layer, x, vectorize=True),
        lambda: gradients_by_vmap(layer, x.clone().requires_grad_()),
    ):
        with pytest.raises(UserError, match=r"one gradient in a backward pass.* torch.func.jacrev"):
            jacobian()


def gradients_by_vmap(layer, x):
    values = layer(x)
    cotangents = torch.stack([torch.ones_like(values)] * 2)
    return vmap(lambda c: torch.autograd.grad(values, x, c, retain_graph=True)[0])(cotangents)


def test_a_second_derivative_is_refused_on_every_path(x):
    """Qiskit's network, and the matrix of odd encoders: without the error, it would be zero."""
    by_network = QuantumHead(3, 1, 1, 1, backend=create("aer_statevector"), generator=generator())
    with pytest.raises(UserError, match="cannot be differentiated again"):
        torch.autograd.functional.hessian(lambda rows: by_network(rows).sum(), x.float())
    encoders = default_classifier().encoder
    assert encoders.as_matrix
    theta = encoders.encoders[0].theta
    with pytest.raises(UserError, match="cannot be differentiated again"):
        torch.autograd.grad(encoders(x.float()).sum(), theta, create_graph=True)


def test_layers_without_transforms_are_refused(x):
    by_network = QuantumHead(3, 1, 1, 1, backend=create("aer_statevector"), generator=generator())
    with pytest.raises(UserError, match=r"Qiskit's network.* backend=create\('adjoint'\)"):
        vmap(by_network)(x.float())
    noisy = create("adjoint", {"shots": 100, "shot_model": "gaussian"})
    head = QuantumHead(3, 1, 1, 1, backend=noisy, generator=generator()).double()
    with pytest.raises(UserError, match=r"draws noise in each pass.*heads.without_noise\(layer\)"):
        vmap(head)(x)
    with without_noise(head):
        close(vmap(head)(x), head(x))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_traces_that_would_keep_the_values_of_one_input_are_refused(layer, x):
    for trace in (
        lambda: torch.jit.trace(layer, (x,)),
        lambda: torch.export.export(layer, (x,)),
    ):
        # without gradients, torch's own check of a trace sees nothing
        with torch.no_grad(), pytest.raises(UserError, match=r"a trace would keep a circuit's"):
            trace()


def test_a_circuit_without_data_has_gradients_per_member():
    angles = ParameterVector("w", 2)
    circuit = QuantumCircuit(3)
    for qubit, angle in enumerate(angles):
        circuit.ry(angle, qubit)
    head = QuantumHead.from_circuit(
        circuit, data=[], weights=angles, generator=generator()
    ).double()
    weights = torch.tensor([[0.3, 0.5], [0.1, 0.2]], dtype=torch.float64)

    def first_value(weight):
        rows = torch.zeros(1, 0, dtype=torch.float64)
        return functional_call(head, {"connector.weight": weight}, (rows,))[0, 0]

    expected = torch.stack([-weights[:, 0].sin(), torch.zeros(2)], dim=1)
    close(vmap(grad(first_value))(weights), expected)
