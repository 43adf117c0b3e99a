"""Odd values: by Qiskit's state vector, by the linear map, and the heads that read them."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit_reference import z_values

from qllmft.config import ModelConfig, TrainConfig
from qllmft.heads import QuantumEncoder, build_classifier
from qllmft.heads.loading import amplitudes
from qllmft.heads.odd_rows import OddRows
from qllmft.templates import describe
from qllmft.training import Examples, fit
from qllmft.training.evaluation import evaluate
from qllmft.training.step import can_step
from qllmft_backends import create
from qllmft_base.errors import UserError
from qllmft_circuits import encoder_circuit

Q = 3
D = 6
ODD = {
    "head": "none", "encoder_qubits": Q, "encoder_layers": 4, "pad": "bias", "odd": True, "n_encoders": 2,
}  # fmt: skip
X = torch.from_numpy(np.random.default_rng(1).normal(size=(5, D)))


def build_odd(k: int = 2, **changes):
    backend = create("adjoint", {"dtype": "float64"})
    return build_classifier(ModelConfig(**(ODD | changes)), D, k, seed=4, backend=backend).double()


@pytest.mark.parametrize("pad", ["bias", "constant"])
def test_odd_values_are_half_the_difference_of_qiskits_values_and_linear_in_the_loaded_vector(pad):
    model = build_odd(pad=pad)
    latent = model.encoder(X).detach().numpy()
    rows = []
    for e, encoder in enumerate(model.encoder.encoders):
        theta = np.tile(encoder.theta.detach().numpy(), (5, 1))
        by_sign = [
            z_values(encoder_circuit(Q, 4), theta, amplitudes(X, pad, sign).numpy())
            for sign in (1.0, -1.0)
        ]
        np.testing.assert_allclose(
            latent[:, e * Q : e * Q + Q], (by_sign[0] - by_sign[1]) / 2, atol=1e-12
        )
        rows.append(OddRows(encoder).rows(theta[0]))
    length = X.norm(dim=1, keepdim=True)
    loaded = (X / length if pad == "bias" else X * 2 / (1 + length**2)).numpy()
    np.testing.assert_allclose(latent, loaded @ np.concatenate(rows).T, atol=1e-12)
    linear_images = -3 * X if pad == "bias" else -X
    np.testing.assert_allclose(
        build_odd(pad=pad).encoder(linear_images).detach().numpy(), -latent, atol=1e-12
    )
    assert np.abs(latent).max() > 0.1


def shared_angles(n_qubits: int, n_layers: int) -> QuantumCircuit:
    """Every angle in two gates, once twice as large: the engine's angles are no longer the weights."""
    angles = iter(ParameterVector("angle", n_layers * n_qubits))
    circuit = QuantumCircuit(n_qubits)
    for _ in range(n_layers):
        for qubit in range(n_qubits):
            angle = next(angles)
            circuit.ry(2 * angle, qubit)
            circuit.cx(qubit, (qubit + 1) % n_qubits)
            circuit.ry(angle + 0.3, (qubit + 1) % n_qubits)
    return circuit


@pytest.mark.parametrize("ansatz", [None, shared_angles], ids=["the paper's", "shared angles"])
def test_the_gradient_by_the_weights_is_the_slope_of_the_rows(ansatz):
    backend = create("adjoint", {"dtype": "float64"})
    encoder = QuantumEncoder(
        D, Q, Q, 3, ansatz=ansatz, pad="bias", odd=True, scaled=False, scale=1.0, backend=backend
    ).double()
    random = np.random.default_rng(2)
    assert encoder.is_plain == (ansatz is None)
    unit = torch.nn.functional.normalize(X, dim=1).numpy()
    rows = OddRows(encoder).rows(encoder.theta.detach().numpy())
    np.testing.assert_allclose(unit @ rows.T, encoder(X).detach(), atol=1e-12)
    odd = OddRows(encoder)
    weights = random.normal(size=(Q, D))
    weights[1] = 0.0  # a direction of no length
    theta = random.uniform(-3, 3, encoder.theta.numel())
    step = 1e-5 * np.eye(len(theta))
    slopes = [((odd.rows(theta + d) - odd.rows(theta - d)) * weights).sum() / 2e-5 for d in step]
    np.testing.assert_allclose(odd.gradient(theta, weights), slopes, atol=1e-8)
    assert np.abs(slopes).max() > 0.1


@pytest.mark.parametrize(
    ("k", "encoders", "parameters"), [(2, 1, 184), (3, 2, 381), (6, 3, 636), (20, 3, 944)]
)
def test_as_many_encoders_as_labels_less_one_up_to_three(k, encoders, parameters):
    config = ModelConfig(
        head="none",
        n_encoders="auto",
        encoder_qubits=7,
        encoder_layers=24,
        pad="bias",
        odd=True,
        components=127,
    )
    model = build_classifier(config, 384, k)
    assert len(model.encoder.encoders) == encoders
    assert model.n_parameters == describe(config, 384, k).parameters == parameters
    np.testing.assert_allclose(model.final.weight.detach().norm(dim=1), 3.0, rtol=1e-5)
    assert not model.final.bias.any()
    data_map, *_ = describe(config, 384, k).parts
    assert (data_map.stored, data_map.parameters) == (384 + 384 * 127, 0)


@pytest.mark.parametrize("changes", [{}, {"odd": False}], ids=["odd", "plain"])
def test_a_linear_layer_reads_every_qubit_of_the_encoders(changes):
    model = build_odd(3, **changes)
    latent = model.encoder(X)
    assert latent.shape == (5, 2 * Q)
    torch.testing.assert_close(model(X), latent @ model.final.weight.T + model.final.bias)
    assert not can_step(model)


def test_a_quantum_head_reads_odd_encoders_and_learns_with_them():
    structure = ModelConfig(
        n_qubits=4, n_encoders=2, encoder_qubits=3, encoder_layers=2, pad="bias", odd=True
    )
    model = build_classifier(structure, D, 2, seed=0)
    initial_theta = model.encoder.encoders[1].theta.detach().clone()
    latent = model.encoder(X.float()).detach()
    torch.testing.assert_close(model.encoder(-X.float()).detach(), -latent)
    assert latent.abs().max() > 0.3, "angles: the scale is π at the start"
    examples = Examples(X.float(), torch.tensor([0, 1, 0, 1, 1]))
    fit(model, examples, examples, TrainConfig(epochs=2), 0)
    assert not torch.equal(initial_theta, model.encoder.encoders[1].theta)


def test_the_validation_of_each_epoch_is_that_of_its_weights():
    """A fused step of Adam changes weights and not their version, and the matrix of the encoders is kept."""
    structure = ModelConfig(
        n_qubits=4, n_encoders=2, encoder_qubits=3, encoder_layers=2, pad="bias", odd=True
    )
    model = build_classifier(structure, D, 2, seed=0)
    examples = Examples(X.float(), torch.tensor([0, 1, 0, 1, 1]))
    losses = []
    recomputed = []

    def judge_again(line):
        losses.append(line.validation_loss)
        recomputed.append(evaluate(deepcopy(model), examples)[0])  # a copy has no matrix yet

    fit(model, examples, examples, TrainConfig(epochs=4, lr=0.1), 0, on_epoch=judge_again)
    assert losses == recomputed
    assert len({*losses}) == 4


@pytest.mark.parametrize("pad", ["bias", "constant"])
def test_leading_axes_of_embeddings_are_rows(pad):
    model = build_odd(3, pad=pad)
    x = torch.from_numpy(np.random.default_rng(2).normal(size=(2, 3, D)))
    rows = model(x.reshape(-1, D))
    torch.testing.assert_close(model(x).reshape(-1, 3), rows, rtol=0, atol=1e-14)
    torch.testing.assert_close(model(x[0, 0]), rows[0], rtol=0, atol=1e-14)
    encoders = [encoder(x) for encoder in model.encoder.encoders]
    torch.testing.assert_close(model.encoder(x), torch.cat(encoders, dim=-1), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.ones(4, D - 1), r"embeddings are \(4, 5\), expected \(\.\.\., 6\)"),
        ([[1.0] * D], "embeddings are list, expected a real tensor of torch"),
        (np.ones((2, D)), "embeddings are ndarray, expected a real tensor of torch"),
    ],
)
def test_what_is_no_embedding_is_refused(x, message):
    with pytest.raises(UserError, match=message):
        build_odd(3)(x)
